"""How often a rule is wrong on somebody's own history, and how soon right: the history, replayed.

Theory of operation
-------------------
The history is cut into blocks, days as a rule. Half of them, drawn at random, are the reference;
the others, in time order side by side, are the live stream::

    history     d0  d1  d2  d3  d4  d5  d6  d7
    reference   d1  d2  d4  d7                      drawn at random
    live        d0  d3  d5  d6

Nothing has changed between the two but what changes from day to day, so whatever opens in the live
stream is a false alarm. Many draws tell the rate. To learn of delays, the values of one feature are
shifted from some pane on, and the first window that says so is waited for.

One history knows its own season only, and its draws share days: the interval of a rate tells how
sure the mean over the draws is, and nothing of other months.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from monitor.budget import own_length
from monitor.calibration.backtest import Alarm, Heard, decided, heard, heard_again, own_windows
from monitor.counts.columns import Numeric, Predictions, numbers
from monitor.counts.counting import count_data
from monitor.counts.counts import Counts
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.plan import DAY, Drift, Plan, Windows
from monitor.statistics.category_check import CategoryCheck
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.quality_check import QualityCheck
from monitor.statistics.rule import Check, Rule
from monitor.statistics.scanner import Scanner
from monitor.windows.evaluator import Evaluator, subject_of

LEAST_BLOCKS = 8
NAIVE = 0.05  # the p-value that everybody takes
FAR_BELOW = 0.25  # of the budget
EFFECTS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
SHIFTS = (0.25, 0.5, 1.0)  # standard deviations of the feature
HEALTHY, LATEST = 0.2, 0.5  # of the live stream, before a shift sets in

Ints = NDArray[np.int64]


class TooShort(ValueError):
    """A history that cannot be cut into enough blocks. The message says how much is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rows in time order, cut into blocks. Blocks without a row are none."""

    rows: ReferenceRows
    block_ms: int
    numbers: Ints  # shape (b,), ascending: of the blocks, counted since 1970
    cuts: Ints  # shape (b + 1,): where the rows of each begin, and the end

    @classmethod
    def of(cls, rows: ReferenceRows, windows: Windows) -> History:
        """Blocks are days, or, of less than eight days, as long as a window. Raises ``TooShort``.

        A block is a whole number of panes.
        """
        time_ms = rows.predictions.time_ms
        for length_ms in (DAY, min(windows.length_ms, DAY)):
            block_ms = -(-length_ms // windows.pane_ms) * windows.pane_ms
            numbers, first = np.unique(time_ms // block_ms, return_index=True)
            if numbers.size >= LEAST_BLOCKS:
                return cls(rows, block_ms, numbers, np.append(first, time_ms.size))
        raise TooShort(
            f"the history holds rows on {numbers.size} blocks of {block_ms / 3_600_000:g} hours:"
            f" at least {LEAST_BLOCKS} are needed, that is {LEAST_BLOCKS} days, or as many windows"
            f" if windows.length is shorter than a day; two months or more tell much more"
        )

    def __len__(self) -> int:
        return self.numbers.size

    def laid(self, blocks: Sequence[int]) -> ReferenceRows:
        """The rows of some blocks, side by side from 1970 on."""
        parts = [np.arange(self.cuts[b], self.cuts[b + 1]) for b in blocks]
        chosen = np.concatenate(parts)
        moved = np.arange(len(blocks)) - self.numbers[list(blocks)]
        moved_ms = np.repeat(moved * self.block_ms, [part.size for part in parts])
        return _moved(self.rows, chosen, moved_ms)


@dataclass(frozen=True, slots=True)
class Split:
    """Two halves of a history: positions of blocks, ascending."""

    reference: tuple[int, ...]
    live: tuple[int, ...]


def random_split(blocks: int, rng: np.random.Generator) -> Split:
    chosen = set(rng.choice(blocks, blocks // 2, replace=False).tolist())
    return Split(tuple(sorted(chosen)), tuple(b for b in range(blocks) if b not in chosen))


def forward_split(blocks: int) -> Split:
    """The older half, then what came after it: the season moves on."""
    return Split(tuple(range(blocks // 2)), tuple(range(blocks // 2, blocks)))


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """One split: what was learned from its reference, and its live stream."""

    evaluator: Evaluator
    live: Predictions
    panes: Sequence[Counts]  # of the live stream, without gaps

    @classmethod
    def of(
        cls, plan: Plan, history: History, split: Split, model: str, categorical: Sequence[str]
    ) -> Backtest:
        """Raises ``InvalidReference`` if a feature cannot be learned from the half."""
        evaluator = _learned(plan, history.laid(split.reference), model, categorical)
        live = history.laid(split.live).predictions
        summaries = count_data(
            evaluator.profile.schema, live, np.full(len(live), Part.ON_TIME, dtype=object)
        )
        pane_ms = plan.windows.pane_ms
        held = {s.pane_ms // pane_ms: evaluator.data.cell_index.gather(s.cells) for s in summaries}
        every = range(len(split.live) * history.block_ms // pane_ms)
        return cls(evaluator, live, [held.get(number, Counts.empty()) for number in every])

    @property
    def span_ms(self) -> int:
        return len(self.panes) * self.evaluator.plan.windows.pane_ms

    @property
    def numeric(self) -> list[str]:
        return [name for name, _ in self.evaluator.profile.schema.numeric]


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a rule raised in one healthy stream.

    A mark is a subject raised in a stretch as long as the slide of the user's own windows.
    """

    incidents: int
    storms: int  # of them those that no window longer than a day raised
    marks: int
    windows: int  # stretches with any mark
    subjects: Counter[str]  # of the incidents


