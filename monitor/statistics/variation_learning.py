"""Learning the natural variation from a reference: each block is compared with the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.statistics import category_deviations, proportions
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.deviations import Deviations
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, DistributionTest
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare
from monitor.statistics.natural_variation import (
    PERSISTENT_SQUARE_OF_NORMAL,
    PROPORTION_FACTORS,
    Blocks,
    NaturalVariation,
    block_starts,
    learnable,
)
from monitor.statistics.proportions import Proportion

Ints = NDArray[np.int64]

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
    for length in learnable(lengths, len(panes)):
        deviations = [
            compare(ecdf_table, _halves(panes, start, length), within=True)
            for start in block_starts(length, len(panes))
        ]
        for test in DISTRIBUTION_TESTS.values():
            for i, by_length in enumerate(learned[test.name]):
                by_length.append(_blocks(test, deviations, i, length, ecdf_table))
    return {
        name: [NaturalVariation.of(b, DISTRIBUTION_TESTS[name].variation_factors) for b in each]
        for name, each in learned.items()
    }


def _reference_table(samples: Mapping[str, Sample], panes: Sequence[Counts]) -> EcdfTable:
    cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
    total = Counts.total(panes)
    counts = {name: Counts.of_dense(cell_index.dense(total, name)) for name in samples}
    return EcdfTable.against(samples, counts)


def _halves(panes: Sequence[Counts], start: int, length: int) -> list[Counts]:
    """The two halves of a block; a block of one pane is a single part."""
    if length == 1:
        return [panes[start]]
    middle = start + length // 2
    return [Counts.total(panes[start:middle]), Counts.total(panes[middle : start + length])]


def _blocks(
    test: DistributionTest,
    deviations: Sequence[Deviations],
    i: int,
    length: int,
    ecdf_table: EcdfTable,
) -> Blocks:
    """The blocks of feature ``i`` that have rows, and leave rows to be compared with."""
    rows, size = np.array([d.rows[i] for d in deviations], dtype=np.int64), int(ecdf_table.sizes[i])
    persistent = np.array([test.persistent(d)[i] for d in deviations])
    comparable = (rows > 0) & (rows < size)
    n, parts = rows[comparable].astype(np.float64), 1 if length == 1 else 2
    return Blocks.of(
        length,
        rows[comparable],
        persistent[comparable],
        test.block_noise(ecdf_table, i, n, 1 / max(n.size, 1)),
        test.block_mean_square(ecdf_table, i, n, parts),
        test.variation_factors,
    )


class _Block(NamedTuple):
    """The figures of one block, as ``Blocks.of`` takes them."""

    rows: int
    persistent: float
    noise: float
    expected_square: float


Halves = tuple[Ints, Ints]
Figures = Callable[[Halves, int], _Block | None]  # of the halves of one of so many blocks


def learn_categories(
    cell_index: CellIndex, cells: str, panes: Sequence[Counts], lengths: Sequence[int]
) -> NaturalVariation:
    """Of the proportions of categories."""
    counts = [cell_index.dense(pane, cells) for pane in panes]
    total = np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(0, dtype=np.int64)

    def figures(halves: Halves, blocks: int) -> _Block | None:
        live = halves[0] + halves[1]
        rest = total - live
        if not (live.any() and rest.any()):
            return None
        excess = category_deviations.excess(halves, rest, 1 / blocks)
        persistent = category_deviations.persistent(*halves, rest)
        median = float(category_deviations.noise(live, rest, 0.5).max())
        noise, expected = max(persistent - excess, 0.0), PERSISTENT_SQUARE_RATIO * median**2
        return _Block(int(live.sum()), persistent, noise, expected)

    return _learned(counts, np.zeros_like(total), lengths, figures)


def learn_proportions(panes: Sequence[Proportion], lengths: Sequence[int]) -> NaturalVariation:
    """Of a single proportion."""
    counts = [np.array([pane.count, pane.rows], dtype=np.int64) for pane in panes]
    total = np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(2, dtype=np.int64)

    def figures(halves: Halves, blocks: int) -> _Block | None:
        first, second = (Proportion(*half.tolist()) for half in halves)
        live, rest = first + second, Proportion(*(total - halves[0] - halves[1]).tolist())
        if not (live.rows and rest.rows):
            return None
        persistent = abs(proportions.persistent(first, second, rest))
        factor = PERSISTENT_SQUARE_OF_NORMAL if first.rows else 1.0
        expected = rest.value * (1 - rest.value) * (factor / live.rows + 1 / rest.rows)
        return _Block(live.rows, persistent, proportions.noise(live, rest, 1 / blocks), expected)

    return _learned(counts, np.zeros(2, dtype=np.int64), lengths, figures)


def _learned(
    counts: Sequence[Ints], zero: Ints, lengths: Sequence[int], figures: Figures
) -> NaturalVariation:
    running = np.cumsum([zero, *counts], axis=0)
    learned = []
    for length in learnable(lengths, len(counts)):
        starts = block_starts(length, len(counts))
        halves = [_running_halves(running, start, length) for start in starts]
        blocks = [block for each in halves if (block := figures(each, len(halves))) is not None]
        if blocks:
            rows, persistent, noise, expected = map(np.array, zip(*blocks, strict=True))
            learned.append(Blocks.of(length, rows, persistent, noise, expected, PROPORTION_FACTORS))
    return NaturalVariation.of(learned, PROPORTION_FACTORS)


def _running_halves(running: Ints, start: int, length: int) -> Halves:
    middle, end = start + length // 2, start + length
    return running[middle] - running[start], running[end] - running[middle]
