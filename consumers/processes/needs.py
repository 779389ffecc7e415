"""What a worker needs from outside: Kafka, the database, room on its disk, readable state."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from consumers.kafka import outage
from consumers.kafka.outage import Outage
from consumers.kafka.topic_reader import TopicReader
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import Record
from consumers.processes.outages import Missing
from driftline.errors import DatabaseUnavailable, DiskFull, SchemaRegistryUnavailable, Trouble
from driftline.settings import Settings
from producers.kafka.rights import MissingRight, not_given

ROOM_BYTES = 8_000_000  # that must be writable before a worker goes on
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Needs:
    """Tells from an error what is missing."""

    def __init__(self, settings: Settings, kafka: Outage) -> None:
        self._settings, self._kafka = settings, kafka
        self._database = Outage("the database")
        self._registry = Outage("the Schema Registry")
        self._right = Outage("a right on Kafka")
        self._state = Outage("state that this release can read")
        self._disk = Outage(f"room on the disk of {settings.state.directory}")

    def missing(self, error: Exception) -> Missing | None:
        """None if it is something else."""
        if outage.is_away(error):
            why = outage.sentence(error)
            return Missing(self._kafka, why, lambda: outage.answers(self._settings))
        if isinstance(error, DatabaseUnavailable):
            return Missing(self._database, str(error), self._database_answers)
        if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in _FULL):
            directory = self._settings.state.directory
            return Missing(self._disk, str(error), lambda: has_room(directory))
        if isinstance(error, SchemaRegistryUnavailable):
            return Missing(self._registry, str(error), self._registry_answers)
        return self._missing_in_kafka(error)

    def _missing_in_kafka(self, error: Exception) -> Missing | None:
        if isinstance(error, MissingRight):
            rights = error.rights
            return Missing(self._right, str(error), lambda: not not_given(self._settings, rights))
        if isinstance(error, UnreadableMessage):
            record = error.record
            return Missing(self._state, str(error), lambda: self._is_replaced(record))
        return None

    def _is_replaced(self, record: Record) -> bool:
        """Whether another message has the key of one on a compacted topic, or it is deleted."""
        place, newest = (record.partition, record.key), None
        try:
            with TopicReader(self._settings, record.topic) as log:
                for other in log.records():
                    newest = other.offset if (other.partition, other.key) == place else newest
        except Trouble:  # Kafka is away meanwhile
            return False
        return newest != record.offset

    def _registry_answers(self) -> bool:
        from consumers.sources.schemas.registry import registry_of

        registry = registry_of(self._settings.schema_registry)
        return registry is None or registry.answers()

    def _database_answers(self) -> bool:
        from consumers.database.database import Database

        try:
            Database.to_write(self._settings.store.url).close()
        except DatabaseUnavailable:
            return False
        return True


def has_room(directory: Path) -> bool:
    """Whether a file of some megabytes can be written."""
    file = directory / f"room-{os.getpid()}.tmp"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as written:
            written.write(bytes(ROOM_BYTES))
        return True
    except OSError:
        return False
    finally:
        file.unlink(missing_ok=True)
