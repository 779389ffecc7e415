"""The role ``aggregate``: decode, validate, count. It keeps only what it notes with its offsets.

Every record is classified once, in this order: undecodable, contract, unknown model, clock skew
(dead letters); too late by its own partition; counted. The note of a partition, kept with its
committed offset, holds the newest event time seen there and the counts since the beginning, so both
are exact whoever goes on from it.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from consumers.dead_letters.dead_letter import dead_letter_message
from consumers.messages.joins import JoinRows, identity, identity_partition, join_message
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import summary_messages
from consumers.messages.times import rfc3339
from consumers.messages.watermarks import SourceWatermarks, watermark_messages
from consumers.roles.profiles import Profiles
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data
from monitor.counts.profile import Profile
from monitor.counts.summary import MAX_NAMES, Part, add_names, shortened
from monitor.events.event_time import (
    Arrival,
    Progress,
    Sources,
    classify_arrivals,
    latest,
    newest_before,
)
from monitor.plan import Plan
from producers.contract.records import (
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
)

log = logging.getLogger(__name__)

PREDICTIONS, LABELS = "predictions", "labels"

F = TypeVar("F")
R = TypeVar("R", PredictionRecord, LabelRecord)


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept with the committed offset of a source partition."""

    newest_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)

    def plus(self, newest_ms: int | None, counts: Counter[str], dead: Counter[str]) -> Note:
        return Note(
            latest(self.newest_ms, newest_ms),
            dict(Counter(self.counts) + counts),
            dict(Counter(self.dead) + dead),
        )


