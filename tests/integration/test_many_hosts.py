"""Workers of each role, each on a host of its own; one is cut off from Kafka for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REMEDY, lacking
from tests.consumers.in_memory import T0
from tests.integration.broker import BrokerUnavailable, LocalKafka
from tests.integration.deployment import ROLES, Deployment, Sent, Windows
from tests.integration.hosts import Hosts, NoNamespaces
from tests.integration.test_event_times import (
    PUBLISHED,
    SETTINGS,
    interleaved,
    registrations,
    rows,
)

MODELS = [("fast", "1"), ("slow", "1")]
ALL = {
    "aggregate": {f"{topic}/{n}" for topic in ("predictions", "labels") for n in range(4)},
    "join": {f"joins/{n}" for n in range(4)},
}
WITHIN_S = 300.0  # sixteen workers start on few processors
CUT_OFF_S = 30.0  # longer than a session and a transaction last

pytestmark = [pytest.mark.kafka, pytest.mark.long]


@pytest.fixture
def hosts(workers: int) -> Iterator[Hosts]:
    try:
        with Hosts([f"{role}-{slot}" for role in ROLES for slot in range(workers)]) as made:
            yield made
    except NoNamespaces as error:
        lacking("netns", f"{error} (run as root, with iproute2)")


@pytest.fixture
def broker(hosts: Hosts) -> Iterator[LocalKafka]:
    """On this machine, where all hosts reach it."""
    try:
        local = LocalKafka(host=hosts.address)
    except BrokerUnavailable as error:
        lacking("kafka", f"{error} ({REMEDY})")
    with local:
        yield local


def stream() -> list[Sent]:
    return interleaved(*(rows(key, T0, every_ms=100) for key in MODELS))


def results(deployment: Deployment) -> tuple[Windows, list[str], dict[str, int]]:
    number = PUBLISHED * len(MODELS)
    deployment.until(
        lambda: len(deployment.windows().final) >= number, "the final windows", WITHIN_S
    )
    time.sleep(3.0)  # for the last amendments
    deployment.stop()
    events = [event["id"] for event in deployment.alerts()]
    return deployment.windows(), events, deployment.total("predictions")


@pytest.mark.parametrize(
    ("workers", "cut_off"), [(2, "aggregate-0"), (2, "join-0"), (4, "aggregate-0"), (4, "join-0")]
)
def test_worker_that_is_cut_off_is_fenced_and_changes_no_result(
    workers, cut_off, hosts, broker, tmp_path
):
    """Its partitions are taken over meanwhile; it goes on when it is back, and no process ends."""
    records, role = stream(), cut_off.removesuffix("-0")
    with Deployment(broker.bootstrap_servers, "calm", made(tmp_path / "calm"), SETTINGS) as calm:
        calm.send(registrations(MODELS))
        calm.start()
        calm.send(records)
        expected = results(calm)

    directory = made(tmp_path / "hosts")
    with Deployment(broker.bootstrap_servers, "hosts", directory, SETTINGS) as deployment:
        deployment.send(registrations(MODELS))
        for name in hosts.names:
            own = f"DRIFTLINE_STATE__DIRECTORY={directory / name}"
            deployment.on_host[name] = [*hosts.command(name), "env", own]
        for slot in range(workers):
            deployment.start(slot=slot)
        third = len(records) // 3
        deployment.send(records[:third])
        deployment.until(lambda: bool(deployment.windows().last), "a window")
        hosts.pull_cable(cut_off)
        since_s = time.monotonic()
        deployment.send(records[third : 2 * third])
        others = [f"{role}-{slot}" for slot in range(1, workers)]
        deployment.until(
            lambda: owned(deployment, others) == ALL[role], "the others to take over", WITHIN_S
        )
        time.sleep(max(0.0, since_s + CUT_OFF_S - time.monotonic()))
        hosts.plug_in(cut_off)
        deployment.send(records[2 * third :])
        assert results(deployment) == expected
        log = (directory / f"{cut_off}.log").read_text()
        assert "Traceback" not in log, log


def owned(deployment: Deployment, workers: list[str]) -> set[str]:
    """The partitions in the newest heartbeats of some workers."""
    beats = deployment.newest_heartbeats(workers).values()
    return {partition for beat in beats for partition in beat["partitions"]}


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory
