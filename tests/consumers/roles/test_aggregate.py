"""Aggregate: each record is classified once and counted exactly, whoever counts it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import MAX_BYTES
from consumers.messages.alerts import decode_alert
from consumers.messages.joins import (
    JoinColumns,
    decode_join_message,
    identity,
    identity_partition,
)
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import decode_summary_message
from consumers.roles.aggregate import Aggregate
from consumers.roles.source_position import Position, UnfitPosition
from monitor.counts.summary import Part
from monitor.events.event_time import NEVER
from monitor.events.progress import AppendTimes, Seen
from monitor.windows.clocks import Progress
from producers.contract.partitions import model_partition
from tests.consumers.in_memory import (
    ACCEPT_LATE,
    LATENESS,
    NOW,
    PANE,
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    join_rows,
    label,
    pane_sums,
    plan,
    positions_of,
    prediction,
    profile,
    source_progress,
    summaries,
)

P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
L0, L1 = TopicPartition("labels", 0), TopicPartition("labels", 1)
J0 = TopicPartition("joins", 0)
SOURCES = (P0, P1, L0, L1)
ONE = ("m", "1")
OTHER_PANE = profile("coarse", pane_ms=2 * PANE)


def new_log() -> Log:
    return Log(predictions=2, labels=2, summaries=2, joins=3, positions=2)


def table(**known: Any) -> Table:
    return Table(profile(), profile(version="2", threshold=0.8), OTHER_PANE, **known)


def aggregate(
    log: Log, profiles: Table | None = None, versions: VersionStates | None = None, **time: Any
) -> Aggregate:
    plan_of, positions = constant(plan(**time)), positions_of(log)
    states = versions or VersionStates()
    return Aggregate(profiles or table(), plan_of, log.partitions, positions, states)


def counted(*sent: tuple[TopicPartition, bytes | None], **time: Any) -> Log:
    """The log after one batch of these records."""
    log = new_log()
    send(log, *sent)
    Worker(aggregate(log, **time), log, SOURCES).work()
    return log


def send(log: Log, *sent: tuple[TopicPartition, bytes | None]) -> None:
    for topic_partition, value in sent:
        log.append(Message(topic_partition.topic, b"key", value, topic_partition.partition))


def position(log: Log, source: TopicPartition) -> Position:
    """The position of a source partition, from the log."""
    return positions_of(log).load([source])[source]


def reasons(log: Log) -> list[str]:
    return [headers(record)["driftline.reason"] for record in dead_letters(log)]


def dead_letters(log: Log) -> list[Record]:
    return log.read(TopicPartition("dead-letters", 0))


def headers(record: Record) -> dict[str, str]:
    return {name: (value or b"").decode(errors="replace") for name, value in record.headers}


# -- one class for each record, in a fixed order -----------------------------------------------

FUTURE = NOW + 60_001


@pytest.mark.parametrize(
    ("topic_partition", "value", "reason"),
    [
        pytest.param(P0, b"{", "undecodable", id="no JSON"),
        pytest.param(P0, b"", "undecodable", id="nothing"),
        pytest.param(P0, None, "undecodable", id="a tombstone"),
        pytest.param(P0, b"\xff\xfe", "undecodable", id="no UTF-8"),
        pytest.param(P0, b'"a text"', "contract", id="no object"),
        pytest.param(P0, prediction(score="x", model="nobody"), "contract", id="contract first"),
        pytest.param(
            P0, prediction(score=1.5, model="nobody"), "unknown_model", id="no task is known"
        ),
        pytest.param(P0, prediction(features={"x": [1]}), "contract", id="a nested feature"),
        pytest.param(P0, prediction(model="nobody"), "unknown_model", id="unknown model"),
        pytest.param(P0, prediction(version="3"), "unknown_model", id="unknown version"),
        pytest.param(
            P0, prediction(model="nobody", time=FUTURE), "unknown_model", id="model first"
        ),
        pytest.param(P0, prediction(time=FUTURE), "clock_skew", id="ahead of the broker's clock"),
        pytest.param(P0, prediction(time=T0 // 1000), "implausible_time", id="in seconds"),
        pytest.param(P0, prediction(time=0), "implausible_time", id="a clock that was not set"),
        pytest.param(L0, label(time=T0 // 1000), "implausible_time", id="a label in seconds"),
        pytest.param(L0, b"{", "undecodable", id="a label that is no JSON"),
        pytest.param(L0, label(label=2), "contract", id="a label that is no class"),
        pytest.param(L0, label(model="nobody"), "unknown_model", id="a label of nobody"),
        pytest.param(L0, label(time=FUTURE), "clock_skew", id="a label of the future"),
    ],
)
def test_a_record_with_several_errors_is_rejected_for_the_first_reason(
    topic_partition, value, reason
):
    log = counted((topic_partition, value))
    assert reasons(log) == [reason]
    assert position(log, topic_partition) == Position(
        next_offset=1, append_ms=NOW, counts={"received": 1}, dead={reason: 1}
    )
    assert pane_sums(log.all("summaries")) == {}
    assert join_rows(log.all("joins")) == []


def test_a_row_within_the_clock_skew_is_counted():
    log = counted((P0, prediction(time=FUTURE - 1)))
    assert reasons(log) == []


def test_the_clock_skew_is_not_checked_if_it_is_off():
    log = counted((P0, prediction(time=FUTURE + 10**9)), max_clock_skew_ms=None)
    assert reasons(log) == []


TEN_YEARS_MS = 3_653 * 86_400_000


@pytest.mark.parametrize(("more_ms", "expected"), [(0, []), (1, ["implausible_time"])])
def test_a_row_more_than_ten_years_ahead_is_refused_even_if_the_skew_is_off(more_ms, expected):
    """It would make all rows of its version that follow too late."""
    log = counted((P0, prediction(time=NOW + TEN_YEARS_MS + more_ms)), max_clock_skew_ms=None)
    assert reasons(log) == expected


def test_a_rejected_row_does_not_advance_event_time():
    """Otherwise the rows after it would be too late."""
    log = counted((P0, prediction(time=FUTURE)), (P0, prediction(time=T0)))
    assert position(log, P0).seen == {("m", "1"): Seen(T0, NOW, NOW, NOW)}
    assert position(log, P0).counts == {"received": 2, "counted": 1}


# newest seen:   ... 9500) on time   [9500 ... 12500] late   (12500 ... too late
#                         lateness 500               accept_late 3000
@pytest.mark.parametrize(
    ("seen_ms", "counts"),
    [
        pytest.param(9_499, {"counted": 2}, id="on time until lateness past the end of its pane"),
        pytest.param(9_500, {"counted": 2, "late": 1}, id="late from then on"),
        pytest.param(12_500, {"counted": 2, "late": 1}, id="late until accept_late more"),
        pytest.param(12_501, {"counted": 1, "too_late": 1}, id="too late beyond"),
    ],
)
def test_lateness_depends_on_the_newest_time_of_the_own_partition(seen_ms, counts):
    row = prediction(time=T0 + 8_123)  # of the pane that ends at 9,000
    log = counted(
        (P1, prediction(time=T0 + 99_000)), (P0, prediction(time=T0 + seen_ms)), (P0, row)
    )
    assert position(log, P0).counts == {"received": 2, **counts}


def test_lateness_depends_on_rows_of_the_same_version_only():
    """A model that is scored at night, beside one that is scored all day."""
    day = [(P0, prediction(time=T0 + 99_000)), (P0, prediction(time=T0 + 99_000, version="2"))]
    night = [(P0, prediction(model="n", time=T0)), (P0, prediction(model="n", time=T0 + 1))]
    log = new_log()
    send(log, *day, *night)
    Worker(aggregate(log, table(later=[profile("n")])), log, SOURCES).work()
    assert position(log, P0).counts == {"received": 4, "counted": 4}
    assert position(log, P0).seen["n", "1"].newest_ms == T0 + 1


def test_label_counts_as_arrived_by_labels_of_the_same_model_only():
    log = new_log()
    send(log, (L0, label(time=T0 + 99_000)), (L0, label(model="n", time=T0)))
    Worker(aggregate(log, table(later=[profile("n")])), log, SOURCES).work()
    assert {row[6] for row in join_rows(log.all("joins"))} == {NEVER}


def test_sender_whose_clock_is_ahead_moves_event_time_to_the_append_time_at_most():
    ahead, others = prediction(time=NOW + 50_000), prediction(time=NOW - 1)
    log = counted((P0, ahead), (P0, others))
    assert position(log, P0).seen["m", "1"].newest_ms == NOW
    assert position(log, P0).counts == {"received": 2, "counted": 2}
    log = counted((P0, ahead), (P0, others), max_clock_skew_ms=None)
    assert position(log, P0).seen["m", "1"].newest_ms == NOW + 50_000
    assert position(log, P0).counts == {"received": 2, "counted": 1, "too_late": 1}


# -- the law: nothing depends on who counts, in which batches ----------------------------------


class Raw(NamedTuple):
    """A record, and either the reason of its rejection or its fields."""

    topic_partition: TopicPartition
    value: bytes | None
    is_: str | dict[str, Any]


def raw(topic_partition: TopicPartition, value: bytes | None, reason: str | None) -> Raw:
    return Raw(topic_partition, value, reason or json.loads(value or b""))


# Times in quarters of a second, so that the edges are met often.
offsets_ms = st.sampled_from([-8_000, -4_500, -4_250, -1_500, -750, -250, 0, 0, 0, 250, 500])
ids = st.sampled_from([f"r{i}" for i in range(6)])
features = st.fixed_dictionaries(
    {},
    optional={
        "x": st.sampled_from([0.0, 0.1, 99.0, None, "text", True]),
        "c": st.sampled_from(["a", "b", "unseen", None, 1]),
        "gate": st.sampled_from([1, "B7", None]),
    },
)
good_predictions = st.fixed_dictionaries(
    {
        "id": ids,
        "version": st.sampled_from(["1", "2"]),
        "features": features,
        "score": st.sampled_from([0.0, 0.5, 0.79, 0.8, 1.0]),
        "prediction": st.sampled_from([None, 0, 1]),
    }
)
good_labels = st.fixed_dictionaries({"id": ids, "label": st.integers(0, 1)})
broken = st.sampled_from(
    [
        (b"{", "undecodable"),
        (None, "undecodable"),
        (b"[]", "contract"),
        (prediction(model="nobody"), "unknown_model"),
        (prediction(model="coarse"), "unknown_model"),
        (prediction(time=FUTURE), "clock_skew"),
    ]
)
broken_labels = st.sampled_from(
    [
        (b"nan", "undecodable"),
        (label(label=None), "contract"),
        (label(model="nobody"), "unknown_model"),
        (label(time=FUTURE), "clock_skew"),
    ]
)


@st.composite
def streams(draw: Any) -> list[Raw]:
    """Records of two partitions of each topic: out of order, late, repeated, invalid."""
    found = []
    for i in range(draw(st.integers(0, 40))):
        topic_partition = draw(st.sampled_from(SOURCES))
        at = {"time": T0 + 10_000 + 250 * i + draw(offsets_ms)}
        of_labels = topic_partition.topic == "labels"
        if draw(st.integers(0, 5)) == 0:
            found.append(raw(topic_partition, *draw(broken_labels if of_labels else broken)))
        elif of_labels:
            found.append(raw(topic_partition, label(**at, **draw(good_labels)), None))
        else:
            found.append(raw(topic_partition, prediction(**at, **draw(good_predictions)), None))
    return found


class Expected:
    """The definition in the design, record by record."""

    def __init__(self, stream: list[Raw]) -> None:
        self.newest_ms: dict[tuple[TopicPartition, str], int] = {}  # by partition and version
        self.counts: dict[TopicPartition, Counter[str]] = defaultdict(Counter)
        self.dead: dict[TopicPartition, Counter[str]] = defaultdict(Counter)
        self.dead_letters: list[bytes | None] = []
        self.rows: list[tuple[dict[str, Any], Part]] = []
        self.joined: list[Any] = []
        for record in stream:
            self.counts[record.topic_partition]["received"] += 1
            if isinstance(record.is_, str):
                self.dead[record.topic_partition][record.is_] += 1
                self.dead_letters.append(record.value)
            elif record.topic_partition.topic == "predictions":
                self._prediction(record.topic_partition, record.is_)
            else:
                self._label(record.topic_partition, record.is_)

    def _prediction(self, topic_partition: TopicPartition, row: dict[str, Any]) -> None:
        seen_ms = self._see(topic_partition, row)
        pane_end_ms = row["time"] - row["time"] % PANE + PANE
        if seen_ms - LATENESS > pane_end_ms + ACCEPT_LATE:
            self.counts[topic_partition]["too_late"] += 1
            return
        late = seen_ms - LATENESS >= pane_end_ms
        self.counts[topic_partition]["counted"] += 1
        self.counts[topic_partition]["late"] += late
        threshold = {"1": 0.5, "2": 0.8}[row["version"]]
        row["predicted"] = row["prediction"]
        if row["prediction"] is None:
            row["predicted"] = int(row["score"] >= threshold)
        self.rows.append((row, Part.LATE if late else Part.ON_TIME))
        ident = identity("m", row["id"])
        scored = (row["score"], row["predicted"])
        self.joined.append((ident, row["version"], row["time"], late, *scored, 0))

    def _label(self, topic_partition: TopicPartition, row: dict[str, Any]) -> None:
        seen_ms = self._see(topic_partition, row)
        self.counts[topic_partition]["counted"] += 1
        ident = identity("m", row["id"])
        self.joined.append((ident, None, row["time"], False, 0.0, row["label"], seen_ms))

    def _see(self, topic_partition: TopicPartition, row: dict[str, Any]) -> int:
        key = (topic_partition, row.get("version", ""))
        before = self.newest_ms.get(key, NEVER)
        self.newest_ms[key] = max(before, row["time"])
        return before

    def position(self, source: TopicPartition) -> Position:
        seen = {
            ("m", version) if version else ("m",): Seen(newest_ms, NOW, NOW, NOW)
            for (of, version), newest_ms in self.newest_ms.items()
            if of == source
        }
        counts = {name: n for name, n in self.counts[source].items() if n}
        received = self.counts[source]["received"]
        return Position(received, NOW, counts, dict(self.dead[source]), seen)

    def pane_counts(self) -> dict[Any, tuple[int, Counter[int], Counter[str]]]:
        panes: dict[Any, Any] = {}
        for row, part in self.rows:
            key = ("m", row["version"], row["time"] - row["time"] % PANE, part)
            rows, classes, unknown = panes.get(key, (0, Counter(), Counter()))
            gate = row["features"].get("gate") is not None
            panes[key] = (
                rows + 1,
                classes + Counter([row["predicted"]]),
                unknown + Counter(["gate"] * gate),
            )
        return panes


# Who owns which source, and what becomes of each batch of so many records a partition.
owners = st.tuples(*[st.integers(0, 1)] * len(SOURCES))
turns = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(["commit", "commit", "abort", "hand over", "die after the commit"]),
    ),
    max_size=12,
)


@given(stream=streams(), owners=owners, turns=turns)
@settings(max_examples=80, deadline=None)
@example(stream=[], owners=(0, 0, 0, 0), turns=[])
def test_every_row_is_counted_once_for_any_batches_workers_and_crashes(stream, owners, turns):
    expected, log = Expected(stream), new_log()
    send(log, *((record.topic_partition, record.value) for record in stream))
    count_in_turns(log, owners, turns)

    for source in {record.topic_partition for record in stream}:
        assert position(log, source) == expected.position(source)
        found = position(log, source)
        counts = Counter(found.counts)
        assert counts["received"] == counts["counted"] + counts["too_late"] + sum(
            found.dead.values()
        )
    sums = pane_sums(log.all("summaries"))
    assert {
        key: (
            cells["rows"].size,
            Counter({c: cells["classes"].at(c) for c in (0, 1)}) + Counter(),
            Counter(names.get("unknown", {})),
        )
        for key, (cells, names) in sums.items()
    } == expected.pane_counts()
    assert join_rows(log.all("joins")) == sorted(expected.joined, key=repr)
    assert sorted(r.value or b"" for r in dead_letters(log)) == sorted(
        letter or b"" for letter in expected.dead_letters
    )
    assert sums == pane_sums(at_once(stream).all("summaries"))


def at_once(stream: list[Raw]) -> Log:
    return counted(*((record.topic_partition, record.value) for record in stream))


def count_in_turns(log: Log, owners: tuple[int, ...], turns: list[tuple[int, str]]) -> None:
    """Two workers in turns, until everything is counted."""
    shares = [[p for p, owner in zip(SOURCES, owners, strict=True) if owner == n] for n in (0, 1)]
    workers = [Worker(aggregate(log), log, share) for share in shares if share]
    for most, ending in turns:
        for n, worker in enumerate(workers):
            if not survives(worker, most, ending):
                workers[n] = Worker(aggregate(log), log, worker.topic_partitions)
    for worker in workers:
        worker.work()


def survives(worker: Worker, most: int, ending: str) -> bool:
    if ending == "commit":
        worker.work(most)
    elif ending == "abort":
        worker.abort(most)
    elif ending == "die after the commit":
        worker.commit_and_die(most)
    return ending in ("commit", "abort")


@given(
    value=st.one_of(st.binary(max_size=60), st.none()), topic_partition=st.sampled_from([P0, L0])
)
@settings(max_examples=150, deadline=None)
def test_no_bytes_stop_the_role(value, topic_partition):
    log = counted((topic_partition, value))
    assert position(log, topic_partition).counts["received"] == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    field=st.sampled_from(["id", "time", "model", "version", "features", "score", "prediction"]),
    value=json_values,
)
@settings(max_examples=150, deadline=None)
def test_no_value_of_a_field_stops_the_role(field, value):
    log = counted((P0, prediction(**{field: value})), (P0, prediction(features={"x": value})))
    assert position(log, P0).counts["received"] == 2


# -- dead letters ------------------------------------------------------------------------------


def rejected(**fields: Any) -> Record:
    log = new_log()
    given_ = {"key": b"key", "value": b"{", "partition": 1, "headers": [], **fields}
    log.append(Message("predictions", **given_))
    Worker(aggregate(log), log, SOURCES).work()
    (letter,) = dead_letters(log)
    return letter


def test_a_dead_letter_has_the_bytes_and_headers_of_its_record_and_the_reason():
    sent = [("trace", b"\x00\xff"), ("empty", None), ("trace", b"again")]
    letter = rejected(key=b"\x01", value=b"\xfe{", headers=sent)
    assert (letter.key, letter.value) == (b"\x01", b"\xfe{")
    assert list(letter.headers)[:3] == sent
    added = headers(letter)
    assert added["driftline.error"]
    assert {name: value for name, value in added.items() if name.startswith("driftline.")} == {
        "driftline.reason": "undecodable",
        "driftline.error": added["driftline.error"],
        "driftline.topic": "predictions",
        "driftline.partition": "1",
        "driftline.offset": "0",
    }


def test_a_replayed_dead_letter_that_is_rejected_again_has_only_the_new_reason():
    old = [("driftline.reason", b"unknown_model"), ("trace", b"1")]
    again = rejected(headers=old)
    assert [name for name, _ in again.headers].count("driftline.reason") == 1
    assert headers(again)["driftline.reason"] == "undecodable"


@pytest.mark.parametrize("field", ["key", "value"])
def test_a_dead_letter_of_a_record_without_key_or_value_has_none(field):
    assert getattr(rejected(**{field: None}), field) is None


def test_an_oversized_record_is_truncated_to_64_kib_with_a_hash_of_the_whole():
    value = b"{" * (MAX_BYTES + 1)
    letter = rejected(key=None, value=value)
    assert (letter.key, letter.value) == (None, value[: 64 * 1024])
    digest = hashlib.sha256(value).hexdigest()
    assert headers(letter)["driftline.truncated"] == f"sha256={digest} bytes={len(value)}"


def test_a_record_of_exactly_the_limit_is_complete():
    letter = rejected(value=b"{" * (MAX_BYTES - len(b"key")))
    assert letter.value is not None
    assert len(letter.value) == MAX_BYTES - len(b"key")
    assert "driftline.truncated" not in headers(letter)


@pytest.mark.parametrize(
    "large",
    [
        pytest.param({"key": b"k" * MAX_BYTES}, id="key"),
        pytest.param({"headers": [("h", b"x" * MAX_BYTES)]}, id="headers"),
    ],
)
def test_large_keys_and_headers_do_not_make_a_dead_letter_too_large(large):
    """They may have come compressed; a dead letter that Kafka refuses would stop the role."""
    letter = rejected(**large)
    around = sum(len(name) + len(value or b"") for name, value in letter.headers)
    assert len(letter.key or b"") + len(letter.value or b"") + around < MAX_BYTES
    assert headers(letter)["driftline.truncated"].endswith("bytes=1")


# -- what is counted ---------------------------------------------------------------------------


def test_without_a_prediction_the_threshold_of_the_profile_is_applied():
    scores = [0.79, 0.8]
    rows = [(P0, prediction(version=v, score=s)) for v in ("1", "2") for s in scores]
    log = counted(*rows, (P0, prediction(version="2", score=0.9, prediction=0)))
    sums = pane_sums(log.all("summaries"))
    classes = {key[1]: cells["classes"] for key, (cells, _) in sums.items()}
    assert {v: (c.at(0), c.at(1)) for v, c in classes.items()} == {"1": (0, 2), "2": (2, 1)}


def test_unknown_features_are_counted_by_name():
    gate = (P0, prediction(features={"gate": "B7", "x": 1.0}))
    (names,) = (names for _, names in pane_sums(counted(gate, gate).all("summaries")).values())
    assert names == {"unknown": {"gate": 2}}


def test_the_number_of_unknown_features_is_bounded():
    """Each of a thousand rows has ten unknown features of its own."""
    rows = [
        (P0, prediction(features={f"{i}-{k}": 1 for k in range(10)}, id=str(i)))
        for i in range(1_000)
    ]
    (found,) = summaries(counted(*rows).all("summaries"))
    assert found.cells["rows"].size == 1_000
    assert len(found.names["unknown"]) == 200


def test_all_summaries_of_a_model_are_in_one_partition():
    models = ("m", "k")
    rows = [
        (P0, prediction(id=f"r{i}", model=m, version=v))
        for i in range(9)
        for m, v in (("m", "1"), ("m", "2"), ("k", "1"))
    ]
    log = new_log()
    send(log, *rows)
    Worker(aggregate(log, table(later=[profile("k")])), log, SOURCES).work()
    found = {(r.key, r.partition) for r in log.all("summaries") if summaries([r])}
    assert found == {(model.encode(), model_partition(model, 2)) for model in models}
    assert {partition for _, partition in found} == {0, 1}


def test_all_join_rows_of_an_id_are_in_one_partition():
    log = counted(
        *((P0, prediction(id=f"r{i}", time=T0 + 1_000 * i)) for i in range(20)),
        *((L1, label(id=f"r{i}", time=T0 + 1_000 * i)) for i in range(20)),
    )
    for topic_partition in log.topic_partitions("joins"):
        rows = join_rows(log.read(topic_partition))
        assert rows
        assert {identity_partition(row[0], 3) for row in rows} == {topic_partition.partition}
        assert {row[1] for row in rows} == {None, "1"}


# -- profiles ----------------------------------------------------------------------------------


def test_a_model_that_was_registered_meanwhile_is_found():
    log = new_log()
    send(log, (P0, prediction(model="new")), (L0, label(model="new")))
    profiles = table(later=[profile("new")])
    Worker(aggregate(log, profiles), log, SOURCES).work()
    assert (reasons(log), profiles.catch_ups) == ([], 1)


def test_the_profiles_are_read_to_their_end_once_a_batch():
    log, profiles = new_log(), table()
    worker = Worker(aggregate(log, profiles), log, SOURCES)
    unknown = [(P0, prediction(model=f"nobody-{i}")) for i in range(50)]
    send(log, *unknown, *((L0, label(model=f"nobody-{i}")) for i in range(50)))
    worker.work()
    assert profiles.catch_ups == 1
    send(log, unknown[0])
    worker.work()
    assert profiles.catch_ups == 2


def test_rows_before_the_deletion_of_their_version_are_counted_and_later_ones_rejected():
    log, profiles = new_log(), table(deleted=[("m", "1")])
    send(log, (P0, prediction()), (P0, prediction(model="nobody")), (P0, prediction(id="b")))
    Worker(aggregate(log, profiles), log, SOURCES).work()
    assert reasons(log) == ["unknown_model", "unknown_model"]
    assert position(log, P0).counts["counted"] == 1


def test_a_profile_with_another_pane_is_rejected_with_both_lengths():
    log = counted((P0, prediction(model="coarse")))
    assert headers(dead_letters(log)[0])["driftline.error"] == (
        "the profile of coarse/1 was built with panes of 2 s, but windows.pane is 1 s: make them"
        " equal, or register a new version, then replay the dead letters"
    )


# -- progress ----------------------------------------------------------------------------------

SEEN = Seen(T0 + 5_000, NOW, NOW, NOW)


def test_transaction_ends_with_the_progress_of_each_version_in_the_partition_of_its_model():
    log = counted((P1, prediction(time=T0 + 5_000)), (P1, prediction(time=T0)), (L0, b"{"))
    predictions, labels = AppendTimes(2, {1: NOW}), AppendTimes(2, {0: NOW})
    for topic_partition in log.topic_partitions("joins"):
        (progress,) = source_progress(log.read(topic_partition)[-1:])
        assert (progress.predictions, progress.labels) == (predictions, labels)
        assert [(v.model, v.version, v.partition, v.seen) for v in progress.versions] == [
            ("m", "1", 1, SEEN)
        ]
        assert progress.label_models == []
    own = model_partition("m", 2)
    for number, seen in ((own, {("m", "1"): {1: SEEN}}), (1 - own, {})):
        last = decode_summary_message(log.read(TopicPartition("summaries", number))[-1])
        assert last == Progress(predictions=predictions, seen=seen)


def test_progress_of_labels_goes_to_join_by_model():
    log = counted((L1, label(time=T0 + 5_000)))
    progress = source_progress(log.all("joins"))[-1]
    assert [(m.model, m.partition, m.seen) for m in progress.label_models] == [("m", 1, SEEN)]
    assert progress.versions == []


def test_append_time_is_reported_again_once_it_has_moved_by_a_second():
    log = new_log()
    worker = Worker(aggregate(log), log, SOURCES)
    for append_ms in (NOW, NOW + 999, NOW + 1_000):
        log.append(Message("predictions", None, prediction(), 0), append_ms)
        worker.work()
    reported = [p.predictions.reached_ms for p in source_progress(log.read(J0))]
    assert reported == [{0: NOW}, {}, {0: NOW + 1_000}]
    other = TopicPartition("summaries", 1 - model_partition("m", 2))
    assert len(log.read(other)) == 2  # of another model: only when append time is reported


def test_worker_reports_the_progress_of_its_own_partitions_only():
    log = new_log()
    send(log, (P1, prediction()))
    Worker(aggregate(log), log, [P1]).work()
    progress = source_progress(log.all("joins"))[-1]
    assert progress.predictions == AppendTimes(2, {1: NOW})
    assert progress.labels == AppendTimes(2, {})


def test_successor_reports_the_append_time_again():
    """Progress may have been lost with an aborted transaction of the worker before."""
    log = new_log()
    send(log, (P0, prediction()))
    Worker(aggregate(log), log, SOURCES).work()
    send(log, (P0, prediction()))
    Worker(aggregate(log), log, SOURCES).work()
    assert source_progress(log.read(J0))[-1].predictions == AppendTimes(2, {0: NOW})


def test_position_of_a_partition_survives_a_worker_and_a_forgotten_group():
    log = new_log()
    send(log, (P0, prediction(time=T0 + 5_000)), (P0, b"{"))
    Worker(aggregate(log), log, SOURCES).work()
    role = aggregate(log)
    role.on_partitions_assigned({P0: CommittedOffset(2)})
    assert role.status()["predictions/0"]["offset"] == 2
    assert position(log, P0).counts == {"received": 2, "counted": 1}
    assert positions_of(log).next_offsets(SOURCES) == {P0: 2}


def test_partition_that_ends_before_what_was_counted_is_refused():
    """Otherwise the client goes on at the position."""
    log = new_log()
    send(log, (P0, prediction()), (P0, prediction()))
    Worker(aggregate(log), log, SOURCES).work()
    sentence = "records up to offset 2 have been counted, but it ends before: the topic was deleted"
    with pytest.raises(UnfitPosition, match=sentence):
        aggregate(log).on_partitions_assigned({P0: CommittedOffset(1)})


def test_position_that_cannot_be_read_is_refused_with_its_place_unless_a_later_one_replaces_it():
    log = new_log()
    send(log, (P0, prediction()))
    Worker(aggregate(log), log, SOURCES).work()
    good = log.read(TopicPartition("positions", 0))[-1]
    log.append(Message("positions", good.key, b'{"schema": 2}', 0))
    with pytest.raises(UnreadableMessage, match="topic positions, partition 0, offset "):
        positions_of(log).load(SOURCES)
    log.append(Message("positions", good.key, good.value, 0))
    assert positions_of(log).load(SOURCES)


def test_group_whose_positions_are_lost_is_refused():
    with pytest.raises(UnfitPosition, match="'positions' has no record of it"):
        aggregate(new_log()).on_partitions_assigned({P0: CommittedOffset(7)})


def test_records_that_a_group_was_made_to_skip_are_logged(caplog):
    log = new_log()
    send(log, (P0, prediction()), (P0, prediction()))
    Worker(aggregate(log), log, SOURCES).work()
    aggregate(log).on_partitions_assigned({P0: CommittedOffset(9)})
    assert "predictions/0: records 2 to 9 are skipped" in caplog.text


# -- states of versions ------------------------------------------------------------------------


def test_rows_of_a_retired_version_are_counted_as_retired_and_are_no_dead_letters():
    log = new_log()
    send(log, (P0, prediction()), (P0, prediction(version="2")), (L0, label()))
    Worker(aggregate(log, versions=VersionStates(("m", "1"))), log, SOURCES).work()
    assert position(log, P0).counts == {"received": 2, "counted": 1, "retired": 1}
    assert (set(position(log, P0).seen), reasons(log)) == ({("m", "2")}, [])
    assert {key[1] for key in pane_sums(log.all("summaries"))} == {"2"}


def test_event_time_of_a_version_starts_afresh_after_its_reset():
    """A row of a wrong time, with the limit for clocks off, has made all others too late."""
    log = new_log()
    send(log, (P0, prediction(time=T0 + 10**9)), (P0, prediction(time=T0)))
    Worker(aggregate(log, max_clock_skew_ms=None), log, SOURCES).work()
    assert position(log, P0).counts["too_late"] == 1
    states = VersionStates(resets={("m", "1"): NOW + 5})
    worker = Worker(aggregate(log, versions=states, max_clock_skew_ms=None), log, SOURCES)
    log.append(Message("predictions", None, prediction(time=T0), 0), NOW + 6)
    worker.work()
    assert position(log, P0).seen["m", "1"] == Seen(T0, *[NOW + 6] * 3)
    log.append(Message("predictions", None, prediction(time=T0 + 1), 0), NOW + 7)
    worker.work()
    assert position(log, P0).seen["m", "1"] == Seen(T0 + 1, NOW + 7, NOW + 6, NOW + 7)
    assert position(log, P0).counts["too_late"] == 1


@pytest.mark.parametrize("version", ["1", "2"])
def test_label_time_of_a_model_starts_afresh_after_the_reset_of_any_of_its_versions(version):
    log = new_log()
    send(log, (L0, label(time=T0 + 9_000)), (L0, label(time=T0 + 9_000, model="n")))
    profiles = table(later=[profile("n")])
    Worker(aggregate(log, profiles), log, SOURCES).work()
    states = VersionStates(resets={("m", version): NOW + 5})
    worker = Worker(aggregate(log, profiles, states), log, SOURCES)
    for append_ms, model in ((NOW + 6, "m"), (NOW + 7, "m"), (NOW + 7, "n")):
        log.append(Message("labels", None, label(id="r2", time=T0 + 1, model=model), 0), append_ms)
        worker.work()
    seen = position(log, L0).seen
    assert seen["m",] == Seen(T0 + 1, NOW + 7, NOW + 6, NOW + 7)
    assert seen["n",] == Seen(T0 + 9_000, NOW, NOW, NOW + 7)
    r2 = {identity(model, "r2") for model in ("m", "n")}
    rows = [row for row in join_rows(log.all("joins")) if row[0] in r2]
    assert sorted(row[-1] for row in rows) == [NEVER, T0 + 1, T0 + 9_000]


def test_rows_and_progress_have_the_life_of_their_version():
    log = new_log()
    send(log, (P0, prediction()), (P0, prediction(version="2")), (L0, label()))
    states = VersionStates(resets={("m", "2"): NOW - 5})
    states.reset("m", "2", NOW - 4)
    Worker(aggregate(log, versions=states), log, SOURCES).work()
    read = [decode_join_message(record) for record in log.all("joins")]
    rows = [one for one in read if isinstance(one, JoinColumns)]
    found = {(tuple(one.versions), tuple(one.life.tolist())) for one in rows}
    assert found == {(("1",), (0,)), (("2",), (2,)), ((), (0,))}
    *_, progress = source_progress(log.all("joins"))
    seen = [(one.version, one.life, one.reset_ms) for one in progress.versions]
    assert seen == [("1", 0, None), ("2", 2, NOW - 4)]


def test_times_that_begin_afresh_go_to_join_before_their_rows():
    """The watermark from before the reset would expire them."""
    log = new_log()
    times = (T0 + 5, T0, T0 + 9)
    send(log, *((P0, prediction(time=at_ms)) for at_ms in times))
    send(log, *((L1, label(time=at_ms)) for at_ms in times), (P0, prediction(version="2")))
    worker = Worker(aggregate(log, versions=VersionStates(resets={ONE: NOW - 5})), log, SOURCES)
    worker.work()
    first, *_, last = log.read(J0)
    (begun,), (end,) = source_progress([first]), source_progress([last])
    oldest = Seen(T0, NOW, NOW, NOW)
    assert [(one.version, one.seen, one.life) for one in begun.versions] == [("1", oldest, 1)]
    assert [(one.partition, one.seen) for one in begun.label_models] == [(1, oldest)]
    assert [one.seen.newest_ms for one in end.versions] == [T0 + 9, T0]
    send(log, (P0, prediction()), (L1, label()))
    worker.work()
    assert len(source_progress(log.read(J0))) == 3  # nothing begins any more


# -- idle partitions ---------------------------------------------------------------------------


def idle(role: Aggregate) -> list[bool]:
    return [bool(role.status()[p.name]["idle"]) for p in (P0, P1)]


def reached(log: Log) -> list[int | None]:
    """The newest append times of the predictions' partitions that were reported."""
    found = AppendTimes()
    for progress in source_progress(log.read(J0)):
        found = found.updated(progress.predictions)
    return [found.reached_ms.get(n) for n in (0, 1)]


