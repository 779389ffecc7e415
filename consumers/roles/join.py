"""The role ``join``: finds the prediction of each label, and the other way round.

Predictions and labels wait in a RocksDB store, one for each partition of ``joins``, together with
the offset that the store reflects, in one write. It is written only after the transaction that it
belongs to; where it is behind, the log is read again; where it is ahead or gone, it is rebuilt.

What a store holds is a function of the log up to its offset, however the log was cut into batches:
a row meets its id as it stands at the row's own place in the log, forgotten if the watermarks there
have passed it.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rocksdict import AccessType, Options, Rdict, WriteBatch

from consumers.messages.joins import JoinRows, decode_join_message
from consumers.messages.reading import MessageReader
from consumers.messages.records import Batch, CommittedOffset, Output, Record, TopicPartition
from consumers.messages.summaries import summary_messages
from consumers.messages.times import rfc3339
from consumers.messages.watermarks import JoinWatermarks, SourceWatermarks, watermark_messages
from consumers.roles.profiles import Profiles, required
from driftline.errors import Trouble
from monitor.counts.counting import count_outcomes
from monitor.counts.summary import Summary
from monitor.events.event_time import Sources, earliest, latest
from monitor.events.joining import (
    Entry,
    JoinedRow,
    JoinPolicy,
    Label,
    ScoredPrediction,
    add_rows,
    joined_row_changes,
    label_outcomes,
)
from monitor.plan import Plan
from monitor.windows.state import JoinWatermark

log = logging.getLogger(__name__)

LOCK_S, LOOK_AGAIN_S = 15.0, 0.1

_META = b"m"
_ENTRY, _EXPIRY = b"e", b"x"

Row = ScoredPrediction | Label
Arrived = tuple[int | None, Row]  # what the watermarks had passed when it came


class StoreTaken(Trouble):
    """A store that another process holds open."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a store reflects."""

    next: int
    predictions: Sources = field(default_factory=Sources)
    labels: Sources = field(default_factory=Sources)
    predictions_ms: int | None = None
    labels_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def past_ms(self) -> int | None:
        """Entries that expire before it are out of the reach of any row."""
        return earliest((self.predictions_ms, self.labels_ms))

    def heard(self, closing: SourceWatermarks) -> Meta:
        predictions = self.predictions.updated(
            closing.predictions.total, closing.predictions.partitions
        )
        labels = self.labels.updated(closing.labels.total, closing.labels.partitions)
        predictions_ms = latest(self.predictions_ms, predictions.min_newest_ms())
        # With every label partition idle nobody would notice missing labels, were time to stand.
        labels_now = predictions_ms if labels.all_idle else labels.min_newest_ms()
        return replace(
            self,
            predictions=predictions,
            labels=labels,
            predictions_ms=predictions_ms,
            labels_ms=latest(self.labels_ms, labels_now),
        )


class Kept(NamedTuple):
    """An entry, and the watermark at which it is forgotten."""

    expiry_ms: int
    entry: Entry


