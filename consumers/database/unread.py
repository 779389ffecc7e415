"""Where a release could not read messages: the next release reads again from there.

The first such message of each partition is marked in ``meta``: ``unread/<topic>/<partition>``, with
its offset and the release. What is read twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select, update

from consumers.database.statements import insert_missing
from consumers.database.tables import meta, offsets
from consumers.messages.records import TopicPartition

PREFIX = "unread/"


def mark(connection: Connection, unread: Mapping[TopicPartition, int], release: str) -> None:
    """Mark the first message of each partition that was skipped. An earlier mark is kept."""
    rows = [{"key": _key(at), "value": f"{offset} {release}"} for at, offset in unread.items()]
    insert_missing(connection, meta, rows)


def take_back(connection: Connection, partitions: Iterable[TopicPartition], release: str) -> None:
    """Take the offsets of partitions back to their marks, unless this release has made them."""
    for partition in partitions:
        key = meta.c.key == _key(partition)
        marked = connection.execute(select(meta.c.value).where(key)).scalar()
        offset, _, marked_by = (marked or "").partition(" ")
        if marked is not None and marked_by != release:
            connection.execute(delete(meta).where(key))
            its_row = (offsets.c.topic == partition.topic) & (
                offsets.c.partition == partition.partition
            )
            later = its_row & (offsets.c.next > int(offset))
            connection.execute(update(offsets).where(later).values(next=int(offset)))


def _key(partition: TopicPartition) -> str:
    return PREFIX + partition.name
