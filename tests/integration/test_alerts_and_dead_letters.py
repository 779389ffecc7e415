"""The commands alerts and dead-letters, and the examples, on a real Kafka."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.dead_letters.dead_letter import MAX_BYTES, dead_letter_message
from consumers.messages.records import Record
from tests.integration.deployment import Deployment, Sent

pytestmark = pytest.mark.kafka

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = ("--model", "loans", "--version", "1")
COLUMNS = (*MODEL, "--time", "at", "--score", "p", "--id", "id", "--label", "bad")
RARELY_FALSE = {
    f"DRIFTLINE_DRIFT__FALSE_ALARMS__{severity}": "1 per 5000d"
    for severity in ("WARNING", "CRITICAL")
}


def loans(days: int, start: str, *, richer: int = 0) -> pd.DataFrame:
    """Three hundred a day; in the first ``richer`` days incomes are three times as high."""
    rng = np.random.default_rng(days)
    n = 300 * days
    day = np.sort(rng.uniform(0, days, n))
    risk = rng.beta(1, 3, n)
    return pd.DataFrame(
        {
            "id": [f"{start}/{i}" for i in range(n)],
            "at": (pd.Timestamp(start, tz="UTC") + pd.to_timedelta(day, "D")).round("ms"),
            "p": risk,
            "bad": (rng.random(n) < risk).astype(int),
            "income": rng.lognormal(10, 1, n) * np.where(day < richer, 3, 1),
            "branch": "north",
        }
    )


def register(deployment: Deployment) -> None:
    loans(20, "2025-01-01").to_csv(deployment.directory / "reference.csv", index=False)
    deployment.cli("register", *COLUMNS, "--reference", str(deployment.directory / "reference.csv"))


# -- alerts ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drifted(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two days of drift and four healthy days, processed by the roles: opened and resolved."""
    directory = tmp_path_factory.mktemp("drifted")
    with Deployment(kafka, f"alerts-{time.time_ns():x}", directory, RARELY_FALSE) as deployment:
        register(deployment)
        loans(6, "2025-02-01", richer=2).to_parquet(directory / "live.parquet")
        deployment.start("aggregate", "join", "detect")
        deployment.cli("replay", str(directory / "live.parquet"), *COLUMNS, "--finish")
        deployment.until(lambda: len(resolved(deployment)) == 1, "the drift to be over")
        deployment.stop()
        yield deployment


def resolved(deployment: Deployment) -> list[dict[str, Any]]:
    return [e for e in deployment.alerts() if e["type"] == "driftline.incident.resolved"]


def test_alerts_are_printed_as_lines_in_order_of_event_time(drifted):
    opened, *_, closed = drifted.cli("alerts").splitlines()
    assert opened.startswith(
        "2025-02-01T04:00:00Z  critical  opened     loans/1  data/income: values are higher than "
    )
    assert closed.startswith(
        "2025-02-03T08:00:00Z  critical  resolved   loans/1  data/income: back"
    )


def test_alerts_as_json_are_the_committed_bytes_of_the_topic(drifted):
    aborted = Producer(
        {"bootstrap.servers": drifted.servers, "transactional.id": f"{drifted.prefix}.aborted"}
    )
    aborted.init_transactions()
    aborted.begin_transaction()
    aborted.produce(f"{drifted.prefix}.alerts", b"aborted")
    aborted.flush()
    aborted.abort_transaction()
    published = [(value or b"").decode() for _, _, value, _ in drifted.read("alerts")]
    assert drifted.cli("alerts", "--json").splitlines() == published


@pytest.mark.parametrize(
    ("words", "types"),
    [
        (["--since", "2025-02-03T08:00:00Z"], ["resolved"]),
        (["--since", "2025-02-03T08:00:01Z"], []),
        (["--severity", "warning"], []),
        (["--severity", "critical", "--kind", "data", "--model", "loans"], ["opened", "resolved"]),
        (["--kind", "performance"], []),
        (["--kind", "performance", "--kind", "data", "--since", "2025-02-03"], ["resolved"]),
        (["--change", "opened", "--subject", "data/income"], ["opened"]),
    ],
)
def test_the_options_of_alerts_filter_them(drifted, words, types):
    events = [json.loads(line) for line in drifted.cli("alerts", "--json", *words).splitlines()]
    assert [event["type"].removeprefix("driftline.incident.") for event in events] == types