class Rejected(ValueError):
    """A record for the dead letters, with the short name of the reason."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(slots=True)
class _Partition:
    """One batch of one source partition, while it is worked on."""

    note: Note
    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    newest_ms: int | None = None

    def noted(self) -> Note:
        return self.note.plus(self.newest_ms, self.counts, self.dead)


@dataclass(slots=True)
class _Work:
    """One batch, while it is worked on."""

    partitions: dict[TopicPartition, _Partition]
    dead_letters: list[Message] = field(default_factory=list)
    models: set[str] = field(default_factory=set)  # found to be registered
    read_on: bool = False  # whether the profiles were read to their end

    def set_aside(self, record: Record, rejected: Rejected) -> None:
        self.partitions[record.topic_partition].dead[rejected.reason] += 1
        self.dead_letters.append(dead_letter_message(record, rejected.reason, str(rejected)))


class Aggregate:
    """Counts predictions into summaries, and sends ids on to be joined with their labels."""

    reads = (PREDICTIONS, LABELS)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._notes: dict[TopicPartition, Note] = {}
        self._pending: dict[TopicPartition, Note] = {}
        self._idle: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        for topic_partition, at in committed.items():
            self._notes[topic_partition] = _read_note(at.metadata)
            self._next[topic_partition] = at.next_offset
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"no cache is behind, and yet {len(records)} records came again")

    def on_partitions_lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        for topic_partition in topic_partitions:
            self._notes.pop(topic_partition, None)
            self._next.pop(topic_partition, None)
            self._idle.discard(topic_partition)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._notes.update(self._pending)
        self._next.update(next_offsets)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(self._next.get(topic_partition, 0), 0),
                "watermark": None if note.newest_ms is None else rfc3339(note.newest_ms),
                "idle": topic_partition in self._idle,
                "counts": {**note.counts, "dead": dict(note.dead)},
            }
            for topic_partition, note in self._notes.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        woken = self._idle & {record.topic_partition for record in batch.records}
        if not batch.records and set(batch.idle) <= self._idle:
            return None
        self._idle = (self._idle | set(batch.idle)) - woken
        work = _Work(
            {
                topic_partition: _Partition(self._notes[topic_partition])
                for topic_partition in batch.next_offsets
            }
        )
        messages = [*self._predictions(batch.records, work), *self._labels(batch.records, work)]
        self._pending = {
            topic_partition: mine.noted() for topic_partition, mine in work.partitions.items()
        }
        for topic in ("summaries", "joins"):
            messages += watermark_messages(topic, self._watermarks(), self._partitions(topic))
        offset_metadata = {
            topic_partition: _write_note(note) for topic_partition, note in self._pending.items()
        }
        return Output(work.dead_letters + messages, offset_metadata)

    # -- predictions ---------------------------------------------------------------------------

    def _predictions(self, records: Sequence[Record], work: _Work) -> Iterable[Message]:
        rows: dict[tuple[str, str], list[tuple[PredictionRecord, Part]]] = defaultdict(list)
        for topic_partition, accepted in self._accepted(
            PREDICTIONS, records, work, self._prediction
        ):
            partition = work.partitions[topic_partition]
            for row, arrival in zip(accepted, self._arrivals(partition, accepted), strict=True):
                if arrival is Arrival.TOO_LATE:
                    partition.counts["too_late"] += 1
                    continue
                late = arrival is Arrival.LATE
                partition.counts["counted"] += 1
                partition.counts["late"] += late
                rows[row.model, row.version].append((row, Part.LATE if late else Part.ON_TIME))
        for (model, version), mine in sorted(rows.items()):
            yield from self._count(model, version, mine)

    def _prediction(self, record: Record, work: _Work) -> PredictionRecord:
        row = decode_prediction(record.value)
        profile = self._looked_up(work, lambda: self._profiles.get(row.model, row.version))
        if profile is None:
            raise Rejected(
                "unknown_model",
                f"no profile of model {row.model!r}, version {row.version!r}: register it, then"
                " replay the dead letters",
            )
        pane_ms = self._plan_of(row.model).windows.pane_ms
        if profile.schema.pane_ms != pane_ms:
            raise Rejected(
                "unknown_model",
                f"the profile of {row.model}/{row.version} was taken with panes of"
                f" {profile.schema.pane_ms / 1000:g} s and windows.pane says {pane_ms / 1000:g} s:"
                " make them agree, or register a new version, then replay the dead letters",
            )
        return row

    def _arrivals(
        self, partition: _Partition, rows: Sequence[PredictionRecord]
    ) -> Iterable[Arrival]:
        times_ms = np.array([row.time_ms for row in rows], dtype=np.int64)
        plans = [self._plan_of(row.model) for row in rows]
        before_ms = newest_before(partition.note.newest_ms, times_ms)
        partition.newest_ms = int(times_ms.max())
        ends_ms = np.array(
            [
                plan.windows.pane_of(row.time_ms) + plan.windows.pane_ms
                for plan, row in zip(plans, rows, strict=True)
            ]
        )
        judged = classify_arrivals(
            before_ms,
            ends_ms,
            np.array([plan.time.lateness_ms for plan in plans]),
            np.array([plan.time.accept_late_ms for plan in plans]),
        )
        return map(Arrival, judged.tolist())

    def _count(
        self, model: str, version: str, mine: Sequence[tuple[PredictionRecord, Part]]
    ) -> Iterable[Message]:
        profile = self._profiles.get(model, version)
        assert profile is not None
        records = [row for row, _ in mine]
        parts = np.array([part for _, part in mine], dtype=object)
        rows = _columns(records, profile)
        summaries = count_data(profile.schema, rows, parts)
        yield from summary_messages(model, summaries, self._partitions("summaries"))
        yield from self._join_messages(
            JoinRows(
                model,
                [identity(model, record.id) for record in records],
                [version] * len(records),
                rows.time_ms,
                parts == Part.LATE,
                rows.score,
                rows.predicted,
                np.zeros(len(records), dtype=np.int64),
            )
        )

    # -- labels --------------------------------------------------------------------------------

    def _labels(self, records: Sequence[Record], work: _Work) -> Iterable[Message]:
        rows: dict[str, list[tuple[LabelRecord, int]]] = defaultdict(list)
        for topic_partition, accepted in self._accepted(LABELS, records, work, self._label):
            partition = work.partitions[topic_partition]
            times_ms = np.array([row.time_ms for row in accepted], dtype=np.int64)
            before_ms = newest_before(partition.note.newest_ms, times_ms)
            partition.newest_ms = int(times_ms.max())
            partition.counts["counted"] += len(accepted)
            for row, seen_ms in zip(accepted, before_ms.tolist(), strict=True):
                rows[row.model].append((row, seen_ms))
        for model, mine in sorted(rows.items()):
            n = len(mine)
            yield from self._join_messages(
                JoinRows(
                    model,
                    [identity(model, row.id) for row, _ in mine],
                    [None] * n,
                    np.array([row.time_ms for row, _ in mine], dtype=np.int64),
                    np.zeros(n, dtype=bool),
                    np.zeros(n),
                    np.array([row.label for row, _ in mine], dtype=np.int64),
                    np.array([seen_ms for _, seen_ms in mine], dtype=np.int64),
                )
            )

    def _label(self, record: Record, work: _Work) -> LabelRecord:
        row = decode_label(record.value)
        if not self._known(row.model, work):
            raise Rejected(
                "unknown_model",
                f"no profile of model {row.model!r}: register it, then replay the dead letters",
            )
        return row

    def _join_messages(self, rows: JoinRows) -> Iterable[Message]:
        total = self._partitions("joins")
        target = np.array([identity_partition(ident, total) for ident in rows.ident])
        for number in np.unique(target):
            mine = np.flatnonzero(target == number)
            yield join_message(
                JoinRows(
                    rows.model,
                    [rows.ident[i] for i in mine],
                    [rows.version[i] for i in mine],
                    rows.time_ms[mine],
                    rows.late[mine],
                    rows.score[mine],
                    rows.value[mine],
                    rows.seen_ms[mine],
                ),
                int(number),
            )

    # -- what both share -----------------------------------------------------------------------

    def _accepted(
        self,
        topic: str,
        records: Sequence[Record],
        work: _Work,
        read: Callable[[Record, _Work], R],
    ) -> Iterable[tuple[TopicPartition, list[R]]]:
        """The records of each partition that can be counted, in order; the others set aside."""
        accepted: dict[TopicPartition, list[R]] = defaultdict(list)
        for record in records:
            if record.topic != topic:
                continue
            work.partitions[record.topic_partition].counts["received"] += 1
            try:
                accepted[record.topic_partition].append(self._read(record, work, read))
            except Rejected as rejected:
                work.set_aside(record, rejected)
        return [(topic_partition, rows) for topic_partition, rows in accepted.items() if rows]

    def _read(self, record: Record, work: _Work, read: Callable[[Record, _Work], R]) -> R:
        """Raises ``Rejected``."""
        try:
            row = read(record, work)
        except Undecodable as error:
            raise Rejected("undecodable", str(error)) from error
        except ContractViolation as error:
            raise Rejected("contract", str(error)) from error
        self._refuse_future(record, row)
        return row

    def _refuse_future(self, record: Record, row: PredictionRecord | LabelRecord) -> None:
        skew_ms = self._plan_of(row.model).time.max_clock_skew_ms
        if skew_ms is not None and row.time_ms > record.append_ms + skew_ms:
            raise Rejected(
                "clock_skew",
                f"its time, {rfc3339(row.time_ms)}, lies ahead of the broker's clock by more than"
                f" {skew_ms / 1000:g} s: mend the service's clock, or set time.max_clock_skew",
            )

    def _known(self, model: str, work: _Work) -> bool:
        """Whether any version of it is registered."""

        def registered() -> bool:
            return any(name == model for name, _ in self._profiles.all())

        if model not in work.models and self._looked_up(work, registered):
            work.models.add(model)
        return model in work.models

    def _looked_up(self, work: _Work, look: Callable[[], F]) -> F:
        """Before anything is called unknown, the profiles are read to their end, once a batch."""
        found = look()
        if not found and not work.read_on:
            work.read_on = True
            self._profiles.catch_up()
            found = look()
        return found

    def _watermarks(self) -> SourceWatermarks:
        return SourceWatermarks(
            predictions=self._sources(PREDICTIONS), labels=self._sources(LABELS)
        )

    def _sources(self, topic: str) -> Sources:
        return Sources(
            self._partitions(topic),
            {
                topic_partition.partition: Progress(
                    self._pending.get(topic_partition, note).newest_ms,
                    topic_partition in self._idle,
                )
                for topic_partition, note in self._notes.items()
                if topic_partition.topic == topic
            },
        )


def _columns(records: Sequence[PredictionRecord], profile: Profile) -> Predictions:
    score = np.array([record.score for record in records], dtype=np.float64)
    default = (score >= profile.schema.threshold).astype(np.int64)
    predicted = [
        int(default[i]) if record.prediction is None else record.prediction
        for i, record in enumerate(records)
    ]
    names = [*profile.schema.features, *_unknown(records, profile)]
    return Predictions(
        [record.id for record in records],
        np.array([record.time_ms for record in records], dtype=np.int64),
        score,
        np.array(predicted, dtype=np.int64),
        {name: [record.features.get(name) for record in records] for name in names},
    )


def _unknown(records: Sequence[PredictionRecord], profile: Profile) -> list[str]:
    """Features that the profile lacks: no more of them than a sum of their names would keep."""
    named = set().union(*(record.features for record in records))
    found = sorted(named - profile.schema.features.keys())
    kept = add_names([{"unknown": dict.fromkeys(map(shortened, found), 1)}])["unknown"]
    return [name for name in found if shortened(name) in kept][:MAX_NAMES]


def _write_note(note: Note) -> str:
    return msgspec.json.encode(note).decode()


def _read_note(text: str) -> Note:
    return msgspec.json.decode(text.encode(), type=Note) if text else Note()
