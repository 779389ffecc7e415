"""Vega-Lite charts of the rows of ``series``.

A chart refers to its rows by a name, ``ROWS``. Its specification therefore stays the same from one
refresh to the next, and the browser updates the marks instead of rebuilding the chart.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import altair as alt

from dashboard import labels
from dashboard.chart_frame import PROPORTION, ROWS, TIME, Chart, layers
from dashboard.chart_styles import (
    BLUE,
    DISTANCE_LINES,
    EXPECTED_LINES,
    GREY,
    METRIC_KINDS,
    METRIC_LINES,
    SOURCES,
    VERDICTS,
    VERMILLION,
    colours,
    lines,
    marks,
    stroke,
)
from dashboard.quality_charts import shares, volumes
from dashboard.segment_charts import causes

Spec = dict[str, Any]


def spec(chart: str, title: str) -> Spec:
    """The Vega-Lite specification of a chart, by the name of its function. A new copy."""
    copy: Spec = json.loads(_spec(chart, title))
    return copy


@lru_cache(maxsize=128)
def _spec(chart: str, title: str) -> str:
    return str(_CHARTS[chart](title).to_json(indent=None))


def metric(title: str) -> Chart:
    """Rows of ``series.metric_rows``."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=TIME)
    measured = rows.transform_filter("datum.line == 'measured'")
    band = measured.mark_area(color=BLUE, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q")
    curves = rows.mark_line().encode(y=_value(title), **lines(METRIC_LINES))
    hollow = alt.condition(alt.datum.kind == labels.PROVISIONAL, alt.value(0), alt.value(1))
    points = measured.mark_point(filled=True, size=60, opacity=1, strokeWidth=1.6).encode(
        y=_value(title),
        **marks("kind", METRIC_KINDS),
        stroke=stroke("kind", METRIC_KINDS),
        fillOpacity=hollow,
        tooltip=_metric_tips(title),
    )
    return layers(band, curves, points, height=300)


def _metric_tips(title: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("window:N"),
        alt.Tooltip("kind:N", title="labels"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("labels:N", title="labelled rows"),
    ]


def distances(title: str) -> Chart:
    """Rows of ``series.distance_rows``. PSI is not tested and has no limits."""
    names = ["distance"] if title == "PSI" else list(DISTANCE_LINES)
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=TIME)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    distance = rows.transform_filter("datum.line == 'distance'")
    chosen = distance.transform_filter("datum.chosen").mark_rule(
        color=GREY, strokeWidth=6, opacity=0.35, aria=False
    )
    curves = rows.mark_line().encode(y=y, **lines({n: DISTANCE_LINES[n] for n in names}))
    points = distance.mark_point(filled=True, size=70, opacity=1).encode(
        y=y, **marks("verdict", VERDICTS), tooltip=_distance_tips(title)
    )
    return layers(chosen, curves, points, height=320)


def _distance_tips(title: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("window:N"),
        alt.Tooltip("shown:N", title=title),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("rows:N"),
    ]


def expected(title: str) -> Chart:
    """Rows of ``series.expected_rows``."""
    tips = [alt.Tooltip("window:N"), alt.Tooltip("line:N", title="line"), alt.Tooltip("shown:N")]
    rows = alt.Chart(alt.NamedData(ROWS)).encode(x=TIME, y=_value(title))
    curves = rows.mark_line().encode(**lines(EXPECTED_LINES))
    points = rows.mark_point(filled=True, size=30, opacity=1).encode(
        color=lines(EXPECTED_LINES)["color"].legend(None), tooltip=tips
    )
    return layers(curves, points, height=280)


def heat_map(_title: str) -> Chart:
    """Rows of ``series.heat_map_rows``. A click selects a cell: ``CELL``."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(
        x=TIME,
        y=alt.Y("feature:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        tooltip=_cell_tips(),
    )
    selection = alt.selection_point(name=CELL, fields=["feature", "at"], on="click", clear=False)
    cells = _cells(rows).add_params(selection)
    chosen = rows.transform_filter("datum.chosen").encode(x2="end:Q")
    outside = chosen.mark_rect(aria=False, fillOpacity=0, stroke="white", strokeWidth=5)
    inside = chosen.mark_rect(aria=False, fillOpacity=0, stroke="black", strokeWidth=2)
    parts = (cells, _hatches(rows), _incident_outlines(rows), outside, inside)
    return layers(*parts, _cell_symbols(rows), height=alt.Step(26))


def _cells(rows: alt.Chart) -> alt.Chart:
    """The verdict is the colour; how near to its limits or beyond them is its opacity."""
    colour = marks("verdict", VERDICTS)["color"].legend(alt.Legend(title=None, columns=2))
    opacity = alt.Scale(domain=[0, 2], range=[0.12, 1], clamp=True)
    cells: alt.Chart = rows.mark_rect().encode(
        x2="end:Q", color=colour, opacity=alt.Opacity("excess:Q", scale=opacity, legend=None)
    )
    return cells


def _hatches(rows: alt.Chart) -> alt.Chart:
    """Cells in which nothing could be told."""
    hatched: alt.Chart = (
        rows.transform_filter(alt.FieldEqualPredicate(labels.CANNOT_JUDGE, "verdict"))
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(text="//", color=GREY, fontSize=13, clip=True, aria=False)
        .encode(x=alt.X("middle:T", scale=alt.Scale(type="utc")))
    )
    return hatched


def _incident_outlines(rows: alt.Chart) -> alt.Chart:
    outlines: alt.Chart = (
        rows.transform_filter("datum.incident")
        .transform_aggregate(start="min(start)", end="max(end)", groupby=["feature"])
        .mark_rect(fillOpacity=0, stroke=VERMILLION, strokeWidth=2.5, aria=False)
        .encode(x2="end:Q", tooltip=[alt.Tooltip("feature:N", title="open incident")])
    )
    return outlines


def _cell_symbols(rows: alt.Chart) -> alt.Chart:
    """A symbol in the middle of every cell with a verdict worth a look."""
    symbols: alt.Chart = (
        rows.transform_filter(alt.FieldOneOfPredicate("verdict", _NOTABLE))
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_point(
            aria=False,
            filled=True,
            size=55,
            opacity=1,
            color="white",
            stroke="black",
            strokeWidth=1,
        )
        .encode(
            x=alt.X("middle:T", scale=alt.Scale(type="utc")),
            shape=marks("verdict", VERDICTS)["shape"],
        )
    )
    return symbols


def _cell_tips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("feature:N"),
        alt.Tooltip("window:N"),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("shown:N", title="distance"),
    ]


CELL = "cell"
_QUIET = (labels.NO_DRIFT, labels.NOT_TESTED, labels.CANNOT_JUDGE)
_NOTABLE = [name for name in VERDICTS if name not in _QUIET]


def histogram(title: str) -> Chart:
    """Rows of ``series.distribution_rows``: the proportion of rows in each bin."""
    rows = alt.Chart(alt.NamedData(ROWS)).encode(
        x=_bins(title),
        y=alt.Y("proportion:Q", title=PROPORTION, stack=None, axis=alt.Axis(format="%")),
        tooltip=_bin_tips("proportion"),
    )
    window = rows.transform_filter("datum.source == 'window'").mark_bar(opacity=0.5)
    reference = rows.transform_filter("datum.source == 'reference'").mark_line(interpolate="step")
    return layers(
        window.encode(color=lines(SOURCES)["color"].legend(None)),
        reference.encode(**lines(SOURCES)),
        height=300,
    )


def cumulative(title: str) -> Chart:
    """Rows of ``series.distribution_rows``: cumulative, with their largest difference."""
    rows = alt.Chart(alt.NamedData(ROWS))
    edges = rows.transform_filter(alt.FieldValidPredicate("edge", valid=True)).encode(
        x=alt.X("edge:Q", title=title, scale=alt.Scale(zero=False)),
        y=alt.Y("cumulative:Q", title="cumulative proportion", axis=alt.Axis(format="%")),
    )
    curves = edges.mark_line().encode(**lines(SOURCES))
    points = edges.mark_point(filled=True, size=25, opacity=1).encode(
        color=lines(SOURCES)["color"].legend(None), tooltip=_bin_tips("cumulative")
    )
    largest = rows.transform_aggregate(largest="max(at)").encode(
        x="largest:Q", tooltip=[alt.Tooltip("largest:Q", title="largest difference at")]
    )
    return layers(largest.mark_rule(color=VERMILLION, strokeWidth=2), curves, points, height=300)


def categories(title: str) -> Chart:
    """Rows of ``series.distribution_rows`` of categories: two bars each, the reference hollow."""
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar(strokeWidth=1.5)
        .encode(
            y=alt.Y("bin:N", title=title, sort=None),
            yOffset=alt.YOffset("source:N", sort=list(SOURCES)),
            x=alt.X("proportion:Q", title=PROPORTION, axis=alt.Axis(format="%", tickCount=6)),
            fill=alt.Fill("source:N", scale=colours(SOURCES), legend=alt.Legend(title=None)),
            stroke=alt.Stroke("source:N", scale=colours(SOURCES), legend=None),
            fillOpacity=alt.condition(alt.datum.source == "window", alt.value(1), alt.value(0.1)),
            tooltip=_bin_tips("proportion"),
        )
    )
    return layers(bars, height=alt.Step(14))


_CHARTS = {
    chart.__name__: chart
    for chart in (
        metric,
        distances,
        expected,
        shares,
        volumes,
        heat_map,
        histogram,
        cumulative,
        categories,
        causes,
    )
}


def _value(title: str) -> alt.Y:
    return alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, nice=True))


def _bins(title: str) -> alt.X:
    axis = alt.Axis(labelOverlap=True, labelAngle=-40)
    return alt.X("bin:N", title=title, sort=None, axis=axis)


def _bin_tips(field: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("bin:N", title="values"),
        alt.Tooltip("source:N", title="distribution"),
        alt.Tooltip(f"{field}:Q", format=".1%"),
    ]
