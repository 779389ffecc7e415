"""The role ``join``: joins labels with their predictions, in either order of arrival.

Predictions and labels wait in a RocksDB store, one for each partition of ``joins``, which also
holds the offset up to which it is updated. The store is written after the transaction of a batch.
If it is behind the committed offset, the log is replayed; if it is ahead or missing, it is rebuilt.
A message that cannot be read becomes a dead letter, to be sent again to a release that can.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from consumers.dead_letters.dead_letter import UNREADABLE, dead_letter_message
from consumers.messages.joined_rows import joined_rows_messages
from consumers.messages.joins import JoinColumns, decode_join_message
from consumers.messages.progress import (
    JoinProgress,
    SourceProgress,
    VersionJoined,
    decode_source_progress,
    join_progress_messages,
)
from consumers.messages.reading import (
    SCHEMA,
    ForeignMessage,
    MalformedMessage,
    MessageReader,
    UnreadableMessage,
    content_type,
)
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
    by_partition,
)
from consumers.messages.summaries import summary_messages
from consumers.messages.times import optional_rfc3339
from consumers.roles.disk import fit_for
from consumers.roles.join_expiry import expire
from consumers.roles.join_step import JoinStep, join_step, watermarks
from consumers.roles.join_store import JoinStore
from consumers.roles.profiles import Profiles
from consumers.roles.set_aside import skipped_problem
from monitor.counts.joined_rows import JoinedRows, concatenated, count_joined_rows
from monitor.counts.profile import label_wait_ms
from monitor.counts.summary import Summary
from monitor.events.event_time import latest
from monitor.events.joining import JoinPolicy
from monitor.events.progress import AppendTimes
from monitor.identity import Key
from monitor.plan import Plan, Time
from producers.contract.arrow_columns import ARROW

MOST_EXPIRED = 50_000  # entries that are removed after a batch


class Join:
    """Joins labels with predictions, and counts the joined rows into summaries.

    Rows of a version whose profile is missing are written as they are; ``detect`` counts them.
    """

    reads = ("joins",)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        directory: Path,
        first_offset: Callable[[TopicPartition], int],
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._directory, self._first_offset = directory, first_offset
        self._reader = MessageReader({"joins": decode_join_message})
        self._stores: dict[TopicPartition, JoinStore] = {}
        self._pending: dict[TopicPartition, JoinStep] = {}
        self._unread: list[Message] = []  # dead letters of a batch

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        behind = {}
        for partition, at in committed.items():
            store = self._stores[partition] = self._open(partition, max(at.next_offset, 0))
            if store.state.next < at.next_offset:
                behind[partition] = store.state.next
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for partition, its_records in by_partition(records).items():
            store = self._stores[partition]
            for some in self._to_watermarks_taken_back(store, its_records):
                self._expire_all(store, some)
                self._write(store, self._step(store, some))

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        for partition in partitions:
            store = self._stores.pop(partition, None)
            if store is not None:
                store.close()

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            for store in self._stores.values():
                self._expire(store)
            return None
        for partition, records in by_partition(batch.records).items():
            self._expire_all(self._stores[partition], records)
        self._unread = []
        self._pending = self._steps(batch.records)
        return Output([*self._joined_messages(), *self._progress_messages(), *self._unread])

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        for partition in next_offsets:
            self._write(self._stores[partition], self._pending[partition])
        self._pending = {}

    def problem(self) -> str | None:
        return skipped_problem(self._reader, self._stores)

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            partition.name: {
                "offset": store.state.next,
                "watermark": optional_rfc3339(latest(*store.state.expired_ms.values())),
                "counts": {**store.state.counts, **self._reader.skipped(partition)},
            }
            for partition, store in self._stores.items()
        }

    # -- one batch -----------------------------------------------------------------------------

    def _open(self, partition: TopicPartition, committed: int) -> JoinStore:
        """The store of a partition; emptied if it cannot be updated to the committed offset."""
        store = JoinStore(self._directory / str(partition.partition))
        return fit_for(store, committed, lambda: self._first_offset(partition))

    def _steps(self, records: Sequence[Record]) -> dict[TopicPartition, JoinStep]:
        return {
            partition: self._step(self._stores[partition], its_records)
            for partition, its_records in by_partition(records).items()
        }

    def _step(self, store: JoinStore, records: Sequence[Record]) -> JoinStep:
        messages = [message for message in map(self._read, records) if message is not None]
        return join_step(store, records[-1].offset + 1, messages, self._join_policy, self._time_of)

    def _read(self, record: Record) -> JoinColumns | SourceProgress | None:
        """None for a message that is skipped. One of Driftline becomes a dead letter."""
        try:
            return self._reader.read(record)
        except UnreadableMessage as error:
            self._reader.skip(record, error)
            self._unread.append(dead_letter_message(record, UNREADABLE, str(error)))
            return None

    def _write(self, store: JoinStore, step: JoinStep) -> None:
        store.write(step.changes)
        self._expire(store)

    def _expire(self, store: JoinStore) -> None:
        now = watermarks(store.state.clock, self._time_of)
        expire(store, now, self._join_policy, MOST_EXPIRED)

    def _to_watermarks_taken_back(
        self, store: JoinStore, records: Sequence[Record]
    ) -> Iterator[Sequence[Record]]:
        """The records in parts, each of which takes the watermark back at its begin at most."""
        clock, start = store.state.clock, 0
        for i, record in enumerate(records):
            progress = self._progress_of(record)
            if progress is not None:
                if i > start and clock.is_taken_back(progress):
                    yield records[start:i]
                    start = i
                clock = clock.updated(progress, self._time_of)
        yield records[start:]

    def _progress_of(self, record: Record) -> SourceProgress | None:
        if content_type(record.headers) == ARROW:
            return None
        try:
            return decode_source_progress(record.value)
        except (ForeignMessage, MalformedMessage):  # the step counts it
            return None

    def _expire_all(self, store: JoinStore, records: Sequence[Record]) -> None:
        """If ``records`` take the watermark back: what it has passed must not come back with it."""
        clock, read = store.state.clock, map(self._progress_of, records)
        if any(one is not None and clock.is_taken_back(one) for one in read):
            now = watermarks(clock, self._time_of)
            while any(store.state.expired_ms.get(of, ms - 1) < ms for of, ms in now.items()):
                self._expire(store)

    def _time_of(self, model: str) -> Time:
        return self._plan_of(model).time

    def _join_policy(self, model: str) -> JoinPolicy:
        plan, time = self._plan_of(model), self._time_of(model)
        return JoinPolicy(
            pane_ms=plan.windows.pane_ms,
            lateness_ms=time.lateness_ms,
            accept_late_ms=time.accept_late_ms,
            horizon_ms=time.label_horizon_ms,
        )

    # -- output --------------------------------------------------------------------------------

    def _joined_messages(self) -> Iterator[Message]:
        """The joined rows of each model: counted, or as they are without a profile."""
        partitions = self._partitions("summaries")
        counted: dict[str, list[Summary]] = defaultdict(list)
        for rows in self._joined_rows():
            summaries = self._counted(rows)
            if summaries is None:
                yield from joined_rows_messages(rows, partitions)
            else:
                counted[rows.model] += summaries
        for model, summaries in sorted(counted.items()):
            yield from summary_messages(model, summaries, partitions)

    def _joined_rows(self) -> Iterator[JoinedRows]:
        """What is added to the labelled rows of each version."""
        by_version: dict[Key, list[JoinedRows]] = defaultdict(list)
        for step in self._pending.values():
            for rows in step.joined_rows:
                by_version[rows.key].append(rows)
        for key in sorted(by_version):
            yield concatenated(by_version[key])

    def _counted(self, rows: JoinedRows) -> list[Summary] | None:
        """None if the version has no profile: deleted, or published a moment ago."""
        key, time = (rows.model, rows.version), self._time_of(rows.model)
        schema = self._profiles.schema(*key)
        if schema is None:
            self._profiles.refresh()
            schema = self._profiles.schema(*key)
        if schema is None:
            return None
        delays_ms = self._profiles.versions()[key].label_delay_ms
        wait_ms = label_wait_ms(delays_ms, time.label_wait_ms, time.label_horizon_ms)
        return count_joined_rows(schema, rows, wait_ms)

    def _progress_messages(self) -> Iterable[Message]:
        """The event times and the append times that have changed."""
        reached_ms = {
            partition.partition: at_ms
            for partition, step in self._pending.items()
            if (at_ms := step.state.clock.append_ms) is not None
            and at_ms != self._stores[partition].state.clock.append_ms
        }
        versions = [
            VersionJoined(
                model=model,
                version=version,
                partition=partition.partition,
                predictions=joined.predictions,
                labels=joined.labels,
                life=joined.life,
            )
            for partition, step in self._pending.items()
            for (model, version), joined in step.joined_times.items()
        ]
        progress = JoinProgress(
            schema=SCHEMA,
            joins=AppendTimes(self._partitions("joins"), reached_ms),
            versions=versions,
        )
        partitions, moved = self._partitions("summaries"), bool(reached_ms)
        return join_progress_messages(progress, partitions, has_append_times=moved)
