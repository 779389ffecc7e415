"""The newest records of a topic of a service, decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.kafka.topic_reader import TopicReader
from consumers.messages.records import Record
from consumers.sources.mapping.formats import cloud_event, decode_json
from driftline.errors import BadInput
from driftline.settings import Settings
from producers.contract.records import Undecodable

CLOUD_EVENTS = "cloudevents"


@dataclass(frozen=True, slots=True)
class TopicSample:
    """``documents`` are those of the records that are JSON; ``envelope`` as in ``[[sources]]``."""

    topic: str
    records: Sequence[Record]
    documents: Sequence[Any]
    envelope: str | None

    @property
    def table(self) -> dict[str, Any]:
        """What a table of the topic has in any case."""
        envelope = {} if self.envelope is None else {"envelope": self.envelope}
        return {"topic": self.topic} | envelope


def sample_of(settings: Settings, topic: str, most: int) -> TopicSample:
    """Of about ``most`` records. Raises ``BadInput`` if there are none, or none is JSON."""
    with TopicReader(settings, settings.short_topic(topic), last=most) as reader:
        records = list(reader.records())
    if not records:
        raise BadInput(f"{topic} has no records: expected some, to see what they hold")
    events = _documents(records, lambda record: cloud_event(record.value, lambda: record))
    if len(events) > len(records) / 2:
        return TopicSample(topic, records, events, CLOUD_EVENTS)
    documents = _documents(records, lambda record: decode_json(record.value))
    if not documents:
        raise BadInput(
            f"no record of {topic} is JSON, which is the only format that is read so far:"
            f" the first one begins {(records[0].value or b'')[:20]!r}"
        )
    return TopicSample(topic, records, documents, None)


def _documents(records: Sequence[Record], decode: Callable[[Record], Any]) -> list[Any]:
    found = []
    for record in records:
        try:
            found.append(decode(record))
        except Undecodable:
            continue
    return found
