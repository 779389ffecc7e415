"""The role ``join``: finds the prediction of each label, and the other way round.

Predictions and labels wait in a RocksDB store, one for each partition of ``joins``, together with the
offset that the store reflects, in one write. It is written only after the transaction that it
belongs to; where it is behind, the log is read again; where it is ahead or gone, it is rebuilt.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from rocksdict import AccessType, Options, Rdict, WriteBatch

from consumers.profiles import Profiles, required
from consumers.records import Batch, Committed, Message, Output, Place, Record
from consumers.wire import (
    AggregateClosing,
    JoinRows,
    decode_for_join,
    encode_join_closing,
    encode_summary_messages,
    model_partition,
    rfc3339,
)
from monitor.counting import count_outcomes
from monitor.detection import Reflected
from monitor.event_time import Sources, earliest, latest
from monitor.joining import Addition, Entry, Patience, Scored, Truth, added, changes, fates
from monitor.plan import Plan
from monitor.summaries import Summary

log = logging.getLogger(__name__)

_META = b"m"
_ENTRY, _EXPIRY = b"e", b"x"


@dataclass(frozen=True, slots=True)
class Meta:
    """What a store reflects."""

    next: int
    predictions: Sources = field(default_factory=Sources)
    labels: Sources = field(default_factory=Sources)
    predictions_ms: int | None = None
    labels_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def heard(self, closing: AggregateClosing) -> Meta:
        predictions = self.predictions.updated(
            closing.predictions.total, closing.predictions.partitions
        )
        labels = self.labels.updated(closing.labels.total, closing.labels.partitions)
        predictions_ms = latest(self.predictions_ms, predictions.smallest_ms())
        # With every label partition idle nobody would notice missing labels, were time to stand.
        labels_now = predictions_ms if labels.all_idle else labels.smallest_ms()
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
        found = self._db.get([_ENTRY + ident for ident in idents])
        return [None if v is None else msgspec.msgpack.decode(v, type=Kept) for v in found]

    def expired(self, before_ms: int) -> list[bytes]:
        """Ids whose time is up, oldest first."""
        found, end = [], _time_key(before_ms)
        for key in self._db.keys(from_key=_EXPIRY):
            if key[:1] != _EXPIRY or key >= end:
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

    def destroy(self) -> None:
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(slots=True)
class _Step:
    """What one batch makes of one partition, before it is committed."""

    meta: Meta
    entries: dict[bytes, tuple[Kept | None, Kept | None]] = field(default_factory=dict)
    additions: dict[str, list[tuple[Addition, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    counts: Counter[str] = field(default_factory=Counter)


class Join:
    """Matches labels with predictions, and counts what it has matched."""

    reads = ("joins",)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        directory: Path,
        first_offset: Callable[[Place], int],
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._directory, self._first_offset = directory, first_offset
        self._stores: dict[Place, Store] = {}
        self._pending: dict[Place, _Step] = {}

    def resume(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        behind = {}
        for place, at in committed.items():
            store = Store(self._directory / str(place.partition))
            next_offset = max(at.next, 0)
            if not self._first_offset_kept(place, store, next_offset):
                store.destroy()
                store = Store(store.path)
            self._stores[place] = store
            if store.meta.next < next_offset:
                behind[place] = store.meta.next
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for place, step in self._steps(records).items():
            self._stores[place].write(step.meta, step.entries)

    def forget(self, places: Sequence[Place]) -> None:
        self._pending = {}
        for place in places:
            store = self._stores.pop(place, None)
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
            Message("summaries", model.encode(), value, model_partition(model, targets))
            for model, mine in sorted(by_model.items())
            for value in encode_summary_messages(mine)
        ]
        reflected = {
            place.partition: Reflected(step.meta.predictions_ms, step.meta.labels_ms)
            for place, step in self._pending.items()
        }
        closing = encode_join_closing(total, reflected)
        messages += [Message("summaries", None, closing, number) for number in range(targets)]
        return Output(messages)

    def committed(self, next_offsets: Mapping[Place, int]) -> None:
        for place, step in self._pending.items():
            self._stores[place].write(step.meta, step.entries)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            f"{place.topic}/{place.partition}": {
                "offset": store.meta.next,
                "watermark": None
                if store.meta.labels_ms is None
                else rfc3339(store.meta.labels_ms),
                "idle": store.meta.labels.all_idle,
                "counts": dict(store.meta.counts),
            }
            for place, store in self._stores.items()
        }

    # -- one batch -----------------------------------------------------------------------------

    def _first_offset_kept(self, place: Place, store: Store, committed: int) -> bool:
        """Whether the store can go on from what it reflects."""
        if store.meta.next > committed:
            log.warning("%s is ahead of what is committed: rebuilding it", store.path)
            return False
        if store.meta.next < min(self._first_offset(place), committed):
            log.warning("%s is older than what the log still holds: rebuilding it", store.path)
            return store.meta.next == 0
        return True

    def _steps(self, records: Sequence[Record]) -> dict[Place, _Step]:
        by_place: dict[Place, list[Record]] = defaultdict(list)
        for record in records:
            by_place[record.place].append(record)
        return {place: self._step(self._stores[place], mine) for place, mine in by_place.items()}

    def _step(self, store: Store, records: Sequence[Record]) -> _Step:
        step = _Step(replace(store.meta, next=records[-1].offset + 1))
        rows: dict[tuple[str, bytes], list[Scored | Truth]] = defaultdict(list)
        for record in records:
            assert record.value is not None
            decoded = decode_for_join(record.value)
            if isinstance(decoded, AggregateClosing):
                step.meta = step.meta.heard(decoded)
            else:
                self._learn_of(decoded)
                _sort_in(rows, decoded)
                step.counts["predictions"] += sum(v is not None for v in decoded.version)
                step.counts["labels"] += sum(v is None for v in decoded.version)
        self._match(store, step, rows)
        self._expire(store, step)
        counts = Counter(step.meta.counts)
        counts.update(step.counts)
        step.meta = replace(step.meta, counts=dict(counts))
        return step

    def _match(
        self, store: Store, step: _Step, rows: Mapping[tuple[str, bytes], list[Scored | Truth]]
    ) -> None:
        keys = list(rows)
        patience: dict[str, Patience] = {}
        for key, known in zip(keys, store.entries([ident for _, ident in keys]), strict=True):
            model, ident = key
            mine = patience.get(model)
            if mine is None:
                mine = patience[model] = self._patience(model)
            before = Entry(model) if known is None else known.entry
            after = added(before, rows[key])
            step.additions[model] += changes(before, after, mine)
            step.counts.update(fates(after, mine))
            step.counts.subtract(fates(before, mine))
            step.counts["repeated_predictions"] += (
                after.repeated_predictions - before.repeated_predictions
            )
            step.entries[ident] = (known, Kept(after.newest_ms + mine.kept_ms, after))

    def _expire(self, store: Store, step: _Step) -> None:
        """Forget what no row can reach any more; labels still waiting then have expired."""
        past_ms = earliest((step.meta.predictions_ms, step.meta.labels_ms))
        if past_ms is None:
            return
        idents = [ident for ident in store.expired(past_ms) if ident not in step.entries]
        for ident, known in zip(idents, store.entries(idents), strict=True):
            if known is not None:
                waiting = fates(known.entry, self._patience(known.entry.model))["waiting"]
                step.counts["waiting"] -= waiting
                step.counts["expired"] += waiting
                step.entries[ident] = (known, None)

    def _learn_of(self, rows: JoinRows) -> None:
        """Read the profiles on if a version is not known here yet: whoever sent it knew it."""
        versions = {version for version in rows.version if version is not None}
        if any(self._profiles.get(rows.model, version) is None for version in versions):
            self._profiles.catch_up()

    def _patience(self, model: str) -> Patience:
        plan = self._plan_of(model)
        profiles = {v: p for (m, v), p in self._profiles.all().items() if m == model}
        time = plan.time
        return Patience(
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
            by_version: dict[str, list[tuple[Addition, int]]] = defaultdict(list)
            for addition, sign in additions:
                by_version[addition[1].version].append((addition, sign))
            for version, mine in sorted(by_version.items()):
                found += self._counted(model, version, mine)
        return found

    def _counted(
        self, model: str, version: str, additions: Sequence[tuple[Addition, int]]
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


def _sort_in(
    into: dict[tuple[str, bytes], list[Scored | Truth]], rows: JoinRows
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
            Truth(time_ms, value, seen_ms)
            if version is None
            else Scored(time_ms, score, value, version, late)
        )
        into[rows.model, ident].append(row)


def _time_key(time_ms: int) -> bytes:
    return _EXPIRY + max(time_ms, 0).to_bytes(8, "big")


def _open(path: Path) -> Rdict:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    return Rdict(str(path), options=options, access_type=AccessType.read_write())
