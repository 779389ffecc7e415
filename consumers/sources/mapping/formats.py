"""The decoder of a table ``[[sources]]``, by its format and envelope."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from consumers.messages.reading import content_type
from consumers.messages.records import Record
from consumers.sources.documents import Decode, decode_json
from consumers.sources.mapping.inference_logs import with_rows
from consumers.sources.schemas.decoding import schema_decoder
from consumers.sources.schemas.registry import Registry
from driftline.configuration.sources import INFERENCE_LOGS, SourceSection
from producers.contract.records import Undecodable

_STRUCTURED = b"application/cloudevents+json"
_ATTRIBUTE = "ce_"


def decoder_of(source: SourceSection, registry: Registry | None = None) -> Decode:
    """It raises ``Undecodable``, and ``SchemaRegistryUnavailable``.

    Raises ``InvalidSettings`` if the format needs what is not installed.
    """
    decode, envelope = half_decoder_of(source, registry), source.envelope
    if envelope not in INFERENCE_LOGS:
        return decode
    return lambda value, record: with_rows(decode(value, record), str(envelope))


def half_decoder_of(source: SourceSection, registry: Registry | None = None) -> Decode:
    """As ``decoder_of``, of records that are a request or a response."""
    decode = json_document if source.format == "json" else schema_decoder(source.format, registry)
    if source.envelope == "cloudevents":
        return cloud_events(decode)
    return _perhaps_events(decode) if source.envelope in INFERENCE_LOGS else decode


def _perhaps_events(decode: Decode) -> Decode:
    """In binary mode, the log of an inference server is the value itself."""

    def document(value: bytes | None, record: Callable[[], Record]) -> Any:
        found = decode(value, record)
        is_event = isinstance(found, dict) and "specversion" in found
        return _structured(found) if is_event else found

    return document


def json_document(value: bytes | None, _: Callable[[], Record]) -> Any:
    return decode_json(value)


def cloud_events(decode: Decode) -> Decode:
    """Events of either mode of CloudEvents' Kafka binding, as one object each.

    In structured mode an event is JSON, in binary mode its data are what ``decode`` reads.
    """

    def event(value: bytes | None, record: Callable[[], Record]) -> Mapping[str, Any]:
        headers = record().headers
        if (content_type(headers) or b"").startswith(_STRUCTURED):
            return _structured(decode_json(value))
        attributes = {
            name.removeprefix(_ATTRIBUTE): (text or b"").decode(errors="replace")
            for name, text in headers
            if name.startswith(_ATTRIBUTE)
        }
        if "specversion" in attributes:
            return {**attributes, "data": decode(value, record)}
        return _structured(decode_json(value))

    return event


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
