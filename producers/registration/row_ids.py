"""Ids of rows that have none: by their content, so that the same row has the same id in any file.

The content is the time, the score and the features. Rows with the same content are numbered. Labels
are no part of it, because they may come later.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.counts.category_text import category_of, spelled_plainly

_EXACT = 2.0**53  # doubles up to here are the numbers that they were written as

Hashes = NDArray[np.uint64]


def content_ids(
    time_ms: NDArray[np.int64], score: NDArray[np.float64], features: Mapping[str, NDArray[Any]]
) -> list[str]:
    """32 hexadecimal digits, or with ``-1``, ``-2``, … from the second equal row on.

    All arrays have shape (n,). Neither the order of the features nor their type matters.
    """
    columns = [time_ms.view(np.uint64), _of_numbers(score)]
    columns += [_of_values(features[name]) for name in sorted(features)]
    width = 8 * len(columns)
    content = memoryview(np.column_stack(columns).tobytes())
    ids = pd.Series(
        [
            blake2b(content[at : at + width], digest_size=16).hexdigest()
            for at in range(0, len(content), width)
        ],
        dtype=object,
    )
    ordinal = ids.groupby(ids).cumcount()
    return [f"{text}-{n}" if n else text for text, n in zip(ids, ordinal, strict=True)]


def _of_values(values: NDArray[Any]) -> Hashes:
    """Equal for values that are the same number, boolean or text."""
    if values.dtype.kind == "f":
        return _of_numbers(values)
    known: dict[Any, float | str] = {}
    same = [
        known[key] if (key := (type(v), v)) in known else known.setdefault(key, _same(v))
        for v in values
    ]
    is_text = np.array([isinstance(value, str) for value in same], dtype=bool)
    texts = np.array([v if isinstance(v, str) else "" for v in same], dtype=object)
    number = np.array([np.nan if isinstance(v, str) else v for v in same], dtype=np.float64)
    return np.where(is_text, pd.util.hash_array(texts), _of_numbers(number))


def _same(value: Any) -> float | str:
    """A number if the value is one, or spells one; NaN if it is missing."""
    text = category_of(value)
    if text is None:
        return np.nan
    plain = spelled_plainly(text)
    try:
        number = float(plain)
    except ValueError:
        return plain
    is_exact = abs(number) < _EXACT and spelled_plainly(str(category_of(number))) == plain
    return number if is_exact else plain


def _of_numbers(numbers: NDArray[np.float64]) -> Hashes:
    return np.where(np.isnan(numbers), np.nan, numbers + 0.0).view(np.uint64)
