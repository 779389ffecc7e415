"""The order of effects: poll, handle, commit. One thread, one batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from consumers.kafka.client import Client, TransactionAborted
from consumers.messages.records import Batch, CommittedOffset, Output, TopicPartition
from consumers.roles.role import Role
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
        silent = {} if idle_s is None else client.idle_partitions(idle_s)
        batch = Batch([record for record in records if record.topic_partition not in lost], silent)
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
    gained, lost = client.take_rebalance()
    return _settle(client, role, gained, lost) if gained or lost else set()


def _start_over(client: Client, role: Role) -> None:
    _settle(client, role, client.rewind(), set())


def _settle(
    client: Client,
    role: Role,
    gained: Mapping[TopicPartition, CommittedOffset],
    lost: set[TopicPartition],
) -> set[TopicPartition]:
    """Let go and take over until nothing changes any more, and only then read on."""
    all_lost = set(lost)
    while True:
        role.on_partitions_lost(sorted({*lost, *gained}))
        client.pause_all()
        _catch_up(client, role, gained)
        came, lost = client.take_rebalance()
        if not (came or lost):
            break
        all_lost |= lost
        # A loss ended the replay, perhaps in its midst: for what is left it begins anew.
        left = {
            topic_partition: at
            for topic_partition, at in gained.items()
            if lost and topic_partition not in lost
        }
        gained = {**left, **came}
    client.resume_all()
    return all_lost


def _catch_up(client: Client, role: Role, gained: Mapping[TopicPartition, CommittedOffset]) -> None:
    """Take partitions over; where the role is behind them, read again what it has missed."""
    behind = role.on_partitions_assigned(gained)
    if not behind:
        return
    log.info("%d partitions are behind: reading again what they have missed", len(behind))
    stop = {topic_partition: gained[topic_partition].next_offset for topic_partition in behind}
    for records in client.read(behind, stop, client.keep_alive):
        role.replay(records)
