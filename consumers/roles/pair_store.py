"""Halves that wait for the other one, in RocksDB, with timers.

The keys of one partition's store::

    p1                                      the state: offset and clocks
    e + ident                               the entry of an id
    x + pair + time + kind + place + ident  a timer: when the clock is past its time, a complete
                                            pair is due to be mapped, or an entry ends

``pair`` is a hash of the topic of the requests. ``place`` is that of a record: of the request of a
pair, so that pairs of the same time keep the order in which they were asked, or of the half with
which an entry began. So timers differ also without their ``ident``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from rocksdict import WriteBatch

from consumers.messages.halves import Half
from consumers.messages.positions import PairMark
from consumers.roles.disk import Disk
from monitor.events.progress import AppendTimes

_STATE = b"p1"  # another number for another format of the store
_ENTRY, _TIMER = b"e", b"x"
IDENT_BYTES = 16
_KIND_AT = 17
MAPPED = b"\0"  # kinds of timers, in the order in which they are due
_ENDS = {"request": b"\1", "response": b"\2"}  # by the half with which the entry began


class PairState(Struct, frozen=True, kw_only=True):
    """The state of a store apart from its entries."""

    next: int = 0  # the offset of the log up to which the store is updated
    reached: Mapping[str, AppendTimes] = {}  # by topic
    marks: Mapping[str, PairMark] = {}  # by the topic of the requests


class PairEntry(Struct, frozen=True, array_like=True):
    """What has come of an id: one half waits, two are complete, none: they were mapped."""

    pair: str
    start: bytes  # kind and place of its last timer
    end_ms: int
    halves: list[Half]
    mapped_ms: int | None = None  # when a complete pair is due

    @classmethod
    def of(cls, half: Half, end_ms: int) -> PairEntry:
        """Of a half that waits."""
        info = half.info
        return cls(info.pair, _ENDS[info.side] + _place(half), end_ms, [half])

    def end_timer(self, ident: bytes) -> bytes:
        return timer_key(self.pair, self.end_ms, self.start + ident)

    def mapped_timer(self, ident: bytes) -> bytes | None:
        """None unless it is complete and not mapped yet."""
        if self.mapped_ms is None:
            return None
        (request,) = (half for half in self.halves if half.info.side == "request")
        return timer_key(self.pair, self.mapped_ms, MAPPED + _place(request) + ident)


@dataclass(frozen=True, slots=True)
class PairChanges:
    """What is to be written at once. None is removed."""

    state: PairState
    entries: Mapping[bytes, PairEntry | None]
    timers: Mapping[bytes, bool]  # whether each is there


class PairStore:
    """The waiting halves of one partition. Raises ``StoreTaken``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = Disk(path, _STATE)
        stored, decode = self._disk.stored, msgspec.msgpack.decode
        self.state = PairState() if stored is None else decode(stored, type=PairState)

    @property
    def next_offset(self) -> int:
        """Of the log, up to which the store is updated."""
        return self.state.next

    def find(self, idents: Sequence[bytes]) -> dict[bytes, PairEntry | None]:
        """The entries of ids."""
        keys: Any = [_ENTRY + ident for ident in idents]
        with self._disk.usable() as db:
            values = db.get(keys)
        decode = _decoder.decode
        return {
            ident: None if value is None else decode(value)
            for ident, value in zip(idents, values, strict=True)
        }

    def timers(self, pair: str, before_ms: int) -> Iterator[bytes]:
        """Those of a pair that are due before a time, the first one first."""
        mark = self.state.marks.get(pair)
        start = timer_key(pair, 0) if mark is None or not mark.done else mark.done
        end = timer_key(pair, before_ms)
        with self._disk.usable() as db:
            for key in db.keys(from_key=start):
                if key >= end:
                    break
                yield key

    def write(self, changes: PairChanges) -> None:
        """Write changes atomically."""
        batch = WriteBatch(raw_mode=True)
        for ident, entry in changes.entries.items():
            _put(batch, _ENTRY + ident, None if entry is None else msgspec.msgpack.encode(entry))
        for key, is_there in changes.timers.items():
            _put(batch, key, b"" if is_there else None)
        batch.put(_STATE, msgspec.msgpack.encode(changes.state))
        with self._disk.usable() as db:
            db.write(batch)
        self.state = changes.state

    def close(self) -> None:
        self._disk.close()

    def emptied(self) -> PairStore:
        """An empty store in its place."""
        self._disk.remove()
        return PairStore(self.path)


_decoder = msgspec.msgpack.Decoder(PairEntry)


def timer_key(pair: str, time_ms: int, rest: bytes = b"") -> bytes:
    """Without ``rest`` it is before all timers of the time."""
    name = blake2b(pair.encode(), digest_size=8).digest()
    return _TIMER + name + time_ms.to_bytes(8, "big") + rest


def moved_ident(ident: bytes, entry: PairEntry) -> bytes:
    """For an entry that is over, when its id is used again before its timers were dealt with."""
    return blake2b(ident + entry.start, digest_size=IDENT_BYTES).digest()


def without_ident(timer: bytes) -> bytes:
    return timer[:-IDENT_BYTES]


def due_of(timer: bytes) -> tuple[bytes, bytes]:
    """The kind and the ident of a timer."""
    return timer[_KIND_AT : _KIND_AT + 1], timer[-IDENT_BYTES:]


def _place(half: Half) -> bytes:
    return half.info.partition.to_bytes(4, "big") + half.info.offset.to_bytes(8, "big")


def _put(batch: WriteBatch, key: bytes, value: bytes | None) -> None:
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
