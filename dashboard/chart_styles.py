"""Colours, dashes and shapes of the charts, as Vega-Lite encodings.

Colours are those of Okabe and Ito that are visible on white and on black; every colour has a second
encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from dashboard import labels

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, GREY = "#CC79A7", "#8C8C8C"

# Name: colour, shape.
VERDICTS = {
    labels.NO_DRIFT: (BLUE, "circle"),
    labels.WARNING: (ORANGE, "triangle-up"),
    labels.CRITICAL: (VERMILLION, "diamond"),
    labels.TOO_FEW_ROWS: (GREY, "cross"),
    labels.NOT_TESTED: (GREEN, "circle"),
    labels.CANNOT_JUDGE: (GREY, "square"),
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
SHARE_LINES = {
    "missing": (BLUE, [1, 0]),
    "wrong type": (VERMILLION, [2, 3]),
    "infinite": (GREY, [8, 3, 2, 3]),
    "out of range": (GREEN, [6, 4]),
    "new categories": (PURPLE, [2, 2]),
}
VOLUMES = {"rows": (GREY, [1, 0]), "labelled": (BLUE, [1, 0])}
CAUSES = {
    "the metric changed in the segment": (BLUE, [1, 0]),
    "its part of the rows changed": (PURPLE, [1, 0]),
}
SOURCES = {"reference": (GREEN, [6, 4]), "window": (BLUE, [1, 0])}


def lines(styles: dict[str, tuple[str, list[int]]]) -> dict[str, Any]:
    """A colour and a dash pattern for each line, in one legend."""
    names = list(styles)
    legend = alt.Legend(
        title=None, columns=2, symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5
    )
    dashes = alt.Scale(domain=names, range=[dash for _, dash in styles.values()])
    field = "source:N" if styles is SOURCES else "line:N"
    return {
        "color": alt.Color(field, scale=colours(styles), legend=legend),
        "strokeDash": alt.StrokeDash(field, scale=dashes, legend=legend),
    }


def marks(field: str, styles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """A colour and a shape for each name. Names start with their symbol, so no legend is needed."""
    names = list(styles)
    shapes = alt.Scale(domain=names, range=[shape for _, shape in styles.values()])
    return {
        "color": alt.Color(f"{field}:N", scale=colours(styles), legend=None),
        "shape": alt.Shape(f"{field}:N", scale=shapes, legend=None),
    }


def stroke(field: str, styles: dict[str, tuple[str, str]]) -> alt.Stroke:
    return alt.Stroke(f"{field}:N", scale=colours(styles), legend=None)


def colours(styles: Mapping[str, tuple[str, Any]]) -> alt.Scale:
    return alt.Scale(domain=list(styles), range=[colour for colour, _ in styles.values()])
