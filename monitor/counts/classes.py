"""Names of classes as numbers, so that labels are numbers for every task.

A class that is a number has that number. Any other has a number between 2**1000 and 2**1001 that is
a hash of its name: the same everywhere, without a list of classes. All spellings of a number or a
boolean have one number (``monitor.counts.category_text``). Two names share a hash with a
probability of 2**-52, so that among 1,000 classes none are expected to in any lifetime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.category_text import OTHER_NAMES, category_of, spelled_plainly

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BITS = 52  # of a hash: those of the fraction of a double
_EXPONENT = 1_000
LARGEST = ldexp(1.0, _EXPONENT)  # of a class that is a number
_UNSEEN_BITS = 48  # of a hash in an index


def class_numbers(values: Sequence[Any]) -> Floats:
    """The number of each class, shape (n,); NaN for what names none, such as None."""
    return np.array([class_number(value) for value in values], dtype=np.float64)


def class_number(value: Any) -> float:
    """NaN for what names no class."""
    text = category_of(value)
    return float("nan") if text is None else _number_of(spelled_plainly(text))


@lru_cache(maxsize=10_000)
def _number_of(plain: str) -> float:
    try:
        number = float(plain)
    except ValueError:
        return _hashed(plain)
    same = abs(number) < LARGEST and spelled_plainly(str(category_of(number))) == plain
    return number if same else _hashed(plain)


def _hashed(plain: str) -> float:
    digest = blake2b(plain.encode(errors="surrogatepass"), digest_size=8).digest()
    fraction = int.from_bytes(digest, "little") % 2**_BITS
    return ldexp(2**_BITS + fraction, _EXPONENT - _BITS)


@dataclass(frozen=True, slots=True, eq=False)
class ClassIndex:
    """Finds the positions of numbers of classes in a list of ``size`` classes."""

    size: int
    numbers: Floats  # ascending
    at: Ints

    def positions(self, numbers: Floats) -> Ints:
        """Those of classes that are not listed are at least ``size``, and the same for the same."""
        unseen = self.size + (numbers.view(np.uint64) * _ODD >> _SHIFT).astype(np.int64)
        if not self.size:
            return unseen
        near = np.minimum(np.searchsorted(self.numbers, numbers), self.numbers.size - 1)
        return np.where(self.numbers[near] == numbers, self.at[near], unseen)


_ODD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - _UNSEEN_BITS)


@lru_cache(maxsize=1_000)
def class_index(classes: tuple[str, ...]) -> ClassIndex:
    """As that of categories: if all are booleans, 1 and 0 mean these, and the other way round."""
    names = {spelled_plainly(text): i for i, text in reversed(list(enumerate(classes)))}
    if names.keys() <= {"true", "false"} or names.keys() <= {"1", "0"}:
        names |= {OTHER_NAMES[text]: i for text, i in names.items()}
    numbers = class_numbers(list(names))
    order = np.argsort(numbers)
    return ClassIndex(len(classes), numbers[order], np.array(list(names.values()))[order])
