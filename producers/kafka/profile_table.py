"""The published reference profiles, read from their topic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import NamedTuple, Self, TypeVar

from confluent_kafka import Consumer, Message
from msgspec.structs import replace

from driftline.settings import Settings
from monitor.counts.profile import Profile
from monitor.counts.schema import Schema
from producers.contract.learned import decode_learned_segment
from producers.contract.profile_blobs import Head, decode_head, decode_schema
from producers.contract.profile_index import (
    MANIFEST,
    InvalidProfile,
    Manifest,
    ProfileIndex,
    blob_of,
    described,
    split_key,
)
from producers.contract.profile_overview import Overview, decode_overview, overview_of
from producers.contract.profiles import decode_parts, decode_profile
from producers.contract.version_info import VersionInfo
from producers.kafka.configuration import create_client
from producers.kafka.part_reader import PartReader, Place, position_of
from producers.kafka.topic_follower import TopicFollower, reader_config

LOG = logging.getLogger(__name__)
PROFILES = "profiles"

SCHEMA_BLOBS = frozenset({"head", "samples"})
PROFILE_BLOBS = SCHEMA_BLOBS | {"panes", "model"}
SMALL_BLOBS = frozenset({"head", "overview"})  # kept in memory

ModelVersion = tuple[str, str]
T = TypeVar("T")


class _PartPlace(NamedTuple):
    place: Place
    value: bytes | None  # None: to be read again


class ProfileTable:
    """All published profiles, updated on request. Not safe for several threads.

    The topic is read once to find the profiles. Their heads and overviews are kept; samples, panes
    and model files are read again by their offsets when a version is asked for the first time.

    Its consumers belong to no group, so no rebalance affects them. A topic that does not exist yet
    has no profiles.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(PROFILES)
        # Looks up metadata and single parts; on another one they would wait behind long fetches.
        self._look_up_consumer = create_client(Consumer, reader_config(settings))
        self._follower = TopicFollower(settings, self._topic, self._look_up_consumer, self._add)
        self._part_reader = PartReader(settings, self._look_up_consumer, self._topic)
        self._index = ProfileIndex[_PartPlace]()
        self._heads: dict[ModelVersion, Head] = {}
        self._schemas: dict[ModelVersion, Schema] = {}  # of the versions that were asked for
        self._profiles: dict[ModelVersion, Profile] = {}  # likewise
        self._manifest_ms: dict[ModelVersion, int] = {}  # when the first manifest was appended
        self._skipped: set[str] = set()  # reasons that were logged

    def versions(self) -> dict[ModelVersion, Head]:
        """The heads by model and version, in the order of their registration."""
        order = sorted(self._heads, key=lambda key: (self.registered_ms(*key), key))
        return {key: self._heads[key] for key in order}

    def schema(self, model: str, version: str) -> Schema | None:
        """Raises ``KafkaUnavailable``."""
        key = (model, version)
        if key not in self._schemas:
            self._load(key, SCHEMA_BLOBS, _decoded_schema, self._schemas)
        return self._schemas.get(key)

    def get(self, model: str, version: str) -> Profile | None:
        """Raises ``KafkaUnavailable``."""
        key = (model, version)
        if key not in self._profiles:
            self._load(key, PROFILE_BLOBS, decode_profile, self._profiles)
        return self._profiles.get(key)

    def overview(self, model: str, version: str) -> Overview | None:
        """As published with the profile; computed if it was not. Raises ``KafkaUnavailable``."""
        key, found = (model, version), dict[ModelVersion, Overview]()
        published = self._index.complete.get(key)
        if published is not None and published.places_of({"overview"}):
            self._load(key, {"overview"}, _decoded_overview, found)
        else:
            self._load(key, PROFILE_BLOBS, _computed_overview, found)
        return found.get(key)

    def learned(self, model: str, version: str, segment: str = "") -> bytes | None:
        """What ``register`` learned from the reference; None if it was not published.

        Raises ``KafkaUnavailable``.
        """
        key, found = (model, version), dict[ModelVersion, bytes | None]()
        blob = "segments" if segment else "learned"
        self._load(key, {blob}, partial(_blob, blob), found)
        return decode_learned_segment(found.get(key), segment) if segment else found.get(key)

    def content(self, model: str, version: str) -> str:
        """The hash of the published content. Raises ``KeyError``."""
        return self._index.complete[model, version].manifest.content

    def info(self, model: str, version: str) -> VersionInfo:
        """That of the newest manifest; empty if the version is not published."""
        profile = self._index.complete.get((model, version))
        return VersionInfo() if profile is None else profile.manifest.info

    def manifest(self, model: str, version: str) -> Manifest:
        """The newest manifest, for the next one. Raises ``KeyError``."""
        registered_ms = self.registered_ms(model, version)
        return replace(self._index.complete[model, version].manifest, registered_ms=registered_ms)

    def reference_end_ms(self, model: str, version: str) -> int | None:
        """From when on rows are watched, if the manifest says it. Raises ``KeyError``."""
        return self._index.complete[model, version].manifest.reference_end_ms

    def registered_ms(self, model: str, version: str) -> int:
        """The broker's clock when the profile was published. Raises ``KeyError``."""
        first_ms = self._index.complete[model, version].manifest.registered_ms
        return self._manifest_ms[model, version] if first_ms is None else first_ms

    def refresh(self) -> None:
        """Read what has arrived, without waiting for more."""
        self._follower.refresh()

    def catch_up(self) -> None:
        """Read everything that was published before this call. Raises ``KafkaUnavailable``."""
        self._follower.catch_up()

    def close(self) -> None:
        self._follower.close()
        self._look_up_consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, message: Message) -> None:
        """Add a message to the table. One that belongs to no profile is skipped and logged."""
        key, value = message.key(), message.value()
        try:
            model, version, part = split_key(key)
            kept = value if blob_of(part) in SMALL_BLOBS else None
            completed = self._index.add(key, value, _PartPlace(position_of(message), kept))
        except InvalidProfile as error:
            self._skip(str(error))
            return
        if part == MANIFEST and value is None:
            self._delete((model, version))
        elif part == MANIFEST:
            self._manifest_ms.setdefault((model, version), message.timestamp()[1])
        if completed is not None:
            self._load(completed, {"head"}, _decoded_head, self._heads)

    def _load(
        self,
        key: ModelVersion,
        blobs: Container[str],
        decode: Callable[[Manifest, Mapping[str, bytes]], T],
        into: dict[ModelVersion, T],
    ) -> None:
        """Decode some blobs of a profile, if it is published. One that cannot be is removed."""
        try:
            found = self._parts(key, blobs)
            if found is not None:
                into[key] = decode(*found)
        except InvalidProfile as error:
            self._skip(str(error))
            self._index.discard(key)
            self._remove(key)

    def _parts(
        self, key: ModelVersion, blobs: Container[str]
    ) -> tuple[Manifest, Mapping[str, bytes]] | None:
        """The parts of some blobs, with the manifest. Raises ``InvalidProfile`` if some are gone.

        Compaction removes parts that were published again; their new offsets may not be read yet.
        """
        for attempt in range(2):
            profile = self._index.complete.get(key)
            if profile is None:
                return None
            places = profile.places_of(blobs)
            missing = {part.place for part in places.values() if part.value is None}
            read = self._part_reader.read(missing) if missing else {}
            parts = {
                name: value
                for name, part in places.items()
                if (value := read.get(part.place, part.value)) is not None
            }
            if len(parts) == len(places) and profile.holds(parts):
                return profile.manifest, parts
            if attempt == 0:
                self.catch_up()
        raise InvalidProfile(f"parts of {described(key)} are gone: register it again")

    def _delete(self, key: ModelVersion) -> None:
        if key in self._heads:
            LOG.warning("the profile of %s/%s was deleted from %s", *key, self._topic)
        self._remove(key)

    def _remove(self, key: ModelVersion) -> None:
        self._manifest_ms.pop(key, None)
        self._heads.pop(key, None)
        self._schemas.pop(key, None)
        self._profiles.pop(key, None)

    def _skip(self, reason: str) -> None:
        if reason not in self._skipped:
            self._skipped.add(reason)
            LOG.warning("skipped a message of %s: %s", self._topic, reason)


