"""All tables ``[[sources]]`` of one topic: from a record to rows of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from consumers.messages.records import Record
from consumers.sources.mapping.formats import decoder_of
from consumers.sources.mapping.mapped_messages import json_bytes
from consumers.sources.mapping.mapping import MappedRow, SourceMapping
from consumers.sources.mapping.scope import Unmappable
from consumers.sources.schemas.registry import Registry, registry_of
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings

SMALL_BYTES = 8_000  # a record of this size makes no row that is too large
MOST_ROW_BYTES = 1_000_000


class DocumentMapper:
    """Maps decoded records by all ``sources`` of a topic."""

    def __init__(self, sources: Sequence[SourceSection]) -> None:
        self._mappings = [SourceMapping(source) for source in sources]

    def rows(
        self, document: Any, record: Callable[[], Record], size: int
    ) -> Sequence[MappedRow] | None:
        """None if no table takes the record, of ``size`` bytes. Raises ``Unmappable``."""
        taking = [mapping for mapping in self._mappings if mapping.takes(document, record)]
        if not taking:
            return None
        rows = [row for mapping in taking for row in mapping.rows(document, record)]
        if size > SMALL_BYTES:
            _require_sendable(rows)
        return rows


class RecordMapper:
    """``sources`` have one topic, and so one format."""

    def __init__(self, sources: Sequence[SourceSection], registry: Registry | None = None) -> None:
        self._decode = decoder_of(sources[0], registry)
        self._mapper = DocumentMapper(sources)

    def rows_of(self, record: Record) -> Sequence[MappedRow] | None:
        """The same of a record that is there already."""
        return self.rows(record.value, lambda: record)

    def rows(self, value: bytes | None, record: Callable[[], Record]) -> Sequence[MappedRow] | None:
        """None if no table takes the record. Raises ``Undecodable`` or ``Unmappable``."""
        return self._mapper.rows(self._decode(value, record), record, len(value or b""))


def _require_sendable(rows: Sequence[MappedRow]) -> None:
    largest = max(map(json_bytes, rows), default=0)
    if largest > MOST_ROW_BYTES:
        raise Unmappable(
            f"a row has {largest:,} bytes as JSON: expected at most {MOST_ROW_BYTES:,}, which"
            " 'predictions' accepts; name the features that are needed, or use exclude"
        )


def mappers_by_topic(settings: Settings) -> Mapping[str, RecordMapper]:
    """By the full name of the topic, of those without pairs. Raises ``InvalidSettings``."""
    registry = registry_of(settings.schema_registry)
    return {
        topic: RecordMapper(of_topic, registry)
        for topic, of_topic in sources_by_topic(settings).items()
        if of_topic[0].pair is None
    }


def sources_by_topic(settings: Settings) -> Mapping[str, Sequence[SourceSection]]:
    """By the full name of the topic, of pairs that of the requests."""
    by_topic: dict[str, list[SourceSection]] = {}
    for source in settings.sources:
        by_topic.setdefault(source.topic, []).append(source)
    return by_topic
