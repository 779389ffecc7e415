"""Pictures of the rows that ``series`` makes. Each is drawn once; only its rows change.

A chart refers to its rows by a name, ``ROWS``, so that its specification stays the same from one
refresh to the next, and a browser moves the marks instead of drawing the chart anew. Colours are
those of Okabe and Ito that show on white and on black; nothing is told by colour alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import altair as alt

from dashboard import text

ROWS = "rows"
Chart = alt.Chart | alt.LayerChart
Spec = dict[str, Any]

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, GREY = "#CC79A7", "#8C8C8C"

# Name: colour, shape.
VERDICTS = {
    text.CALM: (BLUE, "circle"),
    text.WARNING: (ORANGE, "triangle-up"),
    text.CRITICAL: (VERMILLION, "diamond"),
    text.FEW: (GREY, "cross"),
    text.UNTESTED: (GREEN, "circle"),
    text.UNJUDGED: (GREY, "stroke"),
    text.EMPTY: (GREY, "square"),
}
KINDS = {
    text.FINAL: (BLUE, "circle"),
    text.PROVISIONAL: (PURPLE, "triangle-down"),
    text.DEGRADED["warning"]: (ORANGE, "triangle-up"),
    text.DEGRADED["critical"]: (VERMILLION, "diamond"),
}
# Name: colour, dashes.
METRIC_LINES = {
    "measured": (BLUE, [1, 0]),
    "baseline": (GREEN, [6, 4]),
    "degraded below": (VERMILLION, [2, 3]),
}
DISTANCE_LINES = {
    "distance": (BLUE, [1, 0]),
    "sampling noise": (VERMILLION, [6, 4]),
    "reference's straying": (PURPLE, [2, 3]),
}
EXPECTED_LINES = {"realised": (BLUE, [1, 0]), "expected": (GREEN, [6, 4])}
SIDES = {"reference": (GREEN, [6, 4]), "window": (BLUE, [1, 0])}

_DAY, _MONTH = "%b %d", "%b %Y"
_FORMAT = {
    "hours": "%H:%M",
    **dict.fromkeys(("day", "date", "week"), _DAY),
    **dict.fromkeys(("month", "quarter", "year"), _MONTH),
}
_TIME = alt.X(
    "start:T",
    title="start of the window (UTC)",
    scale=alt.Scale(type="utc"),
    axis=alt.Axis(format=_FORMAT, labelOverlap=True, grid=False),
)


def spec(chart: str, title: str) -> Spec:
    """A chart by the name of its function, as Vega-Lite has it; the caller's own copy."""
    drawn: Spec = json.loads(_drawn(chart, title))
    return drawn


@lru_cache(maxsize=128)
def _drawn(chart: str, title: str) -> str:
    return str(_CHARTS[chart](title).to_json(indent=None))


def metric(title: str) -> Chart:
    """Rows of ``series.metric_rows``."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME)
    tips = [
        alt.Tooltip("window:N"),
        alt.Tooltip("kind:N", title="labels are"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("labels:N", title="labels (of the rows)"),
    ]
    measured = rows.transform_filter("datum.line == 'measured'")
    band = measured.mark_area(color=BLUE, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q")
    lines = rows.mark_line().encode(y=_value(title), **_lines(METRIC_LINES))
    hollow = alt.condition(alt.datum.kind == text.PROVISIONAL, alt.value(0), alt.value(1))
    points = measured.mark_point(filled=True, size=60, opacity=1, strokeWidth=1.6).encode(
        y=_value(title),
        **_marks("kind", KINDS),
        stroke=_stroke("kind", KINDS),
        fillOpacity=hollow,
        tooltip=tips,
    )
    return _layers(band, lines, points, height=300)


def distances(title: str) -> Chart:
    """Rows of ``series.distance_rows``. PSI is not tested: no line is drawn to hold it against."""
    drawn = {n: look for n, look in DISTANCE_LINES.items() if title != "PSI" or n == "distance"}
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME)
    tips = [
        alt.Tooltip("window:N"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("rows:N"),
    ]
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    here = rows.transform_filter("datum.chosen && datum.line == 'distance'").mark_rule(
        color=GREY, strokeWidth=6, opacity=0.35
    )
    lines = rows.mark_line().encode(y=y, **_lines(drawn))
    points = (
        rows.transform_filter("datum.line == 'distance'")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(y=y, **_marks("verdict", VERDICTS), tooltip=tips)
    )
    return _layers(here, lines, points, height=320)


def expected(title: str) -> Chart:
    """Rows of ``series.expected_rows``."""
    tips = [alt.Tooltip("window:N"), alt.Tooltip("line:N", title="is"), alt.Tooltip("shown:N")]
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME, y=_value(title))
    lines = rows.mark_line().encode(**_lines(EXPECTED_LINES))
    points = rows.mark_point(filled=True, size=30, opacity=1).encode(
        color=_lines(EXPECTED_LINES)["color"].legend(None), tooltip=tips
    )
    return _layers(lines, points, height=280)


def heat(_title: str) -> Chart:
    """Rows of ``series.heat_rows``. A cell can be chosen by a click: ``CELL``."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_TIME,
        y=alt.Y("feature:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        tooltip=[
            alt.Tooltip("feature:N"),
            alt.Tooltip("window:N"),
            alt.Tooltip("verdict:N"),
            alt.Tooltip("shown:N", title="distance"),
        ],
    )
    colours = _marks("verdict", VERDICTS)["color"].legend(alt.Legend(title=None, columns=7))
    shade = alt.Opacity(
        "distance:Q", scale=alt.Scale(domain=[0, 0.3], range=[0.12, 1], clamp=True), legend=None
    )
    chosen = alt.selection_point(name=CELL, fields=["feature", "at"], on="click", clear=False)
    cells = rows.mark_rect().encode(x2="end:Q", color=colours, opacity=shade)
    here = rows.transform_filter("datum.chosen").encode(x2="end:Q")
    outside = here.mark_rect(fillOpacity=0, stroke="white", strokeWidth=5)
    inside = here.mark_rect(fillOpacity=0, stroke="black", strokeWidth=2)
    symbols = (
        rows.transform_filter(alt.FieldOneOfPredicate("verdict", _NOTABLE))
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_point(filled=True, size=55, opacity=1, color="white", stroke="black", strokeWidth=1)
        .encode(
            x=alt.X("middle:T", scale=alt.Scale(type="utc")),
            shape=_marks("verdict", VERDICTS)["shape"],
        )
    )
    return _layers(cells.add_params(chosen), outside, inside, symbols, height=alt.Step(26))