def said(rehearsal: Backtest) -> list[Heard]:
    """What all windows of the live stream say: what alarms are decided from."""
    return list(heard(rehearsal.evaluator, rehearsal.panes))


def alarms(rehearsal: Backtest, of: Sequence[Heard]) -> Alarms:
    """By the rule as it is configured; ``of`` is what the windows said."""
    return _alarms(rehearsal.evaluator, decided(rehearsal.evaluator, of))


def alarms_with(rehearsal: Backtest, of: Sequence[Heard], min_effect: float) -> Alarms:
    """By the rule with a larger ``drift.min_effect`` than configured."""
    evaluator = with_effect(rehearsal.evaluator, min_effect)
    return _alarms(evaluator, decided(evaluator, heard_again(evaluator, rehearsal.panes, of)))


def _alarms(evaluator: Evaluator, raised: Iterable[Alarm]) -> Alarms:
    a_day = max(DAY // evaluator.plan.windows.pane_ms, 1)
    longest: dict[str, int] = {}
    subject: dict[str, str] = {}
    marks = set[tuple[str, int]]()
    for one in raised:
        longest[one.incident] = max(longest.get(one.incident, 0), one.longest)
        subject[one.incident] = one.primary
        marks.add((one.subject, one.pane // own_length(evaluator.plan).slide))
    storms = sum(panes <= a_day for panes in longest.values())
    windows = {at for _, at in marks}
    return Alarms(len(longest), storms, len(marks), len(windows), Counter(subject.values()))


def naive(rehearsal: Backtest) -> Alarms:
    """By p < 0.05 for each feature and the score in every window of the user's own length.

    A mark that follows another of the same subject, with fewer calm windows between them than
    resolve an incident, belongs to the same one.
    """
    evaluator, length = rehearsal.evaluator, own_length(rehearsal.evaluator.plan)
    marked: dict[str, list[int]] = {}
    for number in range(len(rehearsal.panes)):
        for window in own_windows(rehearsal.panes, number, length):
            for subject in _marked(evaluator, window.parts):
                marked.setdefault(subject, []).append(number // length.slide)
    calm = evaluator.plan.incidents.resolve_after
    opened = Counter(
        {name: 1 + sum(b - a > calm for a, b in pairwise(at)) for name, at in marked.items()}
    )
    marks = sum(map(len, marked.values()))
    windows = {number for at in marked.values() for number in at}
    return Alarms(opened.total(), 0, marks, len(windows), opened)


def _marked(evaluator: Evaluator, parts: Sequence[Counts]) -> Iterator[str]:
    for cells, tests in evaluator.data.judge(parts, own_length(evaluator.plan)).items():
        values = [tested.p_value for tested in tests if tested.p_value is not None]
        if not cells.startswith("quality/") and values and min(values) < NAIVE:
            yield subject_of(cells)


def with_effect(evaluator: Evaluator, min_effect: float) -> Evaluator:
    """The same watch, having learned the same, with another ``drift.min_effect``."""
    plan = replace(evaluator.plan, drift=replace(evaluator.plan.drift, min_effect=min_effect))
    checks = [_with_drift(check, plan.drift) for check in evaluator.data.checks]
    return replace(
        evaluator, plan=plan, data=replace(evaluator.data, drift=plan.drift, checks=checks)
    )


def _with_drift(check: Check, drift: Drift) -> Check:
    def changed(rule: Rule) -> Rule:
        return replace(rule, drift=drift)

    if isinstance(check, CategoryCheck):
        return replace(check, rule=changed(check.rule))
    assert isinstance(check, QualityCheck)
    return replace(check, rules=[changed(rule) for rule in check.rules])


@dataclass(frozen=True, slots=True)
class Rate:
    """Of incidents in a period, with the 95% interval of the mean over the splits."""

    mean: float
    low: float
    high: float


def rate(incidents: Sequence[int], periods: float) -> Rate:
    """``incidents`` of each split, in streams that last ``periods`` each.

    By Student's t over the splits; where nothing was raised, or there is one split, by the exact
    interval's upper end for a Poisson count (3.69 for none).
    """
    counts = np.asarray(incidents, dtype=np.float64)
    mean, n = float(counts.mean()), counts.size
    if n < 2 or not counts.any():
        total = float(counts.sum())
        reach = (1.96 * np.sqrt(total + 1) + 1.96**2 / 2) / n if total else -np.log(0.025) / n
    else:
        reach = float(t.ppf(0.975, n - 1) * counts.std(ddof=1) / np.sqrt(n))
    return Rate(mean / periods, max(mean - reach, 0.0) / periods, (mean + reach) / periods)


@dataclass(frozen=True, slots=True)
class Delay:
    """From a shift to the end of the first window that raised an incident about it."""

    panes: int | None  # None: missed, or open before it began
    window: int | None = None  # panes of the window that found it
    early: bool = False  # an incident of the feature was open when it began: no delay is told


def delays(
    rehearsal: Backtest, feature: str, rng: np.random.Generator, shifts: Sequence[float] = SHIFTS
) -> dict[float, Delay]:
    """Of one numeric feature, shifted by so many of its standard deviations from one pane on.

    The pane is drawn between a fifth and a half of the live stream. Only the feature's own counts
    change, and only its own tests are asked.
    """
    evaluator = _of_one(rehearsal.evaluator, feature)
    panes = len(rehearsal.panes)
    at = int(rng.integers(int(HEALTHY * panes), max(int(LATEST * panes), int(HEALTHY * panes) + 1)))
    values = numbers(rehearsal.live.features[feature])
    sigma = _deviation(values)
    before = _counted(rehearsal, feature, values)[:at]
    known = list(heard(evaluator, before))
    found: dict[float, Delay] = {}
    for shift in shifts:
        after = _counted(rehearsal, feature, values + shift * sigma)[at:]
        every = chain(known, heard(evaluator, [*before, *after], at))
        found[shift] = _first(decided(evaluator, every), at)
    return found


def _first(raised: Iterable[Alarm], at: int) -> Delay:
    known = set[str]()
    for one in raised:
        if one.pane < at:
            known.add(one.incident)
        elif one.incident in known:
            return Delay(None, early=True)
        else:
            return Delay(one.pane + 1 - at, one.longest)
    return Delay(None)


def _deviation(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std()) if finite.size else 0.0


def _counted(rehearsal: Backtest, name: str, values: NDArray[np.float64]) -> list[Counts]:
    """One feature's bins, pane by pane."""
    reference = rehearsal.evaluator.profile.schema.features[name]
    assert isinstance(reference, Numeric)
    group = rehearsal.live.time_ms // rehearsal.evaluator.plan.windows.pane_ms
    return reference.tally(values, group, len(rehearsal.panes)).values


def _of_one(evaluator: Evaluator, feature: str) -> Evaluator:
    """The same levels and the same tolerance, for one numeric feature and nothing else."""
    cells, of = f"bins/{feature}", evaluator.data
    at = of.ecdf_table.names.index(cells)
    reference = evaluator.profile.schema.features[feature]
    assert isinstance(reference, Numeric)
    samples = {cells: reference.sample}
    scanner = Scanner(
        CellIndex.of({cells: reference.sample.bins}),
        EcdfTable.of(samples),
        {length: [levels[at]] for length, levels in of.levels.items()},
        {statistic: [each[at]] for statistic, each in of.variations.items()},
        of.drift,
    )
    return replace(evaluator, data=scanner)


@dataclass(frozen=True, slots=True)
class Delays:
    """Of all splits: quantiles in milliseconds of event time; a miss counts as endless (None)."""

    median_ms: int | None
    p90_ms: int | None
    missed: float  # share
    runs: int  # without those that were early
    early: int
    windows: dict[int, int]  # panes of the window that found it -> how often


def summarised(found: Sequence[Delay], pane_ms: int) -> Delays:
    told = [one for one in found if not one.early]
    panes = sorted(np.inf if one.panes is None else one.panes for one in told)
    return Delays(
        _quantile_ms(panes, 0.5, pane_ms),
        _quantile_ms(panes, 0.9, pane_ms),
        sum(one.panes is None for one in told) / len(told) if told else 0.0,
        len(told),
        len(found) - len(told),
        dict(sorted(Counter(one.window for one in told if one.window is not None).items())),
    )


def _quantile_ms(panes: Sequence[float], quantile: float, pane_ms: int) -> int | None:
    if not panes:
        return None
    at = panes[max(int(np.ceil(quantile * len(panes))) - 1, 0)]
    return None if np.isinf(at) else int(at) * pane_ms


def _learned(plan: Plan, rows: ReferenceRows, model: str, categorical: Sequence[str]) -> Evaluator:
    """Of errors and performance only the share of the budget that they take is needed here."""
    if rows.label is not None and set(np.unique(rows.label[rows.label >= 0]).tolist()) != {0, 1}:
        rows = ReferenceRows(rows.predictions)
    profile = build_profile(
        model,
        "rehearsal",
        rows,
        pane_ms=plan.windows.pane_ms,
        threshold=0.5,
        categorical=categorical,
    )
    data = tuple(summary for summary in profile.panes if summary.part is Part.ON_TIME)
    return Evaluator.of(plan, replace(profile, panes=data))


def _moved(rows: ReferenceRows, chosen: Ints, moved_ms: Ints) -> ReferenceRows:
    predictions, label, known_ms = rows.predictions, rows.label, rows.label_time_ms
    at = chosen.tolist()
    features = {
        name: values[chosen] if isinstance(values, np.ndarray) else [values[i] for i in at]
        for name, values in predictions.features.items()
    }
    return ReferenceRows(
        Predictions(
            [predictions.ids[i] for i in at],
            predictions.time_ms[chosen] + moved_ms,
            predictions.score[chosen],
            predictions.predicted[chosen],
            features,
        ),
        None if label is None else label[chosen],
        None if known_ms is None else known_ms[chosen] + moved_ms,
    )