def test_partition_that_was_read_to_its_end_reaches_the_clock_of_the_worker():
    log = new_log()
    role = aggregate(log)
    worker = Worker(role, log, SOURCES)
    worker.work(batch=Batch(idle={P0: 0}, now_ms=NOW))
    assert (idle(role), reached(log)) == ([True, False], [NOW, None])
    assert worker.work(batch=Batch(idle={P0: 0}, now_ms=NOW + 999)) is None
    worker.work(batch=Batch(idle={P0: 0}, now_ms=NOW + 1_000))
    assert reached(log) == [NOW + 1_000, None]

    send(log, (P0, prediction()))
    worker.work()
    assert idle(role) == [False, False]


def test_an_empty_batch_needs_no_transaction():
    log = new_log()
    assert Worker(aggregate(log), log, SOURCES).work() is None
    assert log.committed == {}


def test_idle_partitions_are_committed_with_offsets_and_unchanged_counts():
    """A transaction without offsets would not fence a worker that lost its partition."""
    log = new_log()
    send(log, (P0, prediction()), (P0, b"{"))
    worker = Worker(aggregate(log), log, SOURCES)
    worker.work()
    before = position(log, P0)
    worker.work(batch=Batch(idle={P0: 2, P1: 0}, now_ms=NOW + 5_000))
    assert position(log, P0) == replace(before, append_ms=NOW + 5_000)
    assert [log.committed[p].next_offset for p in (P0, P1)] == [2, 0]