def test_alerts_are_valid_for_the_cloudevents_sdk(drifted):
    records = [
        KafkaMessage(headers, key, value or b"")
        for _, key, value, headers in drifted.read("alerts")
    ]
    events = [from_kafka_event(record) for record in records]
    assert [e.get_type() for e in events] == [
        "driftline.incident.opened",
        "driftline.incident.resolved",
    ]
    first = events[0]
    assert (first.get_specversion(), first.get_source()) == ("1.0", "/models/loans")
    assert (first.get_subject(), first.get_datacontenttype()) == ("data/income", "application/json")
    assert first.get_time().isoformat() == "2025-02-01T04:00:00+00:00"
    assert first.get_data()["window"]["start"] == "2025-02-01T00:00:00Z"
    assert len({e.get_id() for e in events}) == 2


def test_listing_alerts_and_dead_letters_creates_no_consumer_group(drifted):
    groups = {group for group in groups_of(drifted) if group.startswith(drifted.prefix)}
    drifted.cli("alerts")
    drifted.cli("dead-letters", "list")
    assert {group for group in groups_of(drifted) if group.startswith(drifted.prefix)} == groups
    assert not any("no-group" in group for group in groups)


def groups_of(deployment: Deployment) -> set[str]:
    admin = AdminClient({"bootstrap.servers": deployment.servers})
    found = admin.list_consumer_groups(request_timeout=30).result()
    return {group.group_id for group in found.valid}


def test_alerts_follow_prints_new_alerts_until_ctrl_c(drifted):
    with running(drifted, "-m", "driftline", "alerts", "--follow", "--json") as process:
        before = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert before == [json.loads(line) for line in drifted.cli("alerts", "--json").splitlines()]
        news = {**before[0], "id": "news", "time": "2025-03-01T00:00:00Z"}
        drifted.send([Sent("alerts", 0, b"k", b"no alert"), sent_alert(news)])
        assert json.loads(process.stdout.readline()) == news
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "skipped a record that is not an alert" in process.stderr.read()


def test_the_example_subscriber_prints_the_alerts(drifted):
    program = [str(EXAMPLES / "alert_subscriber.py"), drifted.servers, drifted.prefix]
    with running(drifted, *program) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[0].startswith("driftline.incident.opened critical data/income: values are h")
        assert lines[1].startswith("driftline.incident.resolved critical data/income: back to nor")


def sent_alert(event: dict[str, Any]) -> Sent:
    return Sent("alerts", 0, event["data"]["incident"].encode(), json.dumps(event).encode())


