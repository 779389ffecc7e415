"""The newest records of a topic of a service, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from consumers.kafka.topic_reader import TopicReader
from consumers.messages.records import Record
from consumers.sources.documents import Decode
from consumers.sources.mapping.formats import (
    cloud_events,
    decoder_of,
    half_decoder_of,
    json_document,
)
from consumers.sources.schemas.decoding import schema_decoder
from consumers.sources.schemas.registry import registry_of
from driftline.configuration.sources import WITH_REGISTRY
from driftline.errors import BadInput
from driftline.settings import Settings
from producers.contract.records import Undecodable

CLOUD_EVENTS = {"envelope": "cloudevents"}


@dataclass(frozen=True, slots=True)
class TopicSample:
    """``documents`` are those of the records that can be read; ``how`` as in ``[[sources]]``."""

    topic: str
    records: Sequence[Record]
    documents: Sequence[Any]
    how: Mapping[str, str]  # ``format`` and ``envelope``

    @property
    def table(self) -> dict[str, Any]:
        """What a table of the topic has in any case."""
        return {"topic": self.topic, **self.how}


def sample_of(settings: Settings, topic: str, most: int) -> TopicSample:
    """Of about ``most`` records. Raises ``BadInput`` if there are none, or none can be read."""
    with TopicReader(settings, settings.short_topic(topic), last=most) as reader:
        records = list(reader.records())
    if not records:
        raise BadInput(f"{topic} has no records: expected some, to see what they hold")
    for how, decode in _ways(settings, topic):
        documents = _documents(records, decode)
        if len(documents) > (len(records) / 2 if how == CLOUD_EVENTS else 0):
            return TopicSample(topic, records, documents, how)
    raise BadInput(_unread(settings, topic, records[0]))


def _ways(settings: Settings, topic: str) -> Iterator[tuple[Mapping[str, str], Decode]]:
    """Those in which records may be read, the first choice first."""
    registry = registry_of(settings.schema_registry)
    for source in settings.sources:
        if topic in source.topics:
            decoder = decoder_of if source.pair is None else half_decoder_of
            yield {"format": source.format}, decoder(source, registry)
            return
    yield CLOUD_EVENTS, cloud_events(json_document)
    yield {}, json_document
    for format_ in WITH_REGISTRY if registry is not None else ():
        yield {"format": format_}, schema_decoder(format_, registry)
    yield {"format": "json-schema"}, schema_decoder("json-schema", None)


def _unread(settings: Settings, topic: str, record: Record) -> str:
    need = "" if settings.schema_registry.url else ", or Avro or Protobuf with schema_registry.url"
    return (
        f"no record of {topic} can be read: expected JSON{need};"
        f" the first one begins {(record.value or b'')[:20]!r}"
    )


def _documents(records: Sequence[Record], decode: Decode) -> list[Any]:
    found = []
    for record in records:
        with suppress(Undecodable):
            found.append(_document(record, decode))
    return found


def _document(record: Record, decode: Decode) -> Any:
    return decode(record.value, lambda: record)
