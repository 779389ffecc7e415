"""32-bit floats as the doubles that their shortest digits spell: 0.1 is 0.1, and not 0.10000000149.

So a feature is the same number, whether it was stored with 32 bits, with 64, or as a text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EXACT_POWERS = 22  # 10 to the power of this is exact as a double
_MAX_DIGITS = 9  # that a 32-bit float needs


def shortest_doubles(short: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shape (n,), of 16- or 32-bit floats: ``float(str(x))`` of each ``x``, in columns.

    Whole numbers are themselves.
    """
    with np.errstate(invalid="ignore"):  # a NaN that signals
        long = short.astype(np.float64)
        whole = long == np.rint(long)
    open_ = np.flatnonzero(np.isfinite(long) & ~whole)
    exponent = np.floor(np.log10(np.abs(long[open_]))).astype(np.int64)
    for digits in range(1, _MAX_DIGITS + 1):
        decimals = digits - 1 - exponent
        usable = np.flatnonzero((decimals >= 0) & (decimals <= _EXACT_POWERS))
        at, power = open_[usable], 10.0 ** decimals[usable]
        # A whole number over an exact power of ten, rounded once: the double of these digits.
        candidate = np.rint(short[at].astype(np.float64) * power) / power
        same = candidate.astype(short.dtype) == short[at]
        long[at[same]] = candidate[same]
        left = np.ones(open_.size, dtype=bool)
        left[usable[same]] = False
        open_, exponent = open_[left], exponent[left]
    for i in open_.tolist():
        long[i] = float(str(short[i]))
    return long


def shortest_double(short: float) -> float:
    """The same of one 32-bit float, which is given as the double that it is exactly."""
    return short if short.is_integer() else float(str(np.float32(short)))
