"""Charts and tables on a page, and how many windows they show."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from api.answers import Distribution
from dashboard import charts, series, url_state
from dashboard.chart_frame import ROWS
from dashboard.text import escape

WINDOW_LIMITS = ("60", "30", "200")  # windows shown; the first is the default
MAX_CELLS = 8_000  # windows times features in one request
DISTRIBUTION_HELP = (
    "Left: proportion of rows in each bin. The bins hold about equal numbers of reference rows."
    " Right: cumulative proportion. The vertical line marks the largest difference between the two"
    " curves: the KS distance."
)


def chart(
    rows: pd.DataFrame,
    name: str,
    title: str = "",
    *,
    key: str | None = None,
    on_select: Callable[[], None] | None = None,
) -> None:
    """``name`` is a function of ``charts``; ``title`` is that of its values."""
    spec = {**charts.spec(name, title), "datasets": {ROWS: rows}}
    if on_select is None:
        st.vega_lite_chart(spec=spec)
    else:
        st.vega_lite_chart(spec=spec, key=key, on_select=on_select, selection_mode=charts.CELL)


def distribution(name: str, found: Distribution | None, window: str) -> None:
    """Reference and window in one chart; nothing without a distribution."""
    rows = series.distribution_rows(found)
    if found is None or rows.empty:
        return
    st.markdown(f"**{escape(name)}**: reference, and {window}")
    if found.categories is not None:
        chart(rows, "categories", name)
    else:
        _numeric_distribution(name, rows)


def _numeric_distribution(name: str, rows: pd.DataFrame) -> None:
    left, right = st.columns(2)
    with left:
        chart(rows, "histogram", name)
    with right:
        chart(rows, "cumulative", name)
    st.caption(DISTRIBUTION_HELP)


def table(rows: pd.DataFrame) -> None:
    """A static table; its first column names the rows. Cells are Markdown."""
    st.table(rows.set_index(rows.columns[0]))


def window_limit(features: int) -> int:
    """How many windows to request: as chosen, fewer for a model with very many features."""
    chosen = url_state.get("last")
    limit = int(chosen if chosen in WINDOW_LIMITS else WINDOW_LIMITS[0])
    return min(limit, max(10, MAX_CELLS // max(features, 1)))


def select_window_limit() -> None:
    url_state.selectbox(
        "Windows shown", "last", WINDOW_LIMITS, format_option=lambda limit: f"Last {limit}"
    )
