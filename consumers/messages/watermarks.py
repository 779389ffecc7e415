"""Watermarks at the end of each transaction: how far a worker's input partitions have come.

``aggregate`` writes ``SourceWatermarks`` to every partition of ``summaries`` and ``joins``,
``join`` writes ``JoinWatermarks`` to every partition of ``summaries``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import msgspec
from msgspec import Struct

from consumers.messages.arrow import JSON_HEADERS
from consumers.messages.reading import decode_json
from consumers.messages.records import Message
from monitor.events.event_time import Sources
from monitor.windows.state import JoinWatermark, WatermarkUpdate


class SourceWatermarks(Struct, frozen=True, kw_only=True, tag_field="type", tag="sources"):
    """The progress of the partitions of ``predictions`` and ``labels`` that a worker reads."""

    schema: Literal[1]
    predictions: Sources
    labels: Sources


class JoinWatermarks(Struct, frozen=True, kw_only=True, tag_field="type", tag="joins"):
    """How far the rows had come that the partitions of ``joins`` of a worker have joined."""

    schema: Literal[1]
    total: int  # partitions of ``joins``
    partitions: Mapping[int, JoinWatermark]


Watermarks = SourceWatermarks | JoinWatermarks
_OF_SUMMARIES = cast("type[Watermarks]", Watermarks)


def watermark_messages(topic: str, watermarks: Watermarks, partitions: int) -> list[Message]:
    """The same message for every partition of a topic."""
    value = msgspec.json.encode(watermarks)
    return [Message(topic, None, value, number, JSON_HEADERS) for number in range(partitions)]


def decode_source_watermarks(value: bytes | None) -> SourceWatermarks:
    """From ``joins``. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(value, SourceWatermarks)


def decode_watermark_update(value: bytes | None) -> WatermarkUpdate:
    """From ``summaries``. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    watermarks = decode_json(value, _OF_SUMMARIES)
    if isinstance(watermarks, SourceWatermarks):
        return WatermarkUpdate(watermarks.predictions)
    return WatermarkUpdate(None, watermarks.total, watermarks.partitions)
