"""Charts about what was counted: values that are missing or odd, rows and labels."""

from __future__ import annotations

import altair as alt

from dashboard.chart_frame import PROPORTION, ROWS, TIME, Chart, layers
from dashboard.chart_styles import SHARE_LINES, VOLUMES, colours, lines


def shares(_title: str) -> Chart:
    """Rows of ``quality_series.share_rows``."""
    tips = [alt.Tooltip("window:N"), alt.Tooltip("line:N", title="values"), "shown:N"]
    y = alt.Y("value:Q", title=PROPORTION, axis=alt.Axis(format="%"))
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=TIME, y=y, **lines(SHARE_LINES))
    return layers(rows.mark_line(point=True).encode(tooltip=tips), height=200)


def volumes(_title: str) -> Chart:
    """Rows of ``quality_series.volume_rows``: the labelled ones are drawn over all."""
    tips = [
        alt.Tooltip("window:N"),
        alt.Tooltip("line:N", title="kind"),
        alt.Tooltip("value:Q", format=","),
    ]
    y = alt.Y("value:Q", title="rows", stack=None, axis=alt.Axis(tickCount=3, format="~s"))
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=TIME, x2="end:Q", y=y, tooltip=tips)
    legend = alt.Legend(title=None)
    bars = rows.mark_bar(opacity=0.6).encode(
        color=alt.Color("line:N", scale=colours(VOLUMES), legend=legend)
    )
    return layers(bars, height=90)