@contextmanager
def running(deployment: Deployment, *words: str) -> Iterator[Any]:
    """A program with its output. It is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *words],
        env=deployment.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


# -- dead letters ------------------------------------------------------------------------------


@pytest.fixture
def deployment(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(kafka, prefix, tmp_path) as made:
        yield made


def letter(
    reason: str, number: int, *, topic: str = "predictions", value: bytes | None = None
) -> Sent:
    """As ``aggregate`` writes it. Headers of a service need not be text."""
    whole = f"{reason} {number}".encode() if value is None else value
    received = Record(topic, number % 4, number, b"k%d" % number, whole, [("trace", b"\x00\xff")])
    message = dead_letter_message(received, reason, f"it is {reason}")
    return Sent(
        "dead-letters",
        number % 4,
        message.key,
        message.value,
        tuple((name, text or b"") for name, text in message.headers),
    )


def test_dead_letters_are_listed_with_their_reason_newest_last(deployment):
    assert deployment.cli("dead-letters", "list") == "there are no dead letters\n"
    deployment.send([letter("contract", n) for n in range(5)])
    deployment.send([letter("undecodable", 5, topic="labels", value=b"\x1b[2J")])
    *lines, total = deployment.cli("dead-letters", "list", "--limit", "3").splitlines()
    assert len(lines) == 3
    assert lines[-1].endswith("undecodable    labels/1/5  it is undecodable  | ·[2J")
    assert total == "showed 3 of 6 dead letters; there are 5 contract, 1 undecodable"
    *lines, total = deployment.cli("dead-letters", "list", "--reason", "undecodable").splitlines()
    assert (len(lines), total[:42]) == (1, "showed 1 of 1 dead letters of reason 'unde")
    one = json.loads(deployment.cli("dead-letters", "list", "--json", "--limit", "1"))
    assert (one["reason"], one["topic"], one["offset"], one["key"], one["value"]) == (
        *("undecodable", "labels", 5),
        *("k5", "\x1b[2J"),
    )


def test_a_replay_sends_the_dead_letters_of_one_reason_once_and_unchanged(deployment):
    deployment.send([letter("contract", n) for n in range(8)])
    deployment.send([letter("unknown_model", n, topic="labels") for n in range(3)])
    replay = ("dead-letters", "replay")
    output = deployment.cli(*replay, "--reason", "unknown_model")
    assert output == "unknown_model: sent back 3 dead letters (3 to labels)\n"
    assert deployment.cli(*replay, "--reason", "unknown_model").startswith(
        "unknown_model: nothing to sen"
    )
    assert list(deployment.read("predictions")) == []
    all_of_them = deployment.cli(*replay)
    assert "contract: sent back 8 dead letters (8 to predictions)\n" in all_of_them
    assert "unknown_model: nothing to send" in all_of_them
    assert deployment.cli(*replay).count("nothing to send") == 2
    assert sorted(deployment.read("predictions"), key=repr) == sorted(
        ((n % 4, b"k%d" % n, b"contract %d" % n, {"trace": b"\x00\xff"}) for n in range(8)),
        key=repr,
    )
    assert len(list(deployment.read("labels"))) == 3
    deployment.send([letter("contract", 99)])
    assert "sent back 1 dead letter (1 to predictions)" in deployment.cli(
        *replay, "--reason", "contract"
    )


def test_the_list_of_dead_letters_shows_which_were_sent_back(deployment):
    deployment.send([letter("contract", n) for n in range(3)])
    deployment.send([letter("unknown_model", 3)])
    deployment.send([letter("contract", 4, value=b"x" * (MAX_BYTES + 1))])
    listed = ("dead-letters", "list")
    assert "sent back" not in deployment.cli(*listed)
    deployment.cli("dead-letters", "replay", "--reason", "contract")
    deployment.send([letter("contract", 5)])
    *lines, total = deployment.cli(*listed).splitlines()
    assert ["; sent back  | " in line for line in lines] == [*[True] * 3, *[False] * 3]
    assert (
        total == "showed 6 of 6 dead letters; there are 5 contract (3 sent back), 1 unknown_model"
    )
    *lines, total = deployment.cli(*listed, "--waiting", "--reason", "contract").splitlines()
    assert total.startswith("showed 2 of 5 dead letters of reason 'contract'; there are 5")
    assert [
        json.loads(line)["sent_back"] for line in deployment.cli(*listed, "--json").splitlines()
    ] == [
        *[True] * 3,
        *[False] * 3,
    ]


def test_a_replay_of_a_reason_without_dead_letters_names_the_reasons_that_exist(deployment):
    assert deployment.cli("dead-letters", "replay") == "there are no dead letters\n"
    deployment.send([letter("contract", 0)])
    assert deployment.cli("dead-letters", "replay", "--reason", "clock_skew") == (
        "no dead letters of reason 'clock_skew': there are those of contract\n"
    )


def test_unsendable_dead_letters_are_reported_and_do_not_block_the_others(deployment):
    """One is truncated, one is larger than its topic accepts."""
    rng = random.Random(1)
    deployment.send([letter("contract", n) for n in range(3)])
    deployment.send([letter("contract", 3, value=b"x" * (MAX_BYTES + 1))])
    deployment.send([letter("contract", 4, value=rng.randbytes(1_090_000))])
    deployment.send([letter("contract", n) for n in range(5, 8)])
    output = deployment.cli("dead-letters", "replay")
    assert "contract: sent back 6 dead letters (6 to predictions)" in output
    assert "was not sent: only the first part of the value was kept (sha256=" in output
    assert "was not sent: it is larger than its topic accepts" in output
    assert sorted(key or b"" for _, key, _, _ in deployment.read("predictions")) == [
        b"k%d" % n for n in (0, 1, 2, 5, 6, 7)
    ]
    assert deployment.cli("dead-letters", "replay").startswith("contract: nothing to send")


@pytest.mark.slow
def test_a_replay_that_is_killed_and_repeated_sends_each_dead_letter_once(deployment):
    many = 40_000  # several transactions
    deployment.send([letter("contract", n) for n in range(many)])
    killed = 0
    for _ in range(3):
        begun = written(deployment)
        with running(deployment, "-m", "driftline", "dead-letters", "replay") as process:
            deadline_s = time.monotonic() + 60
            while written(deployment) == begun and process.poll() is None:
                assert time.monotonic() < deadline_s, "nothing was sent"
            killed += process.poll() is None
            process.kill()
    assert killed >= 1
    while "nothing to send" not in deployment.cli("dead-letters", "replay"):
        pass
    sent = Counter(key for _, key, _, _ in deployment.read("predictions"))
    assert set(sent.values()) == {1}
    assert len(sent) == many


def written(deployment: Deployment) -> int:
    """The end of the predictions, with the records of open transactions."""
    consumer = Consumer(
        {
            "bootstrap.servers": deployment.servers,
            "group.id": "w",
            "isolation.level": "read_uncommitted",
        }
    )
    try:
        return sum(
            consumer.get_watermark_offsets(
                TopicPartition(f"{deployment.prefix}.predictions", number), timeout=30
            )[1]
            for number in range(4)
        )
    finally:
        consumer.close()


def test_records_of_an_unregistered_model_are_counted_after_a_replay(deployment):
    deployment.start("aggregate")
    example = [sys.executable, str(EXAMPLES / "own_service.py")]
    where = ("--servers", deployment.servers, "--prefix", deployment.prefix)
    subprocess.run([*example, *where], check=True, timeout=60)
    deployment.until(
        lambda: deployment.total("predictions").get("received") == 100, "the predictions to be read"
    )
    deployment.until(
        lambda: deployment.total("labels").get("received") == 100, "the labels to be read"
    )
    assert deployment.total("predictions").get("dead:unknown_model") == 100
    register(deployment)
    output = deployment.cli("dead-letters", "replay", "--reason", "unknown_model")
    assert output == (
        "unknown_model: sent back 200 dead letters (100 to labels, 100 to predictions)\n"
    )
    subprocess.run([*example, *where], check=True, timeout=60)
    for topic in ("predictions", "labels"):
        deployment.until(
            lambda topic=topic: deployment.total(topic).get("counted") == 200,
            f"all {topic} to be counted",
        )
    assert len(list(deployment.read("dead-letters"))) == 200


def test_a_record_that_is_refused_again_becomes_a_new_dead_letter_and_the_replay_ends(deployment):
    deployment.start("aggregate")
    deployment.send([Sent("predictions", 0, b"k", b"no record at all")])
    deployment.until(lambda: len(letters(deployment)) == 1, "the record to be set aside")
    for count in (2, 3):
        output = deployment.cli("dead-letters", "replay")
        assert output == "undecodable: sent back 1 dead letter (1 to predictions)\n"
        deployment.until(lambda n=count: len(letters(deployment)) == n, "it to be set aside again")
    assert len({offset for _, offset in letters(deployment)}) == 3
    assert {value for value, _ in letters(deployment)} == {b"no record at all"}


def letters(deployment: Deployment) -> list[tuple[bytes | None, bytes]]:
    """The value and the source offset of each."""
    return [
        (value, head["driftline.offset"]) for _, _, value, head in deployment.read("dead-letters")
    ]
