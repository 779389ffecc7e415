"""Frames on a page, as charts and tables, and how many windows they show."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from api.answers import Feature
from dashboard import charts, series, text, url_state

LASTS = ("60", "30", "200")  # windows shown; the first unless somebody chooses
HOW_TO_READ = (
    "On the left how many of the rows fall into each bin; bins are cut so that each holds about as"
    " many rows of the reference. On the right how many lie up to each value; the upright line is"
    " where the two lie furthest apart, and how far that is is the KS distance"
)
CELLS = 8_000  # of windows times features that are asked for at once, at most


def draw(
    rows: pd.DataFrame,
    chart: str,
    title: str = "",
    *,
    key: str | None = None,
    on_select: Callable[[], None] | None = None,
) -> None:
    """``chart`` is one of ``charts``, with this title."""
    spec = {**charts.spec(chart, title), "datasets": {charts.ROWS: rows}}
    if on_select is None:
        st.vega_lite_chart(spec=spec)
    else:
        st.vega_lite_chart(spec=spec, key=key, on_select=on_select, selection_mode=charts.CELL)


def distribution(feature: Feature) -> None:
    """Reference and window over each other, where the API tells them."""
    rows = series.share_rows(feature)
    if rows.empty:
        return
    name = text.plain(feature.name)
    st.markdown(f"**{name}**: the window over the reference")
    if feature.kind != "numeric":
        draw(rows, "categories", feature.name)
        return
    left, right = st.columns(2)
    with left:
        draw(rows, "shares", feature.name)
    with right:
        draw(rows, "summed", feature.name)
    st.caption(f"{HOW_TO_READ}, {text.number(feature.statistic)}.")


def table(rows: pd.DataFrame) -> None:
    """Text that stands still; its first column names the rows."""
    st.table(rows.set_index(rows.columns[0]))


def last(features: int) -> int:
    """How many windows to ask for: as many as were chosen, fewer of very many features."""
    asked = url_state.at("last")
    return min(int(asked if asked in LASTS else LASTS[0]), max(10, CELLS // max(features, 1)))


def choose_last() -> None:
    url_state.choose("Windows shown", "last", LASTS, words=lambda many: f"the newest {many}")
