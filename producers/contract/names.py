"""Names of models and of their versions."""

from __future__ import annotations

import re
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@lru_cache(maxsize=10_000)
def is_name(text: str) -> bool:
    """Whether ``text`` can name a model or a version.

    Cached because matching takes as long as decoding a record, and there are few models.
    """
    return _NAME.fullmatch(text) is not None