CELL = "cell"
_NOTABLE = [name for name in VERDICTS if name not in (text.CALM, text.UNTESTED)]


def shares(title: str) -> Chart:
    """Rows of ``series.share_rows``: how many rows fall where, the window over the reference."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_bins(title),
        y=alt.Y("share:Q", title="share of the rows", stack=None, axis=alt.Axis(format="%")),
        tooltip=_share_tips("share"),
    )
    window = rows.transform_filter("datum.of == 'window'").mark_bar(opacity=0.5)
    reference = rows.transform_filter("datum.of == 'reference'").mark_line(interpolate="step")
    return _layers(
        window.encode(color=_lines(SIDES)["color"].legend(None)),
        reference.encode(**_lines(SIDES)),
        height=300,
    )


def summed(title: str) -> Chart:
    """Rows of ``series.share_rows``: the share up to each edge, and where the two differ most."""
    rows = alt.Chart(alt.NamedData(ROWS))
    edges = rows.transform_filter(alt.FieldValidPredicate("edge", valid=True)).encode(
        x=alt.X("edge:Q", title=title, scale=alt.Scale(zero=False)),
        y=alt.Y("up to here:Q", title="share up to here", axis=alt.Axis(format="%")),
    )
    lines = edges.mark_line().encode(**_lines(SIDES))
    points = edges.mark_point(filled=True, size=25, opacity=1).encode(
        color=_lines(SIDES)["color"].legend(None), tooltip=_share_tips("up to here")
    )
    apart = rows.transform_aggregate(apart="max(at)").encode(
        x="apart:Q", tooltip=[alt.Tooltip("apart:Q", title="furthest apart at")]
    )
    return _layers(apart.mark_rule(color=VERMILLION, strokeWidth=2), lines, points, height=300)


_SHARES = alt.Axis(format="%", tickCount=6)


def categories(title: str) -> Chart:
    """Rows of ``series.share_rows`` of categories: two bars each, the reference's hollow."""
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar(strokeWidth=1.5)
        .encode(
            y=alt.Y("bin:N", title=title, sort=None),
            yOffset=alt.YOffset("of:N", sort=list(SIDES)),
            x=alt.X("share:Q", title="share of the rows", axis=_SHARES),
            fill=alt.Fill("of:N", scale=_colours(SIDES), legend=alt.Legend(title=None)),
            stroke=alt.Stroke("of:N", scale=_colours(SIDES), legend=None),
            fillOpacity=alt.condition(alt.datum.of == "window", alt.value(1), alt.value(0.1)),
            tooltip=_share_tips("share"),
        )
    )
    return _layers(bars, height=alt.Step(14))


_CHARTS = {
    chart.__name__: chart
    for chart in (metric, distances, expected, heat, shares, summed, categories)
}


def _layers(*layers: Chart, height: int | alt.Step) -> Chart:
    together: Chart = (
        alt.layer(*layers)
        .properties(width="container", height=height)
        .resolve_scale(color="independent", shape="independent", strokeDash="independent")
        .configure_legend(orient="top")
    )
    return together


def _value(title: str) -> alt.Y:
    return alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, nice=True))


def _lines(of: dict[str, tuple[str, list[int]]]) -> dict[str, Any]:
    """A colour and a pattern of dashes for each line, in one legend."""
    names = list(of)
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5)
    dashes = alt.Scale(domain=names, range=[dash for _, dash in of.values()])
    field = "of:N" if of is SIDES else "line:N"
    return {
        "color": alt.Color(field, scale=_colours(of), legend=legend),
        "strokeDash": alt.StrokeDash(field, scale=dashes, legend=legend),
    }


def _marks(field: str, of: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """A colour and a shape for each name; the names carry the shape, and captions explain them."""
    names = list(of)
    shapes = alt.Scale(domain=names, range=[shape for _, shape in of.values()])
    return {
        "color": alt.Color(f"{field}:N", scale=_colours(of), legend=None),
        "shape": alt.Shape(f"{field}:N", scale=shapes, legend=None),
    }


def _stroke(field: str, of: dict[str, tuple[str, str]]) -> alt.Stroke:
    return alt.Stroke(f"{field}:N", scale=_colours(of), legend=None)


def _colours(of: Mapping[str, tuple[str, Any]]) -> alt.Scale:
    return alt.Scale(domain=list(of), range=[colour for colour, _ in of.values()])


def _bins(title: str) -> alt.X:
    axis = alt.Axis(labelOverlap=True, labelAngle=-40)
    return alt.X("bin:N", title=title, sort=None, axis=axis)


def _share_tips(field: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("bin:N", title="values"),
        alt.Tooltip("of:N", title="of the"),
        alt.Tooltip(f"{field}:Q", format=".1%"),
    ]