class Store:
    """The waiting rows of one partition. Changes stay in memory until ``write``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = _open(path)
        stored = self._db.get(_META)
        self.meta = Meta(0) if stored is None else msgspec.msgpack.decode(stored, type=Meta)

    def entries(self, idents: Sequence[bytes]) -> list[Kept | None]:
        found: Any = self._db.get([_ENTRY + ident for ident in idents])
        return [None if v is None else msgspec.msgpack.decode(v, type=Kept) for v in found]

    def expired(self, before_ms: int) -> list[bytes]:
        """Ids whose time is up, oldest first. None is left of what was up at the last write."""
        found, end = [], _time_key(before_ms)
        keys: Iterator[Any] = self._db.keys(from_key=_time_key(self.meta.past_ms or 0))
        for key in keys:
            if key >= end:
                break
            found.append(key[-16:])
        return found

    def write(self, meta: Meta, changes: Mapping[bytes, tuple[Kept | None, Kept | None]]) -> None:
        """Entries by id, as they were and as they are now (None: not there), and the offset."""
        batch = WriteBatch(raw_mode=True)
        for ident, (before, after) in changes.items():
            if before is not None:
                batch.delete(_time_key(before.expiry_ms) + ident)
            if after is None:
                batch.delete(_ENTRY + ident)
            else:
                batch.put(_ENTRY + ident, msgspec.msgpack.encode(after))
                batch.put(_time_key(after.expiry_ms) + ident, b"")
        batch.put(_META, msgspec.msgpack.encode(meta))
        self._db.write(batch)
        self.meta = meta

    def close(self) -> None:
        self._db.close()

    def emptied(self) -> Store:
        self.close()
        shutil.rmtree(self.path)
        return Store(self.path)


@dataclass(slots=True)
class _Step:
    """What one batch makes of one partition, before it is committed."""

    meta: Meta
    entries: dict[bytes, tuple[Kept | None, Kept | None]] = field(default_factory=dict)
    additions: dict[str, list[tuple[JoinedRow, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    counts: Counter[str] = field(default_factory=Counter)

    def take_in(self, model: str, kept: Kept | None, row: Row, policy: JoinPolicy) -> Kept:
        before = Entry(model) if kept is None else kept.entry
        after = add_rows(before, [row])
        self.additions[model] += joined_row_changes(before, after, policy)
        self.counts.update(label_outcomes(after, policy))
        self.counts.subtract(label_outcomes(before, policy))
        repeated = after.repeated_predictions - before.repeated_predictions
        self.counts["repeated_predictions"] += repeated
        return Kept(after.newest_ms + policy.ttl_ms, after)

    def still(self, kept: Kept | None, past_ms: int | None, policy: JoinPolicy) -> Kept | None:
        """What is kept; None once it is forgotten. Labels that wait then have expired."""
        if kept is None or past_ms is None or kept.expiry_ms >= past_ms:
            return kept
        waiting = label_outcomes(kept.entry, policy)["waiting"]
        self.counts["waiting"] -= waiting
        self.counts["expired"] += waiting
        return None


class Join:
    """Matches labels with predictions, and counts what it has matched."""

    reads = ("joins",)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        directory: Path,
        first_offset: Callable[[TopicPartition], int],
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._directory, self._first_offset = directory, first_offset
        self._reader = MessageReader({"joins": decode_join_message})
        self._stores: dict[TopicPartition, Store] = {}
        self._pending: dict[TopicPartition, _Step] = {}

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        behind = {}
        for topic_partition, at in committed.items():
            store = self._stores[topic_partition] = self._opened(
                topic_partition, max(at.next_offset, 0)
            )
            if store.meta.next < at.next_offset:
                behind[topic_partition] = store.meta.next
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for topic_partition, step in self._steps(records).items():
            self._stores[topic_partition].write(step.meta, step.entries)

    def on_partitions_lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        for topic_partition in topic_partitions:
            store = self._stores.pop(topic_partition, None)
            if store is not None:
                store.close()

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        self._pending = self._steps(batch.records)
        total = self._partitions("joins")
        summaries = [s for step in self._pending.values() for s in self._summaries(step)]
        by_model: dict[str, list[Summary]] = defaultdict(list)
        for summary in summaries:
            by_model[summary.model].append(summary)
        targets = self._partitions("summaries")
        messages = [
            message
            for model, mine in sorted(by_model.items())
            for message in summary_messages(model, mine, targets)
        ]
        reflected = {
            topic_partition.partition: JoinWatermark(step.meta.predictions_ms, step.meta.labels_ms)
            for topic_partition, step in self._pending.items()
        }
        watermarks = JoinWatermarks(total=total, partitions=reflected)
        messages += watermark_messages("summaries", watermarks, targets)
        return Output(messages)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for topic_partition in next_offsets:
            step = self._pending[topic_partition]
            self._stores[topic_partition].write(step.meta, step.entries)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": store.meta.next,
                "watermark": None
                if store.meta.labels_ms is None
                else rfc3339(store.meta.labels_ms),
                "idle": store.meta.labels.all_idle,
                "counts": {**store.meta.counts, "foreign": self._reader.foreign(topic_partition)},
            }
            for topic_partition, store in self._stores.items()
        }

    # -- one batch -----------------------------------------------------------------------------

    def _opened(self, topic_partition: TopicPartition, committed: int) -> Store:
        """The store of a partition; an empty one, if it cannot go on from what it reflects."""
        store = Store(self._directory / str(topic_partition.partition))
        reflects = store.meta.next
        if reflects > committed:
            log.warning("%s is ahead of what is committed: rebuilding it", store.path)
            return store.emptied()
        if 0 < reflects < committed and reflects < self._first_offset(topic_partition):
            log.warning("%s is older than what the log still holds: rebuilding it", store.path)
            return store.emptied()
        return store

    def _steps(self, records: Sequence[Record]) -> dict[TopicPartition, _Step]:
        by_place: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_place[record.topic_partition].append(record)
        return {
            topic_partition: self._step(self._stores[topic_partition], mine)
            for topic_partition, mine in by_place.items()
        }

    def _step(self, store: Store, records: Sequence[Record]) -> _Step:
        step = _Step(replace(store.meta, next=records[-1].offset + 1))
        rows: dict[tuple[str, bytes], list[Arrived]] = defaultdict(list)
        for record in records:
            decoded = self._reader.read(record)
            if decoded is None:
                continue
            if isinstance(decoded, SourceWatermarks):
                step.meta = step.meta.heard(decoded)
            else:
                self._learn_of(decoded)
                _sort_in(rows, decoded, step.meta.past_ms)
                step.counts["predictions"] += sum(v is not None for v in decoded.version)
                step.counts["labels"] += sum(v is None for v in decoded.version)
        policy_of = cache(self._join_policy)
        _match(store, step, rows, policy_of)
        _expire(store, step, policy_of)
        counts = Counter(step.meta.counts)
        counts.update(step.counts)
        step.meta = replace(step.meta, counts=dict(counts))
        return step

    def _learn_of(self, rows: JoinRows) -> None:
        """Read the profiles on if a version is not known here yet: whoever sent it knew it."""
        for version in {version for version in rows.version if version is not None}:
            required(self._profiles, rows.model, version)

    def _join_policy(self, model: str) -> JoinPolicy:
        plan = self._plan_of(model)
        profiles = {v: p for (m, v), p in self._profiles.all().items() if m == model}
        time = plan.time
        return JoinPolicy(
            pane_ms=plan.windows.pane_ms,
            lateness_ms=time.lateness_ms,
            accept_late_ms=time.accept_late_ms,
            horizon_ms=time.label_horizon_ms,
            label_wait_ms={
                version: profile.label_wait_ms(time.label_wait_ms, time.label_horizon_ms)
                for version, profile in profiles.items()
            },
        )

    def _summaries(self, step: _Step) -> list[Summary]:
        found: list[Summary] = []
        for model, additions in step.additions.items():
            by_version: dict[str, list[tuple[JoinedRow, int]]] = defaultdict(list)
            for addition, sign in additions:
                by_version[addition[1].version].append((addition, sign))
            for version, mine in sorted(by_version.items()):
                found += self._counted(model, version, mine)
        return found

    def _counted(
        self, model: str, version: str, additions: Sequence[tuple[JoinedRow, int]]
    ) -> list[Summary]:
        profile = required(self._profiles, model, version)
        pane_ms = profile.schema.pane_ms
        times = np.array([scored.time_ms for (_, scored, _), _ in additions], dtype=np.int64)
        return count_outcomes(
            profile.schema,
            pane_ms=times - times % pane_ms,
            part=np.array([part for (part, _, _), _ in additions], dtype=object),
            score=np.array([scored.score for (_, scored, _), _ in additions]),
            predicted=np.array([s.predicted for (_, s, _), _ in additions], dtype=np.int64),
            label=np.array([label for (_, _, label), _ in additions], dtype=np.int64),
            sign=np.array([sign for _, sign in additions], dtype=np.int64),
        )


def _match(
    store: Store,
    step: _Step,
    rows: Mapping[tuple[str, bytes], Sequence[Arrived]],
    policy_of: Callable[[str], JoinPolicy],
) -> None:
    entries = store.entries([ident for _, ident in rows])
    for ((model, ident), arrived), known in zip(rows.items(), entries, strict=True):
        policy, kept = policy_of(model), known
        for past_ms, row in arrived:
            kept = step.take_in(model, step.still(kept, past_ms, policy), row, policy)
        step.entries[ident] = (known, step.still(kept, step.meta.past_ms, policy))


def _expire(store: Store, step: _Step, policy_of: Callable[[str], JoinPolicy]) -> None:
    """Forget what this batch did not touch and no row can reach any more."""
    past_ms = step.meta.past_ms
    if past_ms is None:
        return
    idents = [ident for ident in store.expired(past_ms) if ident not in step.entries]
    for ident, known in zip(idents, store.entries(idents), strict=True):
        if known is not None:
            step.entries[ident] = (
                known,
                step.still(known, past_ms, policy_of(known.entry.model)),
            )


def _sort_in(
    into: dict[tuple[str, bytes], list[Arrived]], rows: JoinRows, past_ms: int | None
) -> None:
    columns = zip(
        rows.ident,
        rows.version,
        rows.time_ms.tolist(),
        rows.late.tolist(),
        rows.score.tolist(),
        rows.value.tolist(),
        rows.seen_ms.tolist(),
        strict=True,
    )
    for ident, version, time_ms, late, score, value, seen_ms in columns:
        row = (
            Label(time_ms, value, seen_ms)
            if version is None
            else ScoredPrediction(time_ms, score, value, version, late)
        )
        into[rows.model, ident].append((past_ms, row))


def _time_key(time_ms: int) -> bytes:
    return _EXPIRY + max(time_ms, 0).to_bytes(8, "big")


def _open(path: Path) -> Rdict:
    """Empty if what is there is corrupt: it is only a cache.

    Waits for another worker of this machine, which has just lost the partition, to close it.
    Raises ``StoreTaken``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    for _ in range(round(LOCK_S / LOOK_AGAIN_S)):
        try:
            return Rdict(str(path), options=options, access_type=AccessType.read_write())
        except Exception as error:  # rocksdict raises nothing more precise
            _mend(path, str(error))
    raise StoreTaken(f"{path} is held open by another process, perhaps a stopped worker: end it")


def _mend(path: Path, complaint: str) -> None:
    if complaint.startswith("Corruption"):
        log.warning("%s is corrupt: rebuilding it (%s)", path, complaint)
        shutil.rmtree(path)
    elif "/LOCK" in complaint:
        time.sleep(LOOK_AGAIN_S)
    else:
        raise OSError(f"{path}: {complaint}")
