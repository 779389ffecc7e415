"""Which topics of other services wait until the reference of their version is collected."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Protocol

from consumers.messages.times import milliseconds, rfc3339
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.schemas.registry import registry_of
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings
from monitor.identity import VersionKey


class RegisteredVersions(Protocol):
    """The published profiles."""

    def versions(self) -> Container[VersionKey]: ...

    def reference_end_ms(self, model: str, version: str) -> int | None: ...

    def refresh(self) -> None: ...


class WaitingSources:
    """A topic waits as a whole, as long as one of its tables does.

    A table of labels waits if all versions of its model collect, until one is registered: labels
    need a model. After that, rows of the time of the reference are left out.
    """

    def __init__(self, settings: Settings, profiles: RegisteredVersions) -> None:
        self._settings, self._profiles = settings, profiles
        self._registry = registry_of(settings.schema_registry)
        self._mappers: dict[str, RecordMapper] = {}
        self._waits = {source.topic for source in settings.sources if self._keys(source)}

    def topics(self) -> frozenset[str]:
        """The short names of the topics that wait now."""
        if self._waits:
            self._profiles.refresh()
            waits = {one.topic for one in self._settings.sources if self._is_waiting(one)}
            self._waits &= waits  # a topic that was read does not wait again
        return frozenset(map(self._settings.short_topic, self._waits))

    def mapper(self, topic: str) -> RecordMapper:
        """Of a topic, by its short name, that does not wait."""
        if topic not in self._mappers:
            tables = tables_of(self._settings, topic)
            self._mappers[topic] = RecordMapper(list(map(self._after, tables)), self._registry)
        return self._mappers[topic]

    def _keys(self, source: SourceSection) -> Sequence[VersionKey]:
        """The versions of which one has to be registered for the table; none: at once."""
        if source.features is not None:
            key = source.version_key
            return [key] if key is not None and source.collect is not None else []
        return collecting_versions(self._settings.sources, source.model.constant)

    def _is_waiting(self, source: SourceSection) -> bool:
        keys, registered = self._keys(source), self._profiles.versions()
        return bool(keys) and not any(key in registered for key in keys)

    def _after(self, source: SourceSection) -> SourceSection:
        """The table without the rows of the reference."""
        registered = self._profiles.versions()
        ends = [self._profiles.reference_end_ms(*k) for k in self._keys(source) if k in registered]
        end_ms = min((end_ms for end_ms in ends if end_ms is not None), default=None)
        own_ms = 0 if source.since is None else milliseconds(source.since)
        if end_ms is None or end_ms <= own_ms:
            return source
        return source.model_copy(update={"since": rfc3339(end_ms)})


def tables_of(settings: Settings, topic: str) -> list[SourceSection]:
    """The tables of a topic, by its short name."""
    return [one for one in settings.sources if settings.short_topic(one.topic) == topic]


def collecting_versions(sources: Sequence[SourceSection], model: str | None) -> list[VersionKey]:
    """The versions of a model that are collected, if there are no others of it."""
    own = [one for one in sources if one.features is not None and one.model.constant == model]
    keys = [one.version_key for one in own if one.collect is not None]
    return [key for key in keys if key is not None] if len(keys) == len(own) else []
