"""Join: each label counts once with its prediction, for any order, batches and crashes."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from consumers.dead_letters.dead_letter import DeadLetter
from consumers.messages.arrow import ARROW_HEADERS, JSON_HEADERS
from consumers.messages.joins import JoinRows, identity, join_message
from consumers.messages.progress import (
    LabelsSeen,
    SourceProgress,
    VersionSeen,
    source_progress_messages,
)
from consumers.messages.records import Batch, Message, Output, Record, TopicPartition
from consumers.messages.summaries import decode_summary_message, summary_messages
from consumers.roles import disk
from consumers.roles import join as module
from consumers.roles.aggregate import Aggregate
from consumers.roles.disk import StoreTaken
from consumers.roles.join import Join
from consumers.roles.join_store import JoinStore
from driftline.errors import BeginAgain, DiskFull
from monitor.counts.joined_rows import JoinedRows, count_joined
from monitor.counts.summary import Part
from monitor.events.event_time import NEVER
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.plan import Plan, Time
from monitor.windows.clocks import JoinedTime, Progress
from producers.contract.partitions import model_partition
from producers.contract.summaries import encode_table
from tests.consumers.in_memory import (
    HORIZON,
    LATENESS,
    NOW,
    PANE,
    T0,
    WAIT,
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
)

J0 = TopicPartition("joins", 0)
EXACT = ("matched", "superseded", "duplicates")
OUTCOMES = (*EXACT, "waiting", "expired")
IDLE = Time().idle_after_ms or 0
ENDLESS = 1_000_000  # a horizon that nothing passes


def new_log() -> Log:
    return Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)


def table() -> Table:
    return Table(profile(), profile(version="2", threshold=0.8))


def join(
    log: Log, directory: Path, plan_: Plan | None = None, profiles: Table | None = None
) -> Join:
    plan_of = constant(plan_ or plan())
    return Join(profiles or table(), plan_of, log.partitions, directory, log.first_offset)


def outcome_counts(role: Join) -> dict[str, Counter[str]]:
    """The counts in the status, by partition."""
    return {name: Counter(status["counts"]) for name, status in role.status().items()}  # type: ignore[call-overload]


Outcomes = dict[tuple[str, str, int], dict[str, Counter[int]]]  # final or whole, version, pane


def outcomes(records: list[Record]) -> Outcomes:
    """The sums final and all of each pane, cell by cell."""
    found: dict[Any, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    for (_, version, pane_ms, part), (cells, _) in pane_sums(records).items():
        for name, counts in cells.items():
            met = dict(zip(counts.index.tolist(), counts.count.tolist(), strict=True))
            for sum_ in ("final", "whole") if part is Part.FINAL else ("whole",):
                into = found[sum_, version, pane_ms][name]
                into.update(met)
    return _without_zeros(found)


def _without_zeros(found: Any) -> Outcomes:
    cleaned = {
        key: {name: Counter({c: n for c, n in cells.items() if n}) for name, cells in sums.items()}
        for key, sums in found.items()
    }
    return {key: sums for key, sums in cleaned.items() if any(sums.values())}


# -- the law, against the definition -----------------------------------------------------------


class ByDefinition:
    """The definition in section 4 of the design, over all rows at once."""

    def __init__(self, rows: list[Any], plan_: Plan) -> None:
        self.horizon_ms = plan_.time.label_horizon_ms
        self.found: Any = defaultdict(lambda: defaultdict(Counter))
        self.label_outcomes: Counter[str] = Counter(labels=sum(row[1] is None for row in rows))
        by_id: dict[bytes, Any] = defaultdict(lambda: ([], []))
        for ident, version, time_ms, late, score, value, seen_ms in rows:
            if version is None:
                by_id[ident][1].append((time_ms, value, seen_ms))
            else:
                by_id[ident][0].append((time_ms, score, value, version, late))
        for predictions, labels in by_id.values():
            self._join(predictions, labels)

    def _join(self, predictions: list[Any], labels: list[Any]) -> None:
        distinct: dict[Any, int] = {}
        for time_ms, value, seen_ms in labels:
            key = (time_ms, value)
            distinct[key] = min(seen_ms, distinct.get(key, seen_ms))
        known = [(*key, seen_ms) for key, seen_ms in distinct.items()]
        self.label_outcomes["duplicates"] += len(labels) - len(known)
        chosen = set()
        for version in {p[3] for p in predictions}:
            mine = [p for p in predictions if p[3] == version]
            chosen |= self._count("whole", min(mine), known)
            self._repeat("whole", sorted(mine)[1:])
            if on_time := [p for p in mine if not p[4]]:
                self._repeat("final", sorted(on_time)[1:])
                first = min(on_time)
                in_time = [label for label in known if self._in_time(label, first)]
                self._count("final", first, in_time)
        self.label_outcomes["matched"] += len(chosen)
        fitting = {label for label in known for p in predictions if self._fits(label, p)}
        self.label_outcomes["superseded"] += len(fitting - chosen)

    def _count(self, sum_: str, prediction_row: Any, labels: list[Any]) -> set[Any]:
        fitting = [label for label in labels if self._fits(label, prediction_row)]
        if not fitting:
            return set()
        time_ms, score, predicted, version, _ = prediction_row
        label_row = max(fitting)
        into = self.found[sum_, version, time_ms - time_ms % PANE]
        errors = profile(version=version).schema.errors["errors"]
        distance = np.array([abs(label_row[1] - score)])
        into["outcomes"][int(2 * predicted + label_row[1])] += 1
        into["scores_labels"][2 * min(int(score * 10_000), 9_999) + int(label_row[1])] += 1
        into["errors"][int(errors.sample.locate(distance)[0])] += 1
        return {label_row}

    def _repeat(self, sum_: str, predictions: list[Any]) -> None:
        for time_ms, *_, version, _ in predictions:
            self.found[sum_, version, time_ms - time_ms % PANE]["repeated"][0] += 1

    def _fits(self, label: Any, prediction_row: Any) -> bool:
        time_ms, _, seen_ms = label
        prediction_ms = prediction_row[0]
        not_gone = seen_ms - LATENESS <= prediction_ms + self.horizon_ms
        return 0 <= time_ms - prediction_ms <= self.horizon_ms and bool(not_gone)

    def _in_time(self, label: Any, prediction_row: Any) -> bool:
        time_ms, _, seen_ms = label
        deadline_ms = prediction_row[0] - prediction_row[0] % PANE + PANE + WAIT
        return bool(time_ms < deadline_ms and seen_ms - LATENESS < deadline_ms)


class Event(NamedTuple):
    """A prediction (with a version) or a label of one of twelve ids, and its delay of sending."""

    number: int
    version: str | None
    after_ms: int  # its id's time
    delay_ms: int
    partition: int
    value: float | int

    @property
    def at_ms(self) -> int:
        return T0 + 10_000 + 500 * self.number + self.after_ms

    @property
    def raw(self) -> tuple[TopicPartition, bytes]:
        own = {"id": f"r{self.number}", "time": self.at_ms}
        if self.version is None:
            return TopicPartition("labels", self.partition), label(**own, label=self.value)
        value = prediction(**own, version=self.version, score=self.value)
        return TopicPartition("predictions", self.partition), value


def quarters(low_ms: int, high_ms: int) -> st.SearchStrategy[int]:
    """Quarters of a second, so that boundaries are hit often."""
    return st.integers(low_ms // 250, high_ms // 250).map(lambda n: 250 * n)


def events(spread_ms: int) -> st.SearchStrategy[list[Event]]:
    """Predictions of one id are up to ``spread_ms`` apart; their labels anywhere."""
    numbers, partitions = st.integers(0, 11), st.integers(0, 1)
    predictions = st.builds(
        Event,
        numbers,
        st.sampled_from(["1", "1", "2"]),
        quarters(0, spread_ms),
        quarters(0, 3_500),
        partitions,
        st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    )
    labels = st.builds(
        Event,
        numbers,
        st.none(),
        quarters(-500, 4_500),
        quarters(0, 3_000),
        partitions,
        st.integers(0, 1),
    )
    return st.lists(st.one_of(predictions, labels), max_size=40)


def ticks() -> list[Event]:
    """Rows of other ids in every partition, which advance the watermarks."""
    return [
        Event(n, version, 0, 0, partition, 1)
        for n in range(100, 180, 8)
        for version in ("1", "2", None)
        for partition in (0, 1)
    ]


def sent(found: list[Event]) -> list[Event]:
    """Ordered by the time of sending; ticks start with the first ids."""
    shift = 100
    moved = [event._replace(number=event.number - shift) for event in ticks()]
    others = [event._replace(after_ms=0) for event in moved]
    return sorted(found + others, key=lambda event: event.at_ms + event.delay_ms)


def joins_of(found: list[Event], most: int, plan_: Plan) -> Log:
    """The output of ``aggregate`` on the topic ``joins``, in transactions of some records."""
    log = new_log()
    worker = Worker(
        Aggregate(table(), constant(plan_), log.partitions, positions_of(log), VersionStates()),
        log,
        [*log.topic_partitions("predictions"), *log.topic_partitions("labels")],
    )
    for i, event in enumerate(sent(found)):
        topic_partition, value = event.raw
        log.append(Message(topic_partition.topic, None, value, topic_partition.partition))
        if i % most == most - 1:
            worker.work()
    worker.work()
    return log.only("joins")


turns = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from(
            ["commit", "commit", "commit", "abort", "die", "lose", "restart", "run ahead"]
        ),
    ),
    max_size=10,
)


@given(
    case=st.one_of(
        st.tuples(events(spread_ms=0), st.just(plan())),
        st.tuples(events(spread_ms=2_000), st.just(plan(label_horizon_ms=ENDLESS))),
    ),
    most=st.integers(2, 12),
    turns=turns,
    chunk=st.integers(1, 7),
)
@settings(max_examples=40, deadline=None)
def test_the_join_equals_its_definition_for_any_order_batches_and_crashes(case, most, turns, chunk):
    found, plan_ = case
    log = joins_of(found, most, plan_)
    expected = ByDefinition(join_rows(log.all("joins")), plan_)
    with TemporaryDirectory() as directory:
        role = take_turns(log, Path(directory), plan_, turns, chunk)
        after = role.status()
        assert outcomes(log.all("summaries")) == _without_zeros(expected.found)
        counts = sum(outcome_counts(role).values(), Counter())
        assert counts["labels"] == expected.label_outcomes["labels"]
        if plan_.time.label_horizon_ms == ENDLESS:
            assert {outcome: counts[outcome] for outcome in EXACT} == {
                outcome: expected.label_outcomes[outcome] for outcome in EXACT
            }
        role.on_partitions_revoked(log.topic_partitions("joins"))
    undisturbed = log.only("joins")
    with TemporaryDirectory() as directory:
        role = take_turns(undisturbed, Path(directory), plan_, [], chunk)
        assert role.status() == after
        role.on_partitions_revoked(log.topic_partitions("joins"))


def take_turns(
    log: Log, directory: Path, plan_: Plan, turns: list[tuple[int, str]], chunk: int
) -> Join:
    topic_partitions = log.topic_partitions("joins")
    worker = Worker(join(log, directory, plan_), log, topic_partitions, chunk)
    for most, ending in turns:
        if not survives(worker, most, ending):
            worker.release()
            if ending == "lose":
                shutil.rmtree(directory)
            worker = Worker(join(log, directory, plan_), log, topic_partitions, chunk)
        every_label_has_one_outcome(worker.role)
    worker.work()
    every_label_has_one_outcome(worker.role)
    return worker.role


def survives(worker: Worker[Join], most: int, ending: str) -> bool:
    if ending == "commit":
        worker.work(most)
    elif ending == "abort":
        worker.abort(most)
    elif ending == "die":
        worker.commit_and_die(most)
    elif ending == "run ahead":
        worker.run_ahead(most)
    return ending in ("commit", "abort")


def every_label_has_one_outcome(role: Join) -> None:
    for counts in outcome_counts(role).values():
        assert counts["labels"] == sum(counts[outcome] for outcome in OUTCOMES)
        assert all(counts[outcome] >= 0 for outcome in OUTCOMES)


# -- by hand -----------------------------------------------------------------------------------


@pytest.fixture
def log() -> Log:
    """A log with one partition of ``joins``."""
    return Log(joins=1, summaries=2, predictions=1, labels=1)


@pytest.fixture
def role(log: Log, tmp_path: Path) -> Iterator[Join]:
    made = join(log, tmp_path)
    yield made
    made.on_partitions_revoked([J0])


def row(id_: str, at_ms: int, version: str | None, value: int, **fields: Any) -> Message:
    own = {
        "late": False,
        "score": 0.7,
        "seen_ms": NEVER if version is None else 0,
        "life": 0,
        **fields,
    }
    columns = JoinRows(
        "m",
        [identity("m", id_)],
        [version],
        np.array([T0 + at_ms]),
        np.array([own["late"]]),
        np.array([own["score"]], dtype=np.float64),
        np.array([value]),
        np.array([own["seen_ms"]]),
        np.array([own["life"]]),
    )
    return join_message(columns, 0)


def prediction_row(
    id_: str, at_ms: int, predicted: int = 1, version: str = "1", **fields: Any
) -> Message:
    return row(id_, at_ms, version, predicted, **fields)


def label_row(id_: str, at_ms: int, label: int = 1, **fields: Any) -> Message:
    return row(id_, at_ms, None, label, **fields)


def passed(
    predictions_ms: int,
    labels_ms: int | None = None,
    *,
    version: str = "1",
    partitions: int = 1,
    append_ms: int = NOW,
) -> Message:
    """The event time of a version in partition 0, and that of the labels of its model there."""
    both = (predictions_ms, predictions_ms if labels_ms is None else labels_ms)
    seen, labels_seen = (Seen(T0 + at_ms, NOW, NOW, append_ms) for at_ms in both)
    return progress(
        AppendTimes(partitions, {0: append_ms}),
        VersionSeen(model="m", version=version, partition=0, seen=seen),
        LabelsSeen(model="m", partition=0, seen=labels_seen),
    )


def progress(appended: AppendTimes, *parts: VersionSeen | LabelsSeen) -> Message:
    message = SourceProgress(
        schema=1,
        predictions=appended,
        labels=appended,
        versions=[part for part in parts if isinstance(part, VersionSeen)],
        label_models=[part for part in parts if isinstance(part, LabelsSeen)],
    )
    made = source_progress_messages(message, joins=1, summaries=1, has_append_times=True)
    return next(iter(made))


def joined(log: Log, role: Join, *messages: Message, most: int = 1_000_000) -> Outcomes:
    """The outcomes of these messages, in batches of some."""
    for message in messages:
        log.append(message)
    role.on_partitions_revoked([J0])
    worker = Worker(role, log, [J0])
    while not worker.done:
        worker.work(most)
    return outcomes(log.all("summaries"))


def counted(found: Outcomes, sum_: str, version: str = "1") -> dict[tuple[int, int], int]:
    """How often each prediction was joined with each label, in all panes."""
    cells = Counter[int]()
    for (name, own, _), counts in found.items():
        if (name, own) == (sum_, version):
            cells += counts["outcomes"]
    return {divmod(cell, 2): count for cell, count in cells.items()}


@pytest.mark.parametrize(
    ("after_ms", "fits"),
    [(-1, False), (0, True), (HORIZON, True), (HORIZON + 1, False)],
    ids=["before it", "at once", "at the horizon", "past it"],
)
@pytest.mark.parametrize("first", ["prediction", "label"])
def test_a_label_joins_within_the_horizon_in_either_order_of_arrival(
    log, role, after_ms, fits, first
):
    rows = [prediction_row("a", 5_000), label_row("a", 5_000 + after_ms)]
    found = joined(log, role, *(rows if first == "prediction" else rows[::-1]))
    assert counted(found, "whole") == ({(1, 1): 1} if fits else {})


def test_a_label_counts_in_the_pane_of_its_prediction(log, role):
    found = joined(log, role, prediction_row("a", 5_999), label_row("a", 8_000))
    assert {pane_ms for _, _, pane_ms in found} == {T0 + 5_000}


def test_a_label_applies_to_every_version_that_scored_the_id(log, role):
    found = joined(
        log,
        role,
        prediction_row("a", 0),
        label_row("a", 9),
        prediction_row("a", 0, version="2", predicted=0),
    )
    assert (counted(found, "whole"), counted(found, "whole", "2")) == ({(1, 1): 1}, {(0, 1): 1})


@pytest.mark.parametrize("order", [1, -1])
def test_the_earliest_of_duplicate_predictions_counts(log, role, order):
    twice = [prediction_row("a", 200, predicted=0), prediction_row("a", 100, predicted=1)][::order]
    found = joined(log, role, *twice, label_row("a", 300))
    assert counted(found, "whole") == counted(found, "final") == {(1, 1): 1}
    assert outcome_counts(role)["joins/0"]["repeated_predictions"] == 1


@pytest.mark.parametrize("order", [1, -1])
def test_the_latest_of_several_labels_counts_and_the_larger_one_at_the_same_time(log, role, order):
    several = [label_row("a", 300, 1), label_row("a", 400, 0), label_row("a", 400, 1)][::order]
    found = joined(log, role, prediction_row("a", 100), *several)
    assert counted(found, "whole") == {(1, 1): 1}
    assert outcome_counts(role)["joins/0"] == Counter(
        predictions=1, labels=3, matched=1, superseded=2, waiting=0, duplicates=0
    ) + Counter(repeated_predictions=0)


def test_a_label_that_is_sent_twice_counts_once(log, role):
    found = joined(log, role, prediction_row("a", 100), label_row("a", 300), label_row("a", 300))
    assert counted(found, "whole") == {(1, 1): 1}
    assert outcome_counts(role)["joins/0"]["duplicates"] == 1


# A pane [0, 1000), and label_wait of 1500: labels before 2500 are in time to be judged.
@pytest.mark.parametrize(
    ("message", "final"),
    [
        pytest.param(label_row("a", 2_499), {(1, 1): 1}, id="in time"),
        pytest.param(label_row("a", 2_500), {}, id="known too late"),
        pytest.param(label_row("a", 400, seen_ms=T0 + 2_999), {(1, 1): 1}, id="sent in time"),
        pytest.param(label_row("a", 400, seen_ms=T0 + 3_000), {}, id="sent too late"),
    ],
)
def test_only_labels_in_time_are_final_and_all_others_amend(log, role, message, final):
    found = joined(log, role, prediction_row("a", 0), message)
    assert counted(found, "final") == final
    assert counted(found, "whole") == {(1, 1): 1}


def test_a_late_prediction_is_never_final(log, role):
    found = joined(log, role, prediction_row("a", 0, late=True), label_row("a", 100))
    assert (counted(found, "final"), counted(found, "whole")) == ({}, {(1, 1): 1})


def entries(tmp_path: Path, *ids: str) -> list[bool]:
    """Whether the closed store has entries of the ids."""
    store = JoinStore(tmp_path / "0")
    ident = np.frombuffer(b"".join(identity("m", id_) for id_ in ids), dtype=np.uint8)
    found = store.find(ident.reshape(-1, 16))
    store.close()
    return found.existed.tolist()


# -- lives -------------------------------------------------------------------------------------

KEPT = HORIZON + LATENESS  # an entry is forgotten once both watermarks are so far past it
LABEL = label_row("a", 100)
OLD, NEW = (prediction_row("a", 0, life=life) for life in (0, 1))


@pytest.mark.parametrize("most", [1, 1_000], ids=["one by one", "at once"])
@pytest.mark.parametrize(
    ("rows", "rows_labelled"),
    [
        pytest.param([OLD, LABEL, NEW, LABEL], 2, id="all rows again"),
        pytest.param([OLD, LABEL, NEW], 2, id="the label that came before the reset"),
        pytest.param([OLD, LABEL, LABEL, NEW], 2, id="the label again before the prediction"),
        pytest.param([OLD, NEW, LABEL], 1, id="a label after the reset"),
        pytest.param([OLD, NEW, LABEL, OLD], 1, id="a row of the old life comes late"),
        pytest.param([NEW, LABEL, NEW], 1, id="a prediction twice in a life"),
    ],
)
def test_a_label_joins_the_predictions_of_each_life_once(log, role, rows, rows_labelled, most):
    """What the life before has counted is not taken back: ``detect`` has dropped it."""
    assert counted(joined(log, role, *rows, most=most), "whole") == {(1, 1): rows_labelled}
    every_label_has_one_outcome(role)


def test_a_repetition_is_one_of_the_same_life(log, role):
    joined(log, role, OLD, LABEL, NEW, OLD)
    assert outcome_counts(role)["joins/0"]["repeated_predictions"] == 0
    joined(log, role, NEW)
    assert outcome_counts(role)["joins/0"]["repeated_predictions"] == 1


def test_a_new_life_has_its_own_score_and_lateness(log, role):
    found = joined(log, role, prediction_row("a", 0, late=True), LABEL)
    assert counted(found, "final") == {}
    found = joined(log, role, prediction_row("a", 0, predicted=0, score=0.2, life=1))
    assert counted(found, "final") == {(0, 1): 1}
    found = joined(log, role, prediction_row("a", 0, predicted=0, late=True, life=2))
    assert counted(found, "final") == {(0, 1): 1}
    assert counted(found, "whole") == {(1, 1): 1, (0, 1): 2}


def test_a_new_life_of_a_version_leaves_the_rows_of_another_as_they_are(log, role):
    other = prediction_row("a", 0, version="2")
    found = joined(log, role, OLD, other, LABEL, NEW, LABEL)
    assert (counted(found, "whole"), counted(found, "whole", "2")) == ({(1, 1): 2}, {(1, 1): 1})


def seen_since(at_ms: int, append_ms: int, **life: Any) -> VersionSeen:
    seen = Seen(T0 + at_ms, *[append_ms] * 3)
    return VersionSeen(model="m", version="1", partition=0, seen=seen, **life)


def labels_since(at_ms: int, append_ms: int) -> LabelsSeen:
    return LabelsSeen(model="m", partition=0, seen=Seen(T0 + at_ms, *[append_ms] * 3))


def last_times(log: Log) -> JoinedTime:
    """The times joined of version 1 that were reported last."""
    (times,) = reported(log, model_partition("m", 2))[-1].joined["m", "1"].values()
    return times


def test_labels_from_before_a_reset_do_not_tell_how_far_the_new_life_has_come(log, role):
    both, reset = AppendTimes(1, {0: NOW}), {"life": 1, "reset_ms": NOW + 5}
    joined(log, role, progress(both, seen_since(9_000, NOW, life=0), labels_since(9_000, NOW)))
    assert last_times(log) == JoinedTime(*[EventTime(T0 + 9_000)] * 2, life=0)
    joined(log, role, progress(both, seen_since(1_000, NOW + 6, **reset)))
    assert last_times(log) == JoinedTime(EventTime(T0 + 1_000), None, life=1)
    joined(log, role, progress(both, labels_since(500, NOW + 6)))
    assert last_times(log) == JoinedTime(EventTime(T0 + 1_000), EventTime(T0 + 500), life=1)


def test_worker_that_has_not_learned_of_a_reset_does_not_undo_it(log, role):
    both = AppendTimes(1, {0: NOW})
    joined(log, role, progress(both, seen_since(1_000, NOW + 6, life=1, reset_ms=NOW + 5)))
    joined(log, role, progress(both, seen_since(9_000, NOW, life=0)))
    assert last_times(log) == JoinedTime(None, None, life=1)


@pytest.mark.parametrize("most", [1, 1_000], ids=["one by one", "at once"])
def test_time_of_labels_that_starts_afresh_takes_the_watermark_back(log, role, tmp_path, most):
    """The ids that the watermark has passed can be used again."""
    again = progress(AppendTimes(1, {0: NOW}), labels_since(0, NOW + 6))
    found = joined(
        log, role, OLD, passed(KEPT + 1), prediction_row("b", 0), again, NEW, LABEL, most=most
    )
    assert counted(found, "whole") == {(1, 1): 1}
    role.on_partitions_revoked([J0])
    assert entries(tmp_path, "a", "b") == [True, False]


# -- forgetting --------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 1_000], ids=["one by one", "at once"])
def test_entries_expire_behind_the_watermarks_and_waiting_labels_are_counted_as_expired(
    log, role, tmp_path, most
):
    rows = [
        prediction_row("joined", 0),
        label_row("joined", 100),
        label_row("alone", 100),
        prediction_row("new", 101),
    ]
    joined(log, role, *rows, passed(100 + KEPT + 1), most=most)
    counts = outcome_counts(role)["joins/0"]
    assert (counts["matched"], counts["waiting"], counts["expired"]) == (1, 0, 1)
    role.on_partitions_revoked([J0])
    assert entries(tmp_path, "joined", "alone", "new") == [False, False, True]


def test_expired_entries_are_removed_from_the_store_with_their_index(log, role, tmp_path):
    rows = [prediction_row("a", 0), label_row("a", 100), label_row("a", 900), label_row("b", 200)]
    joined(log, role, *rows, passed(900 + KEPT + 1), most=1)
    role.on_partitions_revoked([J0])
    stored = Rdict(str(tmp_path / "0"), options=Options(raw_mode=True))
    assert list(stored.keys()) == [b"m5"]
    stored.close()


def test_an_entry_does_not_expire_at_its_expiry_time(log, role, tmp_path):
    joined(log, role, label_row("alone", 100), passed(100 + KEPT))
    assert outcome_counts(role)["joins/0"]["waiting"] == 1
    role.on_partitions_revoked([J0])
    assert entries(tmp_path, "alone") == [True]


@pytest.mark.parametrize("behind", ["predictions", "labels"])
def test_no_entry_expires_while_one_topic_is_behind(log, role, behind):
    times_ms = (0, 10**6) if behind == "predictions" else (10**6, 0)
    joined(log, role, label_row("alone", 100), passed(*times_ms))
    assert outcome_counts(role)["joins/0"]["waiting"] == 1


def test_no_entry_expires_while_a_partition_may_still_have_rows(log, role):
    joined(log, role, label_row("alone", 100), passed(10**6, partitions=2))
    assert outcome_counts(role)["joins/0"]["waiting"] == 1


def test_no_entry_expires_while_a_version_with_rows_is_behind(log, role):
    """A shadow version that runs half a day behind still needs the labels."""
    behind = [passed(10**6), passed(0, 10**6, version="2"), passed(2 * 10**6)]
    joined(log, role, label_row("alone", 0), *behind[:2], label_row("alone", 10**6 - 1), behind[2])
    assert outcome_counts(role)["joins/0"]["waiting"] == 1
    idle = passed(2 * 10**6, append_ms=NOW + IDLE)
    joined(log, role, idle)
    assert outcome_counts(role)["joins/0"]["waiting"] == 0


def test_entries_of_a_model_do_not_expire_by_the_event_time_of_another(log, role):
    other = VersionSeen(model="n", version="1", partition=0, seen=Seen(T0 + 10**6, *[NOW] * 3))
    joined(log, role, label_row("alone", 0), passed(0), progress(AppendTimes(1, {0: NOW}), other))
    assert outcome_counts(role)["joins/0"]["waiting"] == 1


@pytest.mark.parametrize("most", [1, 2, 3, 1_000])
def test_an_id_that_is_used_again_after_it_expired_is_a_new_one_in_any_batches(log, role, most):
    found = joined(
        log,
        role,
        prediction_row("a", 0, predicted=0),
        label_row("a", 100),
        passed(100 + KEPT + 1),
        prediction_row("a", 20_000, predicted=1),
        label_row("a", 20_100),
        most=most,
    )
    assert counted(found, "whole") == {(0, 1): 1, (1, 1): 1}
    assert outcome_counts(role)["joins/0"]["matched"] == 2


@pytest.mark.parametrize("most", [1, 1_000])
def test_a_row_that_arrives_expired_is_not_stored(log, role, most):
    """For example labels of a partition that was idle."""
    found = joined(
        log,
        role,
        passed(100 + KEPT + 1),
        label_row("a", 100),
        label_row("a", 100),
        prediction_row("a", 100),
        most=most,
    )
    assert found == {}
    counts = outcome_counts(role)["joins/0"]
    assert (counts["expired"], counts["duplicates"], counts["waiting"]) == (2, 0, 0)


# -- progress ----------------------------------------------------------------------------------


def reported(log: Log, number: int) -> list[Progress]:
    decoded = map(decode_summary_message, log.read(TopicPartition("summaries", number)))
    return [content for content in decoded if isinstance(content, Progress)]


def joined_time(predictions_ms: int, labels_ms: int) -> JoinedTime:
    return JoinedTime(EventTime(T0 + predictions_ms), EventTime(T0 + labels_ms))


def test_transaction_ends_with_the_times_joined_in_the_partition_of_the_model(log, role):
    joined(log, role, label_row("a", 100), passed(5_000, 4_000))
    own, joins = model_partition("m", 2), AppendTimes(1, {0: NOW})
    times = {("m", "1"): {0: joined_time(5_000, 4_000)}}
    assert reported(log, own) == [Progress(joins=joins, joined=times)]
    assert reported(log, 1 - own) == [Progress(joins=joins)]


def test_times_joined_are_reported_once(log, role):
    joined(log, role, passed(5_000), passed(5_000), most=1)
    assert len(reported(log, model_partition("m", 2))) == 1


def test_time_of_the_labels_follows_the_predictions_while_no_labels_come(log, role):
    none = VersionSeen(model="m", version="1", partition=0, seen=Seen(T0 + 5_000, *[NOW] * 3))
    joined(log, role, progress(AppendTimes(1, {0: NOW + IDLE - 1}), none))
    (of_both,) = reported(log, model_partition("m", 2))[-1].joined["m", "1"].values()
    assert of_both == JoinedTime(EventTime(T0 + 5_000), None)
    still = VersionSeen(
        model="m", version="1", partition=0, seen=Seen(T0 + 5_000, NOW, NOW, NOW + IDLE)
    )
    joined(log, role, progress(AppendTimes(1, {0: NOW + IDLE}), still))
    (of_both,) = reported(log, model_partition("m", 2))[-1].joined["m", "1"].values()
    assert of_both == joined_time(5_000, 5_000)


def test_watermark_of_a_model_never_decreases(log, role):
    """A partition that was idle has older rows than the others."""
    late = VersionSeen(model="m", version="1", partition=1, seen=Seen(T0, *[NOW + IDLE] * 3))
    both = AppendTimes(2, {0: NOW, 1: NOW + IDLE})
    joined(log, role, passed(5_000, partitions=2), progress(both))
    before = role.status()["joins/0"]["watermark"]
    joined(log, role, progress(both, late))
    assert role.status()["joins/0"]["watermark"] == before == "2013-04-01T00:00:05Z"


def test_an_empty_batch_has_no_output(log, role):
    assert Worker(role, log, [J0]).work() is None


# -- the store ---------------------------------------------------------------------------------


def restarted(log: Log, tmp_path: Path, first_offset: int = 0) -> tuple[dict[Any, int], Join]:
    """A new role before its replay, with the offsets to replay from."""
    made = Join(table(), constant(plan()), log.partitions, tmp_path, lambda _: first_offset)
    behind = made.on_partitions_assigned({J0: log.committed[J0]})
    return dict(behind), made


@pytest.fixture
def worked(log: Log, tmp_path: Path) -> Log:
    """Two batches of a row each were committed, then the worker was closed."""
    role = join(log, tmp_path)
    joined(log, role, prediction_row("a", 0), label_row("a", 100), most=1)
    role.on_partitions_revoked([J0])
    return log


def test_a_store_that_was_closed_needs_no_replay(worked, tmp_path):
    behind, role = restarted(worked, tmp_path)
    assert behind == {}
    assert outcome_counts(role)["joins/0"]["matched"] == 1
    role.on_partitions_revoked([J0])


def test_a_missing_store_is_rebuilt_from_the_log(worked, tmp_path):
    shutil.rmtree(tmp_path)
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    role.on_partitions_revoked([J0])


def test_a_store_ahead_of_the_committed_offset_is_rebuilt(worked, tmp_path, caplog):
    worked.commit({J0: 1}, Output())
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert "is ahead of the committed offset: rebuilding it" in caplog.text
    role.on_partitions_revoked([J0])


def test_a_store_older_than_the_oldest_record_of_the_log_is_rebuilt(worked, tmp_path, caplog):
    """Rows after its offset were deleted: it could not be updated completely."""
    worked.commit({J0: 9}, Output())
    behind, role = restarted(worked, tmp_path, first_offset=5)
    assert behind == {J0: 0}
    assert "older than the oldest record of the log" in caplog.text
    role.on_partitions_revoked([J0])


def test_a_corrupt_store_is_rebuilt(worked, tmp_path, caplog):
    (tmp_path / "0" / "CURRENT").write_bytes(b"junk")
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert "is damaged, rebuilding it" in caplog.text
    role.on_partitions_revoked([J0])


def test_a_store_without_its_manifest_is_rebuilt_once(worked, tmp_path, caplog):
    (manifest,) = (tmp_path / "0").glob("MANIFEST-*")
    manifest.unlink()
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert caplog.text.count("is damaged, rebuilding it") == 1
    role.on_partitions_revoked([J0])
    assert restarted(worked, tmp_path)[1].on_partitions_revoked([J0]) is None
    assert caplog.text.count("is damaged, rebuilding it") == 1


def test_a_flipped_byte_in_a_data_block_removes_the_store_and_begins_again(log, tmp_path):
    """The error comes with a look-up; the next run rebuilds the store, and finds every pair."""
    role, n = join(log, tmp_path), 3_000
    joined(log, role, *(prediction_row(f"{i}", i) for i in range(n)))
    role.on_partitions_revoked([J0])
    restarted(log, tmp_path)[1].on_partitions_revoked([J0])  # writes the rows to a table
    for table_file in (tmp_path / "0").glob("*.sst"):
        content = bytearray(table_file.read_bytes())
        content[len(content) // 3] ^= 1
        table_file.write_bytes(content)
    labels = [label_row(f"{i}", n) for i in range(n)]
    with pytest.raises(BeginAgain, match="is damaged, rebuilding it: Corruption"):
        joined(log, join(log, tmp_path), *labels)
    assert not (tmp_path / "0").exists()
    role = join(log, tmp_path)
    joined(log, role)
    assert outcome_counts(role)["joins/0"]["matched"] == n
    role.on_partitions_revoked([J0])


class FullDisk:
    """A database that has no room, as RocksDB reports it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, _batch: Any) -> None:
        raise Exception("IO error: No space left on device: While appending to file: 000004.log")


