"""Join: each label counts with its prediction exactly once, whatever dies, and however it came."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from consumers.messages.joins import JoinRows, identity, join_message
from consumers.messages.records import Message, Output, Record, TopicPartition
from consumers.messages.summaries import decode_summary_message
from consumers.messages.watermarks import SourceWatermarks, watermark_messages
from consumers.roles import join_store
from consumers.roles.aggregate import Aggregate
from consumers.roles.join import Join
from consumers.roles.join_store import JoinStore, StoreTaken
from consumers.roles.profiles import MissingProfile
from monitor.counts.summary import Part
from monitor.events.event_time import NEVER, Progress, Sources
from monitor.plan import Plan
from monitor.windows.state import JoinWatermark
from tests.consumers.in_memory import (
    HORIZON,
    LATENESS,
    PANE,
    T0,
    WAIT,
    Log,
    Table,
    Worker,
    constant,
    join_rows,
    label,
    pane_sums,
    plan,
    prediction,
    profile,
)

J0 = TopicPartition("joins", 0)
EXACT = ("matched", "superseded", "duplicates")
FATES = (*EXACT, "waiting", "expired")
ENDLESS = 1_000_000  # a horizon that nothing passes


def new_log() -> Log:
    return Log(predictions=2, labels=2, joins=2, summaries=2)


def table() -> Table:
    return Table(profile(), profile(version="2", threshold=0.8))


def join(
    log: Log, directory: Path, plan_: Plan | None = None, profiles: Table | None = None
) -> Join:
    plan_of = constant(plan_ or plan())
    return Join(profiles or table(), plan_of, log.partitions, directory, log.first_offset)


def fates_of(role: Join) -> dict[str, Counter[str]]:
    """By partition, what it counts in its status."""
    return {name: Counter(of["counts"]) for name, of in role.status().items()}  # type: ignore[call-overload]


Outcomes = dict[tuple[str, str, int], dict[str, Counter[int]]]  # final or whole, version, pane


def outcomes(records: list[Record]) -> Outcomes:
    """What was judged, final, and all that is known, whole, of each pane; cell by cell."""
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
        key: {name: Counter({c: n for c, n in cells.items() if n}) for name, cells in of.items()}
        for key, of in found.items()
    }
    return {key: of for key, of in cleaned.items() if any(of.values())}


# -- the law, against the definition -----------------------------------------------------------


class ByDefinition:
    """Section 4 of the design, word by word, over all rows at once."""

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
            if on_time := [p for p in mine if not p[4]]:
                first = min(on_time)
                in_time = [label for label in known if self._in_time(label, first)]
                self._count("final", first, in_time)
        self.label_outcomes["matched"] += len(chosen)
        fitting = {label for label in known for p in predictions if self._fits(label, p)}
        self.label_outcomes["superseded"] += len(fitting - chosen)

    def _count(self, sum_: str, scored: Any, labels: list[Any]) -> set[Any]:
        fitting = [label for label in labels if self._fits(label, scored)]
        if not fitting:
            return set()
        time_ms, score, predicted, version, _ = scored
        truth = max(fitting)
        into = self.found[sum_, version, time_ms - time_ms % PANE]
        errors = profile(version=version).schema.errors
        assert errors is not None
        distance = np.array([abs(truth[1] - score)])
        into["outcomes"][2 * predicted + truth[1]] += 1
        into["scores_labels"][2 * min(int(score * 10_000), 9_999) + truth[1]] += 1
        into["errors"][int(errors.sample.locate(distance)[0])] += 1
        return {truth}

    def _fits(self, label: Any, scored: Any) -> bool:
        time_ms, _, seen_ms = label
        prediction_ms = scored[0]
        not_gone = seen_ms - LATENESS <= prediction_ms + self.horizon_ms
        return 0 <= time_ms - prediction_ms <= self.horizon_ms and bool(not_gone)

    def _in_time(self, label: Any, scored: Any) -> bool:
        time_ms, _, seen_ms = label
        deadline_ms = scored[0] - scored[0] % PANE + PANE + WAIT
        return bool(time_ms < deadline_ms and seen_ms - LATENESS < deadline_ms)


class Event(NamedTuple):
    """A prediction (with a version) or a label of one of twelve ids, and how late it is sent."""

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
    """Quarters of a second, so that edges are met often."""
    return st.integers(low_ms // 250, high_ms // 250).map(lambda n: 250 * n)


def events(spread_ms: int) -> st.SearchStrategy[list[Event]]:
    """Predictions of one id lie up to ``spread_ms`` apart; their labels anywhere."""
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
    """Rows of nobody in every partition, so that time passes while the others come."""
    return [
        Event(n, version, 0, 0, partition, 1)
        for n in range(100, 180, 8)
        for version in ("1", None)
        for partition in (0, 1)
    ]


def sent(found: list[Event]) -> list[Event]:
    """In the order of their sending; ticks begin where the first ids do."""
    shift = 100
    moved = [event._replace(number=event.number - shift) for event in ticks()]
    nobody = [event._replace(after_ms=0) for event in moved]
    return sorted(found + nobody, key=lambda event: event.at_ms + event.delay_ms)


def joins_of(found: list[Event], most: int, plan_: Plan) -> Log:
    """What ``aggregate`` makes of it on the topic ``joins``, in transactions of so many records."""
    log = new_log()
    worker = Worker(
        Aggregate(table(), constant(plan_), log.partitions),
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
def test_it_joins_as_defined_whatever_the_order_the_batches_and_the_crashes(
    case, most, turns, chunk
):
    found, plan_ = case
    log = joins_of(found, most, plan_)
    expected = ByDefinition(join_rows(log.all("joins")), plan_)
    with TemporaryDirectory() as directory:
        role = take_turns(log, Path(directory), plan_, turns, chunk)
        after = role.status()
        assert outcomes(log.all("summaries")) == _without_zeros(expected.found)
        counts = sum(fates_of(role).values(), Counter())
        assert counts["labels"] == expected.label_outcomes["labels"]
        if plan_.time.label_horizon_ms == ENDLESS:
            assert {fate: counts[fate] for fate in EXACT} == {
                fate: expected.label_outcomes[fate] for fate in EXACT
            }
        role.on_partitions_lost(log.topic_partitions("joins"))
    undisturbed = log.only("joins")
    with TemporaryDirectory() as directory:
        role = take_turns(undisturbed, Path(directory), plan_, [], chunk)
        assert role.status() == after
        role.on_partitions_lost(log.topic_partitions("joins"))


def take_turns(
    log: Log, directory: Path, plan_: Plan, turns: list[tuple[int, str]], chunk: int
) -> Join:
    topic_partitions = log.topic_partitions("joins")
    worker = Worker(join(log, directory, plan_), log, topic_partitions, chunk)
    for most, fate in turns:
        if not survives(worker, most, fate):
            worker.let_go()
            if fate == "lose":
                join_store.shutil.rmtree(directory)
            worker = Worker(join(log, directory, plan_), log, topic_partitions, chunk)
        every_label_has_one_fate(worker.role)
    worker.work()
    every_label_has_one_fate(worker.role)
    return worker.role


def survives(worker: Worker[Join], most: int, fate: str) -> bool:
    if fate == "commit":
        worker.work(most)
    elif fate == "abort":
        worker.abort(most)
    elif fate == "die":
        worker.work_and_die(most)
    elif fate == "run ahead":
        worker.run_ahead(most)
    return fate in ("commit", "abort")


def every_label_has_one_fate(role: Join) -> None:
    for counts in fates_of(role).values():
        assert counts["labels"] == sum(counts[fate] for fate in FATES)
        assert all(counts[fate] >= 0 for fate in FATES)


# -- by hand -----------------------------------------------------------------------------------


@pytest.fixture
def log() -> Log:
    """One partition of ``joins``, to be written to by hand."""
    return Log(joins=1, summaries=2, predictions=1, labels=1)


@pytest.fixture
def role(log: Log, tmp_path: Path) -> Iterator[Join]:
    made = join(log, tmp_path)
    yield made
    made.on_partitions_lost([J0])


def row(id_: str, at_ms: int, version: str | None, value: int, **fields: Any) -> Message:
    own = {"late": False, "score": 0.7, "seen_ms": NEVER if version is None else 0, **fields}
    columns = JoinRows(
        "m",
        [identity("m", id_)],
        [version],
        np.array([T0 + at_ms]),
        np.array([own["late"]]),
        np.array([own["score"]], dtype=np.float64),
        np.array([value]),
        np.array([own["seen_ms"]]),
    )
    return join_message(columns, 0)


def scored(id_: str, at_ms: int, predicted: int = 1, version: str = "1", **fields: Any) -> Message:
    return row(id_, at_ms, version, predicted, **fields)


def truth(id_: str, at_ms: int, label: int = 1, **fields: Any) -> Message:
    return row(id_, at_ms, None, label, **fields)


def passed(at_ms: int, *, labels_idle: bool = False) -> Message:
    """Both topics have come to ``at_ms``; the labels may be silent instead."""
    at = Sources(1, {0: Progress(T0 + at_ms)})
    labels = Sources(1, {0: Progress(None, True)}) if labels_idle else at
    return watermarks(at, labels)


def watermarks(predictions: Sources, labels: Sources) -> Message:
    message = SourceWatermarks(predictions=predictions, labels=labels)
    return watermark_messages("joins", message, 1)[0]


def joined(log: Log, role: Join, *messages: Message, most: int = 1_000_000) -> Outcomes:
    """After these messages, in batches of so many."""
    for message in messages:
        log.append(message)
    worker = Worker(role, log, [J0])
    while not worker.done:
        worker.work(most)
    return outcomes(log.all("summaries"))


def counted(found: Outcomes, sum_: str, version: str = "1") -> dict[tuple[int, int], int]:
    """How often which prediction met which label, in all panes."""
    cells = Counter[int]()
    for (of, mine, _), counts in found.items():
        if (of, mine) == (sum_, version):
            cells += counts["outcomes"]
    return {divmod(cell, 2): count for cell, count in cells.items()}


@pytest.mark.parametrize(
    ("after_ms", "fits"),
    [(-1, False), (0, True), (HORIZON, True), (HORIZON + 1, False)],
    ids=["before it", "at once", "at the horizon", "past it"],
)
@pytest.mark.parametrize("first", ["prediction", "label"])
def test_a_label_joins_within_the_horizon_whichever_comes_first(log, role, after_ms, fits, first):
    rows = [scored("a", 5_000), truth("a", 5_000 + after_ms)]
    found = joined(log, role, *(rows if first == "prediction" else rows[::-1]))
    assert counted(found, "whole") == ({(1, 1): 1} if fits else {})


def test_a_label_counts_in_the_pane_of_its_prediction(log, role):
    found = joined(log, role, scored("a", 5_999), truth("a", 8_000))
    assert {pane_ms for _, _, pane_ms in found} == {T0 + 5_000}


def test_a_label_applies_to_every_version_that_scored_the_id(log, role):
    found = joined(
        log, role, scored("a", 0), truth("a", 9), scored("a", 0, version="2", predicted=0)
    )
    assert (counted(found, "whole"), counted(found, "whole", "2")) == ({(1, 1): 1}, {(0, 1): 1})


@pytest.mark.parametrize("order", [1, -1])
def test_of_duplicated_predictions_the_earliest_counts(log, role, order):
    twice = [scored("a", 200, predicted=0), scored("a", 100, predicted=1)][::order]
    found = joined(log, role, *twice, truth("a", 300))
    assert counted(found, "whole") == counted(found, "final") == {(1, 1): 1}
    assert fates_of(role)["joins/0"]["repeated_predictions"] == 1


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_labels_the_latest_counts_and_ties_go_by_value(log, role, order):
    several = [truth("a", 300, 1), truth("a", 400, 0), truth("a", 400, 1)][::order]
    found = joined(log, role, scored("a", 100), *several)
    assert counted(found, "whole") == {(1, 1): 1}
    assert fates_of(role)["joins/0"] == Counter(
        predictions=1, labels=3, matched=1, superseded=2, waiting=0, duplicates=0
    ) + Counter(repeated_predictions=0)


def test_a_label_sent_twice_counts_once(log, role):
    found = joined(log, role, scored("a", 100), truth("a", 300), truth("a", 300))
    assert counted(found, "whole") == {(1, 1): 1}
    assert fates_of(role)["joins/0"]["duplicates"] == 1


# A pane [0, 1000), and label_wait of 1500: labels before 2500 are in time to be judged.
@pytest.mark.parametrize(
    ("message", "final"),
    [
        pytest.param(truth("a", 2_499), {(1, 1): 1}, id="in time"),
        pytest.param(truth("a", 2_500), {}, id="known too late"),
        pytest.param(truth("a", 400, seen_ms=T0 + 2_999), {(1, 1): 1}, id="sent in time"),
        pytest.param(truth("a", 400, seen_ms=T0 + 3_000), {}, id="sent too late"),
    ],
)
def test_only_labels_in_time_are_judged_and_all_others_amend(log, role, message, final):
    found = joined(log, role, scored("a", 0), message)
    assert counted(found, "final") == final
    assert counted(found, "whole") == {(1, 1): 1}


def test_a_late_prediction_is_not_judged(log, role):
    found = joined(log, role, scored("a", 0, late=True), truth("a", 100))
    assert (counted(found, "final"), counted(found, "whole")) == ({}, {(1, 1): 1})


# -- forgetting --------------------------------------------------------------------------------

KEPT = HORIZON + LATENESS  # an entry is forgotten once both watermarks are so far past it


def entries(tmp_path: Path, *ids: str) -> list[bool]:
    """Whether the closed store still knows the ids."""
    store = JoinStore(tmp_path / "0")
    found = store.entries([identity("m", id_) for id_ in ids])
    store.close()
    return [entry is not None for entry in found]


@pytest.mark.parametrize("most", [1, 1_000], ids=["one by one", "at once"])
def test_what_nothing_can_reach_any_more_is_forgotten_and_a_waiting_label_expired(
    log, role, tmp_path, most
):
    rows = [scored("joined", 0), truth("joined", 100), truth("alone", 100), scored("new", 101)]
    joined(log, role, *rows, passed(100 + KEPT + 1), most=most)
    counts = fates_of(role)["joins/0"]
    assert (counts["matched"], counts["waiting"], counts["expired"]) == (1, 0, 1)
    role.on_partitions_lost([J0])
    assert entries(tmp_path, "joined", "alone", "new") == [False, False, True]


def test_of_what_is_forgotten_nothing_is_left_in_the_store(log, role, tmp_path):
    rows = [scored("a", 0), truth("a", 100), truth("a", 900), truth("b", 200)]
    joined(log, role, *rows, passed(900 + KEPT + 1), most=1)
    role.on_partitions_lost([J0])
    stored = Rdict(str(tmp_path / "0"), options=Options(raw_mode=True))
    assert list(stored.keys()) == [b"m"]
    stored.close()


def test_nothing_is_forgotten_a_moment_too_soon(log, role, tmp_path):
    joined(log, role, truth("alone", 100), passed(100 + KEPT))
    assert fates_of(role)["joins/0"]["waiting"] == 1
    role.on_partitions_lost([J0])
    assert entries(tmp_path, "alone") == [True]


@pytest.mark.parametrize("behind", ["predictions", "labels"])
def test_nothing_is_forgotten_while_one_of_the_topics_is_behind(log, role, behind):
    far, near = Sources(1, {0: Progress(T0 + 10**6)}), Sources(1, {0: Progress(T0)})
    sources = (near, far) if behind == "predictions" else (far, near)
    joined(log, role, truth("alone", 100), watermarks(*sources))
    assert fates_of(role)["joins/0"]["waiting"] == 1


def test_nothing_is_forgotten_while_a_partition_was_not_heard_of(log, role):
    sources = Sources(2, {0: Progress(T0 + 10**6)})
    joined(log, role, truth("alone", 100), watermarks(sources, sources))
    assert fates_of(role)["joins/0"]["waiting"] == 1


@pytest.mark.parametrize("most", [1, 2, 3, 1_000])
def test_an_id_used_again_after_it_was_forgotten_is_a_new_one_however_it_is_batched(
    log, role, most
):
    found = joined(
        log,
        role,
        scored("a", 0, predicted=0),
        truth("a", 100),
        passed(100 + KEPT + 1),
        scored("a", 20_000, predicted=1),
        truth("a", 20_100),
        most=most,
    )
    assert counted(found, "whole") == {(0, 1): 1, (1, 1): 1}
    assert fates_of(role)["joins/0"]["matched"] == 2


@pytest.mark.parametrize("most", [1, 1_000])
def test_a_row_that_comes_when_its_time_is_up_waits_for_nobody(log, role, most):
    """As labels do that an idle partition wakes with."""
    found = joined(
        log,
        role,
        passed(100 + KEPT + 1),
        truth("a", 100),
        truth("a", 100),
        scored("a", 100),
        most=most,
    )
    assert found == {}
    counts = fates_of(role)["joins/0"]
    assert (counts["expired"], counts["duplicates"], counts["waiting"]) == (2, 0, 0)


# -- watermarks --------------------------------------------------------------------------------


def last_closing(log: Log, number: int) -> Any:
    return decode_summary_message(log.read(TopicPartition("summaries", number))[-1])


def test_every_transaction_ends_with_what_it_reflects_in_every_partition(log, role):
    joined(log, role, truth("a", 100), passed(5_000))
    for number in (0, 1):
        closing = last_closing(log, number)
        assert (closing.joins_total, closing.predictions) == (1, None)
        assert closing.joins == {0: JoinWatermark(T0 + 5_000, T0 + 5_000)}


def test_labels_that_all_keep_silent_let_time_pass_with_the_predictions(log, role):
    joined(log, role, passed(5_000, labels_idle=True))
    assert last_closing(log, 0).joins == {0: JoinWatermark(T0 + 5_000, T0 + 5_000)}


def test_time_never_goes_back(log, role):
    joined(log, role, passed(5_000), passed(4_000))
    assert last_closing(log, 0).joins == {0: JoinWatermark(T0 + 5_000, T0 + 5_000)}


def test_without_records_nothing_is_written(log, role):
    assert Worker(role, log, [J0]).work() is None


# -- the store ---------------------------------------------------------------------------------


def restarted(log: Log, tmp_path: Path, first_offset: int = 0) -> tuple[dict[Any, int], Join]:
    """A new worker: where it is behind, and itself, not caught up."""
    made = Join(table(), constant(plan()), log.partitions, tmp_path, lambda _: first_offset)
    behind = made.on_partitions_assigned({J0: log.committed[J0]})
    return dict(behind), made


@pytest.fixture
def worked(log: Log, tmp_path: Path) -> Log:
    """Two batches of a row each were committed, and their worker ended in order."""
    role = join(log, tmp_path)
    joined(log, role, scored("a", 0), truth("a", 100), most=1)
    role.on_partitions_lost([J0])
    return log


def test_a_store_that_was_closed_in_order_goes_on_at_once(worked, tmp_path):
    behind, role = restarted(worked, tmp_path)
    assert behind == {}
    assert fates_of(role)["joins/0"]["matched"] == 1
    role.on_partitions_lost([J0])


def test_a_store_that_is_gone_is_rebuilt_from_the_log(worked, tmp_path):
    join_store.shutil.rmtree(tmp_path)
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    role.on_partitions_lost([J0])


def test_a_store_that_is_ahead_of_what_is_committed_is_rebuilt(worked, tmp_path, caplog):
    worked.commit({J0: 1}, Output())
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert "is ahead of the committed offset: rebuilding it" in caplog.text
    role.on_partitions_lost([J0])


def test_a_store_older_than_what_the_log_still_holds_is_rebuilt(worked, tmp_path, caplog):
    """Rows it has never seen were deleted: with what is left it would be neither old nor new."""
    worked.commit({J0: 9}, Output())
    behind, role = restarted(worked, tmp_path, first_offset=5)
    assert behind == {J0: 0}
    assert "older than the oldest record of the log" in caplog.text
    role.on_partitions_lost([J0])


def test_a_corrupt_store_is_rebuilt(worked, tmp_path, caplog):
    (tmp_path / "0" / "CURRENT").write_bytes(b"junk")
    behind, role = restarted(worked, tmp_path)
    assert behind == {J0: 0}
    assert "is corrupt: rebuilding it" in caplog.text
    role.on_partitions_lost([J0])


def test_a_disk_that_fails_is_not_taken_for_a_corrupt_store(worked, tmp_path):
    join_store.shutil.rmtree(tmp_path / "0")
    (tmp_path / "0").write_text("no directory")
    with pytest.raises(OSError, match=str(tmp_path)):
        restarted(worked, tmp_path)
    assert (tmp_path / "0").read_text() == "no directory"


def test_a_store_that_another_worker_is_letting_go_of_is_waited_for(worked, tmp_path):
    store = JoinStore(tmp_path / "0")
    threading.Timer(0.4, store.close).start()
    behind, role = restarted(worked, tmp_path)
    assert behind == {}
    role.on_partitions_lost([J0])


def test_a_store_that_another_process_keeps_is_said_to_be_taken(worked, tmp_path, monkeypatch):
    monkeypatch.setattr(join_store, "LOCK_TIMEOUT_S", 0.2)
    store = JoinStore(tmp_path / "0")
    with pytest.raises(StoreTaken, match="held open by another process"):
        restarted(worked, tmp_path)
    store.close()


# -- profiles ----------------------------------------------------------------------------------


def test_a_version_registered_since_is_found_by_reading_on(log, tmp_path):
    profiles = Table(profile(), later=[profile(version="2")])
    role = join(log, tmp_path, profiles=profiles)
    found = joined(log, role, scored("a", 0, version="2"), truth("a", 100))
    assert (counted(found, "whole", "2"), profiles.read_on) == ({(1, 1): 1}, 1)
    role.on_partitions_lost([J0])


def test_a_profile_that_is_gone_is_named(log, role):
    with pytest.raises(MissingProfile, match="the profile of m/9 is gone"):
        joined(log, role, scored("a", 0, version="9"))


def test_its_status_tells_offset_watermark_and_counts(log, role):
    joined(log, role, scored("a", 0), truth("a", 100), passed(1_500))
    status = role.status()["joins/0"]
    assert (status["offset"], status["watermark"], status["idle"]) == (
        3,
        "2013-04-01T00:00:01.500Z",
        False,
    )


def test_a_thousand_ids_expire_in_one_step_without_delay(log, role):
    rows = [truth(f"r{i}", i) for i in range(1_000)]
    began_s = time.monotonic()
    joined(log, role, *rows, passed(1_000 + KEPT))
    assert fates_of(role)["joins/0"]["expired"] == 1_000
    assert time.monotonic() - began_s < 10
