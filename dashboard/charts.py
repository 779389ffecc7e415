"""Vega-Lite charts of the rows of ``series``.

A chart refers to its rows by a name, ``ROWS``. Its specification therefore stays the same from one
refresh to the next, and the browser updates the marks instead of rebuilding the chart. Colours are
those of Okabe and Ito that are visible on white and on black; every colour has a second encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import altair as alt

from dashboard import labels

ROWS = "rows"
Chart = alt.Chart | alt.LayerChart
Spec = dict[str, Any]

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, GREY = "#CC79A7", "#8C8C8C"

# Name: colour, shape.
VERDICTS = {
    labels.NO_DRIFT: (BLUE, "circle"),
    labels.WARNING: (ORANGE, "triangle-up"),
    labels.CRITICAL: (VERMILLION, "diamond"),
    labels.TOO_FEW_ROWS: (GREY, "cross"),
    labels.NOT_TESTED: (GREEN, "circle"),
    labels.NOT_JUDGED: (GREY, "stroke"),
    labels.NO_ROWS: (GREY, "square"),
}
METRIC_KINDS = {
    labels.FINAL: (BLUE, "circle"),
    labels.PROVISIONAL: (PURPLE, "triangle-down"),
    labels.DEGRADED["warning"]: (ORANGE, "triangle-up"),
    labels.DEGRADED["critical"]: (VERMILLION, "diamond"),
}
# Name: colour, dashes.
METRIC_LINES = {
    "measured": (BLUE, [1, 0]),
    "baseline": (GREEN, [6, 4]),
    "critical limit": (VERMILLION, [2, 3]),
}
DISTANCE_LINES = {
    "distance": (BLUE, [1, 0]),
    "distance limit": (BLUE, [6, 4]),
    "sustained": (PURPLE, [2, 2]),
    "sustained limit": (PURPLE, [8, 3, 2, 3]),
}
EXPECTED_LINES = {"realised": (BLUE, [1, 0]), "expected": (GREEN, [6, 4])}
SOURCES = {"reference": (GREEN, [6, 4]), "window": (BLUE, [1, 0])}

_DAY, _MONTH = "%b %d", "%b %Y"
_FORMAT = {
    "hours": "%H:%M",
    **dict.fromkeys(("day", "date", "week"), _DAY),
    **dict.fromkeys(("month", "quarter", "year"), _MONTH),
}
_TIME = alt.X(
    "start:T",
    title="start of window (UTC)",
    scale=alt.Scale(type="utc"),
    axis=alt.Axis(format=_FORMAT, labelOverlap=True, grid=False),
)


def spec(chart: str, title: str) -> Spec:
    """The Vega-Lite specification of a chart, by the name of its function. A new copy."""
    copy: Spec = json.loads(_spec(chart, title))
    return copy


@lru_cache(maxsize=128)
def _spec(chart: str, title: str) -> str:
    return str(_CHARTS[chart](title).to_json(indent=None))


def metric(title: str) -> Chart:
    """Rows of ``series.metric_rows``."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME)
    tips = [
        alt.Tooltip("window:N"),
        alt.Tooltip("kind:N", title="labels"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("labels:N", title="labelled rows"),
    ]
    measured = rows.transform_filter("datum.line == 'measured'")
    band = measured.mark_area(color=BLUE, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q")
    lines = rows.mark_line().encode(y=_value(title), **_lines(METRIC_LINES))
    hollow = alt.condition(alt.datum.kind == labels.PROVISIONAL, alt.value(0), alt.value(1))
    points = measured.mark_point(filled=True, size=60, opacity=1, strokeWidth=1.6).encode(
        y=_value(title),
        **_marks("kind", METRIC_KINDS),
        stroke=_stroke("kind", METRIC_KINDS),
        fillOpacity=hollow,
        tooltip=tips,
    )
    return _layers(band, lines, points, height=300)


def distances(title: str) -> Chart:
    """Rows of ``series.distance_rows``. PSI is not tested and has no limits."""
    lines_shown = {
        name: style
        for name, style in DISTANCE_LINES.items()
        if title != "PSI" or name == "distance"
    }
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME)
    tips = [
        alt.Tooltip("window:N"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("rows:N"),
    ]
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    chosen = rows.transform_filter("datum.chosen && datum.line == 'distance'").mark_rule(
        color=GREY, strokeWidth=6, opacity=0.35
    )
    lines = rows.mark_line().encode(y=y, **_lines(lines_shown))
    points = (
        rows.transform_filter("datum.line == 'distance'")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(y=y, **_marks("verdict", VERDICTS), tooltip=tips)
    )
    return _layers(chosen, lines, points, height=320)


def expected(title: str) -> Chart:
    """Rows of ``series.expected_rows``."""
    tips = [alt.Tooltip("window:N"), alt.Tooltip("line:N", title="line"), alt.Tooltip("shown:N")]
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=_TIME, y=_value(title))
    lines = rows.mark_line().encode(**_lines(EXPECTED_LINES))
    points = rows.mark_point(filled=True, size=30, opacity=1).encode(
        color=_lines(EXPECTED_LINES)["color"].legend(None), tooltip=tips
    )
    return _layers(lines, points, height=280)


def heat_map(_title: str) -> Chart:
    """Rows of ``series.heat_map_rows``. A click selects a cell: ``CELL``."""
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
    selection = alt.selection_point(name=CELL, fields=["feature", "at"], on="click", clear=False)
    cells = rows.mark_rect().encode(x2="end:Q", color=colours, opacity=shade)
    chosen = rows.transform_filter("datum.chosen").encode(x2="end:Q")
    outside = chosen.mark_rect(fillOpacity=0, stroke="white", strokeWidth=5)
    inside = chosen.mark_rect(fillOpacity=0, stroke="black", strokeWidth=2)
    symbols = (
        rows.transform_filter(alt.FieldOneOfPredicate("verdict", _NOTABLE))
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_point(filled=True, size=55, opacity=1, color="white", stroke="black", strokeWidth=1)
        .encode(
            x=alt.X("middle:T", scale=alt.Scale(type="utc")),
            shape=_marks("verdict", VERDICTS)["shape"],
        )
    )
    return _layers(cells.add_params(selection), outside, inside, symbols, height=alt.Step(26))


CELL = "cell"
PROPORTION = "proportion of rows"
_NOTABLE = [name for name in VERDICTS if name not in (labels.NO_DRIFT, labels.NOT_TESTED)]


def histogram(title: str) -> Chart:
    """Rows of ``series.distribution_rows``: the proportion of rows in each bin."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_bins(title),
        y=alt.Y("proportion:Q", title=PROPORTION, stack=None, axis=alt.Axis(format="%")),
        tooltip=_bin_tips("proportion"),
    )
    window = rows.transform_filter("datum.source == 'window'").mark_bar(opacity=0.5)
    reference = rows.transform_filter("datum.source == 'reference'").mark_line(interpolate="step")
    return _layers(
        window.encode(color=_lines(SOURCES)["color"].legend(None)),
        reference.encode(**_lines(SOURCES)),
        height=300,
    )


def cumulative(title: str) -> Chart:
    """Rows of ``series.distribution_rows``: cumulative, with their largest difference."""
    rows = alt.Chart(alt.NamedData(ROWS))
    edges = rows.transform_filter(alt.FieldValidPredicate("edge", valid=True)).encode(
        x=alt.X("edge:Q", title=title, scale=alt.Scale(zero=False)),
        y=alt.Y("cumulative:Q", title="cumulative proportion", axis=alt.Axis(format="%")),
    )
    lines = edges.mark_line().encode(**_lines(SOURCES))
    points = edges.mark_point(filled=True, size=25, opacity=1).encode(
        color=_lines(SOURCES)["color"].legend(None), tooltip=_bin_tips("cumulative")
    )
    largest = rows.transform_aggregate(largest="max(at)").encode(
        x="largest:Q", tooltip=[alt.Tooltip("largest:Q", title="largest difference at")]
    )
    return _layers(largest.mark_rule(color=VERMILLION, strokeWidth=2), lines, points, height=300)


def categories(title: str) -> Chart:
    """Rows of ``series.distribution_rows`` of categories: two bars each, the reference hollow."""
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar(strokeWidth=1.5)
        .encode(
            y=alt.Y("bin:N", title=title, sort=None),
            yOffset=alt.YOffset("source:N", sort=list(SOURCES)),
            x=alt.X("proportion:Q", title=PROPORTION, axis=alt.Axis(format="%", tickCount=6)),
            fill=alt.Fill("source:N", scale=_colours(SOURCES), legend=alt.Legend(title=None)),
            stroke=alt.Stroke("source:N", scale=_colours(SOURCES), legend=None),
            fillOpacity=alt.condition(alt.datum.source == "window", alt.value(1), alt.value(0.1)),
            tooltip=_bin_tips("proportion"),
        )
    )
    return _layers(bars, height=alt.Step(14))


_CHARTS = {
    chart.__name__: chart
    for chart in (metric, distances, expected, heat_map, histogram, cumulative, categories)
}


def _layers(*layers: Chart, height: int | alt.Step) -> Chart:
    layered: Chart = (
        alt.layer(*layers)
        .properties(width="container", height=height)
        .resolve_scale(color="independent", shape="independent", strokeDash="independent")
        .configure_legend(orient="top")
    )
    return layered


def _value(title: str) -> alt.Y:
    return alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, nice=True))


def _lines(styles: dict[str, tuple[str, list[int]]]) -> dict[str, Any]:
    """A colour and a dash pattern for each line, in one legend."""
    names = list(styles)
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5)
    dashes = alt.Scale(domain=names, range=[dash for _, dash in styles.values()])
    field = "source:N" if styles is SOURCES else "line:N"
    return {
        "color": alt.Color(field, scale=_colours(styles), legend=legend),
        "strokeDash": alt.StrokeDash(field, scale=dashes, legend=legend),
    }


def _marks(field: str, styles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """A colour and a shape for each name. Names start with their symbol, so no legend is needed."""
    names = list(styles)
    shapes = alt.Scale(domain=names, range=[shape for _, shape in styles.values()])
    return {
        "color": alt.Color(f"{field}:N", scale=_colours(styles), legend=None),
        "shape": alt.Shape(f"{field}:N", scale=shapes, legend=None),
    }


def _stroke(field: str, styles: dict[str, tuple[str, str]]) -> alt.Stroke:
    return alt.Stroke(f"{field}:N", scale=_colours(styles), legend=None)


def _colours(styles: Mapping[str, tuple[str, Any]]) -> alt.Scale:
    return alt.Scale(domain=list(styles), range=[colour for colour, _ in styles.values()])


def _bins(title: str) -> alt.X:
    axis = alt.Axis(labelOverlap=True, labelAngle=-40)
    return alt.X("bin:N", title=title, sort=None, axis=axis)


def _bin_tips(field: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("bin:N", title="values"),
        alt.Tooltip("source:N", title="distribution"),
        alt.Tooltip(f"{field}:Q", format=".1%"),
    ]