def test_a_full_disk_is_told_apart_and_the_store_is_kept(log, tmp_path, monkeypatch):
    role, opened = join(log, tmp_path), disk._open
    joined(log, role, prediction_row("a", 0))
    with monkeypatch.context() as full:
        full.setattr(disk, "_open", lambda path: FullDisk(opened(path)))
        with pytest.raises(DiskFull, match="cannot be written: IO error: No space left on device"):
            joined(log, role, label_row("a", 100))
        role.on_partitions_revoked([J0])
    role = join(log, tmp_path)
    joined(log, role)
    assert outcome_counts(role)["joins/0"]["matched"] == 1
    role.on_partitions_revoked([J0])


def test_a_store_of_another_release_is_rebuilt(worked, tmp_path, caplog):
    shutil.rmtree(tmp_path / "0")
    other = Rdict(str(tmp_path / "0"), options=Options(raw_mode=True))
    other[b"m"] = b"the state in another format"
    other.close()
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert "was written by another release: rebuilding it" in caplog.text
    role.on_partitions_revoked([J0])


def test_a_failing_disk_does_not_empty_the_store(worked, tmp_path):
    shutil.rmtree(tmp_path / "0")
    (tmp_path / "0").write_text("no directory")
    with pytest.raises(OSError, match=str(tmp_path)):
        restarted(worked, tmp_path)
    assert (tmp_path / "0").read_text() == "no directory"


