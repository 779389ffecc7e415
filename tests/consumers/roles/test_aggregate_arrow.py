"""Aggregate on Arrow messages: exactly what the same rows as JSON come to, and one offset each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import DeadLetter
from consumers.messages.records import Message, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.sources import arrow_stream
from tests.consumers.in_memory import (
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    join_rows,
    pane_sums,
    plan,
    positions_of,
    prediction,
)
from tests.consumers.sources import arrow_messages
from tests.consumers.sources.arrow_messages import ARROW_HEADERS, as_json, message
from tests.consumers.sources.decoded import PROFILES

P0, L0 = TopicPartition("predictions", 0), TopicPartition("labels", 0)
DEAD_LETTERS = TopicPartition("dead-letters", 0)

Sent = tuple[TopicPartition, bytes | None, bool]  # the last: whether it is Arrow


def handled(sent: Sequence[Sent], most: int = 1_000_000) -> Log:
    """The log after these messages were read in batches of ``most``."""
    log = Log(predictions=1, labels=1, summaries=2, joins=3, positions=2)
    for source, value, is_arrow in sent:
        headers = (*ARROW_HEADERS, ("trace", b"t1")) if is_arrow else ()
        log.append(Message(source.topic, b"key", value, source.partition, headers))
    positions, states = positions_of(log), VersionStates()
    role = Aggregate(Table(*PROFILES), constant(plan()), log.partitions, positions, states)
    worker = Worker(role, log, (P0, L0))
    while not worker.done:
        worker.work(most)
    return log


def dead_letters(log: Log) -> list[Record]:
    return log.read(DEAD_LETTERS)


def errors(log: Log) -> list[tuple[str, str, str]]:
    """Of each topic, in the order of the log."""
    letters = list(map(DeadLetter.from_record, dead_letters(log)))
    letters.sort(key=lambda letter: letter.topic)
    return [(letter.topic, letter.reason, letter.error) for letter in letters]


def counts(log: Log, source: TopicPartition) -> Any:
    position = positions_of(log).load([source])[source]
    return position.counts, position.dead, position.newest_ms


def assert_same(one: Log, other: Log) -> None:
    assert pane_sums(one.all("summaries")) == pane_sums(other.all("summaries"))
    assert join_rows(one.all("joins")) == join_rows(other.all("joins"))
    assert errors(one) == errors(other)
    for source in (P0, L0):
        assert counts(one, source) == counts(other, source)


def streams(seed: int, sizes: Sequence[int], dirt: float) -> tuple[list[Sent], list[Sent]]:
    """Messages of Arrow, some JSON between them; and the same rows all as JSON."""
    rng = random.Random(seed)
    mixed: list[Sent] = []
    json: list[Sent] = []
    for size in sizes:
        source = rng.choice([P0, P0, L0])
        make = arrow_messages.predictions if source == P0 else arrow_messages.labels
        table, fields = make(rng, size, dirt)
        as_records: list[Sent] = [(source, as_json(one), False) for one in fields]
        is_arrow = rng.random() < 0.8
        mixed += [(source, message(table), True)] if is_arrow else as_records
        json += as_records
    return mixed, json


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.1]),
    st.integers(1, 4),
)
def test_rows_come_to_the_same_as_json_in_any_batches(seed, sizes, dirt, most):
    mixed, json = streams(seed, sizes, dirt)
    assert_same(handled(mixed, most), handled(json))


def test_a_batch_that_takes_much_memory_is_worked_off_in_parts(monkeypatch):
    mixed, json = streams(7, [30] * 20, 0.05)
    at_once = handled(mixed)
    monkeypatch.setattr(arrow_stream, "PART_BYTES", 10_000)
    monkeypatch.setattr("consumers.roles.aggregate.AT_ONCE", 10)
    in_parts = handled(mixed)
    assert_same(in_parts, handled(json))
    assert len(in_parts.all("summaries")) > len(at_once.all("summaries"))


def prediction_table(**columns: Any) -> pa.Table:
    plain = {"id": ["a", "b", "c"], "time": [T0] * 3, "model": ["m"] * 3, "version": ["1"] * 3}
    return pa.table({**plain, "score": [0.7] * 3, "x": [0.1] * 3, **columns})


def test_a_message_is_one_offset_whose_rows_are_counted_together():
    log = handled([(P0, message(prediction_table()), True)])
    position = positions_of(log).load([P0])[P0]
    assert (position.next_offset, position.counts) == (1, {"received": 3, "counted": 3})


def test_rows_for_join_fit_into_messages_however_many_a_batch_holds():
    size = 25_000
    columns = {"id": [f"r{i}" for i in range(size)], "time": [T0] * size, "model": ["m"] * size}
    table = pa.table({**columns, "version": ["1"] * size, "score": [0.7] * size})
    log = handled([(P0, message(table), True), (P0, message(table), True)])
    sent = [record for record in log.all("joins") if record.headers == ARROW_HEADERS]
    assert sum(len(join_rows([record])) for record in sent) == 2 * size
    assert max(len(join_rows([record])) for record in sent) == 10_000
    assert max(len(record.value or b"") for record in sent) < 1_000_000


def test_a_row_that_is_rejected_is_a_dead_letter_as_json_with_its_place():
    table = prediction_table(score=[0.7, 1.5, 0.2], x=[0.1, float("nan"), 0.1])
    (letter,) = dead_letters(handled([(P0, message(table), True)]))
    names = dict(letter.headers)
    assert letter.key == b"key"
    assert letter.value == (
        b'{"id":"b","time":1364774400000,"model":"m","version":"1","score":1.5,'
        b'"features":{"x":null}}'
    )
    assert names["driftline.row"] == b"1"
    assert names["driftline.offset"] == b"0"
    assert (names["content-type"], names["trace"]) == (b"application/json", b"t1")


@pytest.mark.parametrize("model", ["nobody", "no name"])
def test_a_dead_letter_of_a_row_can_be_sent_again_alone(model):
    table = prediction_table(model=["m", model, "m"])
    log = handled([(P0, message(table), True)])
    (letter,) = map(DeadLetter.from_record, dead_letters(log))
    assert letter.unsendable is None
    again = letter.original()
    assert again.headers == [("trace", b"t1"), ("content-type", b"application/json")]
    assert errors(handled([(P0, again.value, False)])) == errors(log)


def test_an_undecodable_message_is_one_dead_letter_byte_for_byte():
    value = message(prediction_table())[:-100]
    (letter,) = dead_letters(handled([(P0, value, True), (P0, prediction(), False)]))
    assert letter.value == value
    assert ("content-type", ARROW_HEADERS[0][1]) in letter.headers
    assert "driftline.row" not in dict(letter.headers)
    assert DeadLetter.from_record(letter).original().headers == [*ARROW_HEADERS, ("trace", b"t1")]


def test_arrow_without_the_header_is_not_json():
    log = handled([(P0, message(prediction_table()), False)])
    assert [reason for _, reason, _ in errors(log)] == ["undecodable"]
