"""The segments of a model version: which there are, and which of them each row is in.

Rows of segments are counted like those of the whole, each segment with bins of its own. Beside
that, the whole counts how many rows, and rows of each outcome, each segment has. That is what an
incident of the whole is explained by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from monitor.counts.category_text import category_index, category_of
from monitor.counts.columns import Categorical, Reference
from monitor.counts.segmentation import OTHER, Dimension, Segmentation
from monitor.counts.values import Column, Read, as_coded, as_numbers, missing
from monitor.identity import segment_pairs, segment_text

MIN_ROWS = 100  # of a segment in the reference; others have none of their own

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SegmentIndex:
    """The segments of one segmentation; the segment ``texts[i]`` has the code ``i + 1``.

    Rows of no segment have the code 0: the rest, if it is too small in the reference to be one.
    """

    segmentation: Segmentation
    texts: tuple[str, ...]

    def codes(self, features: Mapping[str, Column | Read], rows: int) -> Ints:
        """The code of each row, shape (rows,)."""
        number = np.zeros(rows, dtype=np.int64)
        for dimension, names in zip(self.segmentation.dimensions, self._names, strict=True):
            values = features.get(dimension.feature, missing(rows))
            number = number * (len(names) + 1) + _positions(dimension, names, values)
        return self._code_of[number]

    def groups(self, codes: Ints) -> Iterator[tuple[str, Ints]]:
        """The segments that occur, each with the positions of its rows, ascending."""
        order = np.argsort(codes, kind="stable")
        cuts = np.searchsorted(codes[order], np.arange(1, len(self.texts) + 2))
        for i, text in enumerate(self.texts):
            if cuts[i] < cuts[i + 1]:
                yield text, order[cuts[i] : cuts[i + 1]]

    @cached_property
    def _listed(self) -> list[tuple[str, ...]]:
        """The values of each segment, without ``other``."""
        features, rest = self.segmentation.features, other_text(self.segmentation)
        pairs = [segment_pairs(text) for text in self.texts if text != rest]
        return [tuple(each[name] for name in features) for each in pairs]

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        """The values of each dimension that its segments have."""
        return [tuple(dict.fromkeys(values)) for values in zip(*self._listed, strict=True)] or [
            () for _ in self.segmentation.dimensions
        ]

    @cached_property
    def _code_of(self) -> Ints:
        """The code of each combination of positions in ``_names``, 0 for any other value."""
        rest = len(self.texts) if len(self._listed) < len(self.texts) else 0
        codes = np.full(prod(len(names) + 1 for names in self._names), rest, dtype=np.int64)
        for code, values in enumerate(self._listed, start=1):
            number = 0
            for names, value in zip(self._names, values, strict=True):
                number = number * (len(names) + 1) + names.index(value) + 1
            codes[number] = code
        return codes


def learned_segments(
    segmentation: Segmentation,
    references: Mapping[str, Reference],
    features: Mapping[str, Column],
    rows: int,
    most: int,
) -> SegmentIndex:
    """The ``most`` most frequent segments of a reference, and the rest, as ``other``.

    Each has at least ``MIN_ROWS`` rows. Raises ``ValueError`` if there is none, or if the
    segmentation does not fit the features.
    """
    names = [_all_names(one, references) for one in segmentation.dimensions]
    number = np.zeros(rows, dtype=np.int64)
    for dimension, own in zip(segmentation.dimensions, names, strict=True):
        number = number * (len(own) + 1) + _positions(dimension, own, features[dimension.feature])
    distinct, counts = np.unique(number, return_counts=True)
    frequent = distinct[counts >= MIN_ROWS].tolist()
    sizes = dict(zip(distinct.tolist(), counts.tolist(), strict=True))
    found = {each: _values(each, names) for each in frequent}
    listed = sorted(
        (each for each, values in found.items() if values and OTHER not in values),
        key=lambda each: (-sizes[each], found[each]),
    )[:most]
    texts = [_text(segmentation, found[each]) for each in listed]
    if rows - sum(sizes[each] for each in listed) >= MIN_ROWS:
        texts.append(other_text(segmentation))
    if not listed:
        raise ValueError(
            f"segments: no value of {segmentation} has {MIN_ROWS} rows in the reference: leave it"
            " out, or register more rows"
        )
    return SegmentIndex(segmentation, tuple(texts))


def other_text(segmentation: Segmentation) -> str:
    return segment_text(dict.fromkeys(segmentation.features, OTHER))


def combined(codes: Sequence[Ints], indices: Sequence[SegmentIndex], rows: int) -> Ints:
    """One number for the codes in all segmentations, shape (rows,)."""
    number = np.zeros(rows, dtype=np.int64)
    for code, index in zip(codes, indices, strict=True):
        number = number * (len(index.texts) + 1) + code
    return number


def separated(number: Ints, indices: Sequence[SegmentIndex]) -> list[Ints]:
    """The inverse of ``combined``. A number that is none is of rows in no segment."""
    sizes = [len(index.texts) + 1 for index in indices]
    rest = np.where((number >= 0) & (number < prod(sizes)), number, 0)
    found = []
    for size in reversed(sizes):
        found.append(rest % size)
        rest = rest // size
    return found[::-1]


def _text(segmentation: Segmentation, values: Sequence[str]) -> str:
    return segment_text(dict(zip(segmentation.features, values, strict=True)))


def _all_names(dimension: Dimension, references: Mapping[str, Reference]) -> tuple[str, ...]:
    """Raises ``ValueError`` if the feature is not of the kind that the dimension needs."""
    name, reference = dimension.feature, references.get(dimension.feature)
    if reference is None:
        known = ", ".join(references)
        raise ValueError(f"segments: the reference has no feature {name!r}, only {known}")
    if isinstance(reference, Categorical):
        if dimension.cuts:
            raise ValueError(
                f"segments: {name!r} is a category, it has no ranges: write {name!r} without cuts"
            )
        return reference.categories
    if not dimension.cuts:
        raise ValueError(
            f"segments: {name!r} is a number: give the cuts between its ranges, as in"
            f" '{name}:10,20', or register it as a category (--categorical {name})"
        )
    return dimension.ranges


def _positions(dimension: Dimension, names: tuple[str, ...], values: Column | Read) -> Ints:
    """Of each row: 1 + the position of its value in ``names``, 0 if it is not among them."""
    if dimension.cuts:
        return _range_positions(dimension, names, values)
    coded, index = as_coded(values), category_index(names)
    texts = [category_of(value) for value in coded.values]
    found = [None if text is None else index.position(text) for text in texts]
    position = np.array([0 if one is None else one + 1 for one in found], dtype=np.int64)
    return position[coded.code]


def _range_positions(dimension: Dimension, names: tuple[str, ...], values: Column | Read) -> Ints:
    number = as_numbers(values).with_booleans(as_numbers=False).number
    position = {name: i + 1 for i, name in enumerate(names)}
    of_range = np.array([position.get(name, 0) for name in dimension.ranges], dtype=np.int64)
    found = of_range[np.searchsorted(np.array(dimension.cuts), number, side="right")]
    return np.where(np.isnan(number), 0, found)


def _values(number: int, names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The values that a number stands for; empty if one of them is none of the listed ones."""
    values = []
    for own in reversed(names):
        number, position = divmod(number, len(own) + 1)
        if position == 0:
            return ()
        values.append(own[position - 1])
    return tuple(reversed(values))
