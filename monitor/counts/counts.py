"""Sparse integer counts over numbered cells, of which every summary consists.

A bin of a feature, a category, an outcome, a score bin with its label: each is a cell with a number
and an integer count. Addition is associative, commutative and exact. A negative count cancels an
earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """The number of occurrences of each cell. Cells with a count of 0 are not stored."""

    index: NDArray[np.int64]  # shape (k,), strictly increasing, all >= 0
    count: NDArray[np.int64]  # shape (k,), none 0

    @classmethod
    def of(cls, index: ArrayLike, count: ArrayLike | None = None) -> Counts:
        """From cells in any order, possibly repeated; ``count`` is that of each, 1 by default."""
        cells = np.asarray(index, dtype=np.int64).ravel()
        if count is None and cells.size and 4 * cells.size > int(cells.max()):
            return cls.of_dense(np.bincount(cells))
        if count is None:
            unique, counted = np.unique(cells, return_counts=True)
            return cls(unique, counted.astype(np.int64))
        weights = np.asarray(count, dtype=np.int64).ravel()
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        first = np.flatnonzero(np.diff(cells, prepend=-1))
        summed = np.add.reduceat(weights[order], first) if first.size else weights
        nonzero = summed != 0
        return cls(cells[first][nonzero], summed[nonzero])

    @classmethod
    def of_dense(cls, full: NDArray[np.int64]) -> Counts:
        """From the counts of all cells, shape (cells,)."""
        nonzero = np.flatnonzero(full != 0)  # much faster on booleans than on integers
        return cls(nonzero, full[nonzero])

    @classmethod
    def empty(cls) -> Counts:
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    @classmethod
    def total(cls, many: Iterable[Counts]) -> Counts:
        """The sum of any number of counts; empty for none."""
        parts = [part for part in many if part]
        if len(parts) < 2:
            return parts[0] if parts else cls.empty()
        width = _width(parts)
        if _is_dense(parts, width):
            full = np.zeros(width, dtype=np.int64)
            for part in parts:
                full[part.index] += part.count
            return cls.of_dense(full)
        return cls.of(
            np.concatenate([part.index for part in parts]),
            np.concatenate([part.count for part in parts]),
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts.total((self, other))

    def __neg__(self) -> Counts:
        return Counts(self.index, -self.count)

    def __sub__(self, other: Counts) -> Counts:
        return self + -other

    def __bool__(self) -> bool:
        """Whether any cell has a count other than 0."""
        return self.index.size > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return np.array_equal(self.index, other.index) and np.array_equal(self.count, other.count)

    def __hash__(self) -> int:
        return hash((self.index.tobytes(), self.count.tobytes()))

    @property
    def size(self) -> int:
        """The sum over all cells."""
        return int(self.count.sum())

    def dense(self, cells: int) -> NDArray[np.int64]:
        """The counts of all cells, shape (cells,). Raises ``IndexError`` for a cell beyond."""
        full = np.zeros(cells, dtype=np.int64)
        full[self.index] = self.count
        return full

    def at(self, cell: int) -> int:
        position = int(np.searchsorted(self.index, cell))
        stored = position < self.index.size and self.index[position] == cell
        return int(self.count[position]) if stored else 0

    def many(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """The counts of ``cells``, in the same shape."""
        if not self:
            return np.zeros(cells.shape, dtype=np.int64)
        position = np.minimum(np.searchsorted(self.index, cells), self.index.size - 1)
        return np.where(self.index[position] == cells, self.count[position], 0)


Cells = Mapping[str, Counts]  # by the name of the summary: "bins/temp", "outcomes", ...


def aligned(many: Sequence[Counts]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The cells stored in any of ``many``, shape (k,), and the counts there of each of ``many``."""
    if len(many) == 1:
        return many[0].index, [many[0].count]
    width = _width(many)
    if _is_dense(many, width):
        full = [c.dense(width) for c in many]
        cells = np.flatnonzero(np.any([f != 0 for f in full], axis=0))
        return cells, [f[cells] for f in full]
    cells = _merged([c.index for c in many])
    counts = [np.zeros(cells.size, dtype=np.int64) for _ in many]
    for into, c in zip(counts, many, strict=True):
        into[np.searchsorted(cells, c.index)] = c.count
    return cells, counts


def _width(many: Sequence[Counts]) -> int:
    return max((int(c.index[-1]) + 1 for c in many if c), default=0)


def _is_dense(many: Sequence[Counts], width: int) -> bool:
    """Whether a pass over all cells is cheaper than merging the stored ones."""
    return 4 * sum(c.index.size for c in many) > width


def _merged(runs: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The distinct cells of sorted runs; a stable sort merges these in one pass."""
    cells = np.sort(np.concatenate(runs), kind="stable")
    fresh: NDArray[np.bool_] = np.diff(cells, prepend=-1) != 0
    return cells[fresh]


def add_cells(many: Iterable[Cells]) -> dict[str, Counts]:
    """The sum of several sets of cells, name by name."""
    gathered: dict[str, list[Counts]] = {}
    for cells in many:
        for name, counts in cells.items():
            gathered.setdefault(name, []).append(counts)
    return {name: Counts.total(parts) for name, parts in gathered.items()}


def tally(
    group: NDArray[np.int64], cell: NDArray[np.int64], groups: int, cells: int
) -> list[Counts]:
    """Counts of ``cell`` for each of ``groups`` groups; both arrays have shape (n,)."""
    key = group * cells + cell
    if 4 * key.size > groups * cells:
        full = np.bincount(key, minlength=groups * cells).reshape(groups, cells)
        return [Counts.of_dense(counts) for counts in full]
    key, count = np.unique(key, return_counts=True)
    cuts = np.searchsorted(key, np.arange(groups + 1, dtype=np.int64) * cells)
    return [
        Counts(key[a:b] - g * cells, count[a:b].astype(np.int64))
        for g, (a, b) in enumerate(pairwise(cuts))
    ]
