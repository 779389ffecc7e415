"""The path of records through the core without Kafka, and the expected result by definition.

    sources ──▶ classify_arrivals, count_data ──▶ log ──▶ advance
        │                                 ▲
        └──▶ add_rows, joined_row_changes, count_joined

``Pipeline`` reads the sources in random order and portions, as several workers would.
``Definition`` looks at all rows at once and knows nothing of order, portions or watermarks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import numpy as np

from monitor.budget import Length
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.joined_rows import count_joined
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.counts.summary import Names, Part, Summary, add_names
from monitor.decisions.signals import WindowVerdict
from monitor.events.event_time import Arrival, classify_arrivals, newest_before
from monitor.events.joining import (
    Entry,
    JoinedRow,
    JoinPolicy,
    ScoredPrediction,
    add_rows,
    joined_columns,
    joined_row_changes,
    joined_rows,
)
from monitor.events.joining import Label as JoinLabel
from monitor.events.progress import (
    AppendTimes,
    EventTime,
    Seen,
    SeenIn,
    event_time,
    label_time,
)
from monitor.identity import Key, VersionKey
from monitor.performance.adwin_page_hinkley import DETECTORS, Detector, detects
from monitor.performance.metrics import measure
from monitor.plan import Budget, Drift, Incidents, Plan, Time, Windows
from monitor.statistics.drift_rule import Comparison
from monitor.tasks.binary import BINARY
from monitor.windows import data_windows, pane_errors
from monitor.windows.clocks import JoinedTime, Progress
from monitor.windows.detection import advance
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import (
    DataFinding,
    Findings,
    Maturity,
    PerformanceFinding,
    WindowFinding,
    evidence_of,
)
from monitor.windows.state import Item, State

PANE, LATENESS, ACCEPTED, HORIZON, WAIT = 10, 7, 20, 30, 10
LONGEST = 8  # panes in a window of the largest scale
IDLE = 10**9  # of append time
KEY = Key("credit", "1")
VERSION = KEY.version_key
LOOSE = Budget(1, 40)  # so that small windows can open incidents


@dataclass(frozen=True, slots=True)
class Row:
    """A prediction as it was sent."""

    ident: str
    time_ms: int
    x: object = 1.0
    c: object = "a"
    score: float = 0.9
    extra: object = None  # a feature that the reference lacks

    @property
    def predicted(self) -> int:
        return int(self.score >= 0.5)


@dataclass(frozen=True, slots=True)
class Label:
    ident: str
    time_ms: int
    label: int = 1


def plan(length: int = 4, slide: int | None = None, **settings: object) -> Plan:
    """``length`` and ``slide`` in panes."""
    windows = Windows(PANE, length * PANE, (slide or length) * PANE, LONGEST * PANE)
    time = Time(LATENESS, ACCEPTED, IDLE, HORIZON, WAIT, None)
    drift = Drift(warning=LOOSE, critical=Budget(1, 400), critical_effect=0.3)
    return replace(Plan(windows, time, drift, incidents=Incidents(80, 2)), **settings)  # type: ignore[arg-type]


def evaluator(plan_: Plan | None = None, *, model: str = "credit", version: str = "1") -> Evaluator:
    """Learned from 240 panes of independent rows: ``x`` is 0 to 4, ``c`` is a or b."""
    rng = np.random.default_rng(5)
    n = 240 * 5
    score = rng.choice([0.1, 0.3, 0.7, 0.9], n)
    label = (rng.random(n) < score).astype(np.int64)
    at = np.arange(n, dtype=np.int64) * 2
    columns = {"x": rng.integers(0, 5, n).astype(float), "c": rng.choice(["a", "b"], n).tolist()}
    predicted = (score >= 0.5).astype(np.int64)
    rows = Predictions([str(i) for i in range(n)], at, score, predicted, columns)
    profile = build_profile(
        model, version, ReferenceRows(rows, label, at + 5), pane_ms=PANE, threshold=0.5, task=BINARY
    )
    return Evaluator.of(plan_ or plan(), profile)


# -- the pipeline ----------------------------------------------------------------------------------


def counted(by: Evaluator, rows: Sequence[Row], parts: Sequence[Part]) -> list[Summary]:
    if not rows:
        return []
    columns = {name: [getattr(row, name) for row in rows] for name in ("x", "c", "extra")}
    predictions = Predictions(
        [row.ident for row in rows],
        np.array([row.time_ms for row in rows], dtype=np.int64),
        np.array([row.score for row in rows]),
        np.array([row.predicted for row in rows], dtype=np.int64),
        columns,
    )
    return count_data(by.profile.schema, predictions, np.array(parts, dtype=object))


def outcomes(by: Evaluator, additions: Iterable[tuple[JoinedRow, int]]) -> list[Summary]:
    return [
        summary
        for rows in joined_columns(by.profile.model, additions).values()
        for summary in count_joined(by.profile.schema, rows, by.label_wait_ms)
    ]


def join_policy(by: Evaluator) -> JoinPolicy:
    time = by.plan.time
    return JoinPolicy(PANE, time.lateness_ms, time.accept_late_ms, time.label_horizon_ms)


@dataclass(slots=True)
class _Joins:
    """A partition of ``joins``: the records that wait there, and the state of the role."""

    waiting: list[tuple[str, ScoredPrediction | JoinLabel | SeenIn]] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    seen: dict[str, SeenIn] = field(default_factory=lambda: {"predictions": {}, "labels": {}})


class Pipeline:
    """The output of aggregate and join, who read the sources in a random order."""

    def __init__(
        self,
        by: Evaluator,
        predictions: Sequence[Sequence[Row]],
        labels: Sequence[Sequence[Label]] = (),
        *,
        seed: int = 0,
        joins: int = 2,
    ) -> None:
        self.evaluator, self.random = by, Random(seed)
        self.predictions, self.labels = predictions, labels
        self.log: list[Item] = []
        self._offset = 0
        self._joins = [_Joins() for _ in range(joins)]
        self._newest: dict[tuple[str, int], int] = {}
        self._key = (by.profile.model, by.profile.version)
        self._totals = {
            "predictions": AppendTimes(len(predictions)),
            "labels": AppendTimes(len(labels)),
        }
        left = {("predictions", i): list(rows) for i, rows in enumerate(predictions)}
        left |= {("labels", i): list(rows) for i, rows in enumerate(labels)}  # type: ignore[dict-item]
        self._run(left)

    def _run(self, left: dict[tuple[str, int], list[Row]]) -> None:
        while choices := [k for k, rows in left.items() if rows] + [
            ("join", i) for i, mine in enumerate(self._joins) if mine.waiting
        ]:
            source = self.random.choice(choices)
            if source[0] == "join":
                self._join(source[1])
                continue
            portion = self.random.choice([1, 3, 10, 40])
            batch, left[source] = left[source][:portion], left[source][portion:]
            read = self._predictions if source[0] == "predictions" else self._labels
            read(source, batch)  # type: ignore[arg-type]

    def _append(self, items: Iterable[Summary | Progress]) -> None:
        self.log += [(self._offset, item) for item in items]
        self._offset += 1

    def _predictions(self, source: tuple[str, int], batch: list[Row]) -> None:
        time, at = (
            self.evaluator.plan.time,
            np.array([row.time_ms for row in batch], dtype=np.int64),
        )
        judged = classify_arrivals(
            newest_before(self._newest.get(source), at),
            at - at % PANE + PANE,
            time.lateness_ms,
            time.accept_late_ms,
        )
        rows = [(row, a) for row, a in zip(batch, judged, strict=True) if a != Arrival.TOO_LATE]
        parts = [Part.ON_TIME if a == Arrival.ON_TIME else Part.LATE for _, a in rows]
        self._append(counted(self.evaluator, [row for row, _ in rows], parts))
        for (row, _), part in zip(rows, parts, strict=True):
            version, late = self.evaluator.profile.version, part is Part.LATE
            scored = ScoredPrediction(row.time_ms, row.score, row.predicted, version, late)
            self._wait(row.ident, scored)
        self._close(source, int(at.max()))

    def _labels(self, source: tuple[str, int], batch: list[Label]) -> None:
        at = np.array([label.time_ms for label in batch], dtype=np.int64)
        for label, seen_ms in zip(batch, newest_before(self._newest.get(source), at), strict=True):
            self._wait(label.ident, JoinLabel(label.time_ms, label.label, int(seen_ms)))
        self._close(source, int(at.max()))

    def _wait(self, ident: str, row: ScoredPrediction | JoinLabel) -> None:
        self._joins[sum(map(ord, ident)) % len(self._joins)].waiting.append((ident, row))

    def _close(self, source: tuple[str, int], newest_ms: int) -> None:
        self._newest[source] = max(newest_ms, self._newest.get(source, newest_ms))
        newest = self._newest[source]
        seen = {source[1]: Seen(newest, 0, 0, 0)}
        if source[0] == "predictions":
            self._append([Progress(self._totals["predictions"], {self._key: seen})])
        for joins in self._joins:
            joins.waiting.append((source[0], seen))

    def _join(self, number: int) -> None:
        mine, portion = self._joins[number], self.random.choice([1, 5, 40])
        batch, mine.waiting = mine.waiting[:portion], mine.waiting[portion:]
        rows: dict[str, list[ScoredPrediction | JoinLabel]] = defaultdict(list)
        for name, content in batch:
            if isinstance(content, Mapping):
                mine.seen[name] = {**mine.seen[name], **content}
            else:
                rows[name].append(content)
        additions = []
        for ident, new in rows.items():
            before = mine.entries.get(ident, Entry(self.evaluator.profile.model))
            mine.entries[ident] = add_rows(before, new)
            additions += joined_row_changes(
                before, mine.entries[ident], join_policy(self.evaluator)
            )
        self._append(outcomes(self.evaluator, additions))
        joins = AppendTimes(len(self._joins), {number: 0})
        joined_ = {self._key: {number: self._joined_time(mine)}}
        self._append([Progress(joins=joins, joined=joined_)])

    def _joined_time(self, mine: _Joins) -> JoinedTime:
        time, predictions = self.evaluator.plan.time, mine.seen["predictions"]
        at = event_time(predictions, self._totals["predictions"], time)
        labels = label_time(mine.seen["labels"], self._totals["labels"], predictions, at, time)
        return JoinedTime(at, labels)

    def detected(self, seed: int = 0) -> tuple[State, Findings]:
        """The log read to its end, cut into batches at random."""
        profile = self.evaluator.profile
        return fold({Key(profile.model, profile.version): self.evaluator}, self.log, seed)


_calls = count(1)


def reached(
    *newest_ms: int | None, idle: tuple[int, ...] = (), version: VersionKey = VERSION
) -> list[Progress]:
    """How far a version has come in each partition of the predictions.

    Each call is later by ``IDLE``, in append time; in idle partitions the next one has begun.
    """
    now_ms = next(_calls) * IDLE
    seen = {i: Seen(at, *[now_ms] * 3) for i, at in enumerate(newest_ms) if at is not None}
    appended = dict.fromkeys(idle, now_ms + IDLE)
    return [Progress(AppendTimes(len(newest_ms), appended), {version: seen})]


def joined(predictions_ms: int, labels_ms: int, version: VersionKey = VERSION) -> list[Progress]:
    times = JoinedTime(EventTime(predictions_ms), EventTime(labels_ms))
    return [Progress(joins=AppendTimes(1, {0: 0}), joined={version: {0: times}})]


def fold(
    evaluators: Mapping[Key, Evaluator],
    log: Sequence[Item],
    seed: int = 0,
    state: State | None = None,
) -> tuple[State, Findings]:
    state, findings = state or State(), Findings()
    for batch in cut(log, seed):
        state, found = advance(evaluators, state, batch)
        findings.windows += found.windows
        findings.transitions += found.transitions
        findings.retraining += found.retraining
    return state, findings


def cut(log: Sequence[Item], seed: int) -> list[list[Item]]:
    """Batches of whole messages."""
    random, batches, end = Random(seed), [], 0
    offsets = sorted({offset for offset, _ in log})
    while end < len(offsets):
        start, end = end, end + random.choice([1, 2, 7, 30])
        mine = set(offsets[start:end])
        batches.append([item for item in log if item[0] in mine])
    return batches


# -- the expected result ----------------------------------------------------------------------


class Definition:
    """Every window from the raw rows, all rows at once."""

    def __init__(
        self, by: Evaluator, predictions: Sequence[Sequence[Row]], labels: Sequence[Sequence[Label]]
    ) -> None:
        self.evaluator = by
        judged = [pair for partition in predictions for pair in _with_lateness(partition)]
        self.rows = {
            part: [row for row, late in judged if late == (part is Part.LATE)]
            for part in (Part.ON_TIME, Part.LATE)
        }
        self.first_ms = min(row.time_ms for row in self.rows[Part.ON_TIME]) // PANE * PANE
        self.newest_ms = min(max(row.time_ms for row in p) for p in predictions)
        self.labels_ms = min(max(label.time_ms for label in p) for p in labels)
        known = [pair for partition in labels for pair in _label_records(partition)]
        joined = _joined(by, judged, known)
        self._data = {
            part: {s.pane_ms: s for s in counted(by, mine, [part] * len(mine))}
            for part, mine in self.rows.items()
        }
        self._joined = {(s.pane_ms, s.part): s.cells for s in outcomes(by, joined.items())}

    @property
    def starts(self) -> list[int]:
        """Of all windows that are published, from the first on-time row to the watermark."""
        late = {start for row in self.rows[Part.LATE] for start in self._over(row)}
        return [at for at in self._closed if at not in self.skipped or at in late]

    @property
    def skipped(self) -> set[int]:
        """Empty windows after three others."""
        on_time = {start for row in self.rows[Part.ON_TIME] for start in self._over(row)}
        skipped, empty = set(), 0
        for start in self._closed:
            empty = 0 if start in on_time else empty + 1
            if empty > data_windows.MOST_EMPTY:
                skipped.add(start)
        return skipped

    @property
    def _closed(self) -> list[int]:
        windows = self.evaluator.plan.windows
        first = self.first_ms - windows.length_ms + PANE
        last = self.newest_ms - LATENESS - windows.length_ms
        return [at for at in range(-1_000, last + 1) if at % windows.slide_ms == 0 and at >= first]

    def _over(self, row: Row) -> range:
        return self.evaluator.plan.windows.over(row.time_ms // PANE * PANE)

    @property
    def final(self) -> list[int]:
        settled_ms = self.labels_ms - LATENESS - WAIT
        return [s for s in self.starts if s + self.evaluator.plan.windows.length_ms <= settled_ms]

    def data(self, start: int, *parts: Part) -> DataFinding:
        """The data part of a window; its errors, which come with labels, are left out."""
        inside = [
            [self._data[part][pane] for part in parts if pane in self._data[part]]
            for pane in self._panes(start)
        ]
        names: Names = add_names(summary.names for mine in inside for summary in mine)
        cells: list[Cells] = [add_cells(summary.cells for summary in mine) for mine in inside]
        complete = start >= self.first_ms
        found = self.evaluator.judge_data(cells, names, complete=complete, revision=0)
        return replace(found, errors=None)

    def performance(self, start: int, *parts: Part, rows: Sequence[Part]) -> PerformanceFinding:
        panes = self._panes(start)
        cells = [add_cells(self._joined.get((p, part), {}) for part in parts) for p in panes]
        total = sum(row.time_ms // PANE * PANE in panes for part in rows for row in self.rows[part])
        scores = add_cells(self.cells(part, panes.start, panes.stop) for part in rows)
        return self.evaluator.judge_performance(
            cells, total, status=Maturity.FINAL, revision=0, predictions=scores
        )

    def detectors(self, start: int) -> tuple[Detector, ...]:
        """The newest detection up to the end of a window, in the errors of the final panes."""
        end = start + self.evaluator.plan.windows.length_ms
        errors = list(self._pane_errors(end))
        return tuple(self._detector(name, errors, start, end) for name in DETECTORS)

    def _pane_errors(self, end: int) -> Iterator[tuple[int, float]]:
        """End and standardized error rate; panes with few labels are taken together."""
        scale, outcomes = self.evaluator.error_scale, Counts.empty()
        for pane in range(self.first_ms, end, PANE):
            outcomes += self.cells(Part.FINAL, pane, pane + PANE).get("outcomes", Counts.empty())
            if outcomes.size >= pane_errors.LEAST_LABELS:
                wrong = outcomes.at(1) + outcomes.at(2)
                yield pane + PANE, scale.standardized(wrong, outcomes.size)
                outcomes = Counts.empty()

    @staticmethod
    def _detector(name: str, errors: Sequence[tuple[int, float]], start: int, end: int) -> Detector:
        since, at = [], None
        for pane_end, error in errors:
            since.append(error)
            if detects(name, since[-pane_errors.MOST_ERRORS :]):
                since, at = [], pane_end
        return Detector(name, at is not None and start < at <= end, at)

    def cells(self, part: Part, start: int, end: int) -> Cells:
        """The sums of the panes from one moment to another."""
        if part in self._data:
            mine = {pane: summary.cells for pane, summary in self._data[part].items()}
        else:
            mine = {
                pane: cells for (pane, of_part), cells in self._joined.items() if of_part is part
            }
        return add_cells(cells for pane, cells in mine.items() if start <= pane < end)

    def metrics(self, start: int, end: int, length: Length) -> Iterator[tuple[str, WindowVerdict]]:
        """The verdicts of a final window of any length on the metrics that can be tested in it."""
        panes = [self.cells(Part.FINAL, at, at + PANE) for at in range(start, end, PANE)]
        rows = self.cells(Part.ON_TIME, start, end)
        counted = {
            "rows": rows["rows"].size if "rows" in rows else 0,
            "labels": sum(cells["outcomes"].size for cells in panes if "outcomes" in cells),
        }
        for name, found in self.evaluator.judge_metrics(measure(panes), length).items():
            if found.decided:
                yield (
                    name,
                    WindowVerdict.of_metric(
                        evidence_of(found, start, end, **counted),
                        start,
                        end,
                        is_clear=found.is_clear,
                    ),
                )

    def coverage(self, start: int) -> Comparison | None:
        panes = self._panes(start)
        rows = [self.cells(Part.ON_TIME, at, at + PANE) for at in panes]
        labels = [self.cells(Part.FINAL, at, at + PANE) for at in panes]
        return self.evaluator.judge_coverage(
            [cells["rows"].size if "rows" in cells else 0 for cells in rows],
            [cells["outcomes"].size if "outcomes" in cells else 0 for cells in labels],
        )

    def _panes(self, start: int) -> range:
        return range(start, start + self.evaluator.plan.windows.length_ms, PANE)


def _with_lateness(partition: Sequence[Row]) -> Iterable[tuple[Row, bool]]:
    """The rows that are not too late, and which of them are late."""
    for i, row in enumerate(partition):
        newest_ms = max((r.time_ms for r in partition[:i]), default=-(10**9))
        behind_ms = newest_ms - LATENESS - (row.time_ms // PANE * PANE + PANE)
        if behind_ms <= ACCEPTED:
            yield row, behind_ms >= 0


def _label_records(partition: Sequence[Label]) -> Iterable[tuple[str, JoinLabel]]:
    for i, label in enumerate(partition):
        newest_ms = max((before.time_ms for before in partition[:i]), default=-(10**9))
        yield label.ident, JoinLabel(label.time_ms, label.label, newest_ms)


def _joined(
    by: Evaluator, judged: Iterable[tuple[Row, bool]], known: Iterable[tuple[str, JoinLabel]]
) -> Counter:
    by_ident: dict[str, list[ScoredPrediction | JoinLabel]] = defaultdict(list)
    for row, late in judged:
        version = by.profile.version
        scored = ScoredPrediction(row.time_ms, row.score, row.predicted, version, late)
        by_ident[row.ident].append(scored)
    for ident, label in known:
        by_ident[ident].append(label)
    joined: Counter = Counter()
    for rows in by_ident.values():
        joined.update(joined_rows(add_rows(Entry(by.profile.model), rows), join_policy(by)))
    return joined


def by_window(findings: Findings) -> dict[int, list[WindowFinding]]:
    found: dict[int, list[WindowFinding]] = defaultdict(list)
    for window in findings.windows:
        found[window.start_ms].append(window)
    return found


def data_of(window: WindowFinding) -> DataFinding:
    return replace(window.data, revision=0, errors=None)


def performance_of(window: WindowFinding) -> PerformanceFinding:
    return replace(window.performance, revision=0)
