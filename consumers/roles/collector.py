"""Collects the references of versions from topics of other services, and registers them.

A part of the role ``retrain``, because it is one process. Nothing is kept: until a version is
registered, its topics are read from their beginning after each start. So whatever ends the worker,
a version is registered once, and from whole rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

from consumers.messages.heartbeats import CollectingVersion
from consumers.messages.records import Record
from consumers.roles.collection import Collection
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.mapping.scope import Unmappable
from driftline.clock import wall_clock_ms
from driftline.errors import BadInput
from monitor.counts.profile import InvalidReference
from monitor.identity import VersionKey
from monitor.plan import InvalidPlan
from producers.contract.records import Undecodable

log = logging.getLogger(__name__)

STEP_S = 2.0  # of reading a backlog, between two batches of the role
_REFUSED = (BadInput, InvalidReference, InvalidPlan)


class Reader(Protocol):
    """A topic from its beginning."""

    @property
    def caught_up(self) -> bool: ...

    def arrived(self) -> Sequence[Record]: ...

    def close(self) -> None: ...


class Collected:
    """A collection with the topics that it reads."""

    def __init__(
        self, collection: Collection, sources: Sequence[tuple[Reader, RecordMapper]]
    ) -> None:
        self.collection, self._sources = collection, sources
        self.failure: str | None = None  # why it cannot be registered

    def read(self) -> None:
        """What has come, for ``STEP_S`` at most."""
        until_s = time.monotonic() + STEP_S
        more = True
        while more and time.monotonic() < until_s:
            more = False
            for reader, mapper in self._sources:
                for record in reader.arrived():
                    self._take(record, mapper)
                    more = True

    @property
    def is_complete(self) -> bool:
        """Partitions are read to their end before, so that none of them counts too little."""
        return all(reader.caught_up for reader, _ in self._sources) and (
            self.collection.is_complete()
        )

    def _take(self, record: Record, mapper: RecordMapper) -> None:
        try:
            rows = mapper.rows_of(record) or ()
        except (Undecodable, Unmappable) as error:
            self.collection.refuse(str(error))
        else:
            self.collection.add(rows, wall_clock_ms())

    def close(self) -> None:
        with ExitStack() as closing:
            for reader, _ in self._sources:
                closing.callback(reader.close)


class Collector:
    """``register`` publishes the profile of a collection; ``is_registered`` asks for one."""

    def __init__(
        self,
        collected: Sequence[Collected],
        is_registered: Callable[[VersionKey], bool],
        register: Callable[[Collection], None],
    ) -> None:
        self._open = list(collected)
        self._is_registered, self._register = is_registered, register

    def step(self) -> None:
        """Read on, and register what is complete."""
        for one in list(self._open):
            if self._is_registered(one.collection.key):
                self._end(one)
                continue
            one.read()
            if one.failure is None and one.is_complete:
                self._complete(one)

    def status(self) -> list[CollectingVersion]:
        return [one.collection.status() for one in self._open]

    def problems(self) -> Iterator[str]:
        return (one.failure for one in self._open if one.failure is not None)

    def close(self) -> None:
        for one in self._open:
            one.close()

    def _complete(self, one: Collected) -> None:
        name = "/".join(one.collection.key)
        rows, labels = len(one.collection.rows), len(one.collection.labels)
        log.info("%s is being registered from %d rows, %d of them with a label", name, rows, labels)
        try:
            self._register(one.collection)
        except _REFUSED as error:
            if self._is_registered(one.collection.key):  # by somebody else meanwhile
                return
            one.failure = (
                f"{name} cannot be registered from the {len(one.collection.rows):,} rows that were"
                f" collected: {error}"
            )
            log.warning("%s", one.failure)

    def _end(self, one: Collected) -> None:
        log.info("%s is registered: nothing more is collected", "/".join(one.collection.key))
        self._open.remove(one)
        one.close()
