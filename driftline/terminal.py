"""Text from records on a terminal."""

from __future__ import annotations

import click

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")
_CONTROL_IN_LINES = {code: dot for code, dot in _CONTROL.items() if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """The text with a dot for each control character, which a terminal would execute."""
    return text.translate(_CONTROL)


def printable_lines(text: str) -> str:
    """The same for text of several lines: line breaks and tabs are kept."""
    return text.translate(_CONTROL_IN_LINES)


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain names or messages of others."""
    click.echo(printable_lines(text), err=err)
