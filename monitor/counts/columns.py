"""Predictions as columns, and the reference of each feature that counts its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample
from monitor.counts.category_text import category_index, category_of, text_hashes
from monitor.counts.counts import Counts, tally
from monitor.counts.summary import SCORE_BINS, Quality, shortened
from monitor.counts.values import (
    VALID,
    Coded,
    Column,
    Numbers,
    Read,
    as_coded,
    as_numbers,
    taken,
    taken_values,
)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Rows of one model version."""

    ids: Sequence[str]
    time_ms: NDArray[np.int64]  # shape (n,)
    score: NDArray[np.float64]  # shape (n,), and ``predicted``: see ``monitor.counts.task``
    predicted: NDArray[np.int64]  # shape (n,)
    features: Mapping[str, Column]
    classes: Coded | None = None  # the predictions, if they are names of classes

    def __len__(self) -> int:
        return self.time_ms.size

    def between(self, start: int, stop: int | None) -> Predictions:
        """The rows at ``[start, stop)``."""
        rows = slice(start, stop)
        return Predictions(
            self.ids[rows],
            self.time_ms[rows],
            self.score[rows],
            self.predicted[rows],
            {name: values[rows] for name, values in self.features.items()},
            taken(self.classes, np.arange(len(self))[rows]),
        )

    def take(self, rows: NDArray[np.int64]) -> Predictions:
        """The rows at some positions."""
        return Predictions(
            [self.ids[i] for i in rows.tolist()],
            self.time_ms[rows],
            self.score[rows],
            self.predicted[rows],
            {name: taken_values(values, rows) for name, values in self.features.items()},
            taken(self.classes, rows),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Numeric:
    """The reference of a numeric feature, of the score or of the error."""

    sample: Sample
    low: float  # of all finite values of the reference
    high: float

    @property
    def is_flag(self) -> bool:
        """Whether the reference holds nothing but 0 and 1."""
        values = self.sample.values
        return values.size <= 2 and {self.low, self.high, *values.tolist()} <= {0.0, 1.0}

    def read(self, values: Column | Read) -> Numbers:
        """The number and the quality of each value. A flag may come as a boolean."""
        read = as_numbers(values).with_booleans(as_numbers=self.is_flag)
        outside = np.flatnonzero((read.number < self.low) | (read.number > self.high))
        if not outside.size:
            return read
        quality = read.quality.copy()
        quality[outside[np.isfinite(read.number[outside])]] = Quality.OUT_OF_RANGE
        return Numbers(read.number, quality)

    def tally(self, values: Column | Read, group: NDArray[np.int64], groups: int) -> FeatureTally:
        read = self.read(values)
        counted, of_counted = read.number, group
        if np.isnan(counted).any():
            present = np.flatnonzero(~np.isnan(counted))
            counted, of_counted = counted[present], group[present]
        bins = tally(of_counted, self.sample.locate(counted), groups, self.sample.bins)
        quality = _quality_counts(read.quality, group, groups)
        return FeatureTally(bins, quality, [{}] * groups, [Counts.empty()] * groups)


@dataclass(frozen=True, slots=True, eq=False)
class Categorical:
    """The reference of a categorical feature: its categories, most frequent first."""

    categories: tuple[str, ...]
    counts: NDArray[np.int64]  # shape (len(categories) + 1,): the last is all rarer ones together
    rarer: NDArray[np.uint32] = field(
        default_factory=lambda: np.empty(0, np.uint32)
    )  # their hashes

    def read(self, values: Column | Read) -> Coded:
        """The distinct values, and which of them each row has."""
        return as_coded(values)

    def tally(self, values: Column | Read, group: NDArray[np.int64], groups: int) -> FeatureTally:
        read = self.read(values)
        texts = [category_of(value) for value in read.values]
        cell, unseen = self._cells(texts)
        pairs = zip(read.values, texts, strict=True)
        quality = np.array([_category_quality(value, text) for value, text in pairs], np.int64)
        cells, rows_unseen = cell[read.code], unseen[read.code]
        counted = np.flatnonzero(cells >= 0)
        return FeatureTally(
            tally(group[counted], cells[counted], groups, len(self.categories) + 1),
            _quality_counts(quality[read.code], group, groups),
            _unseen(read, texts, rows_unseen, group, groups),
            self._seen_rarely(group[(cells == len(self.categories)) & ~rows_unseen], groups),
        )

    def _cells(self, texts: Sequence[str | None]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The cell of each text, -1 for None, and whether the reference does not have it."""
        index, last = category_index(self.categories), len(self.categories)
        found = [-1 if text is None else index.position(text) for text in texts]
        cell = np.array([last if i is None else i for i in found], dtype=np.int64)
        unseen = cell == last
        if self.rarer.size and unseen.any():
            at = np.flatnonzero(unseen)
            unseen[at] = ~np.isin(text_hashes([str(texts[i]) for i in at.tolist()]), self.rarer)
        return cell, unseen

    def _seen_rarely(self, group: NDArray[np.int64], groups: int) -> list[Counts]:
        if not self.rarer.size:
            return [Counts.empty()] * groups
        return tally(group, np.zeros(group.size, dtype=np.int64), groups, 1)


Reference = Numeric | Categorical


@dataclass(frozen=True, slots=True)
class FeatureTally:
    """Counts of one feature, one element for each group of rows."""

    values: list[Counts]
    quality: list[Counts]
    unseen: list[dict[str, int]]
    rarer: list[Counts]  # cell 0: rows of a category that the reference has, but does not list

    @classmethod
    def of_bins(cls, bins: list[Counts]) -> FeatureTally:
        """Of values that are all valid."""
        none = [Counts.empty()] * len(bins)
        return cls(bins, none, [{}] * len(bins), none)


def numeric_reference(values: Column, size: int, rng: np.random.Generator) -> Numeric:
    """Define the bins by a random sample of ``size`` numbers (all, if there are fewer).

    Raises ``ValueError`` if no sampled number is finite.
    """
    read = as_numbers(values)
    number = read.with_booleans(as_numbers=False).number
    number = number[~np.isnan(number)]
    drawn = number if number.size <= size else rng.choice(number, size, replace=False)
    if not np.isfinite(drawn).any():
        raise ValueError("no finite number among its values")
    finite = number[np.isfinite(number)]
    return Numeric(Sample.of(drawn), float(finite.min()), float(finite.max()))


def categorical_reference(values: Column, most: int = 1_000) -> Categorical:
    """The ``most`` most frequent categories. Raises ``ValueError`` if every value is missing."""
    occurrences = Counter(text for text in map(category_of, values) if text is not None)
    if not occurrences:
        raise ValueError("every value is missing")
    ranked = sorted(occurrences.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ranked[:most]
    rest = sum(count for _, count in ranked[most:])
    counts = np.array([count for _, count in listed] + [rest], dtype=np.int64)
    rarer = np.unique(text_hashes([text for text, _ in ranked[most:]]))
    return Categorical(tuple(text for text, _ in listed), counts, rarer)


def score_bin(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each score, from 0 to ``SCORE_BINS - 1``, shape (n,).

    What is no score, of a damaged message, counts as the nearest one.
    """
    within = np.fmin(np.fmax(score, 0.0), 1.0)
    return np.minimum((within * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)


def numbers(values: Column) -> NDArray[np.float64]:
    """Shape (n,): NaN where a value is missing or not a number."""
    return as_numbers(values).with_booleans(as_numbers=False).number


def _category_quality(value: Any, text: str | None) -> int:
    if text is not None:
        return VALID
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    return Quality.MISSING if missing else Quality.WRONG_TYPE


def _unseen(
    read: Coded,
    texts: Sequence[str | None],
    unseen: NDArray[np.bool_],
    group: NDArray[np.int64],
    groups: int,
) -> list[dict[str, int]]:
    """By group: the occurrences of each category that the reference does not have."""
    rows = np.flatnonzero(unseen)
    found: list[dict[str, int]] = [{} for _ in range(groups)]
    if not rows.size:
        return found
    for into, counts in zip(
        found, tally(group[rows], read.code[rows], groups, len(texts)), strict=True
    ):
        for code, count in zip(counts.index.tolist(), counts.count.tolist(), strict=True):
            name = shortened(str(texts[code]))
            into[name] = into.get(name, 0) + count
    return found


def _quality_counts(
    quality: NDArray[np.int8] | NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> list[Counts]:
    affected = np.flatnonzero(quality >= 0)
    if not affected.size:
        return [Counts.empty()] * groups
    return tally(group[affected], quality[affected].astype(np.int64), groups, len(Quality))
