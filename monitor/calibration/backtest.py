"""The alarms that a stream of panes would raise: the deciding part of detection alone.

``monitor.windows.detection`` follows a stream through watermarks, late rows, published windows and
labels. A backtest has all panes at hand and needs only what decides: the scales
(``monitor.windows.scale_scanner``, shared with detection), the tests and the life of incidents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from monitor.budget import Length, own_length
from monitor.calibration.history import History, Split
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data
from monitor.counts.counts import Counts
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.counts.task import Task
from monitor.decisions.incident_groups import IncidentEvent, KnownIncidents, apply_verdicts
from monitor.decisions.incidents import Change, Incident
from monitor.decisions.signals import WindowVerdict
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.scale_scanner import ScaleScanner
from monitor.windows.scales import Blocks, ScaleWindow

Signals = Mapping[str, Sequence[WindowVerdict]]  # of all windows that end with a pane, by subject


@dataclass(frozen=True, slots=True)
class Alarm:
    """Windows that end with a pane opened an incident of a subject, or kept it open."""

    pane: int  # counted from 0
    subject: str
    incident: str  # id of the primary incident
    primary: str  # subject of the primary incident
    opened: bool
    longest: int  # panes in the longest window with drift


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """One split of a history: what was learned from its reference, and its live stream."""

    evaluator: Evaluator
    live: Predictions
    panes: Sequence[Counts]  # of the live stream, without gaps

    @classmethod
    def of(  # noqa: PLR0913 - the history and its model
        cls,
        plan: Plan,
        history: History,
        split: Split,
        model: str,
        task: Task,
        categorical: Sequence[str] = (),
    ) -> Backtest:
        """Raises ``InvalidReference`` if a feature cannot be learned from the reference half."""
        reference = history.concatenated(split.reference)
        evaluator = _learned(plan, reference, model, categorical, task)
        live = history.concatenated(split.live).predictions
        on_time = np.full(len(live), Part.ON_TIME, dtype=object)
        summaries = count_data(evaluator.profile.schema, live, on_time)
        pane_ms = plan.windows.pane_ms
        panes = {s.pane_ms // pane_ms: evaluator.data.cell_index.gather(s.cells) for s in summaries}
        numbers = range(len(split.live) * history.block_ms // pane_ms)
        return cls(evaluator, live, [panes.get(number, Counts.empty()) for number in numbers])

    @property
    def span_ms(self) -> int:
        return len(self.panes) * self.evaluator.plan.windows.pane_ms

    @property
    def numeric(self) -> list[str]:
        return [name for name, _ in self.evaluator.profile.schema.numeric]


def alarms(evaluator: Evaluator, panes: Iterable[Counts]) -> Iterator[Alarm]:
    """``panes`` in time order, without gaps, in the index space of ``evaluator.data``."""
    recent = RecentPanes(evaluator, [])
    for number, counts in enumerate(panes):
        recent.append(counts)
        yield from recent.alarms(number)


def signals(evaluator: Evaluator, panes: Iterable[Counts], skip: int = 0) -> Iterator[Signals]:
    """The signals of each pane but the first ``skip``, which are only part of later windows.

    They depend on ``drift.min_effect``; what follows from them does not.
    """
    recent = RecentPanes(evaluator, [])
    for number, counts in enumerate(panes):
        recent.append(counts)
        if number >= skip:
            yield recent.signals(number)


def resignal(
    evaluator: Evaluator, panes: Sequence[Counts], before: Sequence[Signals]
) -> Iterator[Signals]:
    """The signals under an evaluator with a larger ``drift.min_effect`` than that of ``before``.

    A pane without drift stays without drift, so only the other panes are tested again.
    """
    tested = RecentPanes(evaluator, panes)
    for number, of_pane in enumerate(before):
        yield tested.signals(number) if of_pane else of_pane


def incidents_of(
    evaluator: Evaluator, panes: Sequence[Counts], by_pane: Iterable[Signals]
) -> Iterator[Alarm]:
    """The alarms that follow from the signals of each pane."""
    tested = RecentPanes(evaluator, panes)
    for number, of_pane in enumerate(by_pane):
        yield from tested.alarms(number, of_pane)


class RecentPanes:
    """Panes of a stream, numbered from 0, the windows over them, and their incidents."""

    def __init__(self, evaluator: Evaluator, panes: Sequence[Counts]) -> None:
        self.known = KnownIncidents()
        self._evaluator, self._panes = evaluator, list(panes)
        blocks = Blocks(lambda number: self._panes[number] if number >= 0 else Counts.empty())
        windows = evaluator.plan.windows
        self._scales = ScaleScanner(evaluator.data, windows, evaluator.longest_scale, blocks)

    def append(self, counts: Counts) -> None:
        """Add the next pane, and drop one that no window reaches any more."""
        oldest = len(self._panes) - self._evaluator.longest_panes
        if oldest >= 0:
            self._panes[oldest] = Counts.empty()
        self._panes.append(counts)

    def signals(self, number: int) -> Signals:
        """The windows with drift that end with a pane: all scales, and ``windows.length``."""
        return self._verdicts(number, {})

    def alarms(self, number: int, drifted: Signals | None = None) -> Iterator[Alarm]:
        """The alarms of a pane; each pane once, in order. ``drifted`` are its signals if known."""
        verdicts, events = self.step(number, drifted)
        opened = {event.incident.subject for event in events if event.change is Change.OPENED}
        longest = _longest_with_drift(verdicts, self._evaluator.plan.windows.pane_ms)
        yield from _alarms_at(number, self.known.open, opened, longest)

    def step(
        self, number: int, drifted: Signals | None = None
    ) -> tuple[Signals, list[IncidentEvent]]:
        """What the windows find that end with a pane, and the changes of incidents; as above."""
        pane_ms = self._evaluator.plan.windows.pane_ms
        lengths = self.known.clear_panes(pane_ms)
        verdicts = self._verdicts(number, lengths) if lengths or drifted is None else drifted
        self.known, events = apply_verdicts(
            self.known,
            verdicts,
            (number + 1) * pane_ms,
            scope=self._evaluator.profile.model,
            plan=self._evaluator.plan.incidents,
        )
        return verdicts, events

    def _verdicts(self, number: int, open_lengths: Mapping[str, int]) -> Signals:
        own = own_length(self._evaluator.plan)
        windows = () if own.is_scale else own_windows(self._panes, number, own)
        found: dict[str, list[WindowVerdict]] = {}
        for subject, verdict in chain(
            self._scales.verdicts(number, 0, open_lengths),
            self._scales.verdicts_of([(one, own) for one in windows], open_lengths),
        ):
            found.setdefault(subject, []).append(verdict)
        return found


def own_windows(panes: Sequence[Counts], number: int, length: Length) -> Iterator[ScaleWindow]:
    """The window of ``windows.length`` that ends with a pane, if one does.

    Such windows start at every multiple of their slide.
    """
    start = number + 1 - length.panes
    if start < 0 or start % length.slide:
        return
    middle = start + length.panes // 2
    halves = [panes[start:middle], panes[middle : number + 1]]
    yield ScaleWindow(length.panes, start, tuple(Counts.total(half) for half in halves if half))


def _longest_with_drift(of_pane: Signals, pane_ms: int) -> dict[str, int]:
    """Panes in the longest window with drift, by subject; only subjects with drift."""
    lengths = {
        subject: [(v.end_ms - v.start_ms) // pane_ms for v in verdicts if v.evidence is not None]
        for subject, verdicts in of_pane.items()
    }
    return {subject: max(panes) for subject, panes in lengths.items() if panes}


def _alarms_at(
    number: int, incidents: Mapping[str, Incident], opened: set[str], longest: Mapping[str, int]
) -> Iterator[Alarm]:
    subjects = {incident.id: incident.subject for incident in incidents.values()}
    for subject, panes in longest.items():
        if (incident := incidents.get(subject)) is not None:
            primary = incident.primary or incident.id
            yield Alarm(number, subject, primary, subjects[primary], subject in opened, panes)


def _learned(
    plan: Plan, rows: ReferenceRows, model: str, categorical: Sequence[str], task: Task
) -> Evaluator:
    """The evaluator of the data alone, with the budget that labels leave for it.

    All features that are not ``categorical`` are numeric.
    """
    if not task.can_learn(rows.predictions.score, rows.label):
        rows = ReferenceRows(rows.predictions)
    profile = build_profile(
        model,
        "backtest",
        rows,
        pane_ms=plan.windows.pane_ms,
        threshold=0.5,
        task=task,
        categorical=categorical,
        numeric=[name for name in rows.predictions.features if name not in categorical],
    )
    data = tuple(summary for summary in profile.panes if summary.part is Part.ON_TIME)
    return Evaluator.of(plan, replace(profile, panes=data))
