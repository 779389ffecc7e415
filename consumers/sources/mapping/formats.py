"""Records of other services as documents: objects, arrays, texts, numbers, booleans and None."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from consumers.messages.reading import content_type
from consumers.messages.records import Record
from driftline.configuration.sources import SourceSection
from producers.contract.records import Undecodable, decoded_json

# ``record`` is called only if something outside the value is needed.
Decode = Callable[[bytes | None, Callable[[], Record]], Any]

_STRUCTURED = b"application/cloudevents+json"
_ATTRIBUTE = "ce_"
_json = msgspec.json.Decoder().decode


def decoder_of(source: SourceSection) -> Decode:
    """It raises ``Undecodable``."""
    return cloud_event if source.envelope == "cloudevents" else _json_document


def decode_json(value: bytes | None) -> Any:
    """Raises ``Undecodable``."""
    try:
        return decoded_json(_json, value)
    except msgspec.ValidationError as error:  # a number beyond all doubles
        raise Undecodable(f"not JSON: {error}") from None


def _json_document(value: bytes | None, _: Callable[[], Record]) -> Any:
    return decode_json(value)


def cloud_event(value: bytes | None, record: Callable[[], Record]) -> Mapping[str, Any]:
    """An event of either mode of CloudEvents' Kafka binding, as one object.

    Raises ``Undecodable``.
    """
    headers = record().headers
    if (content_type(headers) or b"").startswith(_STRUCTURED):
        return _structured(decode_json(value))
    attributes = {
        name.removeprefix(_ATTRIBUTE): (text or b"").decode(errors="replace")
        for name, text in headers
        if name.startswith(_ATTRIBUTE)
    }
    if "specversion" in attributes:
        return {**attributes, "data": decode_json(value)}
    return _structured(decode_json(value))


def _structured(event: Any) -> Mapping[str, Any]:
    if not isinstance(event, dict) or "specversion" not in event:
        raise Undecodable("not a CloudEvent: it has no specversion, and no header ce_specversion")
    if "data_base64" not in event:
        return event
    try:
        data = base64.b64decode(event["data_base64"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Undecodable("not a CloudEvent: its data_base64 is not base64") from None
    return {**event, "data": decode_json(data)}
