"""Ingest: each record of another service is classified once, and mapped exactly once."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import DeadLetter
from consumers.messages.alerts import decode_alert
from consumers.messages.records import CommittedOffset, Message, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.roles.ingest import Ingest
from consumers.roles.source_position import UnfitPosition
from consumers.sources.mapping.record_mapper import RecordMapper
from driftline.configuration.sources import SourceSection
from producers.contract.arrow_columns import ARROW_HEADER
from tests.consumers.in_memory import (
    NOW,
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    label,
    pane_sums,
    plan,
    positions_of,
    prediction,
    profile,
)
from tests.consumers.mutated_messages import mutated

TOPIC = "topic:orders"
S0, S1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
SCORES = SourceSection(
    topic="orders",
    where={"$.type": ["score"]},
    rows="$.rows",
    id="@.id",
    time="@.t",
    model={"value": "m"},
    features="@.in",
    score={"path": "@.percent", "scale": 0.01},
)
OUTCOMES = SourceSection(
    topic="orders",
    where={"$.type": ["outcome"]},
    id="$.id",
    time="$.t",
    model={"value": "m"},
    label="$.label",
)


def new_log() -> Log:
    topics = dict.fromkeys(("predictions", "labels", "summaries", "joins", "positions"), 2)
    return Log(**topics, **{TOPIC: 2, "dead-letters": 1, "alerts": 1})


def ingest(log: Log) -> Ingest:
    mapper = RecordMapper([SCORES, OUTCOMES])
    return Ingest({TOPIC: mapper}.__getitem__, log.partitions, positions_of(log))


def score(*ids: int, **fields: Any) -> bytes:
    rows = [
        {"id": f"r{i}", "t": T0 + i, "in": {"x": i / 4, "c": "ab"[i % 2]}, "percent": 50}
        for i in ids
    ]
    return json.dumps({"type": "score", "rows": [row | fields for row in rows]}).encode()


def outcome(i: int) -> bytes:
    return json.dumps({"type": "outcome", "id": f"r{i}", "t": T0 + i + 50, "label": 1}).encode()


def send(log: Log, *values: bytes | None, partition: int = 0) -> None:
    for value in values:
        log.append(Message(TOPIC, b"key", value, partition))


def counts(log: Log, source: TopicPartition = S0) -> dict[str, int]:
    position = positions_of(log).load([source])[source]
    return {**position.counts, **position.dead}


def test_ingest_classifies_each_record_once():
    log = new_log()
    send(log, score(1, 2), outcome(1), b"{", score(3, id=None), b'{"type": "train"}', b"[]", None)
    Worker(ingest(log), log, [S0, S1]).work()
    assert counts(log) == {
        **{"received": 7, "mapped": 2, "rows": 3},
        **{"filtered": 2, "undecodable": 2, "unmappable": 1},
    }
    rows = [json.loads(record.value or b"") for record in log.all("predictions")]
    assert [(row["id"], row["score"]) for row in rows] == [("r1", 0.5), ("r2", 0.5)]
    assert [json.loads(r.value or b"")["label"] for r in log.all("labels")] == [1]


def test_a_topic_that_waits_has_no_offset_so_it_is_no_lag():
    log, waits = new_log(), {TOPIC}
    mapper = RecordMapper([SCORES, OUTCOMES])
    role = Ingest(lambda _: mapper, log.partitions, positions_of(log), waiting=lambda: waits)
    worker = Worker(role, log, [S0])
    assert role.status()[S0.name]["offset"] is None
    waits.clear()
    send(log, score(1))
    worker.work()
    assert role.status()[S0.name]["offset"] == 1


def test_a_dead_letter_of_ingest_is_sent_back_to_its_topic():
    log = new_log()
    send(log, score(3, id=None), partition=1)
    Worker(ingest(log), log, [S0, S1]).work()
    (record,) = log.all("dead-letters")
    letter = DeadLetter.from_record(record)
    assert (letter.reason, letter.error) == ("unmappable", "row 0: there is no id at @.id")
    assert letter.unsendable is None
    assert letter.original() == Message(TOPIC, b"key", score(3, id=None), 1, [])


def test_dead_letters_have_no_value_if_features_are_redacted():
    log = new_log()
    send(log, score(3, id=None, name="Bob"), b"Bob", None)
    mappers = {TOPIC: RecordMapper([SCORES, OUTCOMES])}.__getitem__
    Worker(Ingest(mappers, log.partitions, positions_of(log), redacts=True), log, [S0, S1]).work()
    letters = list(map(DeadLetter.from_record, log.all("dead-letters")))
    assert [letter.record.value for letter in letters] == [None] * 3
    assert [letter.redacted for letter in letters] == ["the value", "the value", None]
    assert not any(b"Bob" in (text or b"") for at in letters for _, text in at.record.headers)


def test_rows_of_a_partition_stay_in_one():
    log = Log(**{**dict.fromkeys(("predictions", "labels"), 2), "positions": 2, TOPIC: 5})
    for number in range(5):
        send(log, score(number), outcome(number), partition=number)
    sources = log.topic_partitions(TOPIC)
    Worker(ingest(log), log, sources).work()
    for topic in ("predictions", "labels"):
        for record in log.all(topic):
            sent = int(json.loads(record.value or b"")["id"].removeprefix("r"))
            assert record.partition == sent % 2


def test_ingest_counts_what_retention_has_deleted():
    log = new_log()
    send(log, score(1))
    worker = Worker(ingest(log), log, [S0, S1])
    worker.work()
    send(log, *(score(i) for i in range(2, 7)))
    log.delete_before(S0, 4)
    worker.work()
    assert counts(log)["lost"] == 3
    opened, over = (decode_alert(record) for record in log.all("alerts"))
    assert "add workers to ingest" in opened.data.message
    assert (opened.data.state, over.data.state) == ("open", "resolved")


def test_ingest_goes_on_where_a_forgotten_group_was():
    log = new_log()
    send(log, score(1), score(2))
    Worker(ingest(log), log, [S0, S1]).work()
    log.committed.clear()
    with pytest.raises(UnfitPosition):  # the client recovers the offset first
        Worker(ingest(log), log, [S0, S1])
    found = positions_of(log).next_offsets([S0, S1])
    log.committed |= {source: CommittedOffset(offset) for source, offset in found.items()}
    Worker(ingest(log), log, [S0, S1]).work()
    assert counts(log)["received"] == 2


steps = st.lists(
    st.tuples(st.sampled_from(["work", "die", "abort", "release"]), st.integers(1, 5)), max_size=12
)


@given(steps=steps, sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_rows_are_mapped_exactly_once_whatever_happens(
    steps: list[tuple[str, int]], sizes: list[int]
):
    log, first, expected = new_log(), 0, Counter[str]()
    for number, size in enumerate(sizes):
        ids = range(first, first + size)
        send(log, score(*ids), partition=number % 2)
        expected.update(f"r{i}" for i in ids)
        first += size
    worker = Worker(ingest(log), log, [S0, S1])
    for step, most in steps:
        if step == "die":
            worker.commit_and_die(most)
            worker = Worker(ingest(log), log, [S0, S1])
        elif step == "release":
            worker.release()
            worker.assign()
        else:
            getattr(worker, step)(most)
    while not worker.done:
        worker.work()
    assert Counter(ids_of(log)) == expected


def ids_of(log: Log) -> list[str]:
    """Of all rows in ``predictions``."""
    found = list[str]()
    for record in log.all("predictions"):
        if ARROW_HEADER in record.headers:
            found += pa.ipc.open_stream(record.value).read_all()["id"].to_pylist()
        else:
            found.append(json.loads(record.value or b"")["id"])
    return found


def test_mapped_rows_are_counted_as_rows_of_the_contract():
    """What a service sends in its own form counts as the same rows in the form of Driftline."""
    mapped, sent = new_log(), new_log()
    send(mapped, score(*range(100)), *map(outcome, range(0, 100, 3)), score(100, 101))
    Worker(ingest(mapped), mapped, [S0, S1]).work()
    for i in range(102):
        features = {"x": i / 4, "c": "ab"[i % 2]}
        row = prediction(id=f"r{i}", time=T0 + i, features=features, score=0.5)
        sent.append(Message("predictions", None, row, 0))
    for i in range(0, 100, 3):
        sent.append(Message("labels", None, label(id=f"r{i}", time=T0 + i + 50), 0))
    for log in (mapped, sent):
        known = Table(profile())
        made = (constant(plan()), log.partitions, positions_of(log), VersionStates())
        sources = [*log.topic_partitions("predictions"), *log.topic_partitions("labels")]
        Worker(Aggregate(known, *made), log, sources).work()
    assert pane_sums(mapped.all("summaries")) == pane_sums(sent.all("summaries"))
    assert len(mapped.all("dead-letters")) == 0


@pytest.mark.parametrize("messages", [400, pytest.param(20_000, marks=pytest.mark.long)])
def test_mutated_records_end_no_role_and_are_all_accounted_for(messages: int):
    """Whatever a service sends: each record is classified, each row is counted by ``aggregate``."""
    rng, log = random.Random(messages), new_log()
    genuine = [Record(*S0, 0, b"k", value, (), NOW) for value in (score(1, 2, 3), outcome(1))]
    for _ in range(messages):
        one = mutated(rng, genuine, 0)
        log.append(Message(TOPIC, one.key, one.value, rng.randrange(2), one.headers))
    worker = Worker(ingest(log), log, [S0, S1])
    while not worker.done:
        worker.work(200)
    found = Counter(counts(log, S0)) + Counter(counts(log, S1))
    kinds = ("mapped", "filtered", "undecodable", "unmappable")
    assert sum(found[kind] for kind in kinds) == found["received"] == messages
    assert all(found[kind] > messages / 100 for kind in kinds)

    made = (constant(plan()), log.partitions, positions_of(log), VersionStates())
    sources = [*log.topic_partitions("predictions"), *log.topic_partitions("labels")]
    Worker(Aggregate(Table(profile()), *made), log, sources).work()
    received = [positions_of(log).load([source])[source].counts for source in sources]
    assert sum(each.get("received", 0) for each in received) == found["rows"]
