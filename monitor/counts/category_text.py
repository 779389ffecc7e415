"""Which values are the same category, whatever type they came in.

A value names a category by its text: a text by itself, a boolean by ``true`` or ``false``, a number
by its shortest digits, without a fraction if it is whole. What a reference does not have under
exactly that text, it may have under another spelling of the same number or boolean: ``4.0`` and
``4``, ``True`` and ``true``, and, if the reference has nothing else, ``1`` and ``true``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOOLEANS = {"true": "true", "True": "true", "TRUE": "true"} | {
    "false": "false",
    "False": "false",
    "FALSE": "false",
}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
OTHER_NAMES = {"true": "1", "false": "0", "1": "true", "0": "false"}


def category_of(value: Any) -> str | None:
    """None if the value names no category: it is missing, not finite, or of another type."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating) and isfinite(value):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, Decimal) and value.is_finite():
        return _plain(value)
    return None


def spelled_plainly(text: str) -> str:
    """The text that all spellings of a number or boolean share; any other text itself.

    Texts with leading zeros, blanks or separators are no spellings of a number.
    """
    if text in BOOLEANS:
        return BOOLEANS[text]
    return _plain(Decimal(text)) if _NUMBER.fullmatch(text) else text


@dataclass(frozen=True, slots=True, eq=False)
class CategoryIndex:
    """Finds the position of a text among listed categories."""

    exact: dict[str, int]
    plain: dict[str, int]

    def position(self, text: str) -> int | None:
        """None if no listed category has this text, or means the same."""
        found = self.exact.get(text)
        return self.plain.get(spelled_plainly(text)) if found is None else found


@lru_cache(maxsize=1_000)
def category_index(categories: tuple[str, ...]) -> CategoryIndex:
    exact = {text: i for i, text in enumerate(categories)}
    plain: dict[str, int] = {}
    for text, i in exact.items():
        plain.setdefault(spelled_plainly(text), i)
    if plain.keys() <= {"true", "false"} or plain.keys() <= {"1", "0"}:
        plain |= {OTHER_NAMES[text]: i for text, i in plain.items()}
    return CategoryIndex(exact, plain)


def text_hashes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Equal for all spellings of a number or boolean, shape (n,)."""
    digests = (
        blake2b(spelled_plainly(text).encode(errors="surrogatepass"), digest_size=4).digest()
        for text in texts
    )
    return np.frombuffer(b"".join(digests), dtype="<u4").astype(np.uint32)


def _plain(number: Decimal) -> str:
    whole = number.to_integral_value()
    return str(int(whole)) if number == whole else format(number.normalize(), "f")