def published_profile(settings: Settings, model: str, version: str) -> Profile | None:
    """A published profile; None if there is none."""
    with ProfileTable(settings) as table:
        table.catch_up()
        return table.get(model, version)


def registered_versions(settings: Settings) -> dict[ModelVersion, Head]:
    """The heads of all published profiles, in the order of registration."""
    with ProfileTable(settings) as table:
        table.catch_up()
        return table.versions()


def _decoded_head(manifest: Manifest, parts: Mapping[str, bytes]) -> Head:
    head = decode_parts(manifest, parts, decode_head)
    if (head.model, head.version) != manifest.key:
        raise InvalidProfile(f"the head of {described(manifest.key)} is that of another version")
    return head


def _decoded_schema(manifest: Manifest, parts: Mapping[str, bytes]) -> Schema:
    return decode_parts(manifest, parts, decode_schema)


def _decoded_overview(manifest: Manifest, parts: Mapping[str, bytes]) -> Overview:
    return decode_parts(manifest, parts, decode_overview)


def _blob(name: str, manifest: Manifest, parts: Mapping[str, bytes]) -> bytes | None:
    return decode_parts(manifest, parts, lambda blobs: blobs.get(name))


def _computed_overview(manifest: Manifest, parts: Mapping[str, bytes]) -> Overview:
    return overview_of(decode_profile(manifest, parts))
