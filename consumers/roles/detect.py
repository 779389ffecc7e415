"""The role ``detect``: adds summaries up, closes windows, opens and resolves incidents.

The thinking is ``monitor.windows.detection``. This module keeps its state: the decisions are
published on ``detect-state`` in the transaction that they belong to, so they are never lost; the
sums go to a snapshot on disk now and then, and come back from it and from the summaries behind it.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from consumers.messages.internal import (
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
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.roles.profiles import Profiles, required
from monitor.counts.summary import Summary
from monitor.plan import Plan
from monitor.windows.detection import advance
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from monitor.windows.panes import Pane
from monitor.windows.state import Item, Key, State, rebuilt
from producers.contract.summaries import decode_summaries

log = logging.getLogger(__name__)

SNAPSHOT_EVERY = 200  # commits: what a restart has to read again at most

Panes = Mapping[Key, Mapping[int, Pane]]


@dataclass(frozen=True, slots=True)
class Memory:
    """A record of ``detect-state``: its key and value."""

    key: bytes
    value: bytes


@dataclass(slots=True)
class _Owned:
    """A partition of the summaries, and what was published of it."""

    state: State
    published: dict[bytes, bytes]
    next: int
    commits: int = 0


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
        self._evaluators: dict[Key, Evaluator] = {}
        self._owned: dict[TopicPartition, _Owned] = {}
        self._pending: dict[TopicPartition, State] = {}

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        behind = {}
        for topic_partition, at in committed.items():
            decided, published = self._decided(topic_partition)
            start, panes = self._snapshot(topic_partition).load(
                decided.first_needed, at.next_offset
            )
            state = State(decided.clock, decided.decisions, panes)
            self._owned[topic_partition] = _Owned(state, published, at.next_offset)
            if start < at.next_offset:
                behind[topic_partition] = start
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for topic_partition in {record.topic_partition for record in records}:
            owned = self._owned[topic_partition]
            owned.state = rebuilt(
                owned.state, _items(r for r in records if r.topic_partition == topic_partition)
            )

    def on_partitions_lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        for topic_partition in topic_partitions:
            self._owned.pop(topic_partition, None)

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        messages: list[Message] = []
        for topic_partition in sorted({record.topic_partition for record in batch.records}):
            items = list(_items(r for r in batch.records if r.topic_partition == topic_partition))
            state = self._owned[topic_partition].state
            evaluators = self._evaluators_of(state, items)
            self._pending[topic_partition], findings = advance(evaluators, state, items)
            messages += self._told(findings)
            messages += self._remember(topic_partition, self._pending[topic_partition])
        return Output(messages)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for topic_partition, next_offset in next_offsets.items():
            owned = self._owned[topic_partition]
            owned.state, owned.next = self._pending[topic_partition], next_offset
            owned.commits += 1
            if owned.commits % SNAPSHOT_EVERY == 0:
                self._snapshot(topic_partition).save(owned.next, owned.state.panes)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(owned.next, 0),
                "watermark": None
                if owned.state.clock.data_ms is None
                else rfc3339(owned.state.clock.data_ms),
                "idle": owned.state.clock.predictions.all_idle,
                "counts": {
                    "models": len(owned.state.decisions),
                    "panes": sum(len(panes) for panes in owned.state.panes.values()),
                    "open_incidents": sum(
                        len(decisions.incidents) for decisions in owned.state.decisions.values()
                    ),
                },
            }
            for topic_partition, owned in self._owned.items()
        }

    def _snapshot(self, topic_partition: TopicPartition) -> Snapshot:
        return Snapshot(self._directory / f"{topic_partition.partition}.snapshot")

    def _decided(self, topic_partition: TopicPartition) -> tuple[State, dict[bytes, bytes]]:
        """The newest decisions of every model of the partition, as published."""
        newest = {
            memory.key: memory.value for memory in self._remembered(topic_partition.partition)
        }
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

    def _evaluators_of(self, state: State, items: Iterable[Item]) -> Mapping[Key, Evaluator]:
        named = {(item.model, item.version) for _, item in items if isinstance(item, Summary)}
        for key in named | set(state.decisions):
            if key not in self._evaluators:
                profile = required(self._profiles, *key)
                self._evaluators[key] = Evaluator.of(self._plan_of(key[0]), profile)
        return self._evaluators

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

    def _remember(self, topic_partition: TopicPartition, state: State) -> Iterable[Message]:
        """What changed of the decisions since it was last published."""
        now = {f"clock/{topic_partition.partition}".encode(): encode_memory(state.clock)}
        for (model, version), decisions in state.decisions.items():
            now[f"model/{model}/{version}".encode()] = encode_memory(decisions)
        before = self._owned[topic_partition].published
        changed = {key: value for key, value in now.items() if before.get(key) != value}
        before.update(changed)
        for key, value in changed.items():
            yield Message("detect-state", key, value, topic_partition.partition)


class _Saved(Struct, frozen=True):
    next: int
    firsts: list[tuple[str, str, int, int]]  # model, version, pane, first offset of each pane
    body: list[bytes]  # summaries


class Snapshot:
    """The sums of a partition's panes on disk, with the offset that they reflect. Only a cache."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, next_offset: int, panes: Panes) -> None:
        """Replaces the file in one step; a disk that does not take it costs a longer restart."""
        document = msgspec.msgpack.encode(_saved(next_offset, panes))
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(_checksum(document) + document)
            beside.replace(self._path)
        except OSError as error:
            log.warning("%s could not be written: %s", self._path, error)

    def load(self, needed: int | None, committed: int) -> tuple[int, Panes]:
        """The sums as far as they are known, and the offset to replay the log from."""
        if needed is None:
            return committed, {}
        saved = self._read()
        if saved is None or not needed <= saved.next <= committed:
            log.info("%s is missing or not of use: adding up the log", self._path)
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
        except msgspec.MsgspecError:  # of another release
            return None


def _saved(next_offset: int, panes: Panes) -> _Saved:
    flat = [
        (model, version, pane_ms, pane)
        for (model, version), mine in panes.items()
        for pane_ms, pane in mine.items()
    ]
    summaries = [
        Summary(model, version, pane_ms, part, cells, pane.names.get(part, {}))
        for model, version, pane_ms, pane in flat
        for part, cells in pane.cells.items()
    ]
    firsts = [
        (model, version, pane_ms, pane.first_offset) for model, version, pane_ms, pane in flat
    ]
    return _Saved(next_offset, firsts, encode_summary_messages(summaries))


def _panes(saved: _Saved) -> Panes:
    panes: dict[Key, dict[int, Pane]] = {}
    for model, version, pane_ms, first_offset in saved.firsts:
        panes.setdefault((model, version), {})[pane_ms] = Pane({}, {}, first_offset)
    for summary in (summary for value in saved.body for summary in decode_summaries(value)):
        mine = panes[summary.model, summary.version]
        mine[summary.pane_ms] = mine[summary.pane_ms].plus(summary)
    return panes


def _checksum(document: bytes) -> bytes:
    return zlib.crc32(document).to_bytes(4, "big")


def _items(records: Iterable[Record]) -> Iterable[Item]:
    for record in records:
        assert record.value is not None
        decoded = decode_for_detect(record.value)
        if isinstance(decoded, list):
            yield from ((record.offset, summary) for summary in decoded)
        else:
            yield record.offset, decoded
