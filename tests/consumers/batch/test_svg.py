"""Charts of the report: positions and sizes of the elements in the SVG."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from consumers.batch.svg import Cell, Point, heat_map, histogram, line_chart


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    """The elements of a class."""
    return [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == kind]


def corners(element: ElementTree.Element) -> list[tuple[float, ...]]:
    return [tuple(map(float, pair.split(","))) for pair in str(element.get("points")).split()]


def test_line_chart_draws_higher_values_higher_and_in_order_of_time():
    (line,) = drawn(
        line_chart("t", [Point("a", 0.2), Point("b", 0.8), Point("c", 0.5)], []), "line"
    )
    (ax, ay), (bx, by), (cx, cy) = corners(line)
    assert ax < bx < cx
    assert by < cy < ay
    assert (ay - cy) / (ay - by) == 0.5


def test_baseline_is_drawn_at_the_height_of_its_value():
    svg = line_chart("t", [Point("a", 0.2), Point("b", 0.8)], [("baseline", 0.2)])
    (line,), (baseline,) = drawn(svg, "line"), drawn(svg, "baseline")
    assert float(str(baseline.get("y1"))) == corners(line)[0][1]


def test_window_without_a_value_is_a_gap_in_the_line():
    points = [Point("a", 0.1), Point("b", 0.2), Point("c", None), Point("d", 0.3)]
    lengths = [len(corners(line)) for line in drawn(line_chart("t", points, []), "line")]
    assert lengths == [2, 1]


def test_intervals_are_a_band_around_the_line():
    points = [Point("a", 0.5, 0.4, 0.7), Point("b", 0.5, 0.45, 0.6)]
    svg = line_chart("t", points, [])
    (band,), (line,) = drawn(svg, "band"), drawn(svg, "line")
    (_, high_a), (_, high_b), (_, low_b), (_, low_a) = corners(band)
    assert high_a < high_b < corners(line)[0][1] < low_b < low_a


def test_degraded_window_is_a_diamond_and_every_other_one_a_dot():
    svg = line_chart("t", [Point("a", 0.5), Point("b", 0.1, mark="critical")], [])
    assert (len(drawn(svg, "dot")), len(drawn(svg, "critical"))) == (1, 1)
    assert [e.tag for e in drawn(svg, "critical")] == ["path"]


def test_line_chart_without_values_has_no_line():
    assert drawn(line_chart("t", [Point("a", None)], []), "line") == []


def test_heat_map_draws_drifted_fields_taller_and_larger_distances_darker():
    cells = [Cell(0.1, False, ""), Cell(0.9, False, ""), Cell(0.9, True, ""), Cell(None, False, "")]
    svg = heat_map("t", ["x"], ["a", "b", "c", "d"], [cells])
    near, far = drawn(svg, "healthy")
    (marked,) = drawn(svg, "drifted")
    assert float(str(marked.get("height"))) > float(str(far.get("height")))
    assert float(str(far.get("fill-opacity"))) > float(str(near.get("fill-opacity")))
    assert float(str(near.get("x"))) < float(str(far.get("x"))) < float(str(marked.get("x")))


def test_histogram_bars_are_side_by_side_with_heights_by_proportion():
    svg = histogram("t", ["a", "b"], [0.5, 0.5], [0.25, 0.75])
    heights = [float(str(bar.get("height"))) for bar in drawn(svg, "window")]
    assert heights[1] / heights[0] == pytest.approx(3, rel=0.01)
    outlines = drawn(svg, "reference")
    assert len({bar.get("height") for bar in outlines}) == 1
    lefts = [float(str(bar.get("x"))) for bar in outlines]
    assert all(a < b for a, b in pairwise(lefts))


def test_names_and_tooltips_are_escaped():
    svg = heat_map("<i>", ["<b>&"], ["a"], [[Cell(0.5, False, '"<u>')]])
    texts = [e.text for e in ElementTree.fromstring(svg).iter()]
    assert {"<b>&", '"<u>'} <= set(texts)
