"""Metrics of a trained model on rows after its reference, beside the baseline on the reference.

Theory of operation
-------------------
Outcomes close in time are correlated, so intervals are from a jackknife over blocks of whole days
(``monitor.performance.metrics``), for the evaluated rows and for the reference. There are at most
``MOST_BLOCKS`` blocks, which limits the memory for rows of many years.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from driftline.errors import BadInput
from monitor.counts.counting import count_outcomes
from monitor.counts.counts import Cells, add_cells
from monitor.counts.measured import Metric
from monitor.counts.profile import Profile, ReferenceRows
from monitor.counts.summary import Part, Summary
from monitor.plan import DAY
from producers.registration.profile_file import read_profile

SCHEMA = 1
MOST_BLOCKS = 300

Metrics = Mapping[str, Metric]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The metrics of scored rows. Months are in UTC and written as ``2013-04``."""

    model: str
    version: str
    from_ms: int  # event time of the first row
    until_ms: int  # event time of the last row
    rows: int
    labels: int
    metrics: Metrics
    baseline: Metrics  # on the reference
    months: Mapping[str, Metrics]
    judged: Sequence[str]

    def change(self, name: str) -> float | None:
        """The metric minus its baseline; None if one of them is undefined."""
        now, before = self.metrics[name].value, self.baseline[name].value
        return None if now is None or before is None else now - before


def evaluated(profile: Profile, rows: ReferenceRows) -> Evaluation:
    """Every metric over all ``rows`` (at least one) and over each month."""
    time_ms = rows.predictions.time_ms
    summaries, schema = _outcomes(profile, rows), profile.schema
    return Evaluation(
        model=profile.model,
        version=profile.version,
        from_ms=int(time_ms.min()),
        until_ms=int(time_ms.max()),
        rows=time_ms.size,
        labels=rows.labelled.size,
        metrics=schema.measure(_blocks(summaries)),
        baseline=schema.measure(_blocks(s for s in profile.panes if s.part is Part.FINAL)),
        months={
            month: schema.measure(_blocks(inside)) for month, inside in _by_month(summaries).items()
        },
        judged=schema.task.judged,
    )


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """The JSON document of an evaluation."""
    return {
        "schema": SCHEMA,
        "model": evaluation.model,
        "version": evaluation.version,
        "from": _rfc3339(evaluation.from_ms),
        "until": _rfc3339(evaluation.until_ms),
        "rows": evaluation.rows,
        "labels": evaluation.labels,
        "coverage": evaluation.labels / evaluation.rows,
        "metrics": {name: _metric_document(evaluation, name) for name in evaluation.metrics},
        "months": {
            month: {name: _measured(metric) for name, metric in metrics.items()}
            for month, metrics in evaluation.months.items()
        },
    }


def _metric_document(evaluation: Evaluation, name: str) -> dict[str, float | None]:
    metric, baseline = evaluation.metrics[name], evaluation.baseline[name]
    low, high = baseline.interval()
    return {
        **_measured(metric),
        "baseline": baseline.value,
        "baseline_low": low,
        "baseline_high": high,
        "change": evaluation.change(name),
        "resolution": metric.resolution,
    }


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """The evaluation as text: a table of metrics and baselines, and one of metrics by month."""
    lines = [
        f"{evaluation.model} version {evaluation.version} on {evaluation.rows:,} rows,"
        f" {evaluation.labels:,} of them labelled, from {_day(evaluation.from_ms)} to"
        f" {_day(evaluation.until_ms)}"
    ]
    if not evaluation.metrics:
        return [*lines, "there are no metrics, because the task of the model has none"]
    if not evaluation.labels:
        return [*lines, "there are no metrics, because no row has a label"]
    return [*lines, "", *_metric_lines(evaluation), "", *_month_lines(evaluation)]


def _metric_lines(evaluation: Evaluation) -> Iterator[str]:
    width = max(map(len, evaluation.metrics))
    yield f"{'':{width}}{'value':>7}   {'95% interval':16}   {'baseline':>8}   {'change':>7}"
    for name, metric in evaluation.metrics.items():
        change = evaluation.change(name)
        yield (
            f"{name:{width}}{_shown(metric.value):>7}   {_between(metric):16}"
            f"   {_shown(evaluation.baseline[name].value):>8}"
            f"   {'-' if change is None else f'{change:+.3f}':>7}"
        )


def _month_lines(evaluation: Evaluation) -> Iterator[str]:
    width = max(9, *map(len, evaluation.judged)) + 2
    yield f"{'month':10}" + "".join(f"{name:>{width}}" for name in evaluation.judged)
    for month, metrics in evaluation.months.items():
        values = (_shown(metrics[name].value) for name in evaluation.judged)
        yield f"{month:10}" + "".join(f"{value:>{width}}" for value in values)


def trained_profile(directory: Path, model: str, version: str) -> Profile:
    """The profile that ``train`` or ``pipeline`` saved in ``directory``. Raises ``BadInput``."""
    path = profile_path(directory, model, version)
    if not path.is_file():
        names = ", ".join(sorted(file.name for file in directory.glob("*.profile"))) or "none"
        raise BadInput(
            f"there is no reference of model {model!r} version {version!r} in {directory}: expected"
            f" {path.name}, which `driftline train` or `pipeline` saves (profiles there: {names})"
        )
    return read_profile(path)


def profile_path(directory: Path, model: str, version: str) -> Path:
    return directory / f"{model}-{version}.profile"


def _outcomes(profile: Profile, rows: ReferenceRows) -> list[Summary]:
    """The labelled rows, counted a day at a time."""
    if rows.label is None:
        return []
    labelled = rows.labelled
    predictions = rows.predictions
    time_ms = predictions.time_ms[labelled]
    return count_outcomes(
        profile.schema,
        pane_ms=time_ms - time_ms % DAY,
        part=np.full(labelled.size, Part.FINAL, dtype=object),
        score=predictions.score[labelled],
        predicted=predictions.predicted[labelled],
        label=rows.label[labelled],
        sign=np.ones(labelled.size, dtype=np.int64),
    )


def _blocks(summaries: Iterable[Summary]) -> list[Cells]:
    """Sums over blocks of whole days, as long as needed for at most ``MOST_BLOCKS`` blocks."""
    counted = list(summaries)
    if not counted:
        return []
    days = [summary.pane_ms // DAY for summary in counted]
    length = (max(days) - min(days)) // MOST_BLOCKS + 1
    blocks: dict[int, list[Cells]] = {}
    for day, summary in zip(days, counted, strict=True):
        blocks.setdefault((day - min(days)) // length, []).append(summary.cells)
    return [add_cells(inside) for _, inside in sorted(blocks.items())]


def _by_month(summaries: Sequence[Summary]) -> dict[str, list[Summary]]:
    months: dict[str, list[Summary]] = {}
    for summary in sorted(summaries, key=lambda summary: summary.pane_ms):
        months.setdefault(_day(summary.pane_ms)[:7], []).append(summary)
    return months


def _measured(metric: Metric) -> dict[str, float | None]:
    low, high = metric.interval()
    return {"value": metric.value, "low": low, "high": high}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _between(metric: Metric) -> str:
    low, high = metric.interval()
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _day(time_ms: int) -> str:
    return _rfc3339(time_ms)[:10]


def _rfc3339(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return moment.isoformat().replace("+00:00", "Z")
