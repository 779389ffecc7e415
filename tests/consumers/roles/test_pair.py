"""Pair: each request meets its response once, or both are told apart, whatever happens between."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import DeadLetter
from consumers.messages.records import Batch, Message, Record
from consumers.roles import pair as module
from consumers.roles.ingest import Ingest
from consumers.roles.pair import Pair
from consumers.roles.pair_step import Pairing
from consumers.sources.mapping.pairs import half_readers, pair_mappers
from driftline.settings import Settings
from producers.contract.arrow_columns import ARROW_HEADER
from tests.consumers.in_memory import NOW, Log, Worker, positions_of

LOGS, REPLIES = "topic:logs", "topic:replies"
SOURCE = {
    "topic": "logs",
    "envelope": "kserve-v2",
    "pair": {"id": "$.id", "horizon": "10s"},
    "id": "$.request.id",
    "model": {"value": "m"},
    "features": "@.inputs",
    "score": "@.outputs.p",
}
SECOND = 1_000


def new_log(**more: int) -> Log:
    names = ("predictions", "labels", "positions", "halves", LOGS, REPLIES)
    return Log(**{**dict.fromkeys(names, 2), "dead-letters": 1, "alerts": 1, **more})


def settings(**changed: Any) -> Settings:
    return Settings(sources=[{**SOURCE, **changed}], redact=[])


def request(id_: str, x: float = 0.5, **more: Any) -> bytes:
    tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [x]}
    return json.dumps({"id": id_, "inputs": [tensor], **more}).encode()


def response(id_: str, p: float = 0.5, **more: Any) -> bytes:
    tensor = {"name": "p", "shape": [1], "datatype": "FP64", "data": [p]}
    return json.dumps({"id": id_, "outputs": [tensor], **more}).encode()


class Both:
    """``ingest`` and ``pair`` over one log; both may end at any time."""

    def __init__(self, directory: Path, log: Log | None = None, own: Settings | None = None):
        self.log, self.directory = log or new_log(), directory
        self.settings = own or settings()
        self.sources = [
            at for topic in self.settings.source_topics() for at in self.log.topic_partitions(topic)
        ]
        self.halves = self.log.topic_partitions("halves")
        self.ingest = Worker(self._ingest(), self.log, self.sources)
        self.pair = Worker(self._pair(), self.log, self.halves)

    def _ingest(self) -> Ingest:
        positions, readers = positions_of(self.log), half_readers(self.settings)
        return Ingest({}.__getitem__, self.log.partitions, positions, halves=readers)

    def _pair(self) -> Pair:
        pairings = {
            self.settings.short_topic(topic): Pairing(
                list(map(self.settings.short_topic, one.topics)), one.pair.horizon_ms
            )
            for topic, one in self.settings.pairs().items()
            if one.pair is not None
        }
        own = positions_of(self.log)
        mappers = pair_mappers(self.settings)
        return Pair(mappers, pairings, self.log.partitions, own, self.directory)

    def send(self, at_s: float, *values: bytes, topic: str = LOGS, partition: int = 0) -> None:
        for value in values:
            message = Message(topic, b"key", value, partition)
            self.log.append(message, NOW - 10_000 * SECOND + round(at_s * SECOND))

    def idle(self, at_s: float) -> None:
        """All topics have been read to their ends."""
        now_ms = NOW - 10_000 * SECOND + round(at_s * SECOND)
        ends = {at: self.ingest._next[at] for at in self.sources}
        self.ingest.work(batch=Batch(idle=ends, now_ms=now_ms))

    def work(self, until_s: float | None = None) -> None:
        """Work all off; then nothing more comes until a time."""
        self.ingest.work()
        if until_s is not None:
            self.idle(until_s)
        while not self.pair.done:
            self.pair.work()

    def restart_pair(self, *, lost: bool = False) -> None:
        self.pair.release()
        if lost:
            shutil.rmtree(self.directory)
        self.pair = Worker(self._pair(), self.log, self.halves, chunk=7)

    def restart_ingest(self) -> None:
        self.ingest.release()
        self.ingest = Worker(self._ingest(), self.log, self.sources)

    @property
    def counts(self) -> Counter[str]:
        found = Counter[str]()
        for position in positions_of(self.log).load(self.halves).values():
            found += Counter(position.counts) + Counter(position.dead)
        return found

    @property
    def rows(self) -> list[tuple[str, float, float]]:
        """Id, feature and score of each prediction."""
        return [row for record in self.log.all("predictions") for row in rows_of(record)]

    @property
    def letters(self) -> list[DeadLetter]:
        return list(map(DeadLetter.from_record, self.log.all("dead-letters")))


def rows_of(record: Record) -> list[tuple[str, float, float]]:
    if ARROW_HEADER in record.headers:
        table = pa.ipc.open_stream(record.value).read_all()
        return list(zip(*(table[name].to_pylist() for name in ("id", "x", "score")), strict=True))
    row = json.loads(record.value or b"")
    return [(row["id"], row["features"]["x"], row["score"])]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path / "pair")
    yield made
    made.pair.release()


def test_a_request_and_its_response_are_one_prediction(both: Both):
    both.send(0, request("a", 0.25))
    both.send(1, response("a", 0.75), partition=1)
    both.work(until_s=2)
    assert both.rows == [("a", 0.25, 0.75)]
    assert both.counts == {"received": 2, "paired": 2, "rows": 1}


def test_the_response_may_come_first(both: Both):
    both.send(0, response("a", 0.75))
    both.send(1, request("a", 0.25))
    both.work(until_s=2)
    assert both.rows == [("a", 0.25, 0.75)]


def test_a_half_waits_until_the_horizon_has_passed(both: Both):
    both.send(0, request("a"))
    both.work(until_s=10)
    assert both.counts == {"received": 1, "waiting": 1}
    both.send(10, response("a"), partition=1)
    both.work(until_s=11)
    assert both.counts == {"received": 2, "paired": 2, "rows": 1}


def test_a_half_that_stays_alone_is_a_dead_letter_as_it_was_received(both: Both):
    both.send(0, request("a"), partition=1)
    both.work(until_s=10.001)
    assert both.counts == {"received": 1, "unpaired": 1}
    (letter,) = both.letters
    assert (letter.reason, letter.unsendable) == ("unpaired", None)
    assert letter.error == "no response with the id 'a' came within 10s"
    assert letter.original() == Message(LOGS, b"key", request("a"), 1, [])


def test_dead_letters_that_are_sent_again_meet(both: Both):
    both.send(0, request("a"))
    both.work(until_s=100)
    both.send(100, response("a"))
    both.work(until_s=200)
    assert [letter.error[:11] for letter in both.letters] == ["no response", "no request "]
    for letter in both.letters:
        both.log.append(letter.original(), NOW)
    both.work(until_s=10_001)
    assert both.counts["paired"] == 2
    assert len(both.rows) == 1


def test_of_halves_that_are_sent_twice_the_first_one_counts(both: Both):
    both.send(0, request("a", 0.25), request("a", 0.5), response("a", 0.75))
    both.send(1, response("a", 1.0), request("a", 1.0))
    both.work(until_s=2)
    both.send(3, request("a", 0.125))
    both.work(until_s=4)
    assert both.rows == [("a", 0.25, 0.75)]
    assert both.counts == {"received": 6, "paired": 2, "rows": 1, "duplicates": 4}


def test_an_id_can_be_used_again_after_the_horizon(both: Both):
    both.send(0, request("a", 0.25), response("a"))
    both.send(20, request("a", 0.5), response("a"))
    both.work(until_s=21)
    assert [x for _, x, _ in both.rows] == [0.25, 0.5]
    assert both.log.all("dead-letters") == []


def test_a_partition_that_is_behind_holds_the_others(both: Both):
    """The responses are read hours before the requests."""
    both.send(5, response("a"), partition=0)
    both.send(5_000, *(response(f"{i}") for i in range(3)), partition=0)
    both.work()
    both.send(4, request("a"), partition=1)
    both.send(4_999, *(request(f"{i}") for i in range(3)), partition=1)
    both.work(until_s=5_001)
    assert both.counts == {"received": 8, "paired": 8, "rows": 4}


def test_topics_that_stand_still_do_not_end_the_wait(both: Both):
    """``ingest`` was away for an hour."""
    both.send(0, request("a"), partition=0)
    both.work()
    both.restart_ingest()
    both.send(0.1, response("a"), partition=1)
    both.send(3_600, request("b"), response("b"), partition=0)
    both.work(until_s=3_601)
    assert both.counts["paired"] == 4


def test_a_clock_that_is_ahead_ends_no_wait(both: Both):
    both.send(0, request("a"))
    both.log.append(Message(LOGS, None, request("z"), 0), NOW + 10**12)
    both.log.append(Message(LOGS, None, request("y"), 1), NOW + 10**12)
    both.work()
    both.log.append(Message(LOGS, None, response("z"), 0), NOW)
    both.work()
    both.idle(10_001)
    both.work()
    assert "z" in [id_ for id_, _, _ in both.rows]


def test_rows_are_in_the_order_of_time_for_any_order_of_reading(tmp_path: Path):
    """The records of one partition are read before those of the other."""
    found = []
    for first in (0, 1):
        made = Both(tmp_path / f"{first}")
        for number in (first, 1 - first):
            for i in range(number, 50, 2):
                made.send(i, request(f"{i}", i), partition=number)
                made.send(i + 0.5, response(f"{i}"), partition=number)
            made.ingest.work()
            made.pair.work()
        made.work(until_s=60)
        by_partition = [
            [x for record in made.log.read(at) for _, x, _ in rows_of(record)]
            for at in made.log.topic_partitions("predictions")
        ]
        assert all(xs == sorted(xs) for xs in by_partition)
        found.append(by_partition)
        made.pair.release()
    assert found[0] == found[1]


def test_a_pair_that_cannot_be_mapped_is_two_dead_letters(both: Both):
    two = {"name": "p", "shape": [2], "datatype": "FP64", "data": [0.5, 0.5]}
    both.send(0, request("a"), json.dumps({"id": "a", "outputs": [two]}).encode())
    both.send(0, request("b"), json.dumps({"id": "b", "outputs": "none"}).encode())
    both.work(until_s=1)
    assert both.counts == {"received": 4, "undecodable": 4}
    errors = {letter.error for letter in both.letters}
    assert "it has 1 rows of inputs, and 2 of outputs" in errors


def test_dead_letters_have_no_value_if_features_are_redacted(tmp_path: Path):
    made = Both(tmp_path)
    made.pair.role._redacts = True
    made.send(0, request("a"))
    made.work(until_s=11)
    (letter,) = made.letters
    assert (letter.record.value, letter.redacted) == (None, "the value")
    made.pair.release()


def test_where_takes_pairs(tmp_path: Path):
    made = Both(tmp_path, own=settings(where={"$.response.model_name": ["fraud"]}))
    made.send(0, request("a"), response("a", model_name="fraud"))
    made.send(0, request("b"), response("b", model_name="churn"))
    made.work(until_s=1)
    assert made.counts == {"received": 4, "paired": 2, "rows": 1, "filtered": 2}
    made.pair.release()


def test_requests_and_responses_may_have_topics_of_their_own(tmp_path: Path):
    own = settings(pair={"id": {"key": True}, "responses": "replies", "horizon": "10s"})
    made = Both(tmp_path, own=own)
    made.send(0, request("a"), topic=LOGS)
    made.send(1, response("a"), topic=REPLIES, partition=1)
    made.work(until_s=2)
    assert made.counts == {"received": 2, "paired": 2, "rows": 1}
    made.pair.release()


# -- whatever happens in between ---------------------------------------------------------------

Sent = tuple[int, str, int, int]  # id, side, partition, seconds since the one before
sent = st.tuples(
    st.integers(0, 5),
    st.sampled_from(["request", "response"]),
    st.integers(0, 1),
    st.integers(0, 4),
)
STEPS = ("work", "die", "abort", "run_ahead", "restart", "lose")
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 6)), max_size=12)


def fed(directory: Path, sent: Sequence[Sent], chunk: int) -> Both:
    """What ``ingest`` makes of some halves, in batches of ``chunk`` of each partition."""
    made, at_s = Both(directory, new_log(halves=1)), 0
    for number, side, partition, seconds in sent:
        at_s += seconds
        make = request if side == "request" else response
        made.send(at_s, make(f"{number}", at_s), partition=partition)
    while not made.ingest.done:
        made.ingest.work(chunk)
    for later in range(100, 130):  # what is due is dealt with in bounded steps
        made.idle(at_s + later)
    return made


def outcome(made: Both) -> tuple[Any, ...]:
    """All that ``pair`` has written, in order where there is one, and its counts."""
    rows = [
        [row for record in made.log.read(at) for row in rows_of(record)]
        for at in made.log.topic_partitions("predictions")
    ]
    letters = Counter((one.partition, one.offset, one.reason) for one in made.letters)
    return rows, letters, made.counts


def disturb(made: Both, step: str, most: int) -> None:
    if step == "lose":
        made.restart_pair(lost=True)
    elif step == "restart":
        made.restart_pair()
    elif step in ("die", "run_ahead"):
        getattr(made.pair, "commit_and_die" if step == "die" else step)(most)
        made.restart_pair()
    else:
        getattr(made.pair, step)(most)


REUSED = [  # an id is used again before its first pair is mapped
    *((3, "request", 0, 0), (0, "response", 0, 0), (0, "request", 0, 3)),
    *((3, "response", 1, 8), (3, "request", 0, 1)),
]


@example(sent=REUSED, chunk=1, steps=[])
@example(sent=REUSED, chunk=9, steps=[("work", 4), ("lose", 1)])
@given(sent=st.lists(sent, max_size=40), chunk=st.integers(1, 9), steps=steps)
@examples(max_examples=20, deadline=None)
def test_the_output_is_the_same_whatever_happens_and_for_any_batches(
    sent: list[Sent], chunk: int, steps: list[tuple[str, int]]
):
    with TemporaryDirectory() as directory:
        undisturbed = fed(Path(directory) / "a", sent, chunk)
        disturbed = fed(Path(directory) / "b", sent, chunk)
        undisturbed.work()
        for step, most in steps:
            disturb(disturbed, step, most)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LEAST_SETTLED", 1)
            while not disturbed.pair.done:
                disturbed.pair.work(1)
        assert outcome(disturbed) == outcome(undisturbed)
        for made in (undisturbed, disturbed):
            made.pair.release()


@given(sent=st.lists(sent, max_size=40, unique_by=lambda half: half[:2]), chunk=st.integers(1, 9))
@examples(max_examples=20, deadline=None)
def test_halves_within_the_horizon_always_meet_and_all_are_accounted_for(
    sent: list[Sent], chunk: int
):
    with TemporaryDirectory() as directory:
        made = fed(Path(directory), sent, chunk)
        made.work()
        times = dict[str, list[int]]()
        at_s = 0
        for number, _, _, seconds in sent:
            at_s += seconds
            times.setdefault(f"{number}", []).append(at_s)
        meet = {id_ for id_, of in times.items() if len(of) == 2 and of[1] - of[0] <= 10}
        assert meet <= {id_ for id_, _, _ in made.rows}
        assert made.counts["paired"] == 2 * len(made.rows)
        assert (
            made.counts["paired"] + made.counts["unpaired"] == made.counts["received"] == len(sent)
        )
        made.pair.release()
