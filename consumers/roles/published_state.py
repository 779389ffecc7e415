"""The state of ``detect`` that is published: what the log of summaries cannot rebuild.

Event time and decisions are on ``detect-state``, the states of versions on ``versions``, each in
the partition with the number of the summaries' partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from consumers.messages.detect_state import (
    ClockEntry,
    LostEntry,
    StateEntry,
    TimeEntry,
    UnreadEntry,
    clock_message,
    decisions_message,
    decode_state,
    ended_decisions_message,
    ended_time_message,
    ended_unread_message,
    time_message,
    unread_message,
)
from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.records import Message, Record, TopicPartition
from consumers.messages.versions import decode_version, life_of, version_message
from consumers.roles.set_aside import sentence
from monitor.identity import Key, VersionKey
from monitor.windows.clocks import NO_TIME, AppendClock, VersionTime
from monitor.windows.lives import Life
from monitor.windows.state import Decisions, State
from producers.contract.names import is_name

Records = Callable[[TopicPartition], Iterable[Record]]
Place = tuple[str, bytes | None]  # topic and key
Published = dict[Place, bytes | None]  # values by place
T = TypeVar("T")

STATE, VERSIONS = "detect-state", "versions"


@dataclass(slots=True)
class _Loaded:
    clock: AppendClock = field(default_factory=AppendClock)
    times: dict[VersionKey, VersionTime] = field(default_factory=dict)
    decisions: dict[Key, Decisions] = field(default_factory=dict)
    lives: dict[VersionKey, Life] = field(default_factory=dict)
    unread: dict[str, UnreadEntry] = field(default_factory=dict)
    lost: dict[VersionKey, LostEntry] = field(default_factory=dict)
    # Of models, by topic and key: a later record of the same key replaces the one that fails.
    errors: dict[Place, tuple[str | None, UnreadableMessage]] = field(default_factory=dict)

    @property
    def errors_by_model(self) -> dict[str, UnreadableMessage]:
        """Raises the error of a message that belongs to no model."""
        found = dict[str, UnreadableMessage]()
        for model, error in self.errors.values():
            if model is None:
                raise error
            found[model] = error
        return found

    def add(self, entry: StateEntry) -> None:
        if isinstance(entry, ClockEntry):
            self.clock = entry.clock
        elif isinstance(entry, TimeEntry):
            self.times[entry.key] = entry.time
        elif isinstance(entry, UnreadEntry):
            self.unread[entry.model] = entry
        elif isinstance(entry, LostEntry):
            self.lost[entry.key] = entry
        else:
            self.decisions[entry.key] = entry.decisions

    def remove(self, key: bytes | None) -> None:
        """Remove what was published under a key that has a tombstone."""
        match (key or b"").decode(errors="replace").split("/"):
            case ["time", model, version]:
                self.times.pop((model, version), None)
            case ["model", model, version, *segment] if len(segment) <= 1:
                self.decisions.pop(Key(model, version, *segment), None)
            case ["unread", model]:
                self.unread.pop(model, None)
            case ["lost", model, version]:
                self.lost.pop((model, version), None)


@dataclass(frozen=True, slots=True)
class LoadedState:
    """What was published of a partition."""

    state: State  # without its panes
    published: Published  # the values it was published in
    unread: Mapping[str, UnreadEntry]  # by model
    lost: dict[VersionKey, LostEntry]  # the versions whose loss was told
    errors: Mapping[str, UnreadableMessage]  # of models whose state cannot be read


class PublishedState:
    """Reads and writes the published state of partitions of ``summaries``."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._reader = MessageReader({STATE: decode_state})
        self._versions = MessageReader({VERSIONS: _life_entry})

    def load(self, partition: int) -> LoadedState:
        """Raises ``UnreadableMessage`` for state of no model that cannot be read.

        On ``versions`` such a message has a key that no release writes: it is skipped.
        """
        loaded, published = _Loaded(), Published()
        for record in self._records(TopicPartition(STATE, partition)):
            published[STATE, record.key] = record.value
            entry = _read(self._reader, record, loaded)
            if entry is not None:
                loaded.add(entry)
            elif record.value is None:
                loaded.remove(record.key)
        for record in self._records(TopicPartition(VERSIONS, partition)):
            published[VERSIONS, record.key] = record.value
            found = _read(self._versions, record, loaded)
            if found is not None:
                loaded.lives[found[0]] = found[1]
        state = State(loaded.clock, loaded.times, loaded.decisions, lives=loaded.lives)
        return LoadedState(state, published, loaded.unread, loaded.lost, loaded.errors_by_model)

    def skipped(self, partition: int) -> Mapping[str, int]:
        """The numbers of foreign and of unreadable messages that were skipped."""
        in_versions = self._versions.skipped(TopicPartition(VERSIONS, partition))
        in_state = self._reader.foreign(TopicPartition(STATE, partition))
        return {**in_versions, "foreign": in_versions["foreign"] + in_state}

    def problem(self, partitions: Iterable[int]) -> str | None:
        """The messages of ``versions`` that were skipped because they could not be read."""
        skipped = self._versions.first_skipped(TopicPartition(VERSIONS, one) for one in partitions)
        if skipped is None:
            return None
        return f"messages whose key names no version were skipped, first: {sentence(skipped)}"


