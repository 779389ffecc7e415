"""The published reference profiles, read from their topic."""

from __future__ import annotations

import logging
import time
from typing import Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec.structs import replace

from driftline.settings import Settings
from monitor.counts.profile import Profile
from producers.contract.profiles import (
    MANIFEST,
    InvalidProfile,
    Manifest,
    ProfileReader,
    split_key,
)
from producers.contract.version_info import VersionInfo
from producers.kafka.configuration import create_client, groupless_reader_config
from producers.kafka.errors import RETRIABLE, KafkaUnavailable
from producers.kafka.metadata import metadata, unavailable

LOG = logging.getLogger(__name__)
PROFILES = "profiles"
LOOK_UP_TIMEOUT_S = 10.0
STALL_TIMEOUT_S = 60.0
LOOK_UP_INTERVAL_S = 1.0  # for a topic that does not exist yet

ModelVersion = tuple[str, str]


class ProfileTable:
    """All published profiles, updated on request. Not safe for several threads.

    Its consumer belongs to no group, so no rebalance affects it. A topic that does not exist yet
    has no profiles.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(PROFILES)
        # The end of a partition is only reported in an empty answer, so these come soon.
        config = {**groupless_reader_config(settings), "fetch.wait.max.ms": 100}
        self._consumer = create_client(Consumer, config)
        # Looks up metadata and ends; on the other one they would wait behind long fetches.
        self._metadata_consumer = create_client(Consumer, config)
        self._reader = ProfileReader()
        self._profiles: dict[ModelVersion, Profile] = {}
        self._registered_ms: dict[ModelVersion, int] = {}
        self._positions: dict[int, int] = {}  # by partition: all before this offset was read
        self._looked_up_s = float("-inf")
        self._skipped: set[str] = set()  # reasons that were logged

    def get(self, model: str, version: str) -> Profile | None:
        return self._profiles.get((model, version))

    def all(self) -> dict[ModelVersion, Profile]:
        """Profiles by model and version, in the order of their registration."""
        order = sorted(self._profiles, key=lambda key: (self._registered_ms[key], key))
        return {key: self._profiles[key] for key in order}

    def content(self, model: str, version: str) -> str:
        """The hash of the published content. Raises ``KeyError``."""
        return self._reader.manifests[model, version].content

    def info(self, model: str, version: str) -> VersionInfo:
        """That of the newest manifest; empty if the version is not published."""
        manifest = self._reader.manifests.get((model, version))
        return VersionInfo() if manifest is None else manifest.info

    def manifest(self, model: str, version: str) -> Manifest:
        """The newest manifest, for the next one. Raises ``KeyError``."""
        manifest = self._reader.manifests[model, version]
        return replace(manifest, registered_ms=self._registered_ms[model, version])

    def registered_ms(self, model: str, version: str) -> int:
        """The broker's clock when the profile was published. Raises ``KeyError``."""
        return self._registered_ms[model, version]

    def refresh(self) -> None:
        """Read what has arrived, without waiting for more."""
        if not self._positions and time.monotonic() - self._looked_up_s > LOOK_UP_INTERVAL_S:
            self._find_partitions()
        while messages := self._consumer.consume(100, timeout=0):
            self._take(messages)

    def catch_up(self) -> None:
        """Read everything that was published before this call.

        Raises ``KafkaUnavailable`` if nothing is read for ``STALL_TIMEOUT_S``.
        """
        self._find_partitions()
        ends = {partition: self._end(partition) for partition in self._positions}
        progress_s = time.monotonic()
        while any(self._positions[partition] < end for partition, end in ends.items()):
            messages = self._consumer.consume(100, timeout=0.1)
            if self._take(messages):
                progress_s = time.monotonic()
            elif time.monotonic() - progress_s > STALL_TIMEOUT_S:
                raise KafkaUnavailable(
                    f"nothing could be read from {self._topic} for {STALL_TIMEOUT_S:.0f} s,"
                    " before its end"
                )

    def close(self) -> None:
        self._consumer.close()
        self._metadata_consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_partitions(self) -> None:
        self._looked_up_s = time.monotonic()
        topics = metadata(self._metadata_consumer, self._settings, self._topic).topics
        partitions = topics[self._topic].partitions
        if set(partitions) <= set(self._positions):
            return
        for partition in partitions:
            self._positions.setdefault(partition, 0)
        self._consumer.assign(
            [
                TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
                for partition, offset in self._positions.items()
            ]
        )

    def _end(self, partition: int) -> int:
        """The current end of a partition: the offset after its last committed record."""
        at = TopicPartition(self._topic, partition)
        deadline_s = time.monotonic() + LOOK_UP_TIMEOUT_S
        while True:
            try:
                watermarks = self._metadata_consumer.get_watermark_offsets(
                    at, timeout=LOOK_UP_TIMEOUT_S
                )
                return int(watermarks[1])
            except KafkaException as error:
                if error.args[0].code() not in RETRIABLE or time.monotonic() > deadline_s:
                    raise unavailable(self._settings, error) from error
            time.sleep(0.1)

    def _take(self, messages: list[Message]) -> bool:
        """Whether a position has moved."""
        before = dict(self._positions)
        for message in messages:
            error, partition, offset = message.error(), *_position(message)
            if error is None:
                self._add(message)
                self._positions[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                # Transaction markers occupy offsets that have no message.
                self._positions[partition] = offset
            elif error.code() not in RETRIABLE:
                raise KafkaUnavailable(f"{self._topic} cannot be read: {error.str()}")
        return self._positions != before

    def _add(self, message: Message) -> None:
        """Add a message to the table. One that belongs to no profile is skipped and logged."""
        try:
            model, version, part = split_key(message.key())
            profile = self._reader.add(message.key(), message.value())
        except InvalidProfile as error:
            self._skip(str(error))
            return
        if part == MANIFEST and message.value() is None:
            self._delete((model, version))
        elif part == MANIFEST:
            first_ms = self._reader.manifests[model, version].registered_ms
            registered_ms = message.timestamp()[1] if first_ms is None else first_ms
            self._registered_ms.setdefault((model, version), registered_ms)
        if profile is not None:
            self._profiles[model, version] = profile

    def _delete(self, version: ModelVersion) -> None:
        self._registered_ms.pop(version, None)
        if self._profiles.pop(version, None) is not None:
            LOG.warning("the profile of %s/%s was deleted from %s", *version, self._topic)

    def _skip(self, reason: str) -> None:
        if reason not in self._skipped:
            self._skipped.add(reason)
            LOG.warning("skipped a message of %s: %s", self._topic, reason)


def read_profiles(settings: Settings) -> dict[ModelVersion, tuple[Profile, str]]:
    """Every published profile with the hash of its content, in the order of registration."""
    with ProfileTable(settings) as table:
        table.catch_up()
        return {key: (profile, table.content(*key)) for key, profile in table.all().items()}


def _position(message: Message) -> tuple[int, int]:
    """Partition and offset. Only messages that were not sent yet have none."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset
