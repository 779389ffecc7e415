"""How a trained model does on rows that came after its reference, beside how it did there.

Theory of operation
-------------------
Neighbouring outcomes are alike, so intervals come from a jackknife over blocks of whole days
(``monitor.performance.metrics``), of the evaluated rows and of the reference alike. There are at
most ``MOST_BLOCKS``: leaving out one day of ten years would cost memory and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from driftline.errors import BadInput
from monitor.counts.counting import count_outcomes
from monitor.counts.counts import Cells, add_cells
from monitor.counts.profile import Profile, ReferenceRows
from monitor.counts.summary import Part, Summary
from monitor.performance.degradation import INCIDENT_METRICS
from monitor.performance.metrics import METRICS, Metric, measure
from monitor.plan import DAY
from producers.registration.profile_file import read_profile

SCHEMA = 1
MOST_BLOCKS = 300
WIDTH = max(map(len, METRICS))

Metrics = Mapping[str, Metric]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Scored rows against their labels. Months are UTC's, written ``2013-04``."""

    model: str
    version: str
    from_ms: int  # event time of the first row
    until_ms: int  # and of the last
    rows: int
    labels: int
    metrics: Metrics
    baseline: Metrics  # on the reference
    months: Mapping[str, Metrics]

    def change(self, name: str) -> float | None:
        """What a metric has gained or lost against the baseline; None where either is undefined."""
        now, before = self.metrics[name].value, self.baseline[name].value
        return None if now is None or before is None else now - before


def evaluated(profile: Profile, rows: ReferenceRows) -> Evaluation:
    """Every metric over all ``rows``, at least one, and over each month of them."""
    time_ms = rows.predictions.time_ms
    summaries = _outcomes(profile, rows)
    return Evaluation(
        model=profile.model,
        version=profile.version,
        from_ms=int(time_ms.min()),
        until_ms=int(time_ms.max()),
        rows=time_ms.size,
        labels=0 if rows.label is None else int((rows.label >= 0).sum()),
        metrics=measure(_blocks(summaries)),
        baseline=measure(_blocks(s for s in profile.panes if s.part is Part.FINAL)),
        months={month: measure(_blocks(inside)) for month, inside in _by_month(summaries).items()},
    )


def evaluation_document(found: Evaluation) -> dict[str, Any]:
    """As it is saved."""
    return {
        "schema": SCHEMA,
        "model": found.model,
        "version": found.version,
        "from": _rfc3339(found.from_ms),
        "until": _rfc3339(found.until_ms),
        "rows": found.rows,
        "labels": found.labels,
        "coverage": found.labels / found.rows,
        "metrics": {
            name: {
                **_measured(metric),
                "baseline": found.baseline[name].value,
                "baseline_low": found.baseline[name].interval()[0],
                "baseline_high": found.baseline[name].interval()[1],
                "change": found.change(name),
                "resolution": metric.resolution,
            }
            for name, metric in found.metrics.items()
        },
        "months": {
            month: {name: _measured(metric) for name, metric in metrics.items()}
            for month, metrics in found.months.items()
        },
    }


def evaluation_lines(found: Evaluation) -> list[str]:
    """As people read it: a table of metrics beside the baseline, and those judged by month."""
    lines = [
        f"{found.model} version {found.version} on {found.rows:,} rows, {found.labels:,} of them"
        f" labelled, of {_day(found.from_ms)} to {_day(found.until_ms)}"
    ]
    if not found.labels:
        return [*lines, "without labels there is nothing to measure"]
    lines += [
        "",
        f"{'':{WIDTH}}{'value':>7}   {'95% interval':16}   {'baseline':>8}   {'change':>7}",
    ]
    for name, metric in found.metrics.items():
        change = found.change(name)
        lines.append(
            f"{name:{WIDTH}}{_shown(metric.value):>7}   {_between(metric):16}"
            f"   {_shown(found.baseline[name].value):>8}"
            f"   {'-' if change is None else f'{change:+.3f}':>7}"
        )
    lines += ["", f"{'month':10}" + "".join(f"{name:>11}" for name in INCIDENT_METRICS)]
    for month, metrics in found.months.items():
        shown = (_shown(metrics[name].value) for name in INCIDENT_METRICS)
        lines.append(f"{month:10}" + "".join(f"{value:>11}" for value in shown))
    return lines


def trained_profile(directory: Path, model: str, version: str) -> Profile:
    """What ``train`` or ``pipeline`` saved in ``directory``. Raises ``BadInput`` if none has."""
    path = profile_path(directory, model, version)
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in directory.glob("*.profile"))) or "none"
        raise BadInput(
            f"there is no reference of model {model!r} version {version!r} in {directory}: expected"
            f" {path.name}, as `driftline train` or `pipeline` saves it (profiles there: {there})"
        )
    return read_profile(path)


def profile_path(directory: Path, model: str, version: str) -> Path:
    return directory / f"{model}-{version}.profile"


def _outcomes(profile: Profile, rows: ReferenceRows) -> list[Summary]:
    """The labelled rows, counted a day at a time."""
    if rows.label is None:
        return []
    known = np.flatnonzero(rows.label >= 0)
    predictions = rows.predictions
    time_ms = predictions.time_ms[known]
    return count_outcomes(
        profile.schema,
        pane_ms=time_ms - time_ms % DAY,
        part=np.full(known.size, Part.FINAL, dtype=object),
        score=predictions.score[known],
        predicted=predictions.predicted[known],
        label=rows.label[known],
        sign=np.ones(known.size, dtype=np.int64),
    )


def _blocks(summaries: Iterable[Summary]) -> list[Cells]:
    """Sums over as many whole days each as it takes to have few enough of them."""
    known = list(summaries)
    if not known:
        return []
    days = [summary.pane_ms // DAY for summary in known]
    length = (max(days) - min(days)) // MOST_BLOCKS + 1
    blocks: dict[int, list[Cells]] = {}
    for day, summary in zip(days, known, strict=True):
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