def test_append_time_of_an_idle_partition_is_reported_again_after_an_abort():
    log = new_log()
    worker = Worker(aggregate(log), log, SOURCES)
    idle_batch = Batch(idle={P0: 0}, now_ms=NOW)
    assert worker.role.handle(idle_batch) is not None
    worker.release()
    worker.assign()
    assert worker.role.handle(idle_batch) is not None


# -- what it says of itself --------------------------------------------------------------------


def test_the_status_has_offset_watermark_and_counts_of_each_partition():
    log = new_log()
    send(log, (P0, prediction(time=T0 + 1_500)), (P0, b"{"))
    role = aggregate(log)
    worker = Worker(role, log, SOURCES)
    worker.work()
    worker.work(batch=Batch(idle={L0: 0}, now_ms=NOW))
    status = role.status()
    assert status["predictions/0"] == {
        "offset": 2,
        "watermark": "2013-04-01T00:00:01.500Z",
        "idle": False,
        "counts": {"received": 2, "counted": 1, "dead": {"undecodable": 1}},
    }
    assert status["labels/0"] == {
        "offset": 0,
        "watermark": None,
        "idle": True,
        "counts": {"dead": {}},
    }
    assert msgspec.json.encode(status)


def test_the_status_has_no_uncommitted_counts():
    log = new_log()
    send(log, (P0, prediction()))
    role = aggregate(log)
    worker = Worker(role, log, SOURCES)
    worker.abort()
    assert role.status()["predictions/0"]["counts"] == {"dead": {}}


