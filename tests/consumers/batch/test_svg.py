"""Charts of the report: what is drawn where, read back from the SVG as a browser would."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from consumers.batch.svg import Cell, Point, heat_map, histogram, line_chart


def drawn(svg: str, kind: str) -> list[ElementTree.Element]:
    """The elements of a class."""
    return [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == kind]


def corners(element: ElementTree.Element) -> list[tuple[float, ...]]:
    return [tuple(map(float, pair.split(","))) for pair in str(element.get("points")).split()]


def test_higher_values_are_drawn_higher_and_in_order_of_time():
    (line,) = drawn(
        line_chart("t", [Point("a", 0.2), Point("b", 0.8), Point("c", 0.5)], []), "line"
    )
    (ax, ay), (bx, by), (cx, cy) = corners(line)
    assert ax < bx < cx
    assert by < cy < ay
    assert (ay - cy) / (ay - by) == 0.5


def test_a_baseline_lies_where_the_line_passes_its_value():
    svg = line_chart("t", [Point("a", 0.2), Point("b", 0.8)], [("baseline", 0.2)])
    (line,), (baseline,) = drawn(svg, "line"), drawn(svg, "baseline")
    assert float(str(baseline.get("y1"))) == corners(line)[0][1]


def test_a_window_without_a_value_leaves_a_gap():
    points = [Point("a", 0.1), Point("b", 0.2), Point("c", None), Point("d", 0.3)]
    lengths = [len(corners(line)) for line in drawn(line_chart("t", points, []), "line")]
    assert lengths == [2, 1]


def test_an_interval_is_a_band_around_its_values():
    points = [Point("a", 0.5, 0.4, 0.7), Point("b", 0.5, 0.45, 0.6)]
    svg = line_chart("t", points, [])
    (band,), (line,) = drawn(svg, "band"), drawn(svg, "line")
    (_, high_a), (_, high_b), (_, low_b), (_, low_a) = corners(band)
    assert high_a < high_b < corners(line)[0][1] < low_b < low_a


def test_what_fell_is_a_diamond_and_everything_else_a_dot():
    svg = line_chart("t", [Point("a", 0.5), Point("b", 0.1, mark="critical")], [])
    assert (len(drawn(svg, "dot")), len(drawn(svg, "critical"))) == (1, 1)
    assert [e.tag for e in drawn(svg, "critical")] == ["path"]


def test_a_chart_of_nothing_is_still_a_chart():
    assert drawn(line_chart("t", [Point("a", None)], []), "line") == []


def test_marked_fields_are_taller_and_farther_ones_darker():
    cells = [Cell(0.1, False, ""), Cell(0.9, False, ""), Cell(0.9, True, ""), Cell(None, False, "")]
    svg = heat_map("t", ["x"], ["a", "b", "c", "d"], [cells])
    near, far = drawn(svg, "calm")
    (marked,) = drawn(svg, "marked")
    assert float(str(marked.get("height"))) > float(str(far.get("height")))
    assert float(str(far.get("fill-opacity"))) > float(str(near.get("fill-opacity")))
    assert float(str(near.get("x"))) < float(str(far.get("x"))) < float(str(marked.get("x")))


def test_bars_stand_side_by_side_as_tall_as_their_share():
    svg = histogram("t", ["a", "b"], [0.5, 0.5], [0.25, 0.75])
    heights = [float(str(bar.get("height"))) for bar in drawn(svg, "window")]
    assert heights[1] / heights[0] == pytest.approx(3, rel=0.01)
    outlines = drawn(svg, "reference")
    assert len({bar.get("height") for bar in outlines}) == 1
    lefts = [float(str(bar.get("x"))) for bar in outlines]
    assert all(a < b for a, b in pairwise(lefts))


def test_names_are_text_whatever_they_hold():
    svg = heat_map("<i>", ["<b>&"], ["a"], [[Cell(0.5, False, '"<u>')]])
    texts = [e.text for e in ElementTree.fromstring(svg).iter()]
    assert {"<b>&", '"<u>'} <= set(texts)
