"""Learning the natural variation from a reference: each block is compared with the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample, persistent_deviation
from monitor.counts.counts import Counts
from monitor.statistics import category_deviations, proportions
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, DistributionTest
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare_each
from monitor.statistics.natural_variation import (
    PERSISTENT_SQUARE_OF_NORMAL,
    PROPORTION_FACTORS,
    Blocks,
    NaturalVariation,
    block_starts,
    learnable,
)
from monitor.statistics.proportions import Proportion

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS_AT_ONCE = 2**17  # of blocks that are compared together, to bound the memory

PERSISTENT_SQUARE_RATIO = 0.64  # persistent to whole square of the largest deviation; simulated


def learn_distributions(
    samples: Mapping[str, Sample], panes: Sequence[Counts], lengths: Sequence[int]
) -> dict[str, list[NaturalVariation]]:
    """By test, one for each of ``samples``.

    ``panes`` are the reference's in time order, empty ones included, in the index space of
    ``CellIndex.of`` the samples' bins.
    """
    ecdf_table = _reference_table(samples, panes)
    learned: dict[str, list[list[Blocks]]] = {
        test.name: [[] for _ in samples] for test in DISTRIBUTION_TESTS.values()
    }
    blocks = _PaneBlocks(panes)
    for length in learnable(lengths, len(panes)):
        rows, persistent = _persistent(ecdf_table, blocks.halves(length))
        for name, by_block in persistent.items():
            test = DISTRIBUTION_TESTS[name]
            for i, by_length in enumerate(learned[name]):
                by_length.append(_blocks(test, rows[:, i], by_block[:, i], i, length, ecdf_table))
    return {
        name: [NaturalVariation.of(b, DISTRIBUTION_TESTS[name].variation_factors) for b in each]
        for name, each in learned.items()
    }


def _reference_table(samples: Mapping[str, Sample], panes: Sequence[Counts]) -> EcdfTable:
    cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
    total = Counts.total(panes)
    counts = {name: Counts.of_dense(cell_index.dense(total, name)) for name in samples}
    return EcdfTable.against(samples, counts)


class _PaneBlocks:
    """The half-overlapping blocks of a reference, of lengths that are asked for in any order."""

    def __init__(self, panes: Sequence[Counts]) -> None:
        self._panes = panes
        self._aligned = {1: list(panes)}  # by a power of two: the sums of so many panes each

    def halves(self, length: int) -> list[list[Counts]]:
        """The two halves of each block of ``length`` panes; one pane is a single part."""
        if length == 1:
            return [[pane] for pane in self._panes]
        half, starts = length // 2, block_starts(length, len(self._panes))
        if length.bit_count() == 1:
            sums = self._aligned_sums(half)
            return [[sums[start // half], sums[start // half + 1]] for start in starts]
        return [
            [self._sum(start, start + half), self._sum(start + half, start + length)]
            for start in starts
        ]

    def _sum(self, start: int, end: int) -> Counts:
        return Counts.total(self._panes[start:end])

    def _aligned_sums(self, length: int) -> list[Counts]:
        """Of ``length`` panes each, a power of two, one after the other."""
        if length not in self._aligned:
            halves = self._aligned_sums(length // 2)
            pairs = zip(halves[::2], halves[1::2], strict=False)
            self._aligned[length] = [first + second for first, second in pairs]
        return self._aligned[length]


def _persistent(
    ecdf_table: EcdfTable, blocks: Sequence[Sequence[Counts]]
) -> tuple[Ints, dict[str, Floats]]:
    """The rows of ``b`` blocks, and by test the persistent parts, all of shape (b, f)."""
    found = [compare_each(ecdf_table, some, within=True) for some in _few_cells_each(blocks)]
    return np.concatenate([each.rows for each in found]), {
        test.name: np.concatenate([test.persistent(each) for each in found])
        for test in DISTRIBUTION_TESTS.values()
    }


def _few_cells_each(blocks: Sequence[Sequence[Counts]]) -> Iterator[Sequence[Sequence[Counts]]]:
    """Groups of adjacent blocks with up to ``CELLS_AT_ONCE`` cells, or of one block."""
    cells = np.cumsum([sum(part.index.size for part in block) for block in blocks])
    first = 0
    while first < len(blocks):
        before = cells[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(cells, before + CELLS_AT_ONCE, side="right")))
        yield blocks[first:end]
        first = end


def _blocks(  # noqa: PLR0913 - the figures of the blocks, and what they are compared with
    test: DistributionTest,
    rows: Ints,
    persistent: Floats,
    i: int,
    length: int,
    ecdf_table: EcdfTable,
) -> Blocks:
    """The blocks of feature ``i`` that have rows, and leave rows to be compared with."""
    comparable = (rows > 0) & (rows < ecdf_table.sizes[i])
    n, parts = rows[comparable].astype(np.float64), 1 if length == 1 else 2
    return Blocks.of(
        length,
        rows[comparable],
        persistent[comparable],
        test.block_noise(ecdf_table, i, n, 1 / max(n.size, 1)),
        test.block_mean_square(ecdf_table, i, n, parts),
        test.variation_factors,
    )


class _Figures(NamedTuple):
    """The figures of blocks, each of shape (b,), as ``Blocks.of`` takes them."""

    rows: Ints
    persistent: Floats
    noise: Floats
    expected_square: Floats


Halves = tuple[Ints, Ints]  # both of shape (b, c)
Figures = Callable[[Halves, int], _Figures]  # of the halves of all blocks that can be compared


def learn_categories(
    cell_index: CellIndex, cells: str, panes: Sequence[Counts], lengths: Sequence[int]
) -> NaturalVariation:
    """Of the proportions of categories."""
    counts = [cell_index.dense(pane, cells) for pane in panes]
    total = _total(counts, cells=0)

    def rows(block: Ints) -> Ints:
        return np.asarray(block.sum(axis=-1))

    def figures(halves: Halves, blocks: int) -> _Figures:
        each = [_of_categories(pair, total, blocks) for pair in zip(*halves, strict=True)]
        found = np.array(each).reshape(-1, 3)
        return _Figures(rows(halves[0] + halves[1]), found[:, 0], found[:, 1], found[:, 2])

    return _learned(counts, total, lengths, rows, figures)


def _total(counts: Sequence[Ints], *, cells: int) -> Ints:
    """Of no counts at all, so many ``cells``."""
    return np.asarray(sum(counts)) if counts else np.zeros(cells, dtype=np.int64)


def _of_categories(halves: Halves, total: Ints, blocks: int) -> tuple[float, float, float]:
    """The figures of one block but for its rows, from its halves of shape (c,)."""
    live = halves[0] + halves[1]
    rest = total - live
    excess = category_deviations.excess(halves, rest, 1 / blocks)
    persistent = category_deviations.persistent(*halves, rest)
    median = float(category_deviations.noise(live, rest, 0.5).max())
    return persistent, max(persistent - excess, 0.0), PERSISTENT_SQUARE_RATIO * median**2


def learn_proportions(panes: Sequence[Proportion], lengths: Sequence[int]) -> NaturalVariation:
    """Of a single proportion."""
    counts = [np.array([pane.count, pane.rows], dtype=np.int64) for pane in panes]
    total = _total(counts, cells=2)

    def rows(block: Ints) -> Ints:
        return np.asarray(block[..., 1])

    def figures(halves: Halves, blocks: int) -> _Figures:
        live = halves[0] + halves[1]
        rest = total - live
        value, n, m = rest[:, 0] / rest[:, 1], live[:, 1], rest[:, 1]
        factor = np.where(halves[0][:, 1] > 0, PERSISTENT_SQUARE_OF_NORMAL, 1.0)
        return _Figures(
            n,
            np.abs(_persistent_proportion(halves, value)),
            proportions.noises(live, rest, 1 / blocks),
            value * (1 - value) * (factor / n + 1 / m),
        )

    return _learned(counts, total, lengths, rows, figures)


def _persistent_proportion(halves: Halves, reference: Floats) -> Floats:
    """As ``proportions.persistent``, but for the sign."""
    first, second = (half[:, 0] / np.maximum(half[:, 1], 1) - reference for half in halves)
    whole = halves[0] + halves[1]
    both = (halves[0][:, 1] > 0) & (halves[1][:, 1] > 0)
    return np.where(
        both, persistent_deviation(first, second), whole[:, 0] / whole[:, 1] - reference
    )


def _learned(
    counts: Sequence[Ints],
    total: Ints,
    lengths: Sequence[int],
    rows: Callable[[Ints], Ints],
    figures: Figures,
) -> NaturalVariation:
    """``rows`` of counts, shape (..., c) to shape (...)."""
    running = np.cumsum([np.zeros_like(total), *counts], axis=0)
    learned = []
    for length in learnable(lengths, len(counts)):
        halves = _running_halves(running, length)
        live, blocks = rows(halves[0] + halves[1]), len(halves[0])
        comparable = (live > 0) & (live < rows(total))
        if comparable.any():
            found = figures((halves[0][comparable], halves[1][comparable]), blocks)
            learned.append(Blocks.of(length, *found, PROPORTION_FACTORS))
    return NaturalVariation.of(learned, PROPORTION_FACTORS)


def _running_halves(running: Ints, length: int) -> Halves:
    """The halves of all blocks of a length."""
    starts = np.array(block_starts(length, len(running) - 1))
    middle, end = starts + length // 2, starts + length
    return running[middle] - running[starts], running[end] - running[middle]
