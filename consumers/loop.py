"""The order of effects: poll, handle, commit. One thread, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from consumers.kafka import Client, TransactionAborted
from consumers.records import Batch, Committed, Output, Place, Role

log = logging.getLogger(__name__)


class Pulse(Protocol):
    """Tells the world that a role lives and how far it has come."""

    def beat(self, role: Role, *, progressed: bool) -> None: ...


def run(
    client: Client,
    role: Role,
    pulse: Pulse,
    *,
    commit_s: float,
    idle_s: float | None,
    stopped: Callable[[], bool],
) -> None:
    """Work until ``stopped``. What was not committed then is done again by whoever follows."""
    while not stopped():
        records = client.poll(commit_s)
        _rebalance(client, role)
        silent = frozenset() if idle_s is None else client.silent(idle_s)
        batch = Batch(records, silent)
        output = role.handle(batch)
        if output is not None:
            _commit(client, role, batch, output)
        pulse.beat(role, progressed=output is not None)


def _commit(client: Client, role: Role, batch: Batch, output: Output) -> None:
    offsets = batch.next_offsets
    try:
        client.commit(offsets, output)
    except TransactionAborted:
        _start_over(client, role)
    else:
        role.committed(offsets)


def _rebalance(client: Client, role: Role) -> None:
    """Serve what the last poll brought in changes, until nothing changes any more."""
    gained, lost = client.changes()
    while gained or lost:
        if lost:
            role.forget(sorted(lost))
        _take_over(client, role, gained)
        gained, lost = client.changes()


def _start_over(client: Client, role: Role) -> None:
    committed = client.rewind()
    role.forget(sorted(committed))
    _take_over(client, role, committed)


def _take_over(client: Client, role: Role, gained: Mapping[Place, Committed]) -> None:
    if not gained:
        return
    client.hold()
    behind = role.resume(gained)
    stop = {place: gained[place].next for place in behind}
    for records in client.read(behind, stop, client.keep_alive):
        role.replay(records)
    if behind:
        log.info("caught up with %d partitions", len(behind))
    client.start()
