"""How fast the whole way is: all roles and a real Kafka, on the cores of this machine.

    python -m benchmarks.speed way [--rows 200000] [--arrow] [--workers 1] [--partitions 4]

Predictions of twenty features, each with a label, over twenty days of event time, are published as
fast as possible to a Kafka that is started for it, while all roles run. The run ends when the last
window is final in the database (SQLite). Prints the CPU time of each process per prediction, its
memory, and the predictions per second of wall time. Other work on the machine makes the wall time
longer; so what all cores allow is printed, too: cores over the CPU time of all processes. The
reference is a consumer that reads and decodes the same predictions, and does nothing else.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import msgspec
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

from benchmarks.speed.aggregate import FEATURES, START_MS, some_rows
from consumers.messages.times import rfc3339
from monitor.counts.profile import Profile, build_profile
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from producers.simulation.arrow_events import arrow_events
from producers.simulation.replay import Event, Replay, as_fast_as_possible
from tests.integration.broker import LocalKafka
from tests.integration.deployment import Deployment, Sent

DAY_MS = 86_400_000
DAYS, REFERENCE_ROWS = 20, 10_000
FINISH_MS = 60 * DAY_MS
ROLES = ("aggregate", "join", "detect", "store", "retrain")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@click.command("way")
@click.option("--rows", default=200_000, show_default=True, help="Predictions, with a label each.")
@click.option("--arrow", is_flag=True, help="A thousand rows in a message, instead of JSON.")
@click.option("--workers", default=1, show_default=True, help="Processes of each role.")
@click.option("--partitions", default=4, show_default=True, help="Of each topic.")
def main(rows: int, arrow: bool, workers: int, partitions: int) -> None:
    """Publish, wait for the last window, and print what each process took."""
    replay = Replay("m", "1", some_rows(rows, DAYS * DAY_MS, 0, labelled=True))
    made = arrow_events(replay, as_fast_as_possible) if arrow else replay.events()
    events = [
        *made,
        *replay.finish(FINISH_MS, dict.fromkeys(("predictions", "labels"), partitions)),
    ]
    click.echo(
        f"{rows:,} predictions and labels as {'Arrow' if arrow else 'JSON'}, {workers} workers,"
        f" {partitions} partitions, {os.cpu_count()} cores, {platform.machine()},"
        f" Python {platform.python_version()}"
    )
    with TemporaryDirectory() as directory, LocalKafka() as kafka:
        settings = {"DRIFTLINE_TOPICS__PARTITIONS": str(partitions)}
        servers = kafka.bootstrap_servers
        with Deployment(servers, "way", Path(directory), settings) as deployment:
            deployment.publish(reference())
            start(deployment, workers)
            pids = {name: process.pid for name, process in deployment.processes.items()}
            before, began_s = used({**pids, "broker": kafka.pid}), time.perf_counter()
            deployment.send(records(events))
            deployment.until(
                lambda: deployment.is_final(rfc3339(START_MS + DAYS * DAY_MS)), "windows"
            )
            wall_s, after = time.perf_counter() - began_s, used(before)
        _tell(rows, wall_s, {name: one.since(before[name]) for name, one in after.items()})
        _tell_reference(servers, rows, arrow=arrow)


def reference() -> Profile:
    """Of the model whose predictions are published."""
    plan = Plan()
    rows = some_rows(REFERENCE_ROWS, DAYS * DAY_MS, -DAYS * DAY_MS, labelled=True)
    settings = {"pane_ms": plan.windows.pane_ms, "threshold": 0.5, "task": BINARY}
    return build_profile("m", "1", rows, **settings)


def start(deployment: Deployment, workers: int) -> None:
    """Start all roles, and wait until each of them tells that it runs."""
    for slot in range(workers):
        deployment.start(*(role for role in ROLES if slot == 0 or role != "retrain"), slot=slot)
    deployment.until(lambda: _running(deployment) >= len(deployment.processes), "heartbeats")


def _running(deployment: Deployment) -> int:
    beats = (msgspec.json.decode(value or b"") for _, _, value, _ in deployment.read("heartbeats"))
    return len({(beat["role"], beat["slot"]) for beat in beats})


def records(events: Sequence[Event]) -> Iterator[Sent]:
    for event in events:
        partition = -1 if event.partition is None else event.partition
        yield Sent(event.topic, partition, event.key, event.value, tuple(event.headers))


class Used(NamedTuple):
    """By one process so far, its threads included."""

    pid: int
    cpu_s: float
    resident_mib: float

    def since(self, before: Used) -> Used:
        return self._replace(cpu_s=self.cpu_s - before.cpu_s)


def used(processes: Mapping[str, int | Used]) -> dict[str, Used]:
    pids = {name: one.pid if isinstance(one, Used) else one for name, one in processes.items()}
    return {name: _used(pid) for name, pid in pids.items()}


def _used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Used(pid, (int(fields[11]) + int(fields[12])) / TICKS_PER_S, pages * 4096 / 2**20)


def _tell(rows: int, wall_s: float, found: Mapping[str, Used]) -> None:
    for name, one in found.items():
        click.echo(
            f"{name:20} {one.cpu_s / rows * 1e6:7.1f} us of CPU a prediction,"
            f" {one.resident_mib:5.0f} MiB resident"
        )
    total_s = sum(one.cpu_s for one in found.values())
    allowed = rows * (os.cpu_count() or 1) / total_s
    click.echo(
        f"all                  {total_s / rows * 1e6:7.1f} us of CPU a prediction:"
        f" {allowed:,.0f} predictions/s with all cores free; {rows / wall_s:,.0f}/s of wall time"
    )


def _tell_reference(servers: str, rows: int, *, arrow: bool) -> None:
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    read = _consume_and_decode(servers, rows, arrow=arrow)
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    click.echo(
        f"consume and decode   {cpu_s / read * 1e6:7.1f} us of CPU a prediction,"
        f" {read / wall_s:,.0f}/s of wall time"
    )


def _consume_and_decode(servers: str, rows: int, *, arrow: bool) -> int:
    """The predictions that were read."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reference"})
    name, read = "way.predictions", 0
    partitions = consumer.list_topics(name, timeout=30).topics[name].partitions
    consumer.assign([TopicPartition(name, number, 0) for number in partitions])
    decoder = msgspec.json.Decoder(_prediction())
    while read < rows:
        for message in consumer.consume(10_000, timeout=1.0):
            value = message.value()
            if arrow and message.headers():
                read += pa.ipc.open_stream(value).read_all().num_rows
            else:
                decoder.decode(value)
                read += 1
    consumer.close()
    return read


def _prediction() -> type[msgspec.Struct]:
    """A record as a type of its own, which is the fastest way to decode it."""
    features = msgspec.defstruct("Features", [(f"feature_{i}", float) for i in range(FEATURES)])
    fields = [("id", str), ("time", str), ("model", str), ("version", str), ("features", features)]
    return msgspec.defstruct("Prediction", [*fields, ("score", float), ("prediction", int)])


if __name__ == "__main__":
    main()
