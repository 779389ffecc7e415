"""The processing loops: which effect follows which. One thread, one batch at a time.

``run_role``: poll, rebalance, handle, commit, heartbeat.
``run_sink``: poll, rebalance, write, heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from consumers.kafka.client import Client
from consumers.kafka.errors import TransactionAborted
from consumers.messages.records import Batch, CommittedOffset, Output, Record, TopicPartition
from consumers.processes.heartbeat import Heartbeat
from consumers.roles.role import Role, SinkRole
from driftline.clock import wall_clock_ms
from driftline.errors import Trouble
from driftline.fault_points import fault_point

log = logging.getLogger(__name__)

MAX_ABORTS = 10  # in a row; retrying at once would not help


class TooManyAborts(Trouble):
    """Transaction after transaction was aborted."""


def run_role(  # noqa: PLR0913 - collaborators and times
    client: Client,
    role: Role,
    heartbeat: Heartbeat,
    *,
    poll_s: float,
    idle_s: float | None,
    stopped: Callable[[], bool],
) -> None:
    """Run a role until ``stopped``. Its successor repeats what was not committed then.

    Raises ``TooManyAborts`` if nothing can be committed.
    """
    aborts = 0
    while not stopped():
        records: Sequence[Record] = client.poll(poll_s)
        lost = _rebalance(client, role)
        idle = {} if idle_s is None else client.idle_partitions(idle_s)
        if lost:
            records = [record for record in records if record.topic_partition not in lost]
        batch = Batch(records, idle, wall_clock_ms())
        output = role.handle(batch)
        committed = output is not None and _commit(client, role, batch, output)
        aborts = 0 if committed else aborts + (output is not None)
        if aborts >= MAX_ABORTS:
            raise TooManyAborts(f"{aborts} transactions in a row were aborted; see the log above")
        heartbeat.send_if_due(role, progressed=committed)


def run_sink(
    client: Client,
    role: SinkRole,
    heartbeat: Heartbeat,
    *,
    poll_s: float,
    stopped: Callable[[], bool],
) -> None:
    """Run a sink until ``stopped``. Its successor starts from the positions that it wrote."""
    while not stopped():
        records = client.poll(poll_s)
        assigned, lost = client.take_rebalance()
        role.on_partitions_revoked(sorted(lost))
        role.on_partitions_assigned(assigned)
        client.resume_all()
        role.write(records)
        if records:
            fault_point("after-database")
        heartbeat.send_if_due(role, progressed=bool(records))


def _commit(client: Client, role: Role, batch: Batch, output: Output) -> bool:
    """Whether the output was committed. If not, everything is back at its committed offset."""
    offsets = batch.next_offsets
    try:
        client.commit(offsets, output)
    except TransactionAborted:
        _reassign(client, role, client.rewind(), set())
        return False
    fault_point("after-commit")
    role.committed(offsets)
    fault_point("after-disk")
    return True


def _rebalance(client: Client, role: Role) -> set[TopicPartition]:
    """Apply the rebalance of the last poll. Returns all partitions lost, also if assigned again."""
    assigned, lost = client.take_rebalance()
    return _reassign(client, role, assigned, lost) if assigned or lost else set()


def _reassign(
    client: Client,
    role: Role,
    assigned: Mapping[TopicPartition, CommittedOffset],
    lost: set[TopicPartition],
) -> set[TopicPartition]:
    """Release and take over partitions until no rebalance interrupts it, then resume all.

    Returns all partitions lost.
    """
    all_lost = set(lost)
    while True:
        role.on_partitions_revoked(sorted({*lost, *assigned}))
        client.pause_all()
        _catch_up(client, role, assigned)
        new, lost = client.take_rebalance()
        if not (new or lost):
            break
        all_lost |= lost
        # A loss interrupts the replay: it starts again for the partitions that are left.
        left = {
            partition: at for partition, at in assigned.items() if lost and partition not in lost
        }
        assigned = {**left, **new}
    client.resume_all()
    return all_lost


def _catch_up(
    client: Client, role: Role, assigned: Mapping[TopicPartition, CommittedOffset]
) -> None:
    """Assign partitions to the role, and replay the records that its caches have missed."""
    behind = role.on_partitions_assigned(assigned)
    if not behind:
        return
    log.info("replaying the log for %d partitions whose caches are behind", len(behind))
    stop = {partition: assigned[partition].next_offset for partition in behind}
    for records in client.read(behind, stop, client.keep_alive):
        role.replay(records)
