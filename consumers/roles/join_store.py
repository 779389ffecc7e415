"""Predictions and labels that wait to be joined, in RocksDB, with an index by expiry time.

The keys of one partition's store::

    m                         the state: offset, watermarks and counts
    e + id                    the entry of an id, with its expiry time
    x + expiry time + id      the index, ordered by expiry time
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rocksdict import AccessType, Options, Rdict, WriteBatch

from consumers.messages.watermarks import SourceWatermarks
from driftline.errors import Trouble
from monitor.events.event_time import Sources, earliest, latest
from monitor.events.joining import Entry

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S, RETRY_S = 15.0, 0.1
ID_BYTES = 16

_STATE = b"m"
_ENTRY, _EXPIRY = b"e", b"x"


class StoreTaken(Trouble):
    """Another process has the store open."""


@dataclass(frozen=True, slots=True)
class JoinState:
    """The state of a store apart from its entries."""

    next: int  # the offset of the log up to which the store is updated
    predictions: Sources = field(default_factory=Sources)
    labels: Sources = field(default_factory=Sources)
    predictions_ms: int | None = None
    labels_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def watermark_ms(self) -> int | None:
        """The earlier watermark of both topics. Entries that expire before it are complete."""
        return earliest((self.predictions_ms, self.labels_ms))

    def updated(self, watermarks: SourceWatermarks) -> JoinState:
        predictions = self.predictions.updated(
            watermarks.predictions.total, watermarks.predictions.partitions
        )
        labels = self.labels.updated(watermarks.labels.total, watermarks.labels.partitions)
        predictions_ms = latest(self.predictions_ms, predictions.min_newest_ms())
        # If all label partitions are idle, their time follows the predictions. If it stood still,
        # missing labels would never be noticed.
        labels_ms = predictions_ms if labels.all_idle else labels.min_newest_ms()
        return replace(
            self,
            predictions=predictions,
            labels=labels,
            predictions_ms=predictions_ms,
            labels_ms=latest(self.labels_ms, labels_ms),
        )


class StoredEntry(NamedTuple):
    """An entry, and the watermark at which it expires."""

    expiry_ms: int
    entry: Entry


EntryChange = tuple[StoredEntry | None, StoredEntry | None]  # before and after; None: no entry


class JoinStore:
    """The waiting rows of one partition. Raises ``StoreTaken``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = _open(path)
        stored = self._db.get(_STATE)
        self.state = (
            JoinState(0) if stored is None else msgspec.msgpack.decode(stored, type=JoinState)
        )

    def entries(self, ids: Sequence[bytes]) -> list[StoredEntry | None]:
        """The entries of ids; None where there is none."""
        values: Any = self._db.get([_ENTRY + ident for ident in ids])
        return [
            None if value is None else msgspec.msgpack.decode(value, type=StoredEntry)
            for value in values
        ]

    def expired(self, before_ms: int) -> list[bytes]:
        """The ids that expire before a time, in order of expiry.

        What had expired at the last write was removed by it.
        """
        ids, end = [], _time_key(before_ms)
        keys: Iterator[Any] = self._db.keys(from_key=_time_key(self.state.watermark_ms or 0))
        for key in keys:
            if key >= end:
                break
            ids.append(key[-ID_BYTES:])
        return ids

    def write(self, state: JoinState, changes: Mapping[bytes, EntryChange]) -> None:
        """Write the state and the changes of entries by id, atomically."""
        batch = WriteBatch(raw_mode=True)
        for ident, (before, after) in changes.items():
            if before is not None:
                batch.delete(_time_key(before.expiry_ms) + ident)
            if after is None:
                batch.delete(_ENTRY + ident)
            else:
                batch.put(_ENTRY + ident, msgspec.msgpack.encode(after))
                batch.put(_time_key(after.expiry_ms) + ident, b"")
        batch.put(_STATE, msgspec.msgpack.encode(state))
        self._db.write(batch)
        self.state = state

    def close(self) -> None:
        self._db.close()

    def emptied(self) -> JoinStore:
        """An empty store in its place."""
        self.close()
        shutil.rmtree(self.path)
        return JoinStore(self.path)


def _time_key(time_ms: int) -> bytes:
    return _EXPIRY + max(time_ms, 0).to_bytes(8, "big")


def _open(path: Path) -> Rdict:
    """Open or create a database. A corrupt one is emptied: it is only a cache.

    Waits until another worker of this machine, which has just lost the partition, has closed it.
    Raises ``StoreTaken``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    for _ in range(round(LOCK_TIMEOUT_S / RETRY_S)):
        try:
            return Rdict(str(path), options=options, access_type=AccessType.read_write())
        except Exception as error:  # rocksdict raises nothing more precise
            _recover(path, str(error))
    raise StoreTaken(f"{path} is held open by another process, perhaps a stopped worker: end it")


def _recover(path: Path, message: str) -> None:
    """Prepare for another attempt to open. Raises ``OSError`` if there is no use in one."""
    if message.startswith("Corruption"):
        log.warning("%s is corrupt: rebuilding it (%s)", path, message)
        shutil.rmtree(path)
    elif "/LOCK" in message:
        time.sleep(RETRY_S)
    else:
        raise OSError(f"{path}: {message}")
