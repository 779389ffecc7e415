"""Progress at the end of each transaction: how far event time and append time have come.

``aggregate`` writes ``SourceProgress`` to ``joins`` and ``summaries``, ``join`` writes
``JoinProgress`` to ``summaries``. Only changes are written. What belongs to a model version goes to
the partition of its model; append times go to every partition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from msgspec import Meta, Struct

from consumers.messages.arrow import JSON_HEADERS
from consumers.messages.names import Count, Name
from consumers.messages.reading import decode_json
from consumers.messages.records import Message, Record
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import VersionKey
from monitor.windows.clocks import JoinedTime, Progress
from monitor.windows.lives import LifeRequest
from producers.contract.life_requests import LifeRequestMessage
from producers.contract.partitions import model_partition
from producers.contract.records import END_MS

MAX_PARTITIONS = 2**31
Partition = Annotated[int, Meta(ge=0, lt=MAX_PARTITIONS)]


class VersionSeen(Struct, frozen=True, kw_only=True):
    """The predictions of a model version in a partition of ``predictions``."""

    model: Name
    version: Name
    partition: Partition
    seen: Seen
    life: Count | None = None  # its number; None: of an earlier release
    reset_ms: int | None = None  # rows appended until then do not belong to the version

    def __post_init__(self) -> None:
        _require_dates(*_times(self.seen), self.reset_ms)


class LabelsSeen(Struct, frozen=True, kw_only=True):
    """The labels of a model in a partition of ``labels``."""

    model: Name
    partition: Partition
    seen: Seen

    def __post_init__(self) -> None:
        _require_dates(*_times(self.seen))


class SourceProgress(Struct, frozen=True, kw_only=True, tag_field="type", tag="sources"):
    """What a worker has read since its last message."""

    schema: Literal[1]
    predictions: AppendTimes
    labels: AppendTimes
    versions: Sequence[VersionSeen] = ()
    label_models: Sequence[LabelsSeen] = ()

    def __post_init__(self) -> None:
        require_append_times(self.predictions, self.labels)


class VersionJoined(Struct, frozen=True, kw_only=True):
    """The event time to which a partition of ``joins`` has joined the rows of a version."""

    model: Name
    version: Name
    partition: Partition
    predictions: EventTime | None
    labels: EventTime | None
    life: Count | None = None  # as ``aggregate`` has reported it

    def __post_init__(self) -> None:
        for time in (self.predictions, self.labels):
            if time is not None:
                _require_dates(time.ms, time.runs_from_ms)


class JoinProgress(Struct, frozen=True, kw_only=True, tag_field="type", tag="joins"):
    """What a worker has joined since its last message."""

    schema: Literal[1]
    joins: AppendTimes
    versions: Sequence[VersionJoined] = ()

    def __post_init__(self) -> None:
        require_append_times(self.joins)


def require_append_times(*reached: AppendTimes) -> None:
    """Raises ``ValueError`` for a time that is no date, and for an impossible partition."""
    for times in reached:
        _require_dates(*times.reached_ms.values())
        if any(not 0 <= number < MAX_PARTITIONS for number in (times.total, *times.reached_ms)):
            raise ValueError("the number of a partition is not within those of Kafka")


def _times(seen: Seen) -> Iterable[int]:
    return seen.newest_ms, seen.newest_append_ms, seen.first_append_ms, seen.last_append_ms


def _require_dates(*times_ms: int | None) -> None:
    """Raises ``ValueError`` for a time that is no date.

    States of versions begin at such times, and the state of ``join`` holds none beyond 64 bits.
    """
    if any(at_ms is not None and not 0 <= at_ms < END_MS for at_ms in times_ms):
        raise ValueError("a time is not within the years 1970 to 9998")


AnyProgress = SourceProgress | JoinProgress
_OfSummaries = AnyProgress | LifeRequestMessage
_OF_SUMMARIES = cast("type[_OfSummaries]", _OfSummaries)

P = TypeVar("P", SourceProgress, JoinProgress)


def source_progress_messages(
    progress: SourceProgress, *, joins: int, summaries: int, has_append_times: bool
) -> Iterable[Message]:
    """For topics of so many partitions. Without append times, only models that changed get any."""
    yield from join_source_messages(progress, joins)
    without_labels = msgspec.structs.replace(progress, label_models=())
    yield from _to_summaries(without_labels, summaries, has_append_times)


def join_source_messages(progress: SourceProgress, joins: int) -> Iterable[Message]:
    """For ``joins`` alone."""
    for number in range(joins):
        yield _message("joins", progress, number)


def join_progress_messages(
    progress: JoinProgress, summaries: int, *, has_append_times: bool
) -> Iterable[Message]:
    return _to_summaries(progress, summaries, has_append_times)


def decode_source_progress(value: bytes | None) -> SourceProgress:
    """From ``joins``. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(value, SourceProgress)


def decode_progress(record: Record) -> Progress | LifeRequest:
    """JSON from ``summaries``. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    progress = decode_json(record.value, _OF_SUMMARIES)
    if isinstance(progress, LifeRequestMessage):
        key = (progress.model, progress.version)
        at_ms = record.append_ms
        return LifeRequest(key, progress.action, at_ms, progress.by, progress.why)
    if isinstance(progress, SourceProgress):
        seen = _by_key(progress.versions, lambda version: version.seen)
        return Progress(predictions=progress.predictions, seen=seen)
    joined = _by_key(progress.versions, lambda v: JoinedTime(v.predictions, v.labels, v.life))
    return Progress(joins=progress.joins, joined=joined)


V = TypeVar("V", VersionSeen, VersionJoined)
T = TypeVar("T")


def _by_key(
    versions: Iterable[V], content: Callable[[V], T]
) -> Mapping[VersionKey, Mapping[int, T]]:
    found: dict[VersionKey, dict[int, T]] = defaultdict(dict)
    for version in versions:
        found[version.model, version.version][version.partition] = content(version)
    return found


def _to_summaries(progress: P, partitions: int, to_all: bool) -> Iterable[Message]:
    by_partition: dict[int, list[VersionSeen | VersionJoined]] = defaultdict(list)
    for version in progress.versions:
        by_partition[model_partition(version.model, partitions)].append(version)
    for number in range(partitions):
        if to_all or number in by_partition:
            versions = tuple(by_partition[number])
            yield _message(
                "summaries", msgspec.structs.replace(progress, versions=versions), number
            )


def _message(topic: str, progress: AnyProgress, partition: int) -> Message:
    return Message(topic, None, msgspec.json.encode(progress), partition, JSON_HEADERS)
