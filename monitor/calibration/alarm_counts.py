"""How many alarms a rule raises in a healthy stream: the configured rule, and plain p-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from monitor.budget import own_length
from monitor.calibration.backtest import (
    Alarm,
    Backtest,
    Signals,
    incidents_of,
    own_windows,
    resignal,
    signals,
)
from monitor.counts.counts import Counts
from monitor.counts.subjects import subject_of
from monitor.plan import DAY, Drift
from monitor.statistics.category_check import CategoryCheck
from monitor.statistics.quality_check import QualityCheck
from monitor.statistics.rule import Check, Rule
from monitor.windows.evaluator import Evaluator

NAIVE = 0.05  # the customary p-value


@dataclass(frozen=True, slots=True)
class AlarmCounts:
    """What a rule raised in one healthy stream.

    A mark is a subject with an alarm in a stretch as long as ``windows.slide``.
    """

    incidents: int
    storms: int  # incidents that no window longer than a day found
    marks: int
    windows: int  # stretches with any mark
    subjects: Counter[str]  # of the incidents


def backtest_signals(backtest: Backtest) -> list[Signals]:
    """The signals of all panes of the live stream."""
    return list(signals(backtest.evaluator, backtest.panes))


def count_alarms(backtest: Backtest, by_pane: Sequence[Signals]) -> AlarmCounts:
    """The alarms of the configured rule; ``by_pane`` are its signals."""
    return _counted(backtest.evaluator, incidents_of(backtest.evaluator, backtest.panes, by_pane))


def count_alarms_with_effect(
    backtest: Backtest, by_pane: Sequence[Signals], min_effect: float
) -> AlarmCounts:
    """The alarms of the rule with a larger ``drift.min_effect`` than configured."""
    evaluator = with_effect(backtest.evaluator, min_effect)
    again = resignal(evaluator, backtest.panes, by_pane)
    return _counted(evaluator, incidents_of(evaluator, backtest.panes, again))


def count_naive_alarms(backtest: Backtest) -> AlarmCounts:
    """The alarms of p < 0.05 for each feature and the score in every window of ``windows.length``.

    A mark belongs to the incident of the previous mark of its subject if fewer healthy windows lie
    between them than resolve an incident.
    """
    evaluator, length = backtest.evaluator, own_length(backtest.evaluator.plan)
    marked: dict[str, list[int]] = {}
    for number in range(len(backtest.panes)):
        for window in own_windows(backtest.panes, number, length):
            for subject in _significant(evaluator, window.parts):
                marked.setdefault(subject, []).append(number // length.slide)
    healthy = evaluator.plan.incidents.resolve_after
    opened = Counter(
        {name: 1 + sum(b - a > healthy for a, b in pairwise(at)) for name, at in marked.items()}
    )
    marks = sum(map(len, marked.values()))
    windows = {number for at in marked.values() for number in at}
    return AlarmCounts(opened.total(), 0, marks, len(windows), opened)


def with_effect(evaluator: Evaluator, min_effect: float) -> Evaluator:
    """The same evaluator, learned from the same reference, with another ``drift.min_effect``."""
    plan = replace(evaluator.plan, drift=replace(evaluator.plan.drift, min_effect=min_effect))
    checks = [_with_drift(check, plan.drift) for check in evaluator.data.checks]
    data = replace(evaluator.data, drift=plan.drift, checks=checks)
    return replace(evaluator, plan=plan, data=data)


def _counted(evaluator: Evaluator, alarms: Iterable[Alarm]) -> AlarmCounts:
    a_day = max(DAY // evaluator.plan.windows.pane_ms, 1)
    slide = own_length(evaluator.plan).slide
    longest: dict[str, int] = {}
    subject: dict[str, str] = {}
    marks = set[tuple[str, int]]()
    for alarm in alarms:
        longest[alarm.incident] = max(longest.get(alarm.incident, 0), alarm.longest)
        subject[alarm.incident] = alarm.primary
        marks.add((alarm.subject, alarm.pane // slide))
    storms = sum(panes <= a_day for panes in longest.values())
    windows = {at for _, at in marks}
    return AlarmCounts(len(longest), storms, len(marks), len(windows), Counter(subject.values()))


def _significant(evaluator: Evaluator, parts: Sequence[Counts]) -> Iterator[str]:
    for cells, tests in evaluator.data.judge(parts, own_length(evaluator.plan)).items():
        values = [tested.p_value for tested in tests if tested.p_value is not None]
        if not cells.startswith("quality/") and values and min(values) < NAIVE:
            yield subject_of(cells)


def _with_drift(check: Check, drift: Drift) -> Check:
    def changed(rule: Rule) -> Rule:
        return replace(rule, drift=drift)

    if isinstance(check, CategoryCheck):
        return replace(check, rule=changed(check.rule))
    assert isinstance(check, QualityCheck)
    return replace(check, rules=[changed(rule) for rule in check.rules])
