"""Dead letters as JSON documents and as lines for a terminal."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from consumers.dead_letters.dead_letter import DeadLetter
from consumers.messages.times import rfc3339
from driftline.terminal import printable

VALUE_CHARACTERS = 60  # of a value in a line
UTF8_BYTES = 4  # of one character at most


def dead_letter_document(letter: DeadLetter, *, sent_back: bool | None) -> Mapping[str, Any]:
    """A JSON document. Keys and values that are not UTF-8 are in ``key_base64``, ``value_base64``.

    ``sent_back``: whether it was sent again; None if unknown.
    """
    record = letter.record
    return {
        "letter": letter.name,
        "at": rfc3339(record.append_ms),
        "reason": letter.reason,
        "error": letter.error,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "truncated": letter.truncated,
        "redacted": letter.redacted,
        "sent_back": sent_back,
        **_text_or_base64("key", record.key),
        **_text_or_base64("value", record.value),
    }


def dead_letter_line(letter: DeadLetter, *, sent_back: bool | None) -> str:
    """Time, reason, source, error, whether it was sent again, and the start of the value."""
    return printable(
        f"{rfc3339(letter.record.append_ms)[:19]}Z  {letter.reason:13}"
        f"  {letter.topic}/{letter.partition}/{letter.offset}  {letter.error}"
        f"{'; sent back' if sent_back else ''}  | {_excerpt(letter.record.value)}"
    )


def _excerpt(value: bytes | None) -> str:
    if value is None:
        return "no value"
    text = value[: UTF8_BYTES * VALUE_CHARACTERS].decode(errors="replace")
    return text if len(text) <= VALUE_CHARACTERS else f"{text[: VALUE_CHARACTERS - 1]}…"


def _text_or_base64(name: str, value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {name: None}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(value).decode()}
