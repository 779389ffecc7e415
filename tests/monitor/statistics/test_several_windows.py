"""Windows that are compared together give what each gives alone, and blocks their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.budget import Length, Levels
from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics import proportions
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.deviation_bounds import upper_bounds, upper_bounds_of_each
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare, compare_each
from monitor.statistics.natural_variation import (
    PERSISTENT_SQUARE_OF_NORMAL,
    PROPORTION_FACTORS,
    Blocks,
    NaturalVariation,
    block_starts,
)
from monitor.statistics.proportions import Proportion
from monitor.statistics.scanner import Scanner
from monitor.statistics.variation_learning import learn_proportions

SAMPLES = {"a": Sample.of([1.0, 2.0, 2.0, 5.0]), "b": Sample.of(np.arange(30.0))}
TABLE = EcdfTable.of(SAMPLES)
INDEX = CellIndex.of({name: sample.bins for name, sample in SAMPLES.items()} | {"rows": 1})
WINDOW = Length(4, 2)

values = st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 9.0, 40.0]), max_size=8).map(np.array)
halves = st.fixed_dictionaries({"a": values, "b": values})
windows = st.lists(st.tuples(halves, halves), min_size=1, max_size=5)


def part(half) -> Counts:
    rows = max(x.size for x in half.values())
    cells = {name: Counts.of(SAMPLES[name].locate(x)) for name, x in half.items() if x.size}
    return INDEX.gather(cells | {"rows": Counts.of(np.zeros(rows, dtype=np.int64))})


@given(drawn=windows, within=st.booleans(), whole=st.booleans())
@settings(max_examples=60, deadline=None)
def test_deviations_and_bounds_of_several_windows_are_those_of_each(drawn, within, whole):
    each = [[part(first), part(second)] for first, second in drawn]
    each = [[Counts.total(parts)] for parts in each] if whole else each
    together, bounds = compare_each(TABLE, each, within=within), upper_bounds_of_each(TABLE, each)
    for i, parts in enumerate(each):
        alone, bound = compare(TABLE, parts, within=within), upper_bounds(TABLE, parts)
        for name in alone.__slots__:
            assert (getattr(together.at(i), name) == getattr(alone, name)).all()
            assert (getattr(bounds.at(i), name) == getattr(bound, name)).all()


@given(drawn=windows)
@settings(max_examples=60, deadline=None)
def test_scan_of_several_windows_is_that_of_each(drawn):
    one = Length(1, 1)
    levels = {one: [Levels(0.5, 0.2)] * 2, WINDOW: [Levels(0.3, 0.1)] * 2}
    none = {name: [NaturalVariation()] * 2 for name in DISTRIBUTION_TESTS}
    scanner = Scanner(INDEX, TABLE, levels, none, Drift())
    each = [([part(first), part(second)], WINDOW) for first, second in drawn]
    each += [([Counts.total(parts)], one) for parts, _ in each]
    assert scanner.scan_each(each) == [scanner.scan(*window) for window in each]


panes = st.lists(
    st.integers(0, 12).flatmap(lambda n: st.integers(0, n).map(lambda x: Proportion(x, n))),
    max_size=16,
)


@given(panes=panes)
@settings(max_examples=80, deadline=None)
def test_blocks_of_a_proportion_equal_their_definition(panes):
    found = learn_proportions(panes, [1, 2, 3, 4])
    expected = [by_definition(panes, k) for k in (1, 2, 3, 4) if 2 * k <= len(panes)]
    expected = [blocks for blocks in expected if blocks is not None and blocks.rows.size >= 4]
    assert [blocks.panes for blocks in found.lengths] == [blocks.panes for blocks in expected]
    for mine, theirs in zip(found.lengths, expected, strict=True):
        assert mine.rows.tolist() == theirs.rows.tolist()
        assert mine.excess == pytest.approx(theirs.excess, abs=1e-12)
        assert mine.excess_square == pytest.approx(theirs.excess_square, abs=1e-12)


def by_definition(panes, length) -> Blocks | None:
    """One block at a time, each compared with the rest of the reference."""
    starts, found = block_starts(length, len(panes)), []
    for start in starts:
        middle, end = start + length // 2, start + length
        first, second = total(panes[start:middle]), total(panes[middle:end])
        live, rest = first + second, total([*panes[:start], *panes[end:]])
        if live.rows and rest.rows:
            factor = PERSISTENT_SQUARE_OF_NORMAL if first.rows else 1.0
            square = rest.value * (1 - rest.value) * (factor / live.rows + 1 / rest.rows)
            persistent = abs(proportions.persistent(first, second, rest))
            noise = proportions.noise(live, rest, 1 / len(starts))
            found.append((live.rows, persistent, noise, square))
    if not found:
        return None
    return Blocks.of(length, *map(np.array, zip(*found, strict=True)), PROPORTION_FACTORS)


def total(panes) -> Proportion:
    return sum(panes, start=Proportion(0, 0))
