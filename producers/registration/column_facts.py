"""What a person wants to know about a column at a glance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from monitor.counts.category_text import category_of
from monitor.counts.columns import numbers
from monitor.counts.values import Column


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    rows: int
    missing: int
    different: int  # values
    is_whole: bool  # all values are whole numbers
    range: str  # of numbers, or the most frequent categories

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @classmethod
    def of(cls, values: Column, *, is_numeric: bool) -> ColumnFacts:
        return _of_numbers(values) if is_numeric else _of_categories(values)


def _of_numbers(values: Column) -> ColumnFacts:
    number = numbers(values)
    known = number[np.isfinite(number)]
    missing = int(np.isnan(number).sum())
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "f"):
        missing = sum(value is None for value in values)
    distinct = np.unique(known)
    return ColumnFacts(
        len(values),
        missing,
        distinct.size,
        bool(known.size and (distinct == np.floor(distinct)).all() and known.size == number.size),
        f"{known.min():.6g} to {known.max():.6g}, median {np.median(known):.6g}"
        if known.size
        else "no number",
    )


def _of_categories(values: Column) -> ColumnFacts:
    found = [category_of(value) for value in values]
    texts = Counter(text for text in found if text is not None)
    missing = found.count(None)
    total = max(sum(texts.values()), 1)
    top = (f"{text[:30]!r} {n / total:.0%}" for text, n in texts.most_common(3))
    count = f"{len(texts):,} categor{'y' if len(texts) == 1 else 'ies'}"
    return ColumnFacts(len(values), missing, len(texts), False, f"{count}: {', '.join(top)}")