# -- records that retention deletes before they are read -----------------------------------------


def lost_after(*, read: int, deleted_before: int, sent: int = 10) -> tuple[Log, Worker]:
    """A worker that reads some predictions, then those that retention has left."""
    log = Log(predictions=1, labels=1, summaries=1, joins=1, positions=1, alerts=1)
    worker = Worker(aggregate(log), log, [P0])
    send(log, *((P0, prediction(id=f"{n}")) for n in range(sent)))
    if read:
        worker.work(read)
    log.delete_before(P0, deleted_before)
    worker.work()
    return log, worker


def test_records_that_were_deleted_before_they_were_read_are_counted_as_lost():
    log, worker = lost_after(read=3, deleted_before=7)
    assert position(log, P0).counts["lost"] == 4
    assert position(log, P0).counts["received"] == 6
    assert worker.role.status()["predictions/0"]["counts"]["lost"] == 4


def test_lost_records_are_an_incident_about_driftline_itself_that_is_over_at_once():
    log, _ = lost_after(read=3, deleted_before=7)
    alerts = [decode_alert(record) for record in log.all("alerts")]
    assert [(alert.change, alert.data.state) for alert in alerts] == [
        ("opened", "open"),
        ("resolved", "resolved"),
    ]
    first = alerts[0]
    assert (first.subject, first.data.model, first.data.version) == ("driftline/lost", None, None)
    assert first.data.evidence.rows == 4
    assert "has deleted 4 records of predictions/0 before they were read" in first.data.message
    assert len({alert.data.incident for alert in alerts}) == 1
    assert len({alert.id for alert in alerts}) == 2


