"""The states of model versions, read from the topic ``versions`` without a consumer group."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Message

from consumers.kafka.conversion import Conversion
from consumers.messages.positions import SourceKey
from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.versions import TOPIC, VersionMessage, decode_version
from driftline.settings import Settings
from monitor.windows.lives import VersionState
from producers.kafka.configuration import create_client
from producers.kafka.topic_follower import TopicFollower, reader_config


class VersionTable:
    """The newest state of each version, by model and version.

    A topic that does not exist yet is empty. Raises ``KafkaUnavailable``. A message that cannot be
    read is skipped: the state of its version stays as it was known.
    """

    def __init__(self, settings: Settings) -> None:
        self._conversion = Conversion(settings)
        self._reader = MessageReader({TOPIC: decode_version})
        self._look_up_consumer = create_client(Consumer, reader_config(settings))
        self._follower = TopicFollower(
            settings, settings.topic(TOPIC), self._look_up_consumer, self._add
        )
        self.skipped: UnreadableMessage | None = None  # the first one that cannot be read
        self._versions: dict[tuple[str, str], VersionMessage] = {}
        self._retired: set[tuple[str, str]] = set()
        self._reset_ms: dict[SourceKey, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._follower.close()
        self._look_up_consumer.close()

    def all(self) -> Mapping[tuple[str, str], VersionMessage]:
        """The states that were written before this call."""
        self._follower.catch_up()
        return self._versions

    def retired(self) -> set[tuple[str, str]]:
        """The versions whose rows do not count any more, as far as is known without waiting."""
        self._follower.refresh()
        return self._retired

    def life(self, model: str, version: str) -> int:
        """The number of the life of a version."""
        found = self._versions.get((model, version))
        return 0 if found is None else found.life

    def reset_ms(self, key: SourceKey) -> int | None:
        """Rows appended until then do not belong to a version; labels, to a version of a model."""
        return self._reset_ms.get(key)

    def _add(self, message: Message) -> None:
        record = self._conversion.record(message)
        version = self._reader.read_or_skip(record)
        self.skipped = self.skipped or self._reader.first_skipped([record.topic_partition])
        if version is None:
            return
        key = (version.model, version.version)
        self._versions[key] = version
        if version.reset_ms is not None:
            self._reset_ms[key] = version.reset_ms
            of_model = key[:1]
            self._reset_ms[of_model] = max(version.reset_ms, self._reset_ms.get(of_model, 0))
        if version.state == VersionState.RETIRED:
            self._retired.add(key)
        else:
            self._retired.discard(key)
