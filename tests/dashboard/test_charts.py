"""Charts: valid Vega-Lite, unchanged between refreshes, over the columns of ``series``."""

import re

import pytest

from dashboard import chart_styles, charts, quality_series, segment_charts, series
from dashboard.chart_frame import ROWS

COLUMNS = {
    "metric": series.METRIC_COLUMNS,
    "distances": series.DISTANCE_COLUMNS,
    "expected": series.EXPECTED_COLUMNS,
    "shares": quality_series.SHARE_COLUMNS,
    "volumes": quality_series.VOLUME_COLUMNS,
    "causes": segment_charts.CAUSE_COLUMNS,
    "heat_map": series.HEAT_MAP_COLUMNS,
    "histogram": series.DISTRIBUTION_COLUMNS,
    "cumulative": series.DISTRIBUTION_COLUMNS,
    "categories": series.DISTRIBUTION_COLUMNS,
}
COMPUTED_IN_THE_CHART = {"middle", "largest"}


@pytest.mark.parametrize("chart", COLUMNS)
def test_chart_uses_only_existing_columns(chart):
    fields = set(_fields(charts.spec(chart, "temp")))
    assert fields - COMPUTED_IN_THE_CHART <= set(COLUMNS[chart])


@pytest.mark.parametrize("chart", COLUMNS)
def test_specification_refers_to_rows_by_name_and_stays_the_same(chart):
    spec = charts.spec(chart, "temp")
    assert spec["data"] == {"name": ROWS}
    assert "datasets" not in spec
    assert charts.spec(chart, "temp") == spec


def test_changing_a_specification_does_not_change_the_cached_one():
    charts.spec("heat_map", "")["layer"].clear()
    assert charts.spec("heat_map", "")["layer"]


@pytest.mark.parametrize(
    "chart", ["metric", "distances", "expected", "shares", "volumes", "heat_map"]
)
def test_time_axis_is_utc(chart):
    times = [e for e in _encodings(charts.spec(chart, "temp")) if e.get("type") == "temporal"]
    assert times
    assert all(e["scale"]["type"] == "utc" for e in times)


def test_points_differ_by_shape_and_not_only_by_colour():
    shapes = [shape for _, shape in chart_styles.METRIC_KINDS.values()]
    assert len(set(shapes)) == len(shapes)


def test_lines_differ_by_dashes_and_not_only_by_colour():
    for styles in (
        chart_styles.METRIC_LINES,
        chart_styles.DISTANCE_LINES,
        chart_styles.EXPECTED_LINES,
        chart_styles.SHARE_LINES,
        chart_styles.SOURCES,
    ):
        dashes = [tuple(dash) for _, dash in styles.values()]
        assert len(set(dashes)) == len(dashes)


def test_legend_of_a_psi_chart_has_no_limits():
    legend = {t: _domains(charts.spec("distances", t)) for t in ("KS distance", "PSI")}
    assert legend["KS distance"] == {tuple(chart_styles.DISTANCE_LINES)}
    assert legend["PSI"] == {("distance",)}


def _domains(spec):
    encodings = [e for e in _encodings(spec) if e.get("field") == "line"]
    return {tuple(e["scale"]["domain"]) for e in encodings}


def test_colours_of_lines_have_enough_contrast_on_white_and_on_black():
    """A contrast of at least 3, as WCAG 2.1 asks of graphics (1.4.11)."""
    all_lines = (
        chart_styles.METRIC_LINES,
        chart_styles.DISTANCE_LINES,
        chart_styles.EXPECTED_LINES,
        chart_styles.SHARE_LINES,
        chart_styles.SOURCES,
    )
    for colour in {colour for lines in all_lines for colour, _ in lines.values()}:
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