def test_a_store_that_another_worker_is_closing_is_waited_for(worked, tmp_path):
    store = JoinStore(tmp_path / "0")
    threading.Timer(0.4, store.close).start()
    behind, role = restarted(worked, tmp_path)
    assert behind == {}
    role.on_partitions_revoked([J0])


def test_a_store_that_another_process_keeps_open_is_reported(worked, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "LOCK_TIMEOUT_S", 0.2)
    store = JoinStore(tmp_path / "0")
    with pytest.raises(StoreTaken, match="held open by another process"):
        restarted(worked, tmp_path)
    store.close()


# -- profiles ----------------------------------------------------------------------------------


def test_a_version_that_was_registered_meanwhile_is_found(log, tmp_path):
    profiles = Table(profile(), later=[profile(version="2")])
    role = join(log, tmp_path, profiles=profiles)
    found = joined(log, role, prediction_row("a", 0, version="2"), label_row("a", 100))
    assert counted(found, "whole", "2") == {(1, 1): 1}
    role.on_partitions_revoked([J0])


def test_rows_of_a_version_without_a_profile_are_joined_and_not_counted(log, role):
    """Those of other versions are counted as always."""
    found = joined(
        log,
        role,
        prediction_row("a", 0),
        prediction_row("a", 300, version="9", predicted=0, late=True),
        label_row("a", 400),
    )
    assert counted(found, "whole") == {(1, 1): 1}
    (rows,) = uncounted(log)
    assert (rows.model, rows.version, rows.time_ms.tolist()) == ("m", "9", [T0 + 300])
    assert [rows.predicted[0], rows.label[0], rows.final[0], rows.whole[0]] == [0, 1, 0, 1]


