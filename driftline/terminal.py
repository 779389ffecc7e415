"""Text from records on a terminal."""

from __future__ import annotations

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")


def printable(text: str) -> str:
    """The text with a dot for each control character, which a terminal would execute."""
    return text.translate(_CONTROL)
