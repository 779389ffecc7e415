"""The role ``detect``: adds summaries up, closes windows, opens and resolves incidents.

``monitor.windows.detection`` decides; this module keeps the state. Decisions are published on
``detect-state`` in the transaction that they belong to, so they are never lost. The sums of panes
are written to a snapshot on disk from time to time, and rebuilt from it and from later summaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from consumers.kafka.configuration import MAX_MESSAGE_BYTES
from consumers.messages.alert_message import alert_message
from consumers.messages.detect_state import (
    ClockEntry,
    TimeEntry,
    clock_message,
    decisions_message,
    decode_state,
    time_message,
)
from consumers.messages.reading import MessageReader
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import decode_summary_message
from consumers.messages.times import optional_rfc3339
from consumers.messages.window_message import window_message
from consumers.roles.detect_snapshot import Snapshot, SummariesLost, incomplete
from consumers.roles.learning import Learning, LongWork, at_once
from consumers.roles.profiles import MissingProfile, Profiles, required
from consumers.roles.set_aside import SetAside
from driftline.errors import Trouble
from monitor.events.event_time import latest
from monitor.plan import Plan
from monitor.windows.clocks import NO_TIME, AppendClock, Key, VersionTime
from monitor.windows.detection import advance, due_models
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, Transition, WindowFinding
from monitor.windows.state import Decisions, Item, State, rebuilt

SNAPSHOT_EVERY = 200  # commits: the most that a restart has to read again
MAX_WINDOW_BYTES = MAX_MESSAGE_BYTES - 100_000  # with key and headers under the limit of Kafka
CLOUD_EVENT = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)

StateRecords = Callable[[int], Iterable[Record]]


@dataclass(slots=True)
class _Owned:
    """An assigned partition of ``summaries``."""

    state: State
    published: dict[bytes | None, bytes | None]  # values on ``detect-state`` by key
    next: int
    incomplete: frozenset[Key] = frozenset()  # versions whose panes could not be rebuilt
    commits: int = 0


class WindowTooLarge(Trouble):
    """The message of a window exceeds the limit of Kafka's clients."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the message of a window has {size:,} bytes, the limit is {MAX_WINDOW_BYTES:,}:"
            " register the model with fewer features"
        )