def uncounted(log: Log) -> list[JoinedRows]:
    decoded = map(decode_summary_message, log.all("summaries"))
    return [content for content in decoded if isinstance(content, JoinedRows)]


@pytest.mark.parametrize("counted_first", [True, False])
def test_rows_counted_with_a_profile_and_without_add_up(log, tmp_path, counted_first):
    """A label is corrected after the profile was deleted, or after it was published again."""
    tables = [table(), Table()] if counted_first else [Table(), table()]
    first = [prediction_row("a", 0), label_row("a", 400, 0)]
    for profiles, rows in zip(tables, (first, [label_row("a", 500, 1)]), strict=True):
        role = join(log, tmp_path, profiles=profiles)
        found = joined(log, role, *rows)
        role.on_partitions_revoked([J0])
    schema = profile().schema
    rest = [summary for rows in uncounted(log) for summary in count_joined(schema, rows, WAIT)]
    for message in summary_messages("m", rest, 2):
        log.append(message)
    found = outcomes(log.all("summaries"))
    assert counted(found, "final") == counted(found, "whole") == {(1, 1): 1}


def test_the_status_has_offset_watermark_and_counts(log, role):
    joined(log, role, prediction_row("a", 0), label_row("a", 100), passed(1_500))
    status = role.status()["joins/0"]
    assert (status["offset"], status["watermark"]) == (3, "2013-04-01T00:00:01.500Z")


