"""Integer counts over numbered cells, sparse: the one algebra that every summary is made of.

A bin of a feature, a category, an outcome, a score bin with its label: each is a cell with a
number, and what was seen there is an integer. Adding is associative and commutative, and exact; a
negative count takes back what an earlier one said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often each cell was met. Cells that were not met are not stored."""

    index: NDArray[np.int64]  # shape (k,), strictly increasing, all >= 0
    count: NDArray[np.int64]  # shape (k,), none 0

    @classmethod
    def of(cls, index: ArrayLike, count: ArrayLike | None = None) -> Counts:
        """Cells in any order, repeated at will; each weighs 1 unless ``count`` says otherwise."""
        cells = np.asarray(index, dtype=np.int64).ravel()
        if count is None:
            unique, counted = np.unique(cells, return_counts=True)
            return cls(unique, counted.astype(np.int64))
        weights = np.asarray(count, dtype=np.int64).ravel()
        unique, inverse = np.unique(cells, return_inverse=True)
        summed = np.zeros(unique.size, dtype=np.int64)
        np.add.at(summed, inverse, weights)
        kept = summed != 0
        return cls(unique[kept], summed[kept])

    @classmethod
    def empty(cls) -> Counts:
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    @classmethod
    def total(cls, many: Iterable[Counts]) -> Counts:
        """The sum of any number of counts; of none, the empty one."""
        parts = [part for part in many if part]
        if len(parts) < 2:
            return parts[0] if parts else cls.empty()
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
        """Whether any cell was met."""
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
        """All ``cells`` counts, shape (cells,). Raises ``IndexError`` if a cell lies beyond."""
        full = np.zeros(cells, dtype=np.int64)
        full[self.index] = self.count
        return full

    def at(self, cell: int) -> int:
        position = int(np.searchsorted(self.index, cell))
        met = position < self.index.size and self.index[position] == cell
        return int(self.count[position]) if met else 0


Cells = Mapping[str, Counts]  # by the name of the summary: "bins/temp", "outcomes", ...


def add_cells(many: Iterable[Cells]) -> dict[str, Counts]:
    """The sum of whole sets of summaries, name by name."""
    gathered: dict[str, list[Counts]] = {}
    for cells in many:
        for name, counts in cells.items():
            gathered.setdefault(name, []).append(counts)
    return {name: Counts.total(parts) for name, parts in gathered.items()}


def tally(
    group: NDArray[np.int64], cell: NDArray[np.int64], groups: int, cells: int
) -> list[Counts]:
    """Counts of ``cell`` for each of ``groups`` groups; both arrays have shape (n,)."""
    key, count = np.unique(group * cells + cell, return_counts=True)
    cuts = np.searchsorted(key, np.arange(groups + 1, dtype=np.int64) * cells)
    return [
        Counts(key[a:b] - g * cells, count[a:b].astype(np.int64))
        for g, (a, b) in enumerate(pairwise(cuts))
    ]
