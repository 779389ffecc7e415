"""Predictions and labels that wait to be joined, in RocksDB, with an index by expiry time.

The keys of one partition's store::

    m                                 the state: offset, event times and counts
    e + id                            the entry of an id, with its expiry time
    x + model + expiry time + id      the index: of each model, ordered by expiry time
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rocksdict import AccessType, Options, Rdict, WriteBatch

from consumers.roles.join_clock import JoinClock
from driftline.errors import Trouble
from monitor.events.joining import Entry
from monitor.windows.clocks import JoinedTime

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
    clock: JoinClock = field(default_factory=JoinClock)
    reported: Mapping[str, Mapping[str, JoinedTime]] = field(default_factory=dict)
    expired_ms: Mapping[str, int] = field(default_factory=dict)  # by model: no entry is older
    counts: Mapping[str, int] = field(default_factory=dict)


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

    def expired(self, model: str, from_ms: int, before_ms: int) -> list[bytes]:
        """The ids of a model that expire in ``[from_ms, before_ms)``, in order of expiry."""
        ids, prefix = [], _EXPIRY + _model_key(model)
        end = prefix + _time_key(before_ms)
        keys: Iterator[Any] = self._db.keys(from_key=prefix + _time_key(from_ms))
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
                batch.delete(_index_key(before) + ident)
            if after is None:
                batch.delete(_ENTRY + ident)
            else:
                batch.put(_ENTRY + ident, msgspec.msgpack.encode(after))
                batch.put(_index_key(after) + ident, b"")
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


def _index_key(stored: StoredEntry) -> bytes:
    return _EXPIRY + _model_key(stored.entry.model) + _time_key(stored.expiry_ms)


def _model_key(model: str) -> bytes:
    """Eight bytes for a model; a collision is not expected in any lifetime."""
    return hashlib.blake2b(model.encode(), digest_size=8).digest()


def _time_key(time_ms: int) -> bytes:
    return max(time_ms, 0).to_bytes(8, "big")


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