def test_a_thousand_ids_expire_in_one_batch(log, role):
    rows = [label_row(f"r{i}", i) for i in range(1_000)]
    began_s = time.monotonic()
    joined(log, role, *rows, passed(1_000 + KEPT))
    assert outcome_counts(role)["joins/0"]["expired"] == 1_000
    assert time.monotonic() - began_s < 10


def test_ids_expire_in_bounded_steps_also_while_no_rows_come(log, role, monkeypatch):
    monkeypatch.setattr(module, "MOST_EXPIRED", 100)
    joined(log, role, *(label_row(f"r{i}", i) for i in range(250)), passed(1_000 + KEPT))
    expired = [outcome_counts(role)["joins/0"]["expired"]]
    for _ in range(3):
        assert role.handle(Batch([])) is None
        expired.append(outcome_counts(role)["joins/0"]["expired"])
    assert expired == [100, 200, 250, 250]


def test_foreign_messages_in_joins_are_skipped_and_counted(log, role):
    foreign = [Message("joins", None, value, 0) for value in (None, b"junk", b"{}")]
    joined(log, role, *foreign, prediction_row("a", 0), label_row("a", 100))
    assert outcome_counts(role)["joins/0"]["foreign"] == 3
    assert outcome_counts(role)["joins/0"]["matched"] == 1


