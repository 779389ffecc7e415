"""The loops: the order of poll, rebalance, handle or write, commit and heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from consumers.kafka.errors import TransactionAborted
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.processes import loop
from consumers.processes.loop import MAX_ABORTS, TooManyAborts, run_role, run_sink

P0, P1, P2 = (TopicPartition("joins", number) for number in range(3))


def record(partition: TopicPartition, offset: int) -> Record:
    return Record(*partition, offset, None, b"")


class Polled:
    """The records of a poll, and the rebalance during it."""

    def __init__(
        self,
        *records: Record,
        assigned: Mapping[TopicPartition, int] | None = None,
        lost: Sequence[TopicPartition] = (),
    ) -> None:
        self.records = list(records)
        self.assigned = {
            partition: CommittedOffset(at) for partition, at in (assigned or {}).items()
        }
        self.lost = set(lost)


class World:
    """Stands in for Kafka, the role and the heartbeat, and records the calls in order."""

    def __init__(self, *polls: Polled, aborts: Sequence[bool] = (), outputs: bool = True) -> None:
        self.polls, self.aborts, self.outputs = list(polls), list(aborts), outputs
        self.calls: list[Any] = []
        self.owned: dict[TopicPartition, CommittedOffset] = {}
        self.behind: dict[TopicPartition, int] = {}
        self.while_replaying: list[Polled] = []
        self.idle: dict[TopicPartition, int] = {}
        self._rebalance = Polled()

    def run(self, idle_s: float | None = None) -> list[Any]:
        client: Any = self
        run_role(client, client, client, poll_s=1.0, idle_s=idle_s, stopped=lambda: not self.polls)
        return self.calls

    def run_sink(self) -> list[Any]:
        client: Any = self
        run_sink(client, client, client, poll_s=1.0, stopped=lambda: not self.polls)
        return self.calls

    # -- as Kafka ------------------------------------------------------------------------------

    def poll(self, seconds: float) -> list[Record]:
        assert seconds == 1.0
        polled = self.polls.pop(0)
        self._apply(polled)
        return polled.records

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        rebalance, self._rebalance = self._rebalance, Polled()
        return rebalance.assigned, rebalance.lost

    def _apply(self, polled: Polled) -> None:
        self.owned = {**self.owned, **polled.assigned}
        self.owned = {
            partition: at for partition, at in self.owned.items() if partition not in polled.lost
        }
        self._rebalance = polled

    def pause_all(self) -> None:
        self.calls.append("pause_all")

    def resume_all(self) -> None:
        self.calls.append("resume_all")

    def idle_partitions(self, seconds: float) -> dict[TopicPartition, int]:
        self.calls.append(("idle_partitions", seconds))
        return self.idle

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        self.calls.append(("commit", dict(next_offsets), output))
        if self.aborts and self.aborts.pop(0):
            raise TransactionAborted("fenced")

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        self.calls.append("rewind")
        return dict(self.owned)

    def keep_alive(self) -> bool:
        if self.while_replaying:
            self._apply(self.while_replaying.pop(0))
        return not self._rebalance.lost

    def read(
        self,
        start: Mapping[TopicPartition, int],
        stop: Mapping[TopicPartition, int],
        alive: Callable[[], bool],
    ) -> Iterator[list[Record]]:
        for partition in sorted(start):
            for offset in range(start[partition], stop[partition]):
                if not alive():
                    return
                yield [record(partition, offset)]

    # -- as the role ---------------------------------------------------------------------------

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self.calls.append(
            (
                "on_partitions_assigned",
                {partition: at.next_offset for partition, at in committed.items()},
            )
        )
        return {partition: at for partition, at in self.behind.items() if partition in committed}

    def replay(self, records: Sequence[Record]) -> None:
        self.calls.append(("replay", *((r.topic_partition, r.offset) for r in records)))

    def handle(self, batch: Batch) -> Output | None:
        self.calls.append(("handle", *((r.topic_partition, r.offset) for r in batch.records)))
        return OUTPUT if self.outputs and batch.next_offsets else None

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self.calls.append(("committed", dict(next_offsets)))

    def write(self, records: Sequence[Record]) -> None:
        self.calls.append(("write", *((r.topic_partition, r.offset) for r in records)))

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.calls.append(("on_partitions_revoked", *partitions))

    # -- as the heartbeat --------------------------------------------------------------------------

    def send_if_due(self, role: object, *, progressed: bool) -> None:
        assert role is self
        self.calls.append("progressed" if progressed else "heartbeat")


OUTPUT = Output([Message("summaries", None, b"output")])


def test_a_role_handles_then_commits_then_is_confirmed():
    world = World(Polled(record(P0, 7), record(P0, 8), record(P1, 3)))
    assert world.run() == [
        ("handle", (P0, 7), (P0, 8), (P1, 3)),
        ("commit", {P0: 9, P1: 4}, OUTPUT),
        ("committed", {P0: 9, P1: 4}),
        "progressed",
    ]


def test_the_fault_points_of_a_role_are_after_the_commit_and_after_its_confirmation(monkeypatch):
    world = World(Polled(record(P0, 7)))
    monkeypatch.setattr(loop, "fault_point", world.calls.append)
    assert world.run()[1:] == [
        ("commit", {P0: 8}, OUTPUT),
        "after-commit",
        ("committed", {P0: 8}),
        "after-disk",
        "progressed",
    ]


def test_without_output_there_is_no_transaction_and_no_progress():
    assert World(Polled()).run() == [("handle",), "heartbeat"]
    assert World(Polled(record(P0, 7)), outputs=False).run() == [("handle", (P0, 7)), "heartbeat"]


def test_idle_partitions_are_committed_at_their_end_offset():
    world = World(Polled(record(P0, 7)))
    world.idle = {P1: 5}
    assert world.run(idle_s=30.0)[:3] == [
        ("idle_partitions", 30.0),
        ("handle", (P0, 7)),
        ("commit", {P1: 5, P0: 8}, OUTPUT),
    ]


def test_idle_partitions_are_not_looked_up_if_idle_s_is_none():
    assert ("idle_partitions", None) not in World(Polled()).run(idle_s=None)


def test_an_abort_takes_everything_back_to_the_committed_offsets():
    world = World(Polled(record(P0, 7)), aborts=[True])
    world.owned, world.behind = {P0: CommittedOffset(7), P1: CommittedOffset(2)}, {P0: 6}
    assert world.run() == [
        ("handle", (P0, 7)),
        ("commit", {P0: 8}, OUTPUT),
        "rewind",
        ("on_partitions_revoked", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7, P1: 2}),
        ("replay", (P0, 6)),
        "resume_all",
        "heartbeat",
    ]


def test_the_cache_of_an_assigned_partition_is_replayed_before_records_are_handled():
    world = World(Polled(record(P0, 7), assigned={P1: 5}))
    world.owned, world.behind = {P0: CommittedOffset(7)}, {P1: 3}
    assert world.run()[:6] == [
        ("on_partitions_revoked", P1),
        "pause_all",
        ("on_partitions_assigned", {P1: 5}),
        ("replay", (P1, 3)),
        ("replay", (P1, 4)),
        "resume_all",
    ]
    assert world.calls[6] == ("handle", (P0, 7))


def test_a_lost_partition_is_released_first_and_its_records_are_dropped():
    world = World(Polled(record(P0, 7), record(P1, 3), lost=[P1]))
    assert world.run() == [
        ("on_partitions_revoked", P1),
        "pause_all",
        ("on_partitions_assigned", {}),
        "resume_all",
        ("handle", (P0, 7)),
        ("commit", {P0: 8}, OUTPUT),
        ("committed", {P0: 8}),
        "progressed",
    ]


def test_records_of_a_partition_that_was_lost_and_assigned_again_are_dropped():
    world = World(Polled(record(P0, 7), assigned={P0: 5}, lost=[P0]))
    assert world.run() == [
        ("on_partitions_revoked", P0),
        "pause_all",
        ("on_partitions_assigned", {P0: 5}),
        "resume_all",
        ("handle",),
        "heartbeat",
    ]


def test_a_loss_during_a_replay_restarts_it_for_the_partitions_that_are_left():
    """Had it gone on from where it was cut off, the store would lack what was not replayed."""
    world = World(Polled(assigned={P0: 3, P1: 2}))
    world.behind = {P0: 0, P1: 0}
    world.while_replaying = [Polled(), Polled(lost=[P1])]
    assert world.run() == [
        ("on_partitions_revoked", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 3, P1: 2}),
        ("replay", (P0, 0)),
        ("on_partitions_revoked", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 3}),
        ("replay", (P0, 0)),
        ("replay", (P0, 1)),
        ("replay", (P0, 2)),
        "resume_all",
        ("handle",),
        "heartbeat",
    ]


def test_a_partition_assigned_during_a_replay_is_replayed_before_reading_is_resumed():
    world = World(Polled(assigned={P0: 2}))
    world.behind = {P0: 0, P2: 0}
    world.while_replaying = [Polled(assigned={P2: 1})]
    assert [asked for asked in world.run() if asked == "resume_all" or asked[0] == "replay"] == [
        ("replay", (P0, 0)),
        ("replay", (P0, 1)),
        ("replay", (P2, 0)),
        "resume_all",
    ]


def test_polled_records_are_dropped_if_their_partition_is_lost_during_a_replay():
    world = World(Polled(record(P0, 7), assigned={P1: 2}))
    world.owned, world.behind = {P0: CommittedOffset(7)}, {P1: 0}
    world.while_replaying = [Polled(lost=[P0])]
    assert world.run()[-2:] == [("handle",), "heartbeat"]


def test_a_loss_during_the_replay_after_an_abort_restarts_the_replay():
    world = World(Polled(record(P0, 7)), aborts=[True])
    world.owned, world.behind = {P0: CommittedOffset(7), P1: CommittedOffset(2)}, {P0: 6, P1: 1}
    world.while_replaying = [Polled(lost=[P1])]
    assert world.run()[2:] == [
        "rewind",
        ("on_partitions_revoked", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7, P1: 2}),
        ("on_partitions_revoked", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7}),
        ("replay", (P0, 6)),
        "resume_all",
        "heartbeat",
    ]


def test_records_that_raise_in_handle_are_not_committed():
    class Broken(World):
        def handle(self, _batch: Batch) -> Output | None:
            raise ValueError("a bug")

    world = Broken(Polled(record(P0, 7)))
    with pytest.raises(ValueError, match="a bug"):
        world.run()
    assert world.calls == []


def test_any_other_error_of_a_commit_is_raised_without_confirming_the_output():
    class Away(World):
        def commit(self, _next_offsets: Mapping[TopicPartition, int], _output: Output) -> None:
            raise OSError("Kafka is away")

    world = Away(Polled(record(P0, 7)))
    with pytest.raises(OSError, match="Kafka is away"):
        world.run()
    assert world.calls == [("handle", (P0, 7))]


def test_too_many_aborts_in_a_row_are_raised():
    """Polls without a transaction in between do not reset the count."""
    polls = [Polled(record(P0, 7)), Polled()] * MAX_ABORTS
    world = World(*polls, aborts=[True] * MAX_ABORTS)
    with pytest.raises(TooManyAborts, match=f"{MAX_ABORTS} transactions in a row were aborted"):
        world.run()
    assert len(world.polls) == 1


def test_a_successful_commit_resets_the_count_of_aborts():
    polls = [Polled(record(P0, 7))] * (2 * MAX_ABORTS - 1)
    aborts = [True] * (MAX_ABORTS - 1)
    assert World(*polls, aborts=[*aborts, False, *aborts]).run()[-1] == "heartbeat"


def test_a_loop_stops_between_batches():
    world = World()
    assert world.run() == []


def test_a_sink_is_rebalanced_then_resumed_then_writes():
    polls = [Polled(assigned={P0: 3, P1: -2}), Polled(record(P0, 3), record(P0, 4)), Polled()]
    assert World(*polls).run_sink() == [
        ("on_partitions_revoked",),
        ("on_partitions_assigned", {P0: 3, P1: -2}),
        "resume_all",
        ("write",),
        "heartbeat",
        ("on_partitions_revoked",),
        ("on_partitions_assigned", {}),
        "resume_all",
        ("write", (P0, 3), (P0, 4)),
        "progressed",
        ("on_partitions_revoked",),
        ("on_partitions_assigned", {}),
        "resume_all",
        ("write",),
        "heartbeat",
    ]


def test_the_fault_point_of_a_sink_is_after_each_batch_with_records(monkeypatch):
    world = World(Polled(), Polled(record(P0, 7)))
    monkeypatch.setattr(loop, "fault_point", world.calls.append)
    calls = world.run_sink()
    assert calls[-3:] == [("write", (P0, 7)), "after-database", "progressed"]
    assert calls.count("after-database") == 1


def test_a_sink_releases_lost_partitions_before_it_takes_over_others():
    assert World(Polled(assigned={P0: 5}, lost=[P0, P1])).run_sink()[:3] == [
        ("on_partitions_revoked", P0, P1),
        ("on_partitions_assigned", {P0: 5}),
        "resume_all",
    ]


def test_a_sink_that_cannot_write_ends_the_loop():
    class Broken(World):
        def write(self, _records: Sequence[Record]) -> None:
            raise OSError("the disk is full")

    world = Broken(Polled(record(P0, 7)), Polled())
    with pytest.raises(OSError, match="the disk is full"):
        world.run_sink()
    assert len(world.polls) == 1
