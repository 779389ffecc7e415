"""The role ``aggregate``: decode, validate, count. It keeps nothing but what it notes with its offsets.

Every record is classified once, in this order: undecodable, contract, unknown model, clock skew
(dead letters); too late by its own partition; counted. The note of a partition, kept with its
committed offset, holds the newest event time seen there and the counts since the beginning, so both
are exact whoever goes on from it.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from consumers.profiles import Profiles
from consumers.records import Batch, Committed, Message, Output, Place, Record
from consumers.wire import (
    AggregateClosing,
    JoinRows,
    encode_aggregate_closing,
    encode_joins,
    encode_summary_messages,
    identity,
    identity_partition,
    model_partition,
    rfc3339,
)
from monitor.counting import count_data
from monitor.event_time import Arrival, Progress, Sources, arrivals, latest, seen_before
from monitor.plan import Plan
from monitor.profile import Profile
from monitor.rows import Predictions
from monitor.summaries import Part
from producers.wire import (
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
)

log = logging.getLogger(__name__)

PREDICTIONS, LABELS = "predictions", "labels"
KEPT_OF_OVERSIZED = 64 * 1024
LIMIT = 1_900_000  # bytes of a dead letter; the topic takes twice what the sources take

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
        self._notes: dict[Place, Note] = {}
        self._pending: dict[Place, Note] = {}
        self._idle: set[Place] = set()
        self._next: dict[Place, int] = {}

    def resume(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        for place, at in committed.items():
            self._notes[place] = _read_note(at.note)
            self._next[place] = at.next
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError("aggregate keeps no cache that could be behind")

    def forget(self, places: Sequence[Place]) -> None:
        self._pending = {}
        for place in places:
            self._notes.pop(place, None)
            self._next.pop(place, None)
            self._idle.discard(place)

    def committed(self, next_offsets: Mapping[Place, int]) -> None:
        self._notes.update(self._pending)
        self._next.update(next_offsets)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            f"{place.topic}/{place.partition}": {
                "offset": max(self._next.get(place, 0), 0),
                "watermark": None if note.newest_ms is None else rfc3339(note.newest_ms),
                "idle": place in self._idle,
                "counts": {**note.counts, "dead": dict(note.dead)},
            }
            for place, note in self._notes.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        woken = self._idle & {record.place for record in batch.records}
        silent = batch.silent & set(self._notes)
        if not batch.records and silent <= self._idle:
            return None
        self._idle = (self._idle | silent) - woken
        self._letters: list[Message] = []
        self._asked: set[tuple[str, str]] = set()  # models looked for in vain in this batch
        work = {r.place: _Partition(self._notes[r.place]) for r in batch.records}
        messages = [*self._predictions(batch.records, work), *self._labels(batch.records, work)]
        self._pending = {place: partition.noted() for place, partition in work.items()}
        closing = encode_aggregate_closing(self._closing())
        for topic in ("summaries", "joins"):
            messages += [
                Message(topic, None, closing, number) for number in range(self._partitions(topic))
            ]
        notes = {place: _write_note(note) for place, note in self._pending.items()}
        return Output(self._letters + messages, notes)

    # -- predictions ---------------------------------------------------------------------------

    def _predictions(
        self, records: Sequence[Record], work: Mapping[Place, _Partition]
    ) -> Iterable[Message]:
        rows: dict[tuple[str, str], list[tuple[PredictionRecord, Part]]] = defaultdict(list)
        for place, accepted in self._accepted(PREDICTIONS, records, work, self._prediction):
            partition = work[place]
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

    def _prediction(self, record: Record) -> PredictionRecord:
        row = decode_prediction(record.value)
        profile = self._profile(row.model, row.version)
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
        before_ms = seen_before(partition.note.newest_ms, times_ms)
        partition.newest_ms = int(times_ms.max())
        ends_ms = np.array(
            [p.windows.pane_of(r.time_ms) + p.windows.pane_ms for p, r in zip(plans, rows, strict=True)]
        )
        judged = arrivals(
            before_ms,
            ends_ms,
            np.array([plan.time.lateness_ms for plan in plans]),
            np.array([plan.time.accept_late_ms for plan in plans]),
        )
        return map(Arrival, judged.tolist())

    def _count(
        self, model: str, version: str, mine: Sequence[tuple[PredictionRecord, Part]]
    ) -> Iterable[Message]:
        profile = self._profile(model, version)
        assert profile is not None
        records = [row for row, _ in mine]
        parts = np.array([part for _, part in mine], dtype=object)
        rows = _columns(records, profile)
        number = model_partition(model, self._partitions("summaries"))
        for value in encode_summary_messages(count_data(profile.schema, rows, parts)):
            yield Message("summaries", model.encode(), value, number)
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

    def _labels(
        self, records: Sequence[Record], work: Mapping[Place, _Partition]
    ) -> Iterable[Message]:
        rows: dict[str, list[tuple[LabelRecord, int]]] = defaultdict(list)
        for place, accepted in self._accepted(LABELS, records, work, self._label):
            partition = work[place]
            times_ms = np.array([row.time_ms for row in accepted], dtype=np.int64)
            before_ms = seen_before(partition.note.newest_ms, times_ms)
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

    def _label(self, record: Record) -> LabelRecord:
        row = decode_label(record.value)
        if not self._known(row.model):
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
            value = encode_joins(
                JoinRows(
                    rows.model,
                    [rows.ident[i] for i in mine],
                    [rows.version[i] for i in mine],
                    rows.time_ms[mine],
                    rows.late[mine],
                    rows.score[mine],
                    rows.value[mine],
                    rows.seen_ms[mine],
                )
            )
            yield Message("joins", None, value, int(number))

    # -- what both share -----------------------------------------------------------------------

    def _accepted(
        self,
        topic: str,
        records: Sequence[Record],
        work: Mapping[Place, _Partition],
        read: Callable[[Record], R],
    ) -> Iterable[tuple[Place, list[R]]]:
        """The records of each partition that can be counted, in order; the others set aside."""
        accepted: dict[Place, list[R]] = defaultdict(list)
        for record in records:
            if record.topic != topic:
                continue
            partition = work[record.place]
            partition.counts["in"] += 1
            try:
                row = read(record)
                self._refuse_future(record, row)
            except Rejected as rejected:
                self._set_aside(record, partition, rejected)
            except Undecodable as error:
                self._set_aside(record, partition, Rejected("undecodable", str(error)))
            except ContractViolation as error:
                self._set_aside(record, partition, Rejected("contract", str(error)))
            else:
                accepted[record.place].append(row)
        return accepted.items()

    def _refuse_future(self, record: Record, row: PredictionRecord | LabelRecord) -> None:
        skew_ms = self._plan_of(row.model).time.max_clock_skew_ms
        if skew_ms is not None and row.time_ms > record.append_ms + skew_ms:
            raise Rejected(
                "clock_skew",
                f"its time, {rfc3339(row.time_ms)}, lies ahead of the broker's clock by more than"
                f" {skew_ms / 1000:g} s: mend the service's clock, or set time.max_clock_skew",
            )

    def _set_aside(self, record: Record, partition: _Partition, rejected: Rejected) -> None:
        partition.dead[rejected.reason] += 1
        self._letters.append(dead_letter(record, rejected.reason, str(rejected)))

    def _profile(self, model: str, version: str) -> Profile | None:
        """Before a model is called unknown, the table is read to its end, once a batch."""
        found = self._profiles.get(model, version)
        if found is None and (model, version) not in self._asked:
            self._asked.add((model, version))
            self._profiles.catch_up()
            found = self._profiles.get(model, version)
        return found

    def _known(self, model: str) -> bool:
        def registered() -> bool:
            return any(name == model for name, _ in self._profiles.all())

        if registered() or (model, "") in self._asked:
            return registered()
        self._asked.add((model, ""))
        self._profiles.catch_up()
        return registered()

    def _closing(self) -> AggregateClosing:
        return AggregateClosing(self._sources(PREDICTIONS), self._sources(LABELS))

    def _sources(self, topic: str) -> Sources:
        return Sources(
            self._partitions(topic),
            {
                place.partition: Progress(
                    self._pending.get(place, note).newest_ms, place in self._idle
                )
                for place, note in self._notes.items()
                if place.topic == topic
            },
        )


def dead_letter(record: Record, reason: str, why: str) -> Message:
    """The record byte for byte, with the reason; of one over the limit its beginning and its hash."""
    headers: list[tuple[str, bytes | None]] = [
        *((name, value) for name, value in record.headers if not name.startswith("driftline.")),
        ("driftline.reason", reason.encode()),
        ("driftline.error", why.encode()[:2_000]),
        ("driftline.topic", record.topic.encode()),
        ("driftline.partition", str(record.partition).encode()),
        ("driftline.offset", str(record.offset).encode()),
    ]
    value = record.value
    if value is not None and len(value) > LIMIT:
        digest = hashlib.sha256(value).hexdigest()
        headers.append(("driftline.truncated", f"sha256={digest} bytes={len(value)}".encode()))
        value = value[:KEPT_OF_OVERSIZED]
    return Message("dead-letters", record.key, value, headers=headers)


def _columns(records: Sequence[PredictionRecord], profile: Profile) -> Predictions:
    score = np.array([record.score for record in records], dtype=np.float64)
    default = (score >= profile.schema.threshold).astype(np.int64)
    predicted = [
        int(default[i]) if record.prediction is None else record.prediction
        for i, record in enumerate(records)
    ]
    names = set(profile.schema.features).union(*(record.features for record in records))
    return Predictions(
        [record.id for record in records],
        np.array([record.time_ms for record in records], dtype=np.int64),
        score,
        np.array(predicted, dtype=np.int64),
        {name: [record.features.get(name) for record in records] for name in sorted(names)},
    )


def _write_note(note: Note) -> str:
    return msgspec.json.encode(note).decode()


def _read_note(text: str) -> Note:
    return msgspec.json.decode(text.encode(), type=Note) if text else Note()
