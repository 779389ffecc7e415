"""Text from records on a terminal."""

from __future__ import annotations

import json
from typing import Any

import click

_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), "·")
_CONTROL_IN_LINES = {code: dot for code, dot in _CONTROL.items() if chr(code) not in "\n\t"}
# In JSON text, control characters are whitespace between values, or in a string.
_CONTROL_IN_JSON = {
    **dict.fromkeys(range(32), " "),
    **{code: f"\\u{code:04x}" for code in range(127, 160)},
}


def printable(text: str) -> str:
    """The text with a dot for each control character, which a terminal would execute."""
    return text.translate(_CONTROL)


def printable_lines(text: str) -> str:
    """The same for text of several lines: line breaks and tabs are kept."""
    return text.translate(_CONTROL_IN_LINES)


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain names or messages of others."""
    click.echo(printable_lines(text), err=err)


def printable_json(text: str) -> str:
    """Valid JSON as one line that means the same, its control characters escaped."""
    return text.translate(_CONTROL_IN_JSON)


def echo_json(document: Any) -> None:
    """Print a document for scripts."""
    text = json.dumps(document, indent=1, allow_nan=False)
    click.echo("\n".join(map(printable_json, text.split("\n"))))
