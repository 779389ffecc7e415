"""Performance over time, prediction drift and concept drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Baseline, ConceptDrift, LatestMetrics, WindowItem
from dashboard import formats, labels, quality_series, render, series, tables
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.context import PageContext
from dashboard.series import GetFeature
from dashboard.text import NO_WINDOWS, about, escape, finding

NO_LABELS = (
    "No labels yet. The performance of a window appears as soon as labels of its predictions"
    " arrive; the simulator sends them."
)
NO_ROWS = "None of the windows shown holds a row."
NO_REFERENCE_LABELS = "The reference has no labels, so there is no baseline."
METRIC_HELP = (
    "Band: 95% interval of each window. ● final. ▽ provisional: labels are still expected, and"
    " early ones are not a representative sample. ▲ warning: significantly below the baseline, the"
    " metric on the reference. ◆ critical: significantly below the critical limit."
)


@dataclass(frozen=True, slots=True)
class Data:
    windows: Sequence[WindowItem]
    baseline: Baseline
    latest: LatestMetrics
    concept: ConceptDrift


def page(context: PageContext) -> None:
    st.title(escape(formats.model_version(context.model)))
    for line in about(context.model):
        st.markdown(line)

    def part() -> None:
        limit = render.window_limit(len(context.model.features))
        data = fetch(f"model {context.model_version} {limit}", lambda: _load(context, limit))
        if data is not None:
            _show(context, data)

    auto_refresh(part)


def _load(context: PageContext, limit: int) -> Data:
    client, version = context.client, context.model_version
    return Data(
        client.windows(version, limit),
        client.baseline(version),
        client.latest_metrics(version),
        client.concept_drift(version),
    )


def _show(context: PageContext, data: Data) -> None:
    if not data.windows:
        st.info(NO_WINDOWS)
        return
    with st.columns(3)[0]:
        render.select_window_limit()
    st.subheader("Performance")
    _show_performance(data, labelled=context.model.labelled)
    st.subheader("Prediction drift")
    st.caption(
        "Distribution of the scores, or of the predicted numbers or classes, compared with the"
        " reference."
        " Needs no labels."
    )
    _show_distance(data.windows, series.score, NO_ROWS)
    if data.concept.prediction is not None:
        score, newest = data.concept.prediction, data.concept.window
        name = "the newest window" if newest is None else formats.window(newest)
        render.distribution(score.name, score.distribution, name)
    st.subheader("Concept drift")
    st.caption(
        "Distribution of the absolute errors of labelled rows, compared with the reference; of a"
        " classifier, |label - score|, of several classes 1 - the probability of the label."
    )
    _show_distance(data.windows, series.error, NO_LABELS)
    for found in data.concept.further:
        st.markdown(f"Distribution of the {escape(found.name)}, compared with the reference")
        _show_distance(data.windows, series.further(found.name), NO_LABELS)
    _show_expected(data.windows)
    _show_detectors(data.windows)


def _show_performance(data: Data, *, labelled: bool) -> None:
    if not any(item.performance and item.performance.labels for item in data.windows):
        st.info(NO_LABELS if labelled else f"{NO_LABELS} {NO_REFERENCE_LABELS}")
        return
    columns, volumes = [*st.columns(2), *st.columns(2)], quality_series.volume_rows(data.windows)
    for column, name in zip(columns, _drawn(data.windows), strict=False):
        with column:
            render.chart(series.metric_rows(data.windows, name), "metric", labels.METRICS[name])
            render.chart(volumes, "volumes")
    st.caption(METRIC_HELP)
    render.table(tables.performance(data.baseline, data.latest))


def _drawn(windows: Sequence[WindowItem]) -> list[str]:
    """The metrics that are drawn, of those that the model has."""
    known = {name for item in windows if item.performance for name in item.performance.metrics}
    return [name for name in labels.DRAWN if name in known]


def _show_distance(
    windows: Sequence[WindowItem], get_feature: GetFeature, without_rows: str
) -> None:
    rows = series.distance_rows(windows, get_feature)
    if rows.empty:
        st.info(without_rows)
        return
    item, newest = next(
        (item, feature) for item in reversed(windows) if (feature := get_feature(item)) is not None
    )
    window = formats.window(item.window)
    st.markdown(f"**{labels.verdict(newest)}** in the window {window}. {finding(newest)}")
    render.chart(rows, "distances", labels.distance(newest))


def _show_expected(windows: Sequence[WindowItem]) -> None:
    """Metrics estimated from the scores (CBPE) beside the measured ones; nothing without them."""
    rows = {name: series.expected_rows(windows, name) for name in _drawn(windows)}
    estimated = [name for name, found in rows.items() if found["value"].notna().any()]
    if estimated:
        st.markdown("Performance estimated without labels, and as measured with labels")
    for name, column in zip(estimated, [*st.columns(2), *st.columns(2)], strict=False):
        with column:
            render.chart(rows[name], "expected", labels.METRICS[name])


def _show_detectors(windows: Sequence[WindowItem]) -> None:
    detectors = tables.detectors(windows)
    if not detectors.empty:
        st.markdown("Detectors on the mean error. Informational: they open no incidents.")
        st.dataframe(detectors, hide_index=True)
