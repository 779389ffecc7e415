"""Verdicts about the metrics and the label coverage of windows whose labels have had their time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.budget import Length, own_length
from monitor.counts.summary import Part
from monitor.decisions.signals import WindowVerdict
from monitor.performance.labelled_counts import labelled_rows
from monitor.statistics.drift_rule import is_clear
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import MetricFinding, WindowFinding, evidence_of
from monitor.windows.panes import (
    PaneStore,
    cells_by_pane,
    prediction_count,
    some_cells_by_pane,
)

ON_TIME, FINAL = (Part.ON_TIME,), (Part.FINAL,)


@dataclass(frozen=True, slots=True)
class LengthPerformance:
    """The final performance of one window of one length."""

    length: Length
    start_ms: int
    rows: int
    labels: int
    metrics: Mapping[str, MetricFinding]


def metric_verdicts(
    evaluator: Evaluator, panes: PaneStore, finding: WindowFinding
) -> dict[str, list[WindowVerdict]]:
    """By subject: each metric that was tested in a window, or a longer one that ends with it."""
    verdicts: dict[str, list[WindowVerdict]] = {}
    for window in _windows_ending_with(evaluator, panes, finding):
        span = window.start_ms, finding.end_ms
        for name, metric in window.metrics.items():
            if metric.decided:
                found = evidence_of(metric, *span, rows=window.rows, labels=window.labels)
                verdict = WindowVerdict.of_metric(found, *span, is_clear=metric.is_clear)
                verdicts.setdefault(f"performance/{name}", []).append(verdict)
    return verdicts


def coverage_verdicts(
    evaluator: Evaluator, panes: PaneStore, finding: WindowFinding
) -> dict[str, list[WindowVerdict]]:
    """The verdict about label coverage; none if the coverage of the window cannot be tested."""
    inside = panes.of_window(finding.start_ms)
    joined = cells_by_pane(inside, FINAL)
    data = zip(some_cells_by_pane(inside, ON_TIME, ("rows",)), joined, strict=True)
    rows = [prediction_count([cells], [labelled]) for cells, labelled in data]
    labels = [labelled_rows([cells]) for cells in joined]
    tested = evaluator.judge_coverage(rows, labels)
    if tested is None:
        return {}
    span, clear = (finding.start_ms, finding.end_ms), is_clear([tested])
    return {"coverage/labels": [WindowVerdict.of_test(tested, *span, is_clear=clear)]}


def _windows_ending_with(
    evaluator: Evaluator, panes: PaneStore, finding: WindowFinding
) -> Iterator[LengthPerformance]:
    """The window itself, and the longer ones that end with it and whose panes are all present."""
    pane_ms, performance = evaluator.plan.windows.pane_ms, finding.performance
    for length in evaluator.performance_lengths:
        start_ms, slide_ms = finding.end_ms - length.panes * pane_ms, length.slide * pane_ms
        if length == own_length(evaluator.plan):
            yield LengthPerformance(
                length, start_ms, performance.rows, performance.labels, performance.metrics
            )
        elif panes.is_complete_from(start_ms) and finding.end_ms % slide_ms == 0:
            yield _performance(evaluator, panes, length, start_ms, finding.end_ms)


def _performance(
    evaluator: Evaluator, panes: PaneStore, length: Length, start_ms: int, end_ms: int
) -> LengthPerformance:
    inside = panes.between(start_ms, end_ms)
    labelled = cells_by_pane(inside, FINAL)
    return LengthPerformance(
        length,
        start_ms,
        prediction_count(some_cells_by_pane(inside, ON_TIME, ("rows",)), labelled),
        labelled_rows(labelled),
        evaluator.judge_metrics(evaluator.measure_judged(labelled), length),
    )
