"""The charts of the HTML report, drawn from the documents of the pipeline's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consumers.batch.svg import Cell, Point, heat_map, histogram, line_chart

Document = Mapping[str, Any]

MOST_WINDOWS = 400  # newest windows that are drawn
MOST_HISTOGRAMS = 6
DARKEST = 0.4  # KS distance


def drift_map(data: Document, concept: Document) -> str:
    """SVG: the distance from the reference by feature and window."""
    windows = data["windows"][-MOST_WINDOWS:]
    rows = {
        feature["name"]: [_cell(w, w["features"][i]) for w in windows]
        for i, feature in enumerate(data["features"])
    }
    return heat_map(
        "Distance from the reference, by feature and window",
        [*rows, *(name for name, _ in _concept_rows(concept))],
        [w["start"] for w in windows],
        [*rows.values(), *(cells for _, cells in _concept_rows(concept))],
    )


def feature_histograms(data: Document) -> list[tuple[str, str]]:
    """Captions and SVG of the features that drifted farthest, beside their reference."""
    drifted = sorted(
        (feature for feature in data["features"] if feature["drifted"]),
        key=lambda feature: -feature["statistic"],
    )
    charts = [_histogram(feature, data["windows"]) for feature in drifted[:MOST_HISTOGRAMS]]
    return [chart for chart in charts if chart is not None]


def metric_charts(performance: Document) -> list[tuple[str, str]]:
    """Names and SVG of every metric over the windows."""
    windows = performance["windows"][-MOST_WINDOWS:]
    return [(metric["name"], _metric_chart(metric, windows)) for metric in performance["metrics"]]


def _concept_rows(concept: Document) -> list[tuple[str, list[Cell]]]:
    windows = concept["windows"][-MOST_WINDOWS:]
    rows = [("score", [_cell(w, w["prediction"]) for w in windows])]
    if concept["errors"] is not None:
        rows.append(("error", [_cell(w, w["errors"]) for w in windows]))
    return rows


def _cell(window: Document, finding: Document | None) -> Cell:
    """Empty without a finding; shaded by the PSI if there is no distance."""
    if finding is None:
        return Cell(None, False, "")
    distance, psi = finding["statistic"], finding["psi"]
    tip = f"{finding['name']}, {window['start'][:10]}: {finding['rows']:,} rows"
    if distance is None:
        index = "-" if psi is None else f"{psi:.3f}"
        return Cell(psi, False, f"{tip}, PSI {index}")
    is_drifted = finding["verdict"] == "drift"
    return Cell(
        distance / DARKEST, is_drifted, f"{tip}, distance {distance:.3f}, {_outcome(finding)}"
    )


def _outcome(finding: Document) -> str:
    severity, test = finding["severity"], finding["decided_by"]
    return "healthy" if severity is None else f"{severity} by {test}"


def _histogram(feature: Document, windows: Sequence[Document]) -> tuple[str, str] | None:
    """None if the window has no distribution."""
    window = next(w for w in windows if w["start"] == feature["worst"])
    finding = next(f for f in window["features"] if f["name"] == feature["name"])
    distribution, caption = finding["distribution"], f"{feature['name']}, {window['start'][:10]}"
    if distribution is None:
        return None
    labels, reference = _bin_labels(distribution), distribution["reference"]
    return caption, histogram(caption, labels, reference, distribution["window"])


def _bin_labels(distribution: Document) -> list[str]:
    if "categories" in distribution:
        return list(distribution["categories"])
    edges = [f"{edge:.4g}" for edge in distribution["edges"]]
    return [f"≤ {edge}" for edge in edges] + [f"> {edges[-1]}" if edges else "all"]


def _metric_chart(metric: Document, windows: Sequence[Document]) -> str:
    name, baseline = metric["name"], metric["baseline"]
    return line_chart(
        f"{name} by window",
        [_point(window, window["metrics"][name]) for window in windows],
        [] if baseline is None else [("baseline", baseline)],
    )


def _point(window: Document, metric: Document) -> Point:
    return Point(
        window["start"], metric["value"], metric["low"], metric["high"], metric["severity"] or ""
    )
