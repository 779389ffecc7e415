"""Differences and standard deviations of any finite doubles, without overflow and underflow.

A difference of two doubles can be twice as large as the largest double, and the square of a double
can overflow or vanish. Here a difference is a mantissa in [0.5, 1) (0 for equal values) and a power
of 2 (``numpy.frexp``). Values that are shifted and divided by their range lie in [0, 1] and have a
standard deviation of at least ``1 / sqrt(2 n)``, because both ends are among the ``n`` values. So
nothing is lost by squaring them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAFELY_SQUARED = 1e-150  # the square of a smaller number may be subnormal and thus inexact
LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """The numbers ``mantissa * 2 ** exponent``, which may be larger than the largest double."""

    mantissa: Floats
    exponent: NDArray[np.int32]

    @classmethod
    def of(cls, upper: Floats, lower: Floats | float) -> Differences:
        """``upper - lower``, correctly rounded; both finite."""
        with np.errstate(over="ignore"):
            whole = upper - lower
        is_huge = np.isinf(whole)  # then both are huge, and their halves are exact
        mantissa, exponent = np.frexp(np.where(is_huge, upper / 2 - lower / 2, whole))
        return cls(mantissa, (exponent + is_huge).astype(np.int32))

    def over(self, divisor: Differences, factor: Floats | float = 1.0) -> Floats:
        """``self / divisor * factor``; infinite if that is too large for a double."""
        with np.errstate(over="ignore"):
            mantissa = self.mantissa / divisor.mantissa * factor
            return np.asarray(np.ldexp(mantissa, self.exponent - divisor.exponent))


def value_range(values: Floats) -> Differences:
    """The largest minus the smallest value, of shape ()."""
    return Differences.of(values.max(), float(values.min()))


def relative_deviation(values: Floats, weights: Ints | None = None) -> float:
    """The standard deviation over the range of finite ``values``, at least two of them distinct."""
    unit = Differences.of(values, float(values.min())).over(value_range(values))
    mean = np.average(unit, weights=weights)
    return float(np.sqrt(np.average(np.square(unit - mean), weights=weights)))


def standard_deviation(values: Floats) -> float:
    """That of finite ``values``, shape (n,); 0 if there are none.

    It equals ``values.std()`` wherever that neither overflows nor vanishes.
    """
    if not values.size:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        plain = float(values.std())
    if values.min() == values.max():
        return plain if np.isfinite(plain) else 0.0
    if SAFELY_SQUARED < plain < np.inf:
        return plain
    spread = value_range(values)
    with np.errstate(over="ignore"):  # rounding alone can exceed the largest double
        scaled = np.ldexp(spread.mantissa * relative_deviation(values), spread.exponent)
    return min(float(scaled), LARGEST)
