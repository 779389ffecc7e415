"""``driftline calibrate``: the false alarms and delays of the configured rule on a history.

The statistics are in ``monitor.calibration``, the output in ``consumers.batch.calibrate_report``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from consumers.batch.calibrate_history import ScoredHistory
from consumers.messages.times import rfc3339
from driftline.errors import BadInput
from monitor.calibration.alarm_counts import (
    AlarmCounts,
    backtest_signals,
    count_alarms,
    count_alarms_with_effect,
    count_naive_alarms,
)
from monitor.calibration.backtest import Backtest, Signals
from monitor.calibration.delays import SHIFTS, Delay, Delays, delays, summarize_delays
from monitor.calibration.history import History, TooShort, forward_split, random_split
from monitor.calibration.rates import Rate, rate
from monitor.plan import Plan

MOST_FEATURES = 20  # whose delays are measured
FAR_BELOW = 0.25  # of the budget
EFFECTS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """What to measure."""

    model: str
    version: str
    splits: int = 20
    delay_splits: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The alarms of one rule in the healthy streams of all splits."""

    incidents: tuple[int, ...]  # by split
    storms: int
    rate: Rate  # incidents in the period of the warning budget
    marks: float  # in the same period: subjects with an alarm in a stretch of ``windows.slide``
    marked: float  # proportion of those stretches with any alarm
    subjects: Counter[str]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting to change, if any."""

    verdict: str  # fits, far_below, unproven, raise_min_effect or nothing_fits
    min_effect: float | None = None
    rate: Rate | None = None  # with it, on the same splits


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """All results."""

    request: CalibrationRequest
    plan: Plan
    scored: ScoredHistory
    block_ms: int
    blocks: int
    live_ms: int  # of one split
    rule: RuleResult
    naive: RuleResult
    subjects: int  # features and the score
    forward: AlarmCounts
    forward_ms: int
    delays: dict[str, dict[float, Delays]]
    unmeasured: tuple[str, ...]  # numeric features beyond the first twenty
    recommendation: Recommendation

    @property
    def span(self) -> tuple[str, str]:
        times = self.scored.rows.predictions.time_ms
        return rfc3339(int(times[0])), rfc3339(int(times[-1]))


@dataclass(slots=True, eq=False)
class _SplitResults:
    """What the random splits have shown so far."""

    alarms: list[AlarmCounts] = field(default_factory=list)
    naive_alarms: list[AlarmCounts] = field(default_factory=list)
    delays: dict[str, dict[float, list[Delay]]] = field(default_factory=dict)
    with_incidents: list[tuple[Backtest, list[Signals]]] = field(default_factory=list)

    def add(self, backtest: Backtest) -> None:
        signals = backtest_signals(backtest)
        self.alarms.append(count_alarms(backtest, signals))
        self.naive_alarms.append(count_naive_alarms(backtest))
        if self.alarms[-1].incidents:
            self.with_incidents.append((backtest, signals))

    def add_delays(self, backtest: Backtest, rng: np.random.Generator) -> None:
        for name in backtest.numeric[:MOST_FEATURES]:
            of_feature = self.delays.setdefault(name, {shift: [] for shift in SHIFTS})
            for shift, delay in delays(backtest, name, rng).items():
                of_feature[shift].append(delay)


def calibrate(
    plan: Plan, scored: ScoredHistory, request: CalibrationRequest, progress: Progress
) -> Calibration:
    """Raises ``BadInput`` or ``InvalidReference``."""
    history = _history(plan, scored)
    results = _random_splits(plan, history, scored, request, progress)
    split = forward_split(len(history))
    last = Backtest.of(plan, history, split, request.model, scored.task, scored.categorical)
    live_ms = (len(history) - len(history) // 2) * history.block_ms
    rule = _rule_result(plan, results.alarms, live_ms)
    pane_ms = plan.windows.pane_ms
    return Calibration(
        request,
        plan,
        scored,
        history.block_ms,
        len(history),
        live_ms,
        rule,
        _rule_result(plan, results.naive_alarms, live_ms),
        len(last.evaluator.profile.schema.features) + len(last.evaluator.profile.schema.outputs),
        count_alarms(last, backtest_signals(last)),
        last.span_ms,
        {
            name: {shift: summarize_delays(found, pane_ms) for shift, found in by_shift.items()}
            for name, by_shift in results.delays.items()
        },
        tuple(last.numeric[MOST_FEATURES:]),
        _recommendation(plan, rule, results, live_ms, progress),
    )


def _history(plan: Plan, scored: ScoredHistory) -> History:
    if not len(scored.rows.predictions):
        raise BadInput("there are no rows in that time: choose others with --from and --until")
    try:
        return History.of(scored.rows, plan.windows)
    except TooShort as error:
        raise BadInput(f"{scored.source}: {error}") from error


def _random_splits(
    plan: Plan,
    history: History,
    scored: ScoredHistory,
    request: CalibrationRequest,
    progress: Progress,
) -> _SplitResults:
    rng = np.random.default_rng(request.seed)
    splits = [random_split(len(history), rng) for _ in range(request.splits)]
    results = _SplitResults()
    for i, split in enumerate(splits):
        backtest = Backtest.of(plan, history, split, request.model, scored.task, scored.categorical)
        results.add(backtest)
        if i < request.delay_splits:
            results.add_delays(backtest, rng)
        incidents = results.alarms[-1].incidents
        progress(f"split {i + 1} of {request.splits}: {incidents} incidents")
    return results


def _rule_result(plan: Plan, counts: Sequence[AlarmCounts], live_ms: int) -> RuleResult:
    periods = live_ms / plan.drift.warning.period_ms
    windows = max(live_ms / plan.windows.slide_ms, 1.0)
    incidents = tuple(one.incidents for one in counts)
    marks = sum(one.marks for one in counts) / (len(counts) * periods)
    marked = sum(one.windows for one in counts) / (len(counts) * windows)
    subjects = sum((one.subjects for one in counts), Counter[str]())
    storms = sum(one.storms for one in counts)
    return RuleResult(
        incidents, storms, rate(incidents, periods), marks, min(marked, 1.0), subjects
    )


def _recommendation(
    plan: Plan, rule: RuleResult, results: _SplitResults, live_ms: int, progress: Progress
) -> Recommendation:
    """The smallest ``drift.min_effect`` of ``EFFECTS`` at which the upper bound fits the budget.

    A split without incidents has none at a larger effect either, so only the others run again.
    """
    budget, periods = plan.drift.warning.alarms, live_ms / plan.drift.warning.period_ms
    if rule.rate.high <= budget:
        return Recommendation("far_below" if rule.rate.high < FAR_BELOW * budget else "fits")

    if rate([0] * len(rule.incidents), periods).high > budget:
        return Recommendation("unproven")

    def rate_with(effect: float) -> Rate:
        counts = [
            count_alarms_with_effect(backtest, signals, effect).incidents
            for backtest, signals in results.with_incidents
        ]
        progress(f"drift.min_effect = {effect:g}: {sum(counts)} incidents")
        return rate([*counts, *[0] * (len(rule.incidents) - len(counts))], periods)

    larger = [effect for effect in EFFECTS if effect > plan.drift.min_effect]
    at = bisect_left(larger, True, key=lambda effect: rate_with(effect).high <= budget)
    if at == len(larger):
        return Recommendation("nothing_fits")
    return Recommendation("raise_min_effect", larger[at], rate_with(larger[at]))
