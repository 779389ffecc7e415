"""The role ``detect``: adds summaries up, closes windows, opens and resolves incidents.

``monitor.windows.detection`` decides; this module keeps the state. Decisions are published on
``detect-state`` in the transaction that they belong to, so they are never lost. The sums of panes
are written to a snapshot on disk from time to time, and rebuilt from it and from later summaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from consumers.messages.detect_state import LostEntry
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
    by_partition,
)
from consumers.messages.times import optional_rfc3339
from consumers.roles.detect_snapshot import Snapshot, SummariesLost, incomplete
from consumers.roles.finding_messages import FindingMessages
from consumers.roles.learning import Learning, LongWork, at_once
from consumers.roles.lost_summaries import lost_summaries
from consumers.roles.profiles import MissingProfile, Profiles, required
from consumers.roles.published_state import (
    Published,
    PublishedState,
    Records,
    state_messages,
    unread_messages,
)
from consumers.roles.segment_settings import SegmentSettings
from consumers.roles.set_aside import SetAside
from consumers.roles.summary_log import SummaryLog
from consumers.roles.unread_models import (
    PartitionState,
    UnreadModel,
    own_items,
    unread_problem,
)
from monitor.counts.segmentation import Segments
from monitor.identity import Key, VersionKey
from monitor.plan import Plan
from monitor.windows.detection import advance, due_keys
from monitor.windows.evaluator import Evaluator
from monitor.windows.life_changes import items_to_next_change, with_change
from monitor.windows.lives import Lives, belonging, kept_panes, with_first_rows
from monitor.windows.state import Item, LogItem, State
from monitor.windows.state_by_model import merged

SNAPSHOT_EVERY = 200  # commits, from the first on: what a start has read is not read again
AGAIN = 500  # messages of a model that are taken again with each batch


@dataclass(slots=True)
class _Owned:
    """An assigned partition of ``summaries``."""

    now: PartitionState
    published: Published
    next: int
    told: dict[VersionKey, LostEntry]  # an incident says that their summaries are lost
    oldest: int = 0  # summaries before it were deleted before the panes were rebuilt
    commits: int = 0

    @property
    def can_be_saved(self) -> bool:
        """A snapshot of incomplete panes would be taken for complete by the next worker."""
        return not self.now.unread and not any(incomplete(self.now.state, self.oldest))


class Detect:
    """Runs detection for the models of its partitions; a model is in one partition only."""

    reads = ("summaries",)

    def __init__(  # noqa: PLR0913 - what it reads from, and how it works
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        state_records: Records,
        directory: Path,
        first_offset: Callable[[TopicPartition], int],
        run: LongWork = at_once,
        plan_hash: str | None = None,
        segments_of: Callable[[str], Segments] = lambda _: Segments(),
    ) -> None:
        self._profiles, self._plan_of, self._state_records = profiles, plan_of, state_records
        self._directory, self._first_offset = directory, first_offset
        self._evaluators: dict[Key, Evaluator] = {}
        self._learning = Learning(directory, run)
        self._set_aside, self._segments = SetAside(profiles), SegmentSettings(segments_of)
        self._owned: dict[TopicPartition, _Owned] = {}
        self._pending: dict[TopicPartition, PartitionState] = {}
        self._log = SummaryLog(profiles, partitions)
        self._published = PublishedState(state_records)
        self._messages = FindingMessages(profiles, plan_of, plan_hash)

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._set_aside.clear()
        starts = {
            one: self._take_over(one, max(at.next_offset, 0)) for one, at in committed.items()
        }
        return {one: start for one, start in starts.items() if start < self._owned[one].next}

    def replay(self, records: Sequence[Record]) -> None:
        for topic_partition, its_records in by_partition(records).items():
            owned = self._owned[topic_partition]
            is_known = self._log.known(topic_partition, owned.now.whole)
            read = self._log.read(its_records, is_known)
            owned.now = owned.now.without(read.errors, owned.next).replayed(read)

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
        for topic_partition, records in sorted(by_partition(batch.records).items()):
            messages += self._handled(topic_partition, records)
        return Output(messages)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for topic_partition, next_offset in next_offsets.items():
            owned = self._owned[topic_partition]
            owned.now, owned.next = self._pending[topic_partition], next_offset
            if owned.commits % SNAPSHOT_EVERY == 0 and owned.can_be_saved:
                self._snapshot(topic_partition).save(owned.next, owned.now.state)
            owned.commits += 1
        self._pending = {}

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(owned.next, 0),
                "watermark": optional_rfc3339(owned.now.newest_ms),
                "counts": {**owned.now.counts, **self._skipped(topic_partition)},
            }
            for topic_partition, owned in self._owned.items()
        }

    def problem(self) -> str | None:
        unread = unread_problem(owned.now for owned in self._owned.values())
        segments, log = self._segments.problem, self._log.problem(self._owned)
        state = self._published.problem(one.partition for one in self._owned)
        problems = (self._set_aside.problem, segments, unread, log, state)
        return "; ".join(problem for problem in problems if problem is not None) or None

    def _skipped(self, topic_partition: TopicPartition) -> Mapping[str, int]:
        """The numbers of messages that were skipped."""
        in_state = self._published.skipped(topic_partition.partition)
        in_log = self._log.skipped(topic_partition)
        return {name: number + in_state[name] for name, number in in_log.items()}

    def _take_over(self, topic_partition: TopicPartition, committed: int) -> int:
        """Load the state of a partition. Returns the offset from which to read the log again."""
        loaded = self._published.load(topic_partition.partition)
        unread = loaded.unread.values()
        most = min([committed, *(entry.next for entry in unread)])
        found, panes = self._snapshot(topic_partition).load(loaded.state.first_needed, most)
        start = min(found, most)  # messages that were not read are needed, too
        oldest = self._first_offset(topic_partition) if start < committed else 0
        state = replace(loaded.state, panes=kept_panes(loaded.state.lives, panes))
        now = PartitionState(state).resumed(unread, oldest).without(loaded.errors, committed)
        self._owned[topic_partition] = _Owned(
            now, loaded.published, committed, loaded.lost, oldest if start < oldest else 0
        )
        return start

    def _snapshot(self, topic_partition: TopicPartition) -> Snapshot:
        return Snapshot(self._directory / f"{topic_partition.partition}.snapshot")

    def _handled(
        self, topic_partition: TopicPartition, records: Sequence[Record]
    ) -> Iterable[Message]:
        """Sets the state after ``records`` pending, and returns the messages."""
        owned, partition = self._owned[topic_partition], topic_partition.partition
        is_known = self._log.known(topic_partition, owned.now.whole)
        read = self._log.read(records, is_known)
        now = owned.now.without(read.errors, records[0].offset)
        state, messages = self._advance(owned.oldest, now.state, list(now.items(read.items)))
        unread: dict[str, UnreadModel] = {}
        for name, model in now.unread.items():
            left, found = self._again(owned.oldest, name, model, records)
            messages += found
            if left.has_caught_up:
                state = merged(state, left.state)
            else:
                unread[name] = left
        after = self._pending[topic_partition] = PartitionState(state, unread)
        whole, at_ms = after.whole, records[-1].append_ms
        messages += state_messages(partition, owned.now.whole, whole, owned.published)
        messages += unread_messages(partition, now.unread, after.entries, owned.published)
        messages += lost_summaries(partition, incomplete(whole, owned.oldest), owned.told, at_ms)
        return messages

    def _again(
        self, oldest: int, name: str, model: UnreadModel, new: Sequence[Record]
    ) -> tuple[UnreadModel, list[Message]]:
        """Take some of the messages of a model that was not read, if they can be read."""
        if model.error is not None:
            return model, []
        records = [*model.records, *new]
        # All of its messages can be read; what is wrong with others is known.
        read = self._log.read(records[:AGAIN], lambda one: one != name)
        state, messages = self._advance(oldest, model.start, own_items(name, read.items))
        return model.at(state, records[AGAIN:]), messages

    def _advance(
        self, oldest: int, state: State, items: Sequence[LogItem]
    ) -> tuple[State, list[Message]]:
        """The messages about what ``items`` change, from one change of a life to the next."""
        messages = list[Message]()
        touched = dict[Key, None]()
        while items:
            number = items_to_next_change(state, items, self._retire_after_ms)
            lives = with_first_rows(state.lives, items[number - 1][1])
            its_items = list(belonging(state.lives, items[:number]))
            before, found = self._judged(oldest, state, its_items, lives)
            touched.update(dict.fromkeys(before.touched))
            state, ended = with_change(before, items[number - 1], self._retire_after_ms)
            if state.lives is not before.lives:
                self._set_aside.forget(before.decisions.keys() - state.decisions.keys())
            messages += [*found, *self._messages.alerts(ended, state.lives)]
            items = items[number:]
        return replace(state, touched=tuple(touched)), messages

    def _judged(
        self, oldest: int, state: State, items: Sequence[Item], lives: Lives
    ) -> tuple[State, list[Message]]:
        """The state after ``items``, and the messages. Sets the keys aside that fail.

        If the messages of a key fail, the items are taken again without it.
        """
        keys = due_keys(state, items)
        for key in set(incomplete(state, oldest)).intersection(keys):
            self._set_aside.add(key, SummariesLost(key))
        while True:
            after, findings = advance(self._evaluators_of(keys), state, items)
            messages, failures = self._messages.all(findings, lives)
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
        if key in self._evaluators:
            return self._evaluators[key]
        try:
            profile = required(self._profiles, key)
            published = self._profiles.learned(*key)
        except MissingProfile as error:
            self._set_aside.add(key, error)
            return None
        try:
            plan = self._plan_of(key.model)
            self._evaluators[key] = self._learning.evaluator(plan, profile, published)
            if not key.segment:
                self._segments.check(profile)
        except Exception as error:  # whatever it is, it must not stop the other keys
            self._set_aside.add(key, error)
        return self._evaluators.get(key)
