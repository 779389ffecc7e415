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
from consumers.roles.published_state import Published, PublishedState, Records, state_messages
from consumers.roles.set_aside import SetAside
from driftline.errors import Trouble
from monitor.events.event_time import latest
from monitor.identity import Key
from monitor.plan import Plan
from monitor.windows.detection import advance, due_keys
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, Transition, WindowFinding
from monitor.windows.life_changes import items_to_next_change, with_change
from monitor.windows.lives import Lives, belonging, kept_panes, with_first_rows
from monitor.windows.state import Item, LogItem, State, rebuilt

SNAPSHOT_EVERY = 200  # commits: the most that a restart has to read again
MAX_WINDOW_BYTES = MAX_MESSAGE_BYTES - 100_000  # with key and headers under the limit of Kafka
CLOUD_EVENT = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


@dataclass(slots=True)
class _Owned:
    """An assigned partition of ``summaries``."""

    state: State
    published: Published
    next: int
    incomplete: frozenset[Key] = frozenset()  # keys whose panes could not be rebuilt
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
        state_records: Records,
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
        self._published = PublishedState(state_records)

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        behind = {}
        self._set_aside.clear()
        for topic_partition, at in committed.items():
            state, published = self._published.load(topic_partition.partition)
            start, panes = self._snapshot(topic_partition).load(state.first_needed, at.next_offset)
            state = replace(state, panes=kept_panes(state.lives, panes))
            owned = _Owned(state, published, at.next_offset)
            self._owned[topic_partition] = owned
            if start < at.next_offset:
                behind[topic_partition] = start
                oldest = self._first_offset(topic_partition)
                owned.incomplete = incomplete(state, start, oldest)
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for topic_partition in {record.topic_partition for record in records}:
            owned = self._owned[topic_partition]
            items = belonging(owned.state.lives, self._items(records, topic_partition))
            owned.state = rebuilt(owned.state, items)

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
            owned, after = self._owned[topic_partition], self._pending[topic_partition]
            partition = topic_partition.partition
            messages += state_messages(partition, owned.state, after, owned.published)
        return Output(messages)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for topic_partition, next_offset in next_offsets.items():
            owned = self._owned[topic_partition]
            owned.state, owned.next = self._pending[topic_partition], next_offset
            owned.commits += 1
            # A snapshot of incomplete panes would be taken for complete by the next worker.
            if owned.commits % SNAPSHOT_EVERY == 0 and not owned.incomplete:
                self._snapshot(topic_partition).save(owned.next, owned.state)
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
        summaries = TopicPartition("summaries", partition)
        return self._reader.foreign(summaries) + self._published.foreign(partition)

    def _snapshot(self, topic_partition: TopicPartition) -> Snapshot:
        return Snapshot(self._directory / f"{topic_partition.partition}.snapshot")

    def _items(
        self, records: Iterable[Record], topic_partition: TopicPartition
    ) -> Iterable[LogItem]:
        """The contents of the records of one partition, with their offsets."""
        for record in records:
            mine = record.topic_partition == topic_partition
            content = self._reader.read(record) if mine else None
            if isinstance(content, list):
                yield from ((record.offset, summary) for summary in content)
            elif content is not None:
                yield record.offset, content

    def _advance(self, topic_partition: TopicPartition, items: Sequence[LogItem]) -> list[Message]:
        """The messages about what ``items`` change, from one change of a life to the next."""
        state, messages = self._owned[topic_partition].state, list[Message]()
        touched: dict[Key, None] = {}
        while items:
            number = items_to_next_change(state, items, self._retire_after_ms)
            lives = with_first_rows(state.lives, items[number - 1][1])
            its_items = list(belonging(state.lives, items[:number]))
            state, found = self._judged(state, its_items, lives)
            touched.update(dict.fromkeys(state.touched))
            state, ended = with_change(state, items[number - 1], self._retire_after_ms)
            messages += [*found, *(self._message(one, state.lives) for one in ended)]
            items = items[number:]
        self._pending[topic_partition] = replace(state, touched=tuple(touched))
        return messages

    def _judged(
        self, state: State, items: Sequence[Item], lives: Lives
    ) -> tuple[State, list[Message]]:
        """The state after ``items``, and the messages. Sets the keys aside that fail.

        If the messages of a key fail, the items are taken again without it.
        """
        keys = due_keys(state, items)
        while True:
            after, findings = advance(self._evaluators_of(keys), state, items)
            messages, failures = self._messages(findings, lives)
            for key, error in {**findings.failures, **failures}.items():
                self._set_aside.add(key, error)
            if not failures:
                return after, messages

    def _retire_after_ms(self, model: str) -> int | None:
        return self._plan_of(model).time.retire_after_ms

    def _evaluators_of(self, keys: Iterable[Key]) -> Mapping[Key, Evaluator]:
        """The evaluators of keys that are not set aside."""
        evaluators = {key: self._evaluator(key) for key in keys if key not in self._set_aside}
        return {key: found for key, found in evaluators.items() if found is not None}

    def _evaluator(self, key: Key) -> Evaluator | None:
        """The evaluator of a key. None if there is none: then it is set aside."""
        if any(key in owned.incomplete for owned in self._owned.values()):
            self._set_aside.add(key, SummariesLost(key))
            return None
        if key in self._evaluators:
            return self._evaluators[key]
        try:
            profile = required(self._profiles, *key.version_key)
            published = self._profiles.learned(*key.version_key)
        except MissingProfile as error:
            self._set_aside.add(key, error)
            return None
        try:
            plan = self._plan_of(key.model)
            self._evaluators[key] = self._learning.evaluator(plan, profile, published)
        except Exception as error:  # whatever it is, it must not stop the other keys
            self._set_aside.add(key, error)
        return self._evaluators.get(key)

    def _messages(
        self, findings: Findings, lives: Lives
    ) -> tuple[list[Message], dict[Key, Exception]]:
        """The messages about all findings, and the exceptions by key."""
        messages, failures = list[Message](), dict[Key, Exception]()
        if findings.transitions:
            self._profiles.refresh()  # owner, runbook and tags may have changed
        all_findings: list[WindowFinding | Transition] = [*findings.windows, *findings.transitions]
        for finding in all_findings:
            try:
                messages.append(self._message(finding, lives))
            except Exception as error:  # it must not stop the other keys
                failures.setdefault(finding.key, error)
        return messages, failures

    def _message(self, finding: WindowFinding | Transition, lives: Lives) -> Message:
        if isinstance(finding, WindowFinding):
            threshold = self._plan_of(finding.key.model).drift.p_value_threshold
            window = window_message(finding, threshold)
            value = msgspec.json.encode(window)
            if len(value) > MAX_WINDOW_BYTES:
                raise WindowTooLarge(len(value))
            return Message("windows", window.key, value)
        version = finding.key.version_key
        life, info = lives.get(version), self._profiles.info(*version)
        alert = alert_message(finding, info, None if life is None else life.state)
        key = finding.incident.id.encode()
        return Message("alerts", key, msgspec.json.encode(alert), headers=CLOUD_EVENT)


def _newest_ms(state: State) -> int | None:
    """The newest event time of all versions."""
    seen = (one.newest_ms for time in state.times.values() for one in time.seen.values())
    return latest(*seen)


def _counts(state: State) -> dict[str, int]:
    return {
        "models": len({key.version_key for key in state.decisions}),
        "panes": sum(len(panes) for panes in state.panes.values()),
        "open_incidents": sum(len(decisions.incidents) for decisions in state.decisions.values()),
    }
