"""What the messages of one batch change in a partition of ``halves``. Nothing is written here.

Theory of operation
-------------------
The clock of a pair is the time that all partitions of its topics have reached, in the timestamps of
their records. Progress on ``halves`` tells it, so it is a function of the log, and every half with
an earlier timestamp has been read before. Each half sets a timer, ``horizon`` after its timestamp,
at which its entry ends; the other half sets one at its own timestamp, at which the pair is mapped.
Timers that the clock has passed are dealt with after the messages of a batch, in the order of their
keys, as many as are bounded. So what is settled, and in which order, does not depend on batches.

An entry that was mapped stays until its end, so that a half that is sent again is recognised.

Timers are set behind the clock, and the last one that was dealt with lies before it. It is kept
with the position of the partition. So a store that has been lost knows which timers to leave out
when it is rebuilt from the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice, takewhile

from msgspec.structs import replace

from consumers.messages.halves import Half, HalvesProgress, Side
from consumers.messages.positions import PairMark
from consumers.roles.pair_store import (
    MAPPED,
    PairChanges,
    PairEntry,
    PairState,
    PairStore,
    due_of,
    moved_ident,
    timer_key,
    without_ident,
)
from monitor.events.progress import AppendTimes

AT_ONCE = 200  # timers whose entries are read together
MOST_BYTES = 16_000_000  # of halves that are settled after a batch, or a few more

Halves = Sequence[Half]


@dataclass(frozen=True, slots=True)
class Pairing:
    """The topics of a kind of pairs, by their short names, and how long a half waits."""

    topics: Sequence[str]
    horizon_ms: int


class PairStep:
    """Changes of a store. ``settled`` collects pairs, and halves that have stayed alone."""

    def __init__(self, store: PairStore, pairings: Mapping[str, Pairing]) -> None:
        self._store, self._pairings = store, pairings
        self._entries: dict[bytes, PairEntry | None] = {}
        self._timers: dict[bytes, bool] = {}
        self._reached = dict(store.state.reached)
        self.marks = dict(store.state.marks)
        self.settled: list[Halves] = []
        self.unknown: list[Half] = []  # of pairs that are not configured any more
        self.counts = Counter[str]()

    def add(self, messages: Sequence[Half | HalvesProgress]) -> None:
        """Take over messages, in their order."""
        self._load(one.info.ident for one in messages if isinstance(one, Half))
        for message in messages:
            if isinstance(message, Half):
                self.counts["received"] += 1
                self._add_half(message)
            else:
                self._add_progress(message)

    def settle(self, most: int) -> None:
        """Deal with ``most`` timers of each kind of pairs that are due."""
        for pair in list(self.marks):
            due, settled_bytes = islice(self._due(pair), most), 0
            while settled_bytes < MOST_BYTES and (timers := list(islice(due, AT_ONCE))):
                before = len(self.settled)
                self._deal_with(pair, timers)
                settled_bytes += sum(half.size for own in self.settled[before:] for half in own)

    def leave_out(self, marks: Mapping[str, PairMark]) -> None:
        """The timers up to ``marks``: they were dealt with before the store was lost."""
        for pair, mark in marks.items():
            while timers := list(islice(self._due_until(pair, mark.done), AT_ONCE)):
                self._deal_with(pair, timers)
        self.settled, self.unknown = [], []

    def restore(self, marks: Mapping[str, PairMark]) -> None:
        """All of the log up to ``marks`` was added, as far as retention has left it."""
        for pair, mark in marks.items():
            own = self.marks.get(pair, PairMark(clock_ms=0))
            self.marks[pair] = replace(own, clock_ms=max(own.clock_ms, mark.clock_ms))
        self.leave_out(marks)
        self.marks.update(marks)

    def changes(self, next_offset: int) -> PairChanges:
        state = PairState(next=next_offset, reached=self._reached, marks=self.marks)
        return PairChanges(state, self._entries, self._timers)

    # -- messages ------------------------------------------------------------------------------

    def _add_progress(self, progress: HalvesProgress) -> None:
        for topic, reached in progress.reached.items():
            self._reached[topic] = self._reached.get(topic, AppendTimes()).updated(reached)
        for pair, pairing in self._pairings.items():
            times = [self._reached.get(topic, AppendTimes()).min_ms for topic in pairing.topics]
            known = [at_ms for at_ms in times if at_ms is not None]
            if len(known) == len(times):
                mark = self._mark(pair)
                self.marks[pair] = replace(mark, clock_ms=max(mark.clock_ms, min(known)))

    def _mark(self, pair: str) -> PairMark:
        return self.marks.get(pair, PairMark(clock_ms=0))

    def _add_half(self, half: Half) -> None:
        info, ident = half.info, half.info.ident
        if info.pair not in self._pairings:
            self.unknown.append(half)
            return
        clock_ms = self._mark(info.pair).clock_ms
        at_ms = max(info.reached_ms, clock_ms)
        entry = self._entries[ident]
        if entry is not None and _lacks(entry, info.side) and entry.end_ms >= clock_ms:
            self._complete(ident, _completed(entry, half, at_ms))
        elif entry is not None and entry.end_ms >= at_ms:
            self.counts["duplicates"] += 1
        else:
            self._begin(ident, half, at_ms)

    def _complete(self, ident: bytes, entry: PairEntry) -> None:
        self._entries[ident] = entry
        timer = entry.mapped_timer(ident)
        assert timer is not None
        self._timers[timer] = True

    def _begin(self, ident: bytes, half: Half, at_ms: int) -> None:
        """A new entry. One that is over makes room; its timers are dealt with when they are due."""
        if (over := self._entries[ident]) is not None:
            self._unset(over, ident)
            if over.halves:
                self._put(moved_ident(ident, over), over)
        horizon_ms = self._pairings[half.info.pair].horizon_ms
        self._put(ident, PairEntry.of(half, at_ms + horizon_ms))

    def _put(self, ident: bytes, entry: PairEntry) -> None:
        """A new entry."""
        self._entries[ident] = entry
        for timer in (entry.end_timer(ident), entry.mapped_timer(ident)):
            if timer is not None:
                self._timers[timer] = True

    def _unset(self, entry: PairEntry, ident: bytes) -> None:
        for timer in (entry.end_timer(ident), entry.mapped_timer(ident)):
            if timer is not None:
                self._timers[timer] = False

    def _settle(self, halves: Halves) -> None:
        if halves:
            self.settled.append(halves)

    # -- timers --------------------------------------------------------------------------------

    def _due(self, pair: str) -> Iterator[bytes]:
        """The timers that the clock has passed, of the store and of this batch."""
        before_ms = self._mark(pair).clock_ms
        start, end = timer_key(pair, 0), timer_key(pair, before_ms)
        new = (key for key, is_set in self._timers.items() if is_set and start <= key < end)
        stored = self._store.timers(pair, before_ms)
        return merge((key for key in stored if self._timers.get(key, True)), sorted(new))

    def _due_until(self, pair: str, done: bytes) -> Iterator[bytes]:
        return takewhile(lambda timer: without_ident(timer) <= done, self._due(pair))

    def _deal_with(self, pair: str, timers: Sequence[bytes]) -> None:
        self._load(due_of(timer)[1] for timer in timers)
        for timer in timers:
            kind, ident = due_of(timer)
            self._timers[timer] = False
            entry = self._entries[ident]
            assert entry is not None  # its timers are removed with it
            self._settle(entry.halves)
            is_kept = kind == MAPPED
            self._entries[ident] = replace(entry, halves=[], mapped_ms=None) if is_kept else None
        self.marks[pair] = replace(self._mark(pair), done=without_ident(timers[-1]))

    def _load(self, idents: Iterable[bytes]) -> None:
        missing = list(dict.fromkeys(ident for ident in idents if ident not in self._entries))
        if missing:
            self._entries.update(self._store.find(sorted(missing)))


def _lacks(entry: PairEntry, side: Side) -> bool:
    """Whether only the other half has come so far."""
    return len(entry.halves) == 1 and entry.halves[0].info.side != side


def _completed(entry: PairEntry, half: Half, at_ms: int) -> PairEntry:
    """It is mapped at the time of its later half, before it ends."""
    (first,) = entry.halves
    mapped_ms = min(max(at_ms, first.info.reached_ms), entry.end_ms)
    return replace(entry, halves=[first, half], mapped_ms=mapped_ms)
