"""The role ``store``: writes findings, alerts, decisions and heartbeats to the database.

It is a ``SinkRole``: the rows of a batch and the offsets at which it ends are one transaction of
the database, whose offsets replace Kafka's committed offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from consumers.database.database import Database
from consumers.database.message_to_rows import TOPICS, row_batch, store_reader
from consumers.database.model_row import Registration, model_row
from consumers.database.rows import OffsetRange, Row
from consumers.messages.records import CommittedOffset, Record, TopicPartition
from consumers.roles.profiles import PublishedProfiles
from consumers.roles.set_aside import skipped_problem
from driftline.clock import wall_clock_ms
from producers.contract.profile_blobs import Head
from producers.contract.version_info import VersionInfo

DELETION_MS = 60_000


class Store:
    """Writes each message to the database once."""

    reads = TOPICS

    def __init__(
        self,
        database: Database,
        profiles: PublishedProfiles,
        clock_ms: Callable[[], int] = wall_clock_ms,
        keep_ms: int | None = None,
    ) -> None:
        self._database, self._profiles, self._clock_ms = database, profiles, clock_ms
        self._keep_ms = keep_ms  # None: nothing is deleted
        self._next_deletion_ms = 0  # clock
        # The offset of each partition in the database; None: nothing was written from it.
        self._positions: dict[TopicPartition, int | None] = {}
        # What was written of each version.
        self._registered: dict[tuple[str, str], tuple[int, VersionInfo]] = {}
        self._reader = store_reader()

    def on_partitions_assigned(self, committed: Mapping[TopicPartition, CommittedOffset]) -> None:
        for partition, at in committed.items():
            self._positions[partition] = at.next_offset if at.next_offset >= 0 else None

    def on_partitions_revoked(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)

    def write(self, records: Sequence[Record]) -> None:
        """Write all rows of a batch and its offsets, or nothing.

        A message that cannot be read is skipped; the next release reads again from it. Raises
        ``Fenced`` or ``DatabaseUnavailable``.
        """
        self._write_new_models()
        self._delete_old()
        if not records:
            return
        ends = {record.topic_partition: record.offset + 1 for record in records}
        read = {
            partition: OffsetRange(self._positions[partition], end)
            for partition, end in ends.items()
        }
        self._database.apply(row_batch(records, self._clock_ms(), self._reader), read)
        self._positions.update(ends)

    def problem(self) -> str | None:
        return skipped_problem(self._reader, self._positions)

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            partition.name: {
                "offset": offset or 0,
                "counts": self._reader.skipped(partition),
            }
            for partition, offset in self._positions.items()
        }

    def _delete_old(self) -> None:
        """One step a minute, or each time if more is left."""
        now_ms = self._clock_ms()
        if self._keep_ms is None or now_ms < self._next_deletion_ms:
            return
        if not self._database.delete_old(self._keep_ms, now_ms):
            self._next_deletion_ms = now_ms + DELETION_MS

    def _write_new_models(self) -> None:
        """Write the versions that are new, or have new info, or replace a deleted one."""
        self._profiles.refresh()
        heads = self._profiles.versions()
        registered = {
            key: (self._profiles.registered_ms(*key), self._profiles.info(*key)) for key in heads
        }
        new = [key for key, found in registered.items() if self._registered.get(key) != found]
        rows = [row for key in new if (row := self._model_row(key, heads[key])) is not None]
        if rows:
            self._database.register(rows)
        self._registered = registered

    def _model_row(self, key: tuple[str, str], head: Head) -> Row | None:
        """None if the profile cannot be read."""
        content, at_ms = self._profiles.content(*key), self._profiles.registered_ms(*key)
        info, overview = self._profiles.info(*key), self._profiles.overview(*key)
        if overview is None:
            return None
        return model_row(Registration(head, overview, content, at_ms, info))