class Detect:
    """Runs detection for the models of its partitions; a model is in one partition only."""

    reads = ("summaries",)

    def __init__(  # noqa: PLR0913 - what it reads from, and how it works
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        state_records: StateRecords,
        directory: Path,
        first_offset: Callable[[TopicPartition], int],
        run: LongWork = at_once,
    ) -> None:
        self._profiles, self._plan_of, self._state_records = profiles, plan_of, state_records
        self._directory, self._first_offset = directory, first_offset
        self._evaluators: dict[Key, Evaluator] = {}
        self._learning = Learning(directory, run)
        self._set_aside = SetAside(profiles)
        self._owned: dict[TopicPartition, _Owned] = {}
        self._pending: dict[TopicPartition, State] = {}
        self._reader = MessageReader({"summaries": decode_summary_message})
        self._state_reader = MessageReader({"detect-state": decode_state})

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        behind = {}
        self._set_aside.clear()
        for topic_partition, at in committed.items():
            state, published = self._published_state(topic_partition.partition)
            start, panes = self._snapshot(topic_partition).load(state.first_needed, at.next_offset)
            owned = _Owned(replace(state, panes=panes), published, at.next_offset)
            self._owned[topic_partition] = owned
            if start < at.next_offset:
                behind[topic_partition] = start
                oldest = self._first_offset(topic_partition)
                owned.incomplete = incomplete(state, start, oldest)
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for topic_partition in {record.topic_partition for record in records}:
            owned = self._owned[topic_partition]
            owned.state = rebuilt(owned.state, self._items(records, topic_partition))

    def on_partitions_revoked(self, topic_partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        self._set_aside.clear()
        for topic_partition in topic_partitions:
            self._owned.pop(topic_partition, None)

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        for key in self._set_aside.changed_profiles():
            self._evaluators.pop(key, None)
        messages: list[Message] = []
        for topic_partition in sorted({record.topic_partition for record in batch.records}):
            items = list(self._items(batch.records, topic_partition))
            messages += self._advance(topic_partition, items)
            messages += self._state_messages(topic_partition)
        return Output(messages)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for topic_partition, next_offset in next_offsets.items():
            owned = self._owned[topic_partition]
            owned.state, owned.next = self._pending[topic_partition], next_offset
            owned.commits += 1
            # A snapshot of incomplete panes would be taken for complete by the next worker.
            if owned.commits % SNAPSHOT_EVERY == 0 and not owned.incomplete:
                self._snapshot(topic_partition).save(owned.next, owned.state.panes)
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(owned.next, 0),
                "watermark": optional_rfc3339(_newest_ms(owned.state)),
                "counts": {
                    **_counts(owned.state),
                    "foreign": self._foreign(topic_partition.partition),
                },
            }
            for topic_partition, owned in self._owned.items()
        }

    def problem(self) -> str | None:
        return self._set_aside.problem

    def _foreign(self, partition: int) -> int:
        return self._reader.foreign(
            TopicPartition("summaries", partition)
        ) + self._state_reader.foreign(TopicPartition("detect-state", partition))

    def _snapshot(self, topic_partition: TopicPartition) -> Snapshot:
        return Snapshot(self._directory / f"{topic_partition.partition}.snapshot")

    def _published_state(self, partition: int) -> tuple[State, dict[bytes | None, bytes | None]]:
        """The state of a partition without its panes, and the values it was published in."""
        clock, times, decisions = AppendClock(), dict[Key, VersionTime](), dict[Key, Decisions]()
        published: dict[bytes | None, bytes | None] = {}
        for record in self._state_records(partition):
            entry = self._state_reader.read(record)
            if entry is None:
                continue
            published[record.key] = record.value
            if isinstance(entry, ClockEntry):
                clock = entry.clock
            elif isinstance(entry, TimeEntry):
                times[entry.key] = entry.time
            else:
                decisions[entry.key] = entry.decisions
        return State(clock, times, decisions), published

    def _items(self, records: Iterable[Record], topic_partition: TopicPartition) -> Iterable[Item]:
        """The contents of the records of one partition, with their offsets."""
        for record in records:
            mine = record.topic_partition == topic_partition
            content = self._reader.read(record) if mine else None
            if isinstance(content, list):
                yield from ((record.offset, summary) for summary in content)
            elif content is not None:
                yield record.offset, content

    def _advance(self, topic_partition: TopicPartition, items: Sequence[Item]) -> list[Message]:
        """The messages about what ``items`` change. Sets the versions aside that fail.

        If the messages of a version fail, the batch is done again without it.
        """
        state = self._owned[topic_partition].state
        keys = due_models(state, items)
        while True:
            after, findings = advance(self._evaluators_of(keys), state, items)
            messages, failures = self._messages(findings)
            for key, error in {**findings.failures, **failures}.items():
                self._set_aside.add(key, error)
            if not failures:
                self._pending[topic_partition] = after
                return messages

    def _evaluators_of(self, keys: Iterable[Key]) -> Mapping[Key, Evaluator]:
        """The evaluators of model versions that are not set aside."""
        evaluators = {key: self._evaluator(key) for key in keys if key not in self._set_aside}
        return {key: found for key, found in evaluators.items() if found is not None}

    def _evaluator(self, key: Key) -> Evaluator | None:
        """The evaluator of a model version. None if there is none: then it is set aside."""
        if any(key in owned.incomplete for owned in self._owned.values()):
            self._set_aside.add(key, SummariesLost(*key))
            return None
        if key in self._evaluators:
            return self._evaluators[key]
        try:
            profile = required(self._profiles, *key)
            published = self._profiles.learned(*key)
        except MissingProfile as error:
            self._set_aside.add(key, error)
            return None
        try:
            plan = self._plan_of(key[0])
            self._evaluators[key] = self._learning.evaluator(plan, profile, published)
        except Exception as error:  # whatever it is, it must not stop the other versions
            self._set_aside.add(key, error)
        return self._evaluators.get(key)

    def _messages(self, findings: Findings) -> tuple[list[Message], dict[Key, Exception]]:
        """The messages about all findings, and the exceptions by model version."""
        messages, failures = list[Message](), dict[Key, Exception]()
        if findings.transitions:
            self._profiles.refresh()  # owner, runbook and tags may have changed
        all_findings: list[WindowFinding | Transition] = [*findings.windows, *findings.transitions]
        for finding in all_findings:
            try:
                messages.append(self._message(finding))
            except Exception as error:  # it must not stop the other versions
                failures.setdefault((finding.model, finding.version), error)
        return messages, failures

    def _message(self, finding: WindowFinding | Transition) -> Message:
        if isinstance(finding, WindowFinding):
            threshold = self._plan_of(finding.model).drift.p_value_threshold
            window = window_message(finding, threshold)
            value = msgspec.json.encode(window)
            if len(value) > MAX_WINDOW_BYTES:
                raise WindowTooLarge(len(value))
            return Message("windows", window.key, value)
        info = self._profiles.info(finding.model, finding.version)
        alert, key = alert_message(finding, info), finding.incident.id.encode()
        return Message("alerts", key, msgspec.json.encode(alert), headers=CLOUD_EVENT)

    def _state_messages(self, topic_partition: TopicPartition) -> Iterable[Message]:
        """The state that differs from what was published last."""
        owned, after = self._owned[topic_partition], self._pending[topic_partition]
        for message in _changes(topic_partition.partition, owned.state, after):
            if owned.published.get(message.key) != message.value:
                owned.published[message.key] = message.value
                yield message


def _changes(partition: int, before: State, after: State) -> Iterable[Message]:
    """What a batch has changed; the versions that it did not touch are not compared."""
    yield clock_message(partition, after.clock)
    for key in after.touched:
        if after.times[key] is not before.times.get(key, NO_TIME):
            yield time_message(partition, key, after.times[key])
    for key in after.touched:
        if after.decisions[key] is not before.decisions.get(key):
            yield decisions_message(partition, key, after.decisions[key])


def _newest_ms(state: State) -> int | None:
    """The newest event time of all versions."""
    seen = (one.newest_ms for time in state.times.values() for one in time.seen.values())
    return latest(*seen)


def _counts(state: State) -> dict[str, int]:
    return {
        "models": len(state.decisions),
        "panes": sum(len(panes) for panes in state.panes.values()),
        "open_incidents": sum(len(decisions.incidents) for decisions in state.decisions.values()),
    }
