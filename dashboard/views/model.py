"""How well the model does over time, and whether its scores and errors have moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Baseline, ConceptDrift, LatestMetrics, WindowItem
from dashboard import series, tables, text
from dashboard.auto_refresh import answer, live
from dashboard.context import PageContext
from dashboard.render import choose_last, distribution, draw, last, table
from dashboard.series import Pick

DRAWN = ("accuracy", "precision", "recall", "roc_auc")
NO_LABELS = (
    "No labels yet. A window's performance shows as soon as labels of its predictions come, on the"
    " topic `driftline.labels`; the simulator sends them by itself."
)
LEGEND = (
    "The band is the 95% interval of each window. ● final; ▽ provisional: labels may still come,"
    " and those that come early are no fair sample; ▲ and ◆ degraded,"
    " which is what lies below the dotted line by more than noise and the reference's own straying"
    " explain. The baseline is the model on its reference."
)


@dataclass(frozen=True, slots=True)
class Seen:
    windows: Sequence[WindowItem]
    baseline: Baseline
    latest: LatestMetrics
    concept: ConceptDrift


def page(here: PageContext) -> None:
    st.title(f"{text.plain(text.model(here.model))}")

    def part() -> None:
        many = last(len(here.model.features))
        seen = answer(f"model {here.of} {many}", lambda: _ask(here, many))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: PageContext, many: int) -> Seen:
    client = here.client
    return Seen(
        client.windows(here.of, many),
        client.baseline(here.of),
        client.latest(here.of),
        client.concept(here.of),
    )


def _draw(here: PageContext, seen: Seen) -> None:
    if not seen.windows:
        st.info(text.NO_WINDOWS)
        return
    with st.columns(3)[0]:
        choose_last()
    st.subheader("Performance")
    _performance(here, seen)
    st.subheader("Prediction drift")
    st.caption("The distribution of the scores against the reference's; it needs no labels.")
    _distance(seen.windows, series.of_scores, "The score")
    if seen.concept.prediction is not None:
        distribution(seen.concept.prediction)
    st.subheader("Concept drift")
    st.caption("The distribution of |label - score| of the labelled rows against the reference's.")
    _distance(seen.windows, series.of_errors, "The error")
    _expected(seen.windows)


def _performance(here: PageContext, seen: Seen) -> None:
    if not any(item.performance and item.performance.labels for item in seen.windows):
        st.info(NO_LABELS if here.model.labelled else f"{NO_LABELS} The reference has none either.")
        return
    columns = [*st.columns(2), *st.columns(2)]
    for column, name in zip(columns, DRAWN, strict=True):
        with column:
            draw(series.metric_rows(seen.windows, name), "metric", text.METRICS[name])
    st.caption(LEGEND)
    table(tables.beside(seen.baseline, seen.latest))


def _distance(windows: Sequence[WindowItem], pick: Pick, subject: str) -> None:
    rows = series.distance_rows(windows, pick)
    if rows.empty:
        st.info(NO_LABELS)
        return
    newest = next(found for item in reversed(windows) if (found := pick(item)) is not None)
    st.markdown(f"**{text.verdict(newest)}** {subject}: {text.found(newest)}")
    draw(rows, "distances", "KS distance")


def _expected(windows: Sequence[WindowItem]) -> None:
    """What the scores alone let expect, against what the labels say; nothing where not computed."""
    rows = {name: series.expected_rows(windows, name) for name in DRAWN}
    told = [name for name in DRAWN if rows[name]["value"].notna().any()]
    if told:
        st.markdown("What the scores alone let expect, and what the labels say")
    for name, column in zip(told, [*st.columns(2), *st.columns(2)], strict=False):
        with column:
            draw(rows[name], "expected", text.METRICS[name])
    detectors = tables.detectors(windows)
    if not detectors.empty:
        st.markdown("Detectors on the error rate; they inform, and open no incident")
        st.dataframe(detectors, hide_index=True)
