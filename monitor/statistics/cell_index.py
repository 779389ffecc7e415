"""One index space for the cells of all features of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counts import Cells, Counts

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CellIndex:
    """The position of each feature's cells, one feature after the other::

        bins/temp           bins/wind           score
        0 ... 2 d0 | 2 d0 + 1 ...         | ...

    A window of a whole model is then a single ``Counts``.
    """

    offsets: Mapping[str, tuple[int, int]]  # first cell, and one past the last

    @classmethod
    def of(cls, widths: Mapping[str, int]) -> CellIndex:
        """From the number of cells of each name."""
        ends = np.cumsum(list(widths.values()), dtype=np.int64).tolist()
        spans = zip(widths, [0, *ends[:-1]], ends, strict=True)
        return cls({name: (start, end) for name, start, end in spans})

    def gather(self, cells: Cells) -> Counts:
        """The counts of these names as a single ``Counts``; other names are ignored."""
        parts = [
            (cells[name], start) for name, (start, _) in self.offsets.items() if cells.get(name)
        ]
        if not parts:
            return Counts.empty()
        return Counts(
            np.concatenate([counts.index + start for counts, start in parts]),
            np.concatenate([counts.count for counts, _ in parts]),
        )

    def dense(self, counts: Counts, name: str) -> Ints:
        """All cells of one name, shape (cells,)."""
        start, end = self.offsets[name]
        a, b = np.searchsorted(counts.index, (start, end))
        full = np.zeros(end - start, dtype=np.int64)
        full[counts.index[a:b] - start] = counts.count[a:b]
        return full
