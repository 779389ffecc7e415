"""Predictions and labels that wait to be joined, in RocksDB, with an index by expiry time.

The keys of one partition's store::

    m5                                  the state: offset, event times and counts
    e + id                              the entry of an id
    x + model + expiry time + number    the index: ids of a model that expire about then

An entry of one prediction, one label or one of each is 64 bytes (``ENTRY``), any other is msgpack.
The index has a value for the ids of a batch that expire within the same span (``index_time``). An
id is not moved if its entry gets newer rows: when it is due, it is indexed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from rocksdict import WriteBatch

from consumers.roles.disk import Disk
from consumers.roles.join_clock import JoinClock
from monitor.events.join_columns import ENTRY, Entries, Flags
from monitor.events.joining import Entry
from monitor.windows.clocks import JoinedTime

ID_BYTES = 16
SPANS = 4_096  # of the index in the lifetime of an entry

_STATE = b"m5"  # another number for another format of the store
_ENTRY, _INDEX = b"e", b"x"
_OTHER = b"\xff"  # begins an entry in msgpack; ``ENTRY`` begins with its kind
_NO_ENTRY = bytes(ENTRY.itemsize)

Idents = NDArray[np.uint8]  # shape (n, 16)


@dataclass(frozen=True, slots=True)
class JoinState:
    """The state of a store apart from its entries."""

    next: int  # the offset of the log up to which the store is updated
    clock: JoinClock = field(default_factory=JoinClock)
    reported: Mapping[str, Mapping[str, JoinedTime]] = field(default_factory=dict)
    expired_ms: Mapping[str, int] = field(default_factory=dict)  # by model: the index begins there
    counts: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[str, ...] = ()  # entries hold their positions
    blocks: int = 0  # that were ever added to the index


@dataclass(slots=True)
class Found:
    """The entries of ids, in their order, to be changed and written."""

    ident: Idents
    keys: list[bytes]
    existed: Flags
    entries: Entries  # empty where there is none, and where ``others`` has it
    others: dict[int, Entry]  # by position

    @property
    def present(self) -> Flags:
        """Which ids have an entry now."""
        found: Flags = self.entries["kind"] != 0
        found[list(self.others)] = True
        return found

    def removed(self, chosen: Flags) -> Found:
        """Some of the ids, all without an entry now."""
        keys = list(compress(self.keys, chosen))
        entries = np.zeros(len(keys), dtype=ENTRY)
        return Found(self.ident[chosen], keys, self.existed[chosen], entries, {})


@dataclass(frozen=True, slots=True)
class Block:
    """Ids of a model for the index."""

    model: str
    expiry_ms: int
    ident: bytes


class Due(NamedTuple):
    """A value of the index."""

    key: bytes
    expiry_ms: int
    ident: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written at once."""

    state: JoinState
    batch: WriteBatch


class JoinStore:
    """The waiting rows of one partition. Raises ``StoreTaken``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = Disk(path, _STATE)
        stored, decode = self._disk.stored, msgspec.msgpack.decode
        self.state = JoinState(0) if stored is None else decode(stored, type=JoinState)

    def find(self, ident: Idents) -> Found:
        """The entries of ids. It is fastest if they are sorted."""
        keys: Any = _keys(ident)
        with self._disk.usable() as db:
            values: Any = db.get(keys)
        simple = [value if value is not None else _NO_ENTRY for value in values]
        others = {i: value for i, value in enumerate(simple) if value[:1] == _OTHER}
        for i in others:
            simple[i] = _NO_ENTRY
        entries = np.frombuffer(b"".join(simple), dtype=ENTRY).copy()
        decoded = {i: msgspec.msgpack.decode(v[1:], type=Entry) for i, v in others.items()}
        found = Found(ident, keys, entries["kind"] != 0, entries, decoded)
        found.existed = found.present
        return found

    def changes(self, found: Found, blocks: Sequence[Block], state: JoinState) -> Changes:
        """The entries as they are now, more of the index, and the state."""
        batch = WriteBatch(raw_mode=True)
        values = cut(found.entries.tobytes(), ENTRY.itemsize)
        for i, entry in found.others.items():
            values[i] = _OTHER + msgspec.msgpack.encode(entry)
        present = found.present
        for key, value in compress(zip(found.keys, values, strict=True), present):
            batch.put(key, value)
        for key in compress(found.keys, found.existed & ~present):
            batch.delete(key)
        for number, block in enumerate(blocks, start=state.blocks):
            at_ms = max(block.expiry_ms, state.expired_ms.get(block.model, 0))
            key = _index_key(block.model, at_ms) + number.to_bytes(8, "big")
            batch.put(key, block.ident)
        return Changes(replace(state, blocks=state.blocks + len(blocks)), batch)

    def due(self, model: str, before_ms: int, most: int) -> Iterator[Due]:
        """The first values of the index before a time, with ``most`` ids or a few more."""
        start_ms = self.state.expired_ms.get(model, 0)
        end = _index_key(model, before_ms)
        with self._disk.usable() as db:
            found: Iterator[Any] = db.items(from_key=_index_key(model, start_ms))
            for key, value in found:
                if key >= end or most <= 0:
                    break
                yield Due(key, int.from_bytes(key[-16:-8], "big"), value)
                most -= len(value) // ID_BYTES

    def write(self, changes: Changes) -> None:
        """Write changes atomically."""
        changes.batch.put(_STATE, msgspec.msgpack.encode(changes.state))
        with self._disk.usable() as db:
            db.write(changes.batch)
        self.state = changes.state

    @property
    def next_offset(self) -> int:
        """Of the log, up to which the store is updated."""
        return self.state.next

    def close(self) -> None:
        self._disk.close()

    def emptied(self) -> JoinStore:
        """An empty store in its place."""
        self._disk.remove()
        return JoinStore(self.path)


def index_time(expiry_ms: NDArray[np.int64], ttl_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ends of the spans of some expiry times."""
    span = np.maximum(1, ttl_ms // SPANS)
    return (expiry_ms // span + 1) * span - 1


def ordered(ident: Idents) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The stable order of ids, and the position in it of the first of each distinct one."""
    words = ident.view(">u8").astype(np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    words = words[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (words[1:] != words[:-1]).any(axis=1)
    return order, np.flatnonzero(new)


def cut(buffer: bytes, size: int) -> list[bytes]:
    """A buffer in pieces of ``size`` bytes."""
    return [buffer[i : i + size] for i in range(0, len(buffer), size)]


def _keys(ident: Idents) -> list[bytes]:
    keys = np.empty((len(ident), 1 + ID_BYTES), dtype=np.uint8)
    keys[:, 0], keys[:, 1:] = _ENTRY[0], ident
    return cut(keys.tobytes(), 1 + ID_BYTES)


def _index_key(model: str, time_ms: int) -> bytes:
    """Eight bytes for a model; a collision is not expected in any lifetime."""
    name = hashlib.blake2b(model.encode(), digest_size=8).digest()
    return _INDEX + name + max(time_ms, 0).to_bytes(8, "big")
