"""The order of effects: poll, handle, commit. One thread, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from consumers.kafka.client import Client, TransactionAborted
from consumers.messages.roles import Batch, Committed, Output, Role, TopicPartition
from driftline.errors import Trouble

log = logging.getLogger(__name__)

MOST_ABORTS = 10  # in a row: what keeps failing is not mended by trying at once


class Stuck(Trouble):
    """Transaction after transaction was aborted."""


class Pulse(Protocol):
    """Tells the world that a role lives and how far it has come."""

    def beat(self, role: Role, *, progressed: bool) -> None: ...


def run(  # noqa: PLR0913 - who works, who is told, and how long
    client: Client,
    role: Role,
    pulse: Pulse,
    *,
    commit_s: float,
    idle_s: float | None,
    stopped: Callable[[], bool],
) -> None:
    """Work until ``stopped``. What was not committed then is done again by whoever follows.

    Raises ``Stuck`` where nothing can be committed any more.
    """
    aborts = 0
    while not stopped():
        records = client.poll(commit_s)
        lost = _rebalance(client, role)
        silent = {} if idle_s is None else client.silent(idle_s)
        batch = Batch([record for record in records if record.place not in lost], silent)
        output = role.handle(batch)
        committed = output is not None and _commit(client, role, batch, output)
        aborts = 0 if committed else aborts + (output is not None)
        if aborts >= MOST_ABORTS:
            raise Stuck(f"{aborts} transactions in a row were aborted; why stands above")
        pulse.beat(role, progressed=committed)


def _commit(client: Client, role: Role, batch: Batch, output: Output) -> bool:
    """Whether it took effect; if not, everything stands again at what is committed."""
    offsets = batch.next_offsets
    try:
        client.commit(offsets, output)
    except TransactionAborted:
        _start_over(client, role)
        return False
    role.committed(offsets)
    return True


def _rebalance(client: Client, role: Role) -> set[TopicPartition]:
    """Serve what the last poll brought in changes. All that was lost, perhaps to come back."""
    gained, lost = client.changes()
    return _settle(client, role, gained, lost) if gained or lost else set()


def _start_over(client: Client, role: Role) -> None:
    _settle(client, role, client.rewind(), set())


def _settle(
    client: Client,
    role: Role,
    gained: Mapping[TopicPartition, Committed],
    lost: set[TopicPartition],
) -> set[TopicPartition]:
    """Let go and take over until nothing changes any more, and only then read on."""
    all_lost = set(lost)
    while True:
        role.forget(sorted({*lost, *gained}))
        client.hold()
        _catch_up(client, role, gained)
        came, lost = client.changes()
        if not (came or lost):
            break
        all_lost |= lost
        # A loss ended the replay, perhaps in its midst: for what is left it begins anew.
        left = {place: at for place, at in gained.items() if lost and place not in lost}
        gained = {**left, **came}
    client.start()
    return all_lost


def _catch_up(client: Client, role: Role, gained: Mapping[TopicPartition, Committed]) -> None:
    """Take partitions over; where the role is behind them, read again what it has missed."""
    behind = role.resume(gained)
    if not behind:
        return
    log.info("%d partitions are behind: reading again what they have missed", len(behind))
    stop = {place: gained[place].next for place in behind}
    for records in client.read(behind, stop, client.keep_alive):
        role.replay(records)
