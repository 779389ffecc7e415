"""Requests and responses that are records of their own: what each is, and both as one record.

The record of a pair has both in ``request`` and ``response``. Its place, key and timestamp are
those of the request, its headers those of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from consumers.messages.halves import MOST_BYTES, Side
from consumers.messages.records import Record
from consumers.sources.mapping.fields import optional_reader, text_reader
from consumers.sources.mapping.formats import half_decoder_of
from consumers.sources.mapping.inference_logs import side_of, with_rows
from consumers.sources.mapping.mapping import MappedRow
from consumers.sources.mapping.record_mapper import DocumentMapper, sources_by_topic
from consumers.sources.mapping.scope import Scope, Unmappable
from consumers.sources.schemas.registry import Registry, registry_of
from driftline.configuration.pairs import SIDES
from driftline.configuration.sources import INFERENCE_LOGS, SourceSection
from driftline.settings import Settings
from producers.contract.records import MAX_ID_LENGTH

SideReader = Callable[[Scope], Any]


class Whose(NamedTuple):
    """Which pair a record belongs to, and as what."""

    pair: str  # the topic of the requests
    id: str
    side: Side


class HalfReader:
    """Reads what the records of one topic are. ``pair``: the short name of that of the requests."""

    def __init__(
        self, source: SourceSection, pair: str, topic: str, registry: Registry | None = None
    ) -> None:
        assert source.pair is not None
        self._decode, self._pair = half_decoder_of(source, registry), pair
        self._id = text_reader("id of the pair", source.pair.id)
        self._side = _side_reader(source, topic)

    def whose(self, value: bytes | None, record: Callable[[], Record]) -> Whose | None:
        """None if it is neither of both. Raises ``Undecodable`` or ``Unmappable``."""
        if len(value or b"") > MOST_BYTES:
            raise Unmappable(f"it has {len(value or b''):,} bytes: expected at most {MOST_BYTES:,}")
        document = self._decode(value, record)
        scope = Scope(document, document, record, 0)
        side = self._side(scope)
        return Whose(self._pair, _valid_id(self._id(scope)), side) if side in SIDES else None


def _side_reader(source: SourceSection, topic: str) -> SideReader:
    pair = source.pair
    assert pair is not None
    if pair.responses is not None:
        side = "response" if topic == pair.responses else "request"
        return lambda _: side
    if pair.kind is not None:
        return optional_reader(pair.kind)
    return lambda scope: side_of(scope.document, str(source.envelope))


def _valid_id(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= MAX_ID_LENGTH:
        seen = repr(given)[:60]
        raise Unmappable(
            f"the id of the pair is {seen}: expected a text of 1 to {MAX_ID_LENGTH} characters, or"
            " a whole number"
        )
    return given


class PairMapper:
    """Maps the pairs of one topic of requests. ``sources`` have one format."""

    def __init__(self, sources: Sequence[SourceSection], registry: Registry | None = None) -> None:
        self._decode = half_decoder_of(sources[0], registry)
        self._envelope = sources[0].envelope
        self._mapper = DocumentMapper(sources)

    def rows(self, request: Record, response: Record) -> Sequence[MappedRow] | None:
        """None if no table takes the pair. Raises ``Undecodable`` or ``Unmappable``."""
        document: Mapping[str, Any] = {
            "request": self._decode(request.value, lambda: request),
            "response": self._decode(response.value, lambda: response),
        }
        if self._envelope in INFERENCE_LOGS:
            document = with_rows(document, cast("str", self._envelope))
        record = replace(request, headers=[*request.headers, *response.headers])
        size = len(request.value or b"") + len(response.value or b"")
        return self._mapper.rows(document, lambda: record, size)


def half_readers(settings: Settings) -> Mapping[str, HalfReader]:
    """By the short name of each topic of pairs. Raises ``InvalidSettings``."""
    registry = registry_of(settings.schema_registry)
    return {
        settings.short_topic(topic): HalfReader(
            sources[0], settings.short_topic(requests), topic, registry
        )
        for requests, sources in sources_by_topic(settings).items()
        if sources[0].pair is not None
        for topic in sources[0].topics
    }


def pair_mappers(settings: Settings) -> Mapping[str, PairMapper]:
    """By the short name of the topic of the requests. Raises ``InvalidSettings``."""
    registry = registry_of(settings.schema_registry)
    return {
        settings.short_topic(topic): PairMapper(sources, registry)
        for topic, sources in sources_by_topic(settings).items()
        if sources[0].pair is not None
    }
