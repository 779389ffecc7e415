"""The sums of panes on disk: a cache, so that ``detect`` does not read all summaries again."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from consumers.messages.summaries import encode_pieces
from driftline.errors import Trouble
from monitor.counts.summary import Summary
from monitor.identity import Key
from monitor.windows.panes import Pane
from monitor.windows.state import State
from producers.contract.summaries import decode_summaries

log = logging.getLogger(__name__)

Panes = Mapping[Key, Mapping[int, Pane]]


class SummariesLost(Trouble):
    """Retention has deleted summaries that the windows of a key still need."""

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"summaries that the windows of {key.name} still need were deleted by retention"
            f" before they were read again: driftline models reset {key.model} {key.version}"
        )


def incomplete(state: State, oldest: int) -> Iterator[Key]:
    """The keys whose panes could not be rebuilt by reading the summaries from ``oldest`` on.

    A version that has begun afresh since needs no older ones.
    """
    if oldest:
        for key, decisions in state.decisions.items():
            if decisions.first_needed is not None and decisions.first_needed < oldest:
                yield key


class _Saved(Struct, frozen=True):
    next: int
    firsts: list[tuple[Key, int, int]]  # key, pane, first offset of each pane
    body: list[bytes]  # summaries


class Snapshot:
    """The sums of a partition's panes on disk, with the offset up to which they were added."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, next_offset: int, state: State) -> None:
        """Replace the file atomically. If that fails, a restart reads more summaries.

        While joined rows are not counted, the file stays as it is.
        """
        if state.uncounted:
            return
        document = msgspec.msgpack.encode(_saved(next_offset, state.panes))
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_checksum(document) + document)
            temporary.replace(self._path)
        except OSError as error:
            log.warning("%s could not be written: %s", self._path, error)

    def load(self, needed: int | None, committed: int) -> tuple[int, Panes]:
        """The offset to replay the summaries from, and the sums up to it.

        ``needed`` is the first offset that any window still needs (None: no window does), and
        ``committed`` the next offset of the consumer group. A snapshot outside of them is ignored.
        """
        if needed is None:
            return committed, {}
        saved = self._read()
        if saved is None or not needed <= saved.next <= committed:
            log.info("%s is missing or out of range: reading the summaries again", self._path)
            return needed, {}
        return saved.next, _panes(saved)

    def _read(self) -> _Saved | None:
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        checksum, document = content[:4], content[4:]
        if checksum != _checksum(document):
            log.warning("%s is damaged", self._path)
            return None
        try:
            return msgspec.msgpack.decode(document, type=_Saved)
        except msgspec.MsgspecError:  # written by another release
            return None


def _saved(next_offset: int, panes: Panes) -> _Saved:
    flat = [
        (key, pane_ms, pane) for key, of_key in panes.items() for pane_ms, pane in of_key.items()
    ]
    summaries = [
        Summary(*key.version_key, pane_ms, part, cells, pane.names.get(part, {}), key.segment)
        for key, pane_ms, pane in flat
        for part, cells in pane.cells.items()
    ]
    firsts = [(key, pane_ms, pane.first_offset) for key, pane_ms, pane in flat]
    return _Saved(next_offset, firsts, encode_pieces(summaries))


def _panes(saved: _Saved) -> Panes:
    panes: dict[Key, dict[int, Pane]] = {}
    for key, pane_ms, first_offset in saved.firsts:
        panes.setdefault(key, {})[pane_ms] = Pane({}, {}, first_offset)
    for summary in (summary for value in saved.body for summary in decode_summaries(value)):
        of_key = panes[summary.key]
        of_key[summary.pane_ms] = of_key[summary.pane_ms].plus(summary)
    return panes


def _checksum(document: bytes) -> bytes:
    return zlib.crc32(document).to_bytes(4, "big")
