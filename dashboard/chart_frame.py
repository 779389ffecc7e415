"""What all charts have in common: the name of their rows, the axis of time, how layers combine."""

from __future__ import annotations

import altair as alt

ROWS = "rows"
PROPORTION = "proportion of rows"
Chart = alt.Chart | alt.LayerChart

_DAY, _MONTH = "%b %d", "%b %Y"
_FORMAT = {
    "hours": "%H:%M",
    **dict.fromkeys(("day", "date", "week"), _DAY),
    **dict.fromkeys(("month", "quarter", "year"), _MONTH),
}
TIME = alt.X(
    "start:T",
    title="start of window (UTC)",
    scale=alt.Scale(type="utc"),
    axis=alt.Axis(format=_FORMAT, labelOverlap=True, grid=False),
)


def layers(*layers: Chart, height: int | alt.Step) -> Chart:
    layered: Chart = (
        alt.layer(*layers)
        .properties(width="container", height=height)
        .resolve_scale(color="independent", shape="independent", strokeDash="independent")
        .configure_legend(orient="top")
    )
    return layered
