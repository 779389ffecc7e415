"""Decoded records: objects, arrays, texts, numbers, booleans and None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from consumers.messages.records import Record
from producers.contract.records import Undecodable, decoded_json

# ``record`` is called only if something outside the value is needed.
Decode = Callable[[bytes | None, Callable[[], Record]], Any]

_json = msgspec.json.Decoder().decode


def decode_json(value: bytes | None) -> Any:
    """Raises ``Undecodable``."""
    try:
        return decoded_json(_json, value)
    except msgspec.ValidationError as error:  # a number beyond all doubles
        raise Undecodable(f"not JSON: {error}") from None
