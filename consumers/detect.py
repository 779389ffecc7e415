"""The role ``detect``: adds summaries up, closes windows, opens and resolves incidents.

The thinking is ``monitor.detection``. This module keeps its state: the decisions are published on
``detect-state`` in the transaction that they belong to, so they are never lost; the sums go to a
snapshot on disk now and then, and come back from it and from the summaries behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from consumers.profiles import Profiles, required
from consumers.records import Batch, Committed, Message, Output, Place, Record
from consumers.wire import (
    alert_event,
    decode_clock,
    decode_decisions,
    decode_for_detect,
    encode_memory,
    encode_summary_messages,
    rfc3339,
    window_document,
    window_key,
)
from monitor.detection import Item, Key, Pane, State, advance, rebuilt
from monitor.findings import Findings
from monitor.plan import Plan
from monitor.summaries import Summary
from monitor.watch import Watch
from producers.summaries_wire import decode_summaries

log = logging.getLogger(__name__)

SNAPSHOT_EVERY = 200  # commits: what a restart has to read again at most


@dataclass(frozen=True, slots=True)
class Memory:
    """A record of ``detect-state``: its key and value."""

    key: bytes
    value: bytes


class Detect:
    """One owner for each model: everything of a model is in one partition of the summaries."""

    reads = ("summaries",)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        remembered: Callable[[int], Iterable[Memory]],
        directory: Path,
    ) -> None:
        self._profiles, self._plan_of, self._remembered = profiles, plan_of, remembered
        self._directory = directory
        self._watches: dict[Key, Watch] = {}
        self._states: dict[Place, State] = {}
        self._pending: dict[Place, State] = {}
        self._published: dict[Place, dict[bytes, bytes]] = {}
        self._commits: dict[Place, int] = {}
        self._next: dict[Place, int] = {}

    def resume(self, committed: Mapping[Place, Committed]) -> Mapping[Place, int]:
        behind = {}
        for place, at in committed.items():
            decided, published = self._decided(place)
            snapshot = Snapshot(self._directory / f"{place.partition}.snapshot")
            needed = decided.first_needed
            start, panes = snapshot.load(at.next, needed)
            self._states[place] = State(decided.clock, decided.decisions, panes)
            self._published[place] = published
            self._commits[place] = 0
            self._next[place] = at.next
            if start is not None and start < at.next:
                behind[place] = start
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for place in {record.place for record in records}:
            items = _items(record for record in records if record.place == place)
            self._states[place] = rebuilt(self._states[place], items)

    def forget(self, places: Sequence[Place]) -> None:
        self._pending = {}
        for place in places:
            for kept in (self._states, self._published, self._commits, self._next):
                kept.pop(place, None)  # type: ignore[attr-defined]

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        messages: list[Message] = []
        for place in sorted({record.place for record in batch.records}):
            items = list(_items(r for r in batch.records if r.place == place))
            state = self._states[place]
            watches = self._watches_of(state, items)
            self._pending[place], findings = advance(watches, state, items)
            messages += self._told(findings)
            messages += self._remember(place, self._pending[place])
        return Output(messages)

    def committed(self, next_offsets: Mapping[Place, int]) -> None:
        self._states.update(self._pending)
        self._next.update(next_offsets)
        for place in self._pending:
            self._commits[place] += 1
            if self._commits[place] % SNAPSHOT_EVERY == 0:
                self._snapshot(place)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            f"{place.topic}/{place.partition}": {
                "offset": max(self._next[place], 0),
                "watermark": None
                if state.clock.data_ms is None
                else rfc3339(state.clock.data_ms),
                "idle": state.clock.predictions.all_idle,
                "counts": {
                    "models": len(state.decisions),
                    "panes": sum(len(panes) for panes in state.panes.values()),
                    "open_incidents": sum(len(d.incidents) for d in state.decisions.values()),
                },
            }
            for place, state in self._states.items()
        }

    def _snapshot(self, place: Place) -> None:
        path = self._directory / f"{place.partition}.snapshot"
        Snapshot(path).save(self._next[place], self._states[place].panes)

    def _decided(self, place: Place) -> tuple[State, dict[bytes, bytes]]:
        """The newest decisions of every model of the partition, as published."""
        newest = {memory.key: memory.value for memory in self._remembered(place.partition)}
        state = State()
        decisions = {}
        for key, value in newest.items():
            kind, _, name = key.decode().partition("/")
            if kind == "clock":
                state = State(clock=decode_clock(value))
            else:
                model, _, version = name.partition("/")
                decisions[model, version] = decode_decisions(value)
        return State(state.clock, decisions), newest

    def _watches_of(self, state: State, items: Iterable[Item]) -> Mapping[Key, Watch]:
        named = {(item.model, item.version) for _, item in items if isinstance(item, Summary)}
        for key in named | set(state.decisions):
            if key not in self._watches:
                profile = required(self._profiles, *key)
                self._watches[key] = Watch.of(self._plan_of(key[0]), profile)
        return self._watches

    def _told(self, findings: Findings) -> Iterable[Message]:
        for found in findings.windows:
            marked = self._plan_of(found.model).drift.p_value_threshold
            document = window_document(found, marked)
            yield Message("windows", window_key(found), msgspec.json.encode(document))
        for transition in findings.transitions:
            event = alert_event(transition)
            headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
            key = transition.incident.id.encode()
            yield Message("alerts", key, msgspec.json.encode(event), headers=headers)

    def _remember(self, place: Place, state: State) -> Iterable[Message]:
        """What changed of the decisions since it was last published."""
        now = {f"clock/{place.partition}".encode(): encode_memory(state.clock)}
        for (model, version), decisions in state.decisions.items():
            now[f"model/{model}/{version}".encode()] = encode_memory(decisions)
        before = self._published[place]
        changed = {key: value for key, value in now.items() if before.get(key) != value}
        before.update(changed)
        for key, value in changed.items():
            yield Message("detect-state", key, value, place.partition)


class Snapshot:
    """The sums of a partition's panes on disk, with the offset that they reflect. Only a cache."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, next_offset: int, panes: Mapping[Key, Mapping[int, Pane]]) -> None:
        """Replaces the file in one step: a crash leaves the old one or the new one."""
        summaries, firsts = [], []
        for (model, version), mine in panes.items():
            for pane_ms, pane in mine.items():
                for part, cells in pane.cells.items():
                    names = pane.names.get(part, {})
                    summaries.append(Summary(model, version, pane_ms, part, cells, names))
                    firsts.append((model, version, pane_ms, pane.first_offset))
        body = [value for value in encode_summary_messages(summaries)]
        document = {"next": next_offset, "firsts": firsts, "body": body}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_bytes(msgspec.msgpack.encode(document))
        beside.replace(self._path)

    def load(
        self, committed: int, needed: int | None
    ) -> tuple[int | None, Mapping[Key, Mapping[int, Pane]]]:
        """The offset to replay from (None: nothing is needed), and the sums up to there."""
        if needed is None:
            return None, {}
        try:
            document = msgspec.msgpack.decode(self._path.read_bytes())
        except FileNotFoundError:
            return needed, {}
        except msgspec.DecodeError as error:
            log.warning("%s cannot be read (%s): rebuilding from the log", self._path, error)
            return needed, {}
        if document["next"] > committed:
            log.warning("%s is ahead of what is committed: rebuilding from the log", self._path)
            return needed, {}
        firsts = {(m, v, pane_ms): first for m, v, pane_ms, first in document["firsts"]}
        panes: dict[Key, dict[int, Pane]] = {}
        for value in document["body"]:
            for summary in decode_summaries(value):
                key = (summary.model, summary.version)
                first = firsts[(*key, summary.pane_ms)]
                mine = panes.setdefault(key, {})
                mine[summary.pane_ms] = mine.get(summary.pane_ms, Pane({}, {}, first)).plus(summary)
        return document["next"], panes


def _items(records: Iterable[Record]) -> Iterable[Item]:
    for record in records:
        assert record.value is not None
        decoded = decode_for_detect(record.value)
        if isinstance(decoded, list):
            yield from ((record.offset, summary) for summary in decoded)
        else:
            yield record.offset, decoded
