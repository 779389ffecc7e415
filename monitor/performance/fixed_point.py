"""Sums of real numbers as integer counts: exact, and the same in whatever order rows are added.

A number is rounded to a whole number of *units* of ``scale / 2**26``, with ``scale`` a power of two
from the reference. What lies beyond 1,024 scales is clipped. Squares have up to 72 bits, so a sum
takes two cells of 64 bits: cell ``2 i`` holds the high parts of sum ``i``, cell ``2 i + 1`` the low
36 bits of each term. Neither overflows below 134 million rows that are all clipped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counts import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNITS = 26  # units per scale, as a power of two
BITS = 36  # of a clipped number, and of the low part of a term
LIMIT = 2**BITS - 1  # units
_HALF = BITS // 2


class Fixed(NamedTuple):
    """Numbers in units, shape (n,), and whether each was clipped."""

    units: Ints
    clipped: NDArray[np.bool_]


def power_of_two(value: float) -> float:
    """The smallest power of two that is at least ``value``; 1 for 0."""
    return float(2.0 ** np.ceil(np.log2(value))) if value > 0 else 1.0


def fixed(values: Floats, scale: float) -> Fixed:
    with np.errstate(over="ignore"):
        exact = values / scale * 2.0**UNITS
    return Fixed(
        np.rint(np.clip(exact, -LIMIT, LIMIT)).astype(np.int64), np.asarray(np.abs(exact) > LIMIT)
    )


def plain(units: Ints) -> Ints:
    """The parts of terms that fit into the low cell, shape (n, 2)."""
    return np.stack([np.zeros_like(units), units], axis=1)


def squares(units: Ints) -> Ints:
    """The parts of the squares of clipped numbers, shape (n, 2): high and low."""
    high, low = np.divmod(np.abs(units), 2**_HALF)
    rest = 2 * high * low * 2**_HALF + low * low
    return np.stack([high * high + (rest >> BITS), rest & LIMIT], axis=1)


def exact_total(counts: Counts, i: int) -> int:
    """Sum ``i`` in units, to the last unit."""
    high, low = counts.at(2 * i), counts.at(2 * i + 1)
    return int(high * (LIMIT + 1) + low)


def totals(cells: Ints) -> Floats:
    """The sums of cells, shape (..., 2 m) -> (..., m), in units."""
    pairs = cells.reshape(*cells.shape[:-1], cells.shape[-1] // 2, 2).astype(np.float64)
    return np.asarray(pairs[..., 0] * 2.0**BITS + pairs[..., 1])
