"""The charts of the HTML report, drawn from the documents of the pipeline's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from consumers.batch.svg import Cell, Point, heat_map, histogram, line_chart
from consumers.messages.windows import (
    ConceptPart,
    DataPart,
    DistributionBins,
    FeatureResult,
    MetricResult,
    PerformancePart,
)
from monitor.statistics.drift_rule import Verdict

Document = Mapping[str, Any]

MOST_WINDOWS = 400  # newest windows that are drawn
MOST_HISTOGRAMS = 6
DARKEST = 0.4  # KS distance


# The windows in the documents of the steps: a part of the message, with the start of the window.


class _DataWindow(DataPart, frozen=True, kw_only=True):
    start: str


class _ConceptWindow(ConceptPart, frozen=True, kw_only=True):
    start: str


class _PerformanceWindow(PerformancePart, frozen=True, kw_only=True):
    start: str


def drift_map(data: Document, concept: Document) -> str:
    """SVG: the distance from the reference by feature and window."""
    windows = msgspec.convert(data["windows"][-MOST_WINDOWS:], list[_DataWindow])
    rows = {
        feature["name"]: [_cell(w.start, w.features[i]) for w in windows]
        for i, feature in enumerate(data["features"])
    }
    return heat_map(
        "Distance from the reference, by feature and window",
        [*rows, *(name for name, _ in _concept_rows(concept))],
        [w.start for w in windows],
        [*rows.values(), *(cells for _, cells in _concept_rows(concept))],
    )


def feature_histograms(data: Document) -> list[tuple[str, str]]:
    """Captions and SVG of the features that drifted farthest, beside their reference."""
    drifted = sorted(
        (feature for feature in data["features"] if feature["drifted"]),
        key=lambda feature: -feature["statistic"],
    )
    windows = msgspec.convert(data["windows"], list[_DataWindow])
    charts = [_histogram(feature, windows) for feature in drifted[:MOST_HISTOGRAMS]]
    return [chart for chart in charts if chart is not None]


def metric_charts(performance: Document) -> list[tuple[str, str]]:
    """Names and SVG of every metric over the windows."""
    newest = performance["windows"][-MOST_WINDOWS:]
    windows = msgspec.convert(newest, list[_PerformanceWindow])
    return [(metric["name"], _metric_chart(metric, windows)) for metric in performance["metrics"]]


def _concept_rows(concept: Document) -> list[tuple[str, list[Cell]]]:
    windows = msgspec.convert(concept["windows"][-MOST_WINDOWS:], list[_ConceptWindow])
    rows = [("score", [_cell(w.start, w.prediction) for w in windows])]
    if concept["errors"] is not None:
        rows.append(("error", [_cell(w.start, w.errors) for w in windows]))
    return rows


def _cell(start: str, feature: FeatureResult | None) -> Cell:
    """Empty without a result; shaded by the PSI if there is no distance."""
    if feature is None:
        return Cell(None, False, "")
    distance, psi = feature.statistic, feature.psi
    tip = f"{feature.name}, {start[:10]}: {feature.rows:,} rows"
    if distance is None:
        index = "-" if psi is None else f"{psi:.3f}"
        return Cell(psi, False, f"{tip}, PSI {index}")
    is_drifted = feature.verdict == Verdict.DRIFT
    return Cell(
        distance / DARKEST, is_drifted, f"{tip}, distance {distance:.3f}, {_outcome(feature)}"
    )


def _outcome(feature: FeatureResult) -> str:
    severity = feature.severity
    return "healthy" if severity is None else f"{severity} by {feature.decided_by}"


def _histogram(history: Document, windows: Sequence[_DataWindow]) -> tuple[str, str] | None:
    """None if the window has no distribution."""
    window = next(w for w in windows if w.start == history["worst"])
    feature = next(f for f in window.features if f.name == history["name"])
    bins, caption = feature.distribution, f"{feature.name}, {window.start[:10]}"
    if bins is None:
        return None
    return caption, histogram(caption, _bin_labels(bins), bins.reference, bins.window)


def _bin_labels(bins: DistributionBins) -> list[str]:
    if bins.categories is not UNSET:
        return bins.categories
    edges = [] if bins.edges is UNSET else [f"{edge:.4g}" for edge in bins.edges]
    return [f"≤ {edge}" for edge in edges] + [f"> {edges[-1]}" if edges else "all"]


def _metric_chart(history: Document, windows: Sequence[_PerformanceWindow]) -> str:
    name, baseline = history["name"], history["baseline"]
    return line_chart(
        f"{name} by window",
        [_point(window.start, window.metrics[name]) for window in windows],
        [] if baseline is None else [("baseline", baseline)],
    )


def _point(start: str, metric: MetricResult) -> Point:
    severity = "" if metric.severity is None else metric.severity
    return Point(start, metric.value, metric.low, metric.high, severity)
