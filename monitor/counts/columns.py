"""Predictions as columns, and the reference of each feature that counts its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample
from monitor.counts.counts import Counts, tally
from monitor.counts.summary import SCORE_BINS, Quality, shortened

Column = Sequence[Any] | NDArray[Any]  # raw values as received: None is missing


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Rows of one model version."""

    ids: Sequence[str]
    time_ms: NDArray[np.int64]  # shape (n,)
    score: NDArray[np.float64]  # shape (n,), P(positive)
    predicted: NDArray[np.int64]  # shape (n,), 0 or 1
    features: Mapping[str, Column]

    def __len__(self) -> int:
        return self.time_ms.size


@dataclass(frozen=True, slots=True, eq=False)
class Numeric:
    """The reference of a numeric feature, of the score or of the error."""

    sample: Sample
    low: float  # of all finite values of the reference
    high: float

    def tally(self, values: Column, group: NDArray[np.int64], groups: int) -> FeatureTally:
        number, quality = _as_numbers(values)
        counted = ~np.isnan(number)
        bins = tally(group[counted], self.sample.locate(number[counted]), groups, self.sample.bins)
        outside = counted & ((number < self.low) | (number > self.high)) & np.isfinite(number)
        quality = np.where(outside, Quality.OUT_OF_RANGE, quality)
        return FeatureTally(bins, _quality_counts(quality, group, groups), [{}] * groups)


@dataclass(frozen=True, slots=True, eq=False)
class Categorical:
    """The reference of a categorical feature: its categories, most frequent first."""

    categories: tuple[str, ...]
    counts: NDArray[np.int64]  # shape (len(categories) + 1,): the last is all rarer ones together

    def tally(self, values: Column, group: NDArray[np.int64], groups: int) -> FeatureTally:
        cell_of = {text: i for i, text in enumerate(self.categories)}
        last, texts = len(cell_of), [_as_category(value) for value in values]
        cell = np.array([cell_of.get(t, last) if t is not None else -1 for t in texts], np.int64)
        counted = cell >= 0
        unseen: list[dict[str, int]] = [{} for _ in range(groups)]
        for position in np.flatnonzero(cell == last):
            into = unseen[group[position]]
            name = shortened(str(texts[position]))
            into[name] = into.get(name, 0) + 1
        pairs = zip(values, texts, strict=True)
        quality = np.array([_category_quality(value, text) for value, text in pairs], np.int64)
        counts = tally(group[counted], cell[counted], groups, last + 1)
        return FeatureTally(counts, _quality_counts(quality, group, groups), unseen)


Reference = Numeric | Categorical


@dataclass(frozen=True, slots=True)
class FeatureTally:
    """Counts of one feature, one element for each group of rows."""

    values: list[Counts]
    quality: list[Counts]
    unseen: list[dict[str, int]]


def numeric_reference(values: Column, size: int, rng: np.random.Generator) -> Numeric:
    """Define the bins by a random sample of ``size`` numbers (all, if there are fewer).

    Raises ``ValueError`` if no sampled number is finite.
    """
    number, _ = _as_numbers(values)
    number = number[~np.isnan(number)]
    drawn = number if number.size <= size else rng.choice(number, size, replace=False)
    if not np.isfinite(drawn).any():
        raise ValueError("no finite number among its values")
    finite = number[np.isfinite(number)]
    return Numeric(Sample.of(drawn), float(finite.min()), float(finite.max()))


def categorical_reference(values: Column, most: int = 1_000) -> Categorical:
    """The ``most`` most frequent categories. Raises ``ValueError`` if every value is missing."""
    occurrences = Counter(text for text in map(_as_category, values) if text is not None)
    if not occurrences:
        raise ValueError("every value is missing")
    ranked = sorted(occurrences.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ranked[:most]
    rest = sum(count for _, count in ranked[most:])
    counts = np.array([count for _, count in listed] + [rest], dtype=np.int64)
    return Categorical(tuple(text for text, _ in listed), counts)


def score_bin(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each score, from 0 to ``SCORE_BINS - 1``, shape (n,)."""
    return np.minimum((score * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)


def numbers(values: Column) -> NDArray[np.float64]:
    """Shape (n,): NaN where a value is missing or not a number."""
    return _as_numbers(values)[0]


_VALID = -1  # a value without any of the kinds of ``Quality``
_PLAIN_TYPES = frozenset({float, int, type(None)})


def _as_numbers(values: Column) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The number of each row, NaN if there is none, and its ``Quality``."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        number = values.astype(np.float64)
    elif _PLAIN_TYPES.issuperset(map(type, values)):
        number = _converted(values)
    else:
        return _one_by_one(values)
    quality = np.full(number.size, _VALID, dtype=np.int64)
    quality[np.isnan(number)] = Quality.MISSING
    quality[np.isinf(number)] = Quality.NOT_FINITE
    return number, quality


def _converted(values: Column) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond the range of a double
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: float | int | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf if value and value > 0 else -np.inf


def _one_by_one(values: Column) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    numeric = [
        isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
        for value in values
    ]
    number, quality = _as_numbers(
        np.array([_number(v) if ok else np.nan for v, ok in zip(values, numeric, strict=True)])
    )
    wrong = [not ok and value is not None for value, ok in zip(values, numeric, strict=True)]
    quality[np.array(wrong, dtype=bool)] = Quality.WRONG_TYPE
    return number, quality


def _as_category(value: Any) -> str | None:
    """Texts, booleans and whole numbers name a category; other values have none."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return None


def _category_quality(value: Any, text: str | None) -> int:
    if text is not None:
        return _VALID
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    return Quality.MISSING if missing else Quality.WRONG_TYPE


def _quality_counts(
    quality: NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> list[Counts]:
    affected = quality >= 0
    return tally(group[affected], quality[affected], groups, len(Quality))
