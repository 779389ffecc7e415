"""Charts: valid Vega-Lite, the same one at every refresh, over the columns that series have."""

import re

import pytest

from dashboard import charts, series

OVER = {
    "metric": series.METRIC_COLUMNS,
    "distances": series.DISTANCE_COLUMNS,
    "expected": series.EXPECTED_COLUMNS,
    "heat": series.HEAT_COLUMNS,
    "shares": series.SHARE_COLUMNS,
    "summed": series.SHARE_COLUMNS,
    "categories": series.SHARE_COLUMNS,
}
MADE_IN_THE_CHART = {"middle", "apart"}


@pytest.mark.parametrize("chart", OVER)
def test_only_columns_that_are_there_are_drawn(chart):
    fields = set(_fields(charts.spec(chart, "temp")))
    assert fields - MADE_IN_THE_CHART <= set(OVER[chart])


@pytest.mark.parametrize("chart", OVER)
def test_it_names_its_rows_and_holds_none_so_that_it_stays_the_same(chart):
    spec = charts.spec(chart, "temp")
    assert spec["data"] == {"name": charts.ROWS}
    assert "datasets" not in spec
    assert charts.spec(chart, "temp") == spec


def test_a_caller_may_change_its_copy():
    charts.spec("heat", "")["layer"].clear()
    assert charts.spec("heat", "")["layer"]


@pytest.mark.parametrize("chart", ["metric", "distances", "expected", "heat"])
def test_time_is_utc_wherever_the_browser_is(chart):
    times = [e for e in _encodings(charts.spec(chart, "temp")) if e.get("type") == "temporal"]
    assert times
    assert all(e["scale"]["type"] == "utc" for e in times)


def test_provisional_points_differ_by_shape_and_not_only_by_colour():
    shapes = [shape for _, shape in charts.KINDS.values()]
    assert len(set(shapes)) == len(shapes)


def test_lines_differ_by_their_dashes_and_not_only_by_colour():
    for of in (charts.METRIC_LINES, charts.DISTANCE_LINES, charts.EXPECTED_LINES, charts.SIDES):
        dashes = [tuple(dash) for _, dash in of.values()]
        assert len(set(dashes)) == len(dashes)


def test_a_legend_names_no_line_that_a_chart_of_psi_lacks():
    legend = {of: _domains(charts.spec("distances", of)) for of in ("KS distance", "PSI")}
    assert legend["KS distance"] == {tuple(charts.DISTANCE_LINES)}
    assert legend["PSI"] == {("distance",)}


def _domains(spec):
    encodings = [e for e in _encodings(spec) if e.get("field") == "line"]
    return {tuple(e["scale"]["domain"]) for e in encodings}


def test_colours_of_lines_show_on_white_and_on_black():
    """A contrast of at least 3, as WCAG 2.1 asks of graphics (1.4.11)."""
    of = (charts.METRIC_LINES, charts.DISTANCE_LINES, charts.EXPECTED_LINES, charts.SIDES)
    for colour in {colour for lines in of for colour, _ in lines.values()}:
        assert _contrast(colour, "#ffffff") >= 3, colour
        assert _contrast(colour, "#0e1117") >= 3, colour


def _contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    parts = [int(part, 16) / 255 for part in re.findall("[0-9a-fA-F]{2}", colour)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _encodings(spec):
    for layer in spec["layer"]:
        for encoding in layer.get("encoding", {}).values():
            yield from encoding if isinstance(encoding, list) else [encoding]


def _fields(spec):
    for encoding in _encodings(spec):
        if "field" in encoding:
            yield encoding["field"]
    for layer in spec["layer"]:
        for transform in layer.get("transform", []):
            yield from re.findall(r"datum\.(\w+)", str(transform.get("filter", "")))