def of_newer_release(message: Message) -> Message:
    """A message of joins whose schema this release does not know."""
    table = pa.ipc.open_stream(message.value).read_all()
    newer = {**table.schema.metadata, b"schema": b"2"}
    return replace(message, value=encode_table(table.replace_schema_metadata(newer)))


def test_message_of_another_schema_becomes_a_dead_letter_and_the_others_are_joined(log, role):
    newer = of_newer_release(prediction_row("b", 0))
    joined(log, role, newer, prediction_row("a", 0), label_row("a", 100))
    (letter,) = map(DeadLetter.from_record, log.read(TopicPartition("dead-letters", 0)))
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == (
        *("unreadable", "joins", 0, 0),
    )
    assert (letter.record.value, letter.unsendable) == (newer.value, None)
    counts = outcome_counts(role)["joins/0"]
    assert (counts["unreadable"], counts["matched"]) == (1, 1)
    assert (role.problem() or "").startswith(
        "messages were skipped, first: topic joins, partition 0, offset 0: this version cannot"
    )


def test_dead_letter_that_is_sent_again_to_a_release_that_can_read_it_is_joined(log, role):
    """The header is kept, so that its rows are read as Arrow."""
    row = prediction_row("a", 0)
    joined(log, role, of_newer_release(row), label_row("a", 100))
    (letter,) = map(DeadLetter.from_record, log.read(TopicPartition("dead-letters", 0)))
    again = replace(letter.original(), value=row.value)
    assert counted(joined(log, role, again), "whole") == {(1, 1): 1}


def test_messages_of_arrow_and_of_json_that_are_skipped_are_each_counted(log, role):
    """Progress is looked at before the rows of its batch."""
    foreign = [Message("joins", None, b"junk", 0, headers) for headers in (ARROW_HEADERS, ())]
    joined(log, role, *foreign, Message("joins", None, b"junk", 0, JSON_HEADERS))
    assert outcome_counts(role)["joins/0"]["foreign"] == 3