@pytest.mark.parametrize(
    ("read", "deleted_before"),
    [
        pytest.param(3, 3, id="only what was read was deleted"),
        pytest.param(0, 4, id="nothing was read before: Driftline starts at what is left"),
        pytest.param(3, 0, id="nothing was deleted"),
    ],
)
def test_nothing_else_is_lost(read, deleted_before):
    log, _ = lost_after(read=read, deleted_before=deleted_before)
    assert position(log, P0).counts.get("lost", 0) == 0
    assert log.all("alerts") == []


def test_markers_of_transactions_are_not_lost_records():
    """Of the offsets before the oldest one that is left, those without a record count too."""
    log = Log(predictions=1, labels=1, summaries=1, joins=1, positions=1, alerts=1)
    worker = Worker(aggregate(log), log, [P0])
    sent = [Message("predictions", b"", prediction(id=f"{n}"), 0) for n in range(3)]
    for message in sent:
        log.commit({}, Output([message]))  # a marker follows each
    worker.work()
    log.commit({}, Output([Message("predictions", b"", prediction(id="4"), 0)]))
    worker.work()
    assert position(log, P0).counts.get("lost", 0) == 0


# -- redacted features -------------------------------------------------------------------------


def test_values_of_redacted_features_stay_in_aggregate():
    """Unseen categories, rejected rows, and rows that nobody can read."""
    log = new_log()
    unseen = prediction(features={"x": 1.0, "c": "Bob"})
    wrong = prediction(score="x", features={"c": "Bob"})
    send(log, (P0, unseen), (P0, unseen), (P0, wrong), (P0, b'{"c": "Bob"'))
    made = (table(), constant(plan()), log.partitions, positions_of(log), VersionStates())
    role = Aggregate(*made, ["c"])
    Worker(role, log, SOURCES).work()
    (summary,) = summaries(log.all("summaries"))
    assert summary.names["unseen/c"] == {"(redacted)": 2}
    assert [(r.value, headers(r)["driftline.redacted"]) for r in dead_letters(log)] == [
        (prediction(score="x", features={"c": None}).replace(b" ", b""), "c"),
        (None, "the value"),
    ]
    for topic in ("summaries", "joins", "positions"):
        for record in log.all(topic):
            assert "Bob" not in repr(record)
