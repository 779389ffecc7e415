"""Pages of lists. A cursor is the key of the last item of the previous page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from api.problems import RequestProblem

T = TypeVar("T")
_MAX_INTEGER = 2**63 - 1  # of an integer column


def page(
    rows: Sequence[T], limit: int, key: Callable[[T], tuple[int | str, ...]]
) -> tuple[Sequence[T], str | None]:
    """The items of one page, and the cursor of the next; ``rows`` holds up to ``limit`` + 1."""
    items = rows[:limit]
    return items, encode_cursor(*key(items[-1])) if len(rows) > limit else None


def encode_cursor(*key: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The key in a cursor, with parts of these types; None for the first page.

    Raises ``RequestProblem`` (404) for anything that is not a cursor of this list.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or not _is_key(key, types):
        raise RequestProblem(404, "there is no such page: pass `next` of an answer unchanged")
    return tuple(key)


def _is_key(key: Sequence[Any], types: Sequence[type]) -> bool:
    if [type(part) for part in key] != list(types):
        return False
    return all(
        abs(part) <= _MAX_INTEGER if isinstance(part, int) else "\x00" not in part for part in key
    )
