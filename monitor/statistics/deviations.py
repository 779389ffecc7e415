"""How far the distributions of a window lie from those of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Deviations:
    """Deviations of ``f`` features in one window, or in each of ``w`` windows.

    All arrays have shape (f,) or (w, f), except those of ranks, which have shape (2, f) or
    (2, w, f): the mean scores of Wilcoxon's and of Mood's test. The persistent ones count only what
    both halves of the window have, with the same sign.
    """

    rows: Ints  # values that fell into bins
    above: Floats  # largest positive deviation of the ECDF (D+), in [0, 1]
    under: Floats  # largest negative deviation of the ECDF (-D-), in [-1, 0]
    persistent_above: Floats
    persistent_under: Floats
    ranks: Floats
    persistent_ranks: Floats
    squares: Floats  # shape of ranks: mean squares of the rows' scores

    @classmethod
    def zero(cls, rows: Ints) -> Deviations:
        """Of windows equal to the reference."""
        none, two = np.zeros(rows.shape), np.zeros((2, *rows.shape))
        return cls(rows, none, none, none, none, two, two, two)

    def at(self, window: int) -> Deviations:
        """Those of one of several windows."""
        return Deviations(*(getattr(self, name)[..., window, :] for name in self.__slots__))

    @property
    def ks(self) -> Floats:
        return np.maximum(self.above, -self.under)

    @property
    def kuiper(self) -> Floats:
        return self.above - self.under

    @property
    def persistent_ks(self) -> Floats:
        return np.maximum(self.persistent_above, -self.persistent_under)

    @property
    def persistent_kuiper(self) -> Floats:
        return self.persistent_above - self.persistent_under
