"""Roles without Kafka: a log with offsets and their metadata, profiles, plans, small records.

Event time is cut into panes of a second, and begins on April 1st, 2013.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np

from consumers.messages.joins import JoinColumns, decode_join_message
from consumers.messages.positions import SourceKey
from consumers.messages.progress import SourceProgress
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import decode_summary_message
from consumers.roles.role import Role
from consumers.roles.source_position import Positions
from monitor.counts.columns import Predictions
from monitor.counts.counts import add_cells
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.schema import Schema
from monitor.counts.summary import Part, Summary, add_names
from monitor.plan import Plan, Time, Windows
from monitor.tasks.binary import BINARY
from producers.contract.profile_blobs import Head, head_of
from producers.contract.version_info import VersionInfo

T0 = 1_364_774_400_000  # 2013-04-01, in milliseconds since 1970
PANE, LATENESS, ACCEPT_LATE, HORIZON, WAIT = 1_000, 500, 3_000, 4_000, 1_500
NOW = T0 + 1_000_000  # by the broker's clock, when records are appended


def plan(**time: Any) -> Plan:
    defaults = {
        "lateness_ms": LATENESS,
        "accept_late_ms": ACCEPT_LATE,
        "label_horizon_ms": HORIZON,
        "label_wait_ms": WAIT,
        "max_clock_skew_ms": 60_000,
    }
    windows = Windows(pane_ms=PANE, length_ms=4 * PANE, slide_ms=4 * PANE, longest_ms=8 * PANE)
    return Plan(windows=windows, time=Time(**{**defaults, **time}))


@cache
def profile(
    model: str = "m",
    version: str = "1",
    pane_ms: int = PANE,
    threshold: float = 0.5,
    sentinel: float | None = None,
) -> Profile:
    """Of a number ``x`` around 0, a category ``c`` of a and b, and calibrated scores.

    One value of ``x`` is the ``sentinel``.
    """
    rng = np.random.default_rng(1)
    n = 400
    time_ms = T0 - 20_000 + np.arange(n) * 50
    score = rng.random(n).round(2)
    features = {"x": rng.normal(size=n).round(1), "c": np.array(["a", "b"])[np.arange(n) % 2]}
    if sentinel is not None:
        features["x"][0] = sentinel
    predicted = (score >= threshold).astype(np.int64)
    rows = Predictions([str(i) for i in range(n)], time_ms, score, predicted, features)
    label = (rng.random(n) < score).astype(np.int64)
    return build_profile(
        model,
        version,
        ReferenceRows(rows, label, time_ms + 700),
        pane_ms=pane_ms,
        threshold=threshold,
        task=BINARY,
    )


class Table:
    """Profiles. Reading on finds those that come ``later``, and removes those ``deleted``."""

    def __init__(
        self,
        *known: Profile,
        later: Sequence[Profile] = (),
        deleted: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._known = {(p.model, p.version): p for p in known}
        self._deleted = deleted
        self._later = {(p.model, p.version): p for p in later}
        self.catch_ups = 0  # number of calls
        self.published_learning: dict[tuple[str, str], bytes] = {}
        self._info: dict[tuple[str, str], VersionInfo] = {}
        self._later_info: dict[tuple[str, str], VersionInfo] = {}

    def get(self, model: str, version: str) -> Profile | None:
        return self._known.get((model, version))

    def learned(self, model: str, version: str, segment: str = "") -> bytes | None:
        return None if segment else self.published_learning.get((model, version))

    def schema(self, model: str, version: str) -> Schema | None:
        found = self.get(model, version)
        return None if found is None else found.schema

    def versions(self) -> Mapping[tuple[str, str], Head]:
        return {key: head_of(profile) for key, profile in self._known.items()}

    def info(self, model: str, version: str) -> VersionInfo:
        return self._info.get((model, version), VersionInfo())

    def describe(self, model: str, version: str, info: VersionInfo) -> None:
        """Found by a later ``refresh``."""
        self._later_info[model, version] = info

    def publish(self, *profiles: Profile) -> None:
        """Found by a later ``refresh`` or ``catch_up``."""
        self._later |= {(p.model, p.version): p for p in profiles}

    def delete(self, model: str, version: str) -> None:
        """A tombstone, which was read."""
        self._known.pop((model, version), None)
        self._later.pop((model, version), None)

    def refresh(self) -> None:
        self._known |= self._later
        self._info |= self._later_info

    def catch_up(self) -> None:
        self.catch_ups += 1
        self._known |= self._later
        for key in self._deleted:
            self._known.pop(key, None)


class Log:
    """Topics with their partitions, and the committed offsets of a group.

    As in Kafka, a transaction leaves a marker in every partition that it wrote to.
    """

    def __init__(self, **partitions: int) -> None:
        self._number = partitions
        self._records: dict[TopicPartition, list[Record]] = defaultdict(list)
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        self.committed: dict[TopicPartition, CommittedOffset] = {}

    def partitions(self, topic: str) -> int:
        return self._number[topic]

    def topic_partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self._number[topic])]

    def append(self, message: Message, append_ms: int = NOW) -> Record:
        topic_partition = TopicPartition(message.topic, message.partition or 0)
        record = Record(
            *topic_partition,
            self._ends[topic_partition],
            message.key,
            message.value,
            message.headers,
            append_ms,
        )
        self._records[topic_partition].append(record)
        self._ends[topic_partition] += 1
        return record

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        written = {self.append(message).topic_partition for message in output.messages}
        for topic_partition in written:
            self._ends[topic_partition] += 1
        for topic_partition, offset in next_offsets.items():
            self.committed[topic_partition] = CommittedOffset(offset)

    def read(
        self, topic_partition: TopicPartition, start: int = 0, stop: int | None = None
    ) -> list[Record]:
        end = self._ends[topic_partition] if stop is None else stop
        return [record for record in self._records[topic_partition] if start <= record.offset < end]

    def all(self, topic: str) -> list[Record]:
        return [
            record
            for topic_partition in self.topic_partitions(topic)
            for record in self.read(topic_partition)
        ]

    def only(self, topic: str) -> Log:
        """A log with the records of one topic, and nothing committed."""
        copy = Log(**self._number)
        for topic_partition in self.topic_partitions(topic):
            copy._records[topic_partition] = list(self._records[topic_partition])
            copy._ends[topic_partition] = self._ends[topic_partition]
        return copy

    @classmethod
    def like(cls, log: Log, **partitions: int) -> Log:
        """A log with the records of ``log`` and more topics, and nothing committed."""
        made = cls(**log._number, **partitions)
        made._records.update(
            {partition: list(records) for partition, records in log._records.items()}
        )
        made._ends.update(log._ends)
        return made

    def delete_before(self, topic_partition: TopicPartition, offset: int) -> None:
        """As retention does."""
        kept = [r for r in self._records[topic_partition] if r.offset >= offset]
        self._records[topic_partition] = kept

    def first_offset(self, topic_partition: TopicPartition) -> int:
        return min(
            (record.offset for record in self._records[topic_partition]),
            default=self._ends[topic_partition],
        )

    def position(self, topic_partition: TopicPartition) -> CommittedOffset:
        return self.committed.get(topic_partition, CommittedOffset(-2))


R = TypeVar("R", bound=Role)


class Worker(Generic[R]):
    """Drives a role over a log as the loop does, one batch at a time."""

    def __init__(
        self, role: R, log: Log, topic_partitions: Iterable[TopicPartition], chunk: int = 1_000
    ) -> None:
        self.role, self._log, self.topic_partitions, self._chunk = (
            role,
            log,
            list(topic_partitions),
            chunk,
        )
        self._next: dict[TopicPartition, int] = {}
        self.assign()

    def assign(self) -> None:
        committed = {
            topic_partition: self._log.position(topic_partition)
            for topic_partition in self.topic_partitions
        }
        behind = self.role.on_partitions_assigned(committed)
        for topic_partition, start in behind.items():
            missed = self._log.read(
                topic_partition, max(start, 0), committed[topic_partition].next_offset
            )
            for i in range(0, len(missed), self._chunk):
                self.role.replay(missed[i : i + self._chunk])
        self._next = {
            topic_partition: max(at.next_offset, 0) for topic_partition, at in committed.items()
        }

    def poll(self, most: int = 1_000_000) -> Batch:
        """The next records, up to ``most`` of each partition."""
        found = [
            self._log.read(topic_partition, at)[:most] for topic_partition, at in self._next.items()
        ]
        return Batch([record for records in found for record in records], now_ms=NOW)

    def work(self, most: int = 1_000_000, batch: Batch | None = None) -> Output | None:
        """Handle and commit the next records."""
        batch = self.poll(most) if batch is None else batch
        output = self.role.handle(batch)
        if output is not None:
            self._log.commit(batch.next_offsets, output)
            self._next.update(batch.next_offsets)
            self.role.committed(batch.next_offsets)
        return output

    def commit_and_die(self, most: int = 1_000_000) -> None:
        """Handle and commit the next records without confirming. Continue with another worker."""
        batch = self.poll(most)
        output = self.role.handle(batch)
        if output is not None:
            self._log.commit(batch.next_offsets, output)

    def run_ahead(self, most: int = 1_000_000) -> None:
        """Confirm a transaction that was not committed. Continue with another worker."""
        batch = self.poll(most)
        if self.role.handle(batch) is not None:
            self.role.committed(batch.next_offsets)

    def abort(self, most: int = 1_000_000) -> None:
        """Handle the next records, and go back to the committed offsets."""
        self.role.handle(self.poll(most))
        self.release()
        self.assign()

    def release(self) -> None:
        self.role.on_partitions_revoked(self.topic_partitions)

    @property
    def done(self) -> bool:
        return not self.poll(1).records


def prediction(**fields: Any) -> bytes:
    row = {
        "schema": 1,
        "id": "r1",
        "time": T0,
        "model": "m",
        "version": "1",
        "features": {"x": 0.1, "c": "a"},
        "score": 0.7,
    }
    return json.dumps({**row, **fields}).encode()


def label(**fields: Any) -> bytes:
    row = {"schema": 1, "id": "r1", "time": T0 + 100, "model": "m", "label": 1}
    return json.dumps({**row, **fields}).encode()


# -- reading what was written ------------------------------------------------------------------

PaneSums = dict[tuple[str, str, int, Part], Any]


def pane_sums(records: Iterable[Record]) -> PaneSums:
    """What all summaries among ``records`` come to: cells and names, pane by pane."""
    by_pane: dict[Any, list[Summary]] = defaultdict(list)
    for summary in summaries(records):
        key = (summary.model, summary.version, summary.pane_ms, summary.part)
        by_pane[key].append(summary)
    sums = {key: _sum(mine) for key, mine in by_pane.items()}
    return {key: sum_ for key, sum_ in sums.items() if sum_[0] or sum_[1]}


def _sum(mine: Sequence[Summary]) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
    cells = add_cells(summary.cells for summary in mine)
    names = add_names(summary.names for summary in mine)
    return {name: counts for name, counts in cells.items() if counts.index.size}, names


def summaries(records: Iterable[Record]) -> list[Summary]:
    decoded = map(decode_summary_message, records)
    return [summary for content in decoded if isinstance(content, list) for summary in content]


def source_progress(records: Iterable[Record]) -> list[SourceProgress]:
    """What ``aggregate`` wrote to ``joins``, one at the end of each transaction."""
    decoded = map(decode_join_message, records)
    return [content for content in decoded if isinstance(content, SourceProgress)]


class VersionStates:
    """The states of versions for ``aggregate``: which are retired, and when others were reset."""

    skipped = None

    def __init__(
        self,
        *retired: tuple[str, str],
        resets: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._retired, self._lives = set(retired), dict[tuple[str, str], int]()
        self._resets: dict[SourceKey, int] = {}
        for key, at_ms in (resets or {}).items():
            self.reset(*key, at_ms)

    def reset(self, model: str, version: str, at_ms: int) -> None:
        self._resets |= {(model, version): at_ms, (model,): at_ms}
        self._lives[model, version] = self.life(model, version) + 1

    def retired(self) -> set[tuple[str, str]]:
        return self._retired

    def life(self, model: str, version: str) -> int:
        return self._lives.get((model, version), 0)

    def reset_ms(self, key: SourceKey) -> int | None:
        return self._resets.get(key)


def positions_of(log: Log) -> Positions:
    """The positions on the log's topic ``positions``."""
    return Positions(log.read, log.partitions, log.first_offset)


JoinRow = tuple[Any, ...]


def join_rows(records: Iterable[Record]) -> list[JoinRow]:
    """ident, version (None: a label), time, late, score, predicted or label, seen; sorted."""
    rows: list[JoinRow] = []
    for record in records:
        found = decode_join_message(record)
        if isinstance(found, JoinColumns):
            ident = [one.tobytes() for one in found.ident]
            versions = [*found.versions, None]  # -1: None
            version = [versions[number] for number in found.version]
            columns = (found.time_ms, found.late, found.score, found.value, found.seen_ms)
            rows += zip(ident, version, *(c.tolist() for c in columns), strict=True)
    return sorted(rows, key=repr)


def constant(plan_: Plan) -> Callable[[str], Plan]:
    """The same plan for every model."""
    return lambda _: plan_