def _read(reader: MessageReader[T], record: Record, loaded: _Loaded) -> T | None:
    """None for a tombstone, a foreign message, or one about a model that cannot be read."""
    loaded.errors.pop((record.topic, record.key), None)
    if record.topic == STATE and record.value is None:
        return None
    try:
        return reader.read(record)
    except UnreadableMessage as error:
        model = _model_in(record)
        if model is None and record.topic == VERSIONS:
            reader.skip(record, error)
        else:
            loaded.errors[record.topic, record.key] = (model, error)
        return None


def _model_in(record: Record) -> str | None:
    """The model whose state a record holds."""
    match (record.topic, (record.key or b"").decode(errors="replace").split("/")):
        case (topic, [model, version]) if topic == VERSIONS and is_name(model) and is_name(version):
            return model
        case (topic, ["time" | "model" | "lost", model, *_]) if topic == STATE:
            return model
    return None


def state_messages(
    partition: int, before: State, after: State, published: Published
) -> Iterator[Message]:
    """The state that differs from what was ``published`` last, which is updated."""
    return _unpublished(_changes(partition, before, after), published)


def unread_messages(
    partition: int, before: Iterable[str], after: Iterable[UnreadEntry], published: Published
) -> Iterator[Message]:
    """The models that are not read before and after a batch, as far as that has changed."""
    entries = {entry.model: entry for entry in after}
    messages = [
        *(unread_message(partition, entry) for entry in entries.values()),
        *(ended_unread_message(partition, model) for model in before if model not in entries),
    ]
    return _unpublished(messages, published)


def _unpublished(messages: Iterable[Message], published: Published) -> Iterator[Message]:
    """The messages that differ from what was published last, which is updated."""
    for message in messages:
        key = (message.topic, message.key)
        if published.get(key) != message.value:
            published[key] = message.value
            yield message


def _changes(partition: int, before: State, after: State) -> Iterator[Message]:
    """What a batch has changed; the keys that it did not touch are not compared."""
    yield clock_message(partition, after.clock)
    for version in dict.fromkeys(key.version_key for key in after.touched):
        time = after.times.get(version, NO_TIME)
        if time is not before.times.get(version, NO_TIME) and time is not NO_TIME:
            yield time_message(partition, version, time)
    for key in after.touched:
        decisions = after.decisions.get(key)
        if decisions is not None and decisions is not before.decisions.get(key):
            yield decisions_message(partition, key, decisions)
    if after.lives is not before.lives:
        yield from _life_changes(partition, before, after)


def _life_changes(partition: int, before: State, after: State) -> Iterator[Message]:
    for version in sorted(before.times.keys() - after.times.keys()):
        yield ended_time_message(partition, version)
    for key in sorted(before.decisions.keys() - after.decisions.keys()):
        yield ended_decisions_message(partition, key)
    for version, life in after.lives.items():
        if life is not before.lives.get(version):
            yield version_message(partition, version, life)


def _life_entry(record: Record) -> tuple[VersionKey, Life]:
    message = decode_version(record)
    return (message.model, message.version), life_of(message)
