"""The loop: poll, handle, commit, and only then believe it; after an abort all over again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from consumers.kafka.client import TransactionAborted
from consumers.messages.records import Batch, CommittedOffset, Output, Record, TopicPartition
from consumers.processes.loop import MOST_ABORTS, Stuck, run

P0, P1, P2 = (TopicPartition("joins", number) for number in range(3))


def record(topic_partition: TopicPartition, offset: int) -> Record:
    return Record(*topic_partition, offset, None, b"")


class Polled:
    """What a poll brings, and what rebalances did meanwhile."""

    def __init__(
        self,
        *records: Record,
        gained: Mapping[TopicPartition, int] | None = None,
        lost: Sequence[TopicPartition] = (),
    ) -> None:
        self.records = list(records)
        self.gained = {
            topic_partition: CommittedOffset(at) for topic_partition, at in (gained or {}).items()
        }
        self.lost = set(lost)


class World:
    """Kafka, the role and its pulse: they remember what was asked of them, in order."""

    def __init__(self, *polls: Polled, aborts: Sequence[bool] = (), says: bool = True) -> None:
        self.polls, self.aborts, self.says = list(polls), list(aborts), says
        self.asked: list[Any] = []
        self.owned: dict[TopicPartition, CommittedOffset] = {}
        self.behind: dict[TopicPartition, int] = {}
        self.while_replaying: list[Polled] = []
        self.idle_partitions: dict[TopicPartition, int] = {}
        self._changes = Polled()

    def run(self, idle_s: float | None = None) -> list[Any]:
        client: Any = self
        run(client, client, client, commit_s=1.0, idle_s=idle_s, stopped=lambda: not self.polls)
        return self.asked

    # -- as Kafka ------------------------------------------------------------------------------

    def poll(self, seconds: float) -> list[Record]:
        assert seconds == 1.0
        polled = self.polls.pop(0)
        self._change(polled)
        return polled.records

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        changes, self._changes = self._changes, Polled()
        return changes.gained, changes.lost

    def _change(self, polled: Polled) -> None:
        self.owned = {**self.owned, **polled.gained}
        self.owned = {
            topic_partition: at
            for topic_partition, at in self.owned.items()
            if topic_partition not in polled.lost
        }
        self._changes = polled

    def pause_all(self) -> None:
        self.asked.append("pause_all")

    def resume_all(self) -> None:
        self.asked.append("resume_all")

    def idle_partitions(self, seconds: float) -> dict[TopicPartition, int]:
        self.asked.append(("idle_partitions", seconds))
        return self.idle_partitions

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        self.asked.append(("commit", dict(next_offsets), output))
        if self.aborts and self.aborts.pop(0):
            raise TransactionAborted("fenced")

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        self.asked.append("rewind")
        return dict(self.owned)

    def keep_alive(self) -> bool:
        if self.while_replaying:
            self._change(self.while_replaying.pop(0))
        return not self._changes.lost

    def read(
        self,
        start: Mapping[TopicPartition, int],
        stop: Mapping[TopicPartition, int],
        alive: Callable[[], bool],
    ) -> Iterator[list[Record]]:
        for topic_partition in sorted(start):
            for offset in range(start[topic_partition], stop[topic_partition]):
                if not alive():
                    return
                yield [record(topic_partition, offset)]

    # -- as the role ---------------------------------------------------------------------------

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self.asked.append(
            (
                "on_partitions_assigned",
                {topic_partition: at.next_offset for topic_partition, at in committed.items()},
            )
        )
        return {
            topic_partition: at
            for topic_partition, at in self.behind.items()
            if topic_partition in committed
        }

    def replay(self, records: Sequence[Record]) -> None:
        self.asked.append(("replay", *((r.topic_partition, r.offset) for r in records)))

    def handle(self, batch: Batch) -> Output | None:
        self.asked.append(("handle", *((r.topic_partition, r.offset) for r in batch.records)))
        return SAID if self.says and batch.next_offsets else None

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self.asked.append(("committed", dict(next_offsets)))

    def on_partitions_lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        self.asked.append(("on_partitions_lost", *topic_partitions))

    # -- as the pulse --------------------------------------------------------------------------

    def beat(self, role: object, *, progressed: bool) -> None:
        assert role is self
        self.asked.append("progressed" if progressed else "lives")


SAID = Output(offset_metadata={P0: "note"})


def test_the_order_is_poll_handle_commit_and_only_then_the_role_believes_it():
    world = World(Polled(record(P0, 7), record(P0, 8), record(P1, 3)))
    assert world.run() == [
        ("handle", (P0, 7), (P0, 8), (P1, 3)),
        ("commit", {P0: 9, P1: 4}, SAID),
        ("committed", {P0: 9, P1: 4}),
        "progressed",
    ]


def test_nothing_to_say_is_no_transaction_and_no_progress():
    assert World(Polled()).run() == [("handle",), "lives"]
    assert World(Polled(record(P0, 7)), says=False).run() == [("handle", (P0, 7)), "lives"]


def test_silent_partitions_are_committed_where_they_were_read_to():
    world = World(Polled(record(P0, 7)))
    world.idle_partitions = {P1: 5}
    assert world.run(idle_s=30.0)[:3] == [
        ("idle_partitions", 30.0),
        ("handle", (P0, 7)),
        ("commit", {P1: 5, P0: 8}, SAID),
    ]


def test_nobody_is_asked_for_silence_if_it_means_nothing():
    assert ("idle_partitions", None) not in World(Polled()).run(idle_s=None)


def test_after_an_abort_everything_stands_again_where_it_was_committed():
    world = World(Polled(record(P0, 7)), aborts=[True])
    world.owned, world.behind = {P0: CommittedOffset(7), P1: CommittedOffset(2)}, {P0: 6}
    assert world.run() == [
        ("handle", (P0, 7)),
        ("commit", {P0: 8}, SAID),
        "rewind",
        ("on_partitions_lost", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7, P1: 2}),
        ("replay", (P0, 6)),
        "resume_all",
        "lives",
    ]


def test_a_partition_gained_is_caught_up_with_before_anything_is_handled():
    world = World(Polled(record(P0, 7), gained={P1: 5}))
    world.owned, world.behind = {P0: CommittedOffset(7)}, {P1: 3}
    assert world.run()[:6] == [
        ("on_partitions_lost", P1),
        "pause_all",
        ("on_partitions_assigned", {P1: 5}),
        ("replay", (P1, 3)),
        ("replay", (P1, 4)),
        "resume_all",
    ]
    assert world.asked[6] == ("handle", (P0, 7))


def test_a_partition_lost_is_forgotten_first_and_its_records_are_not_handled():
    world = World(Polled(record(P0, 7), record(P1, 3), lost=[P1]))
    assert world.run() == [
        ("on_partitions_lost", P1),
        "pause_all",
        ("on_partitions_assigned", {}),
        "resume_all",
        ("handle", (P0, 7)),
        ("commit", {P0: 8}, SAID),
        ("committed", {P0: 8}),
        "progressed",
    ]


def test_a_partition_lost_and_gained_again_starts_anew_and_its_old_records_are_dropped():
    world = World(Polled(record(P0, 7), gained={P0: 5}, lost=[P0]))
    assert world.run() == [
        ("on_partitions_lost", P0),
        "pause_all",
        ("on_partitions_assigned", {P0: 5}),
        "resume_all",
        ("handle",),
        "lives",
    ]


def test_a_loss_in_the_midst_of_a_replay_begins_it_anew_for_what_is_left():
    """Had it gone on from where it was cut off, the store would lack what was not replayed."""
    world = World(Polled(gained={P0: 3, P1: 2}))
    world.behind = {P0: 0, P1: 0}
    world.while_replaying = [Polled(), Polled(lost=[P1])]
    assert world.run() == [
        ("on_partitions_lost", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 3, P1: 2}),
        ("replay", (P0, 0)),
        ("on_partitions_lost", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 3}),
        ("replay", (P0, 0)),
        ("replay", (P0, 1)),
        ("replay", (P0, 2)),
        "resume_all",
        ("handle",),
        "lives",
    ]


def test_what_is_gained_in_the_midst_of_a_replay_is_caught_up_with_too_before_the_start():
    world = World(Polled(gained={P0: 2}))
    world.behind = {P0: 0, P2: 0}
    world.while_replaying = [Polled(gained={P2: 1})]
    assert [asked for asked in world.run() if asked == "resume_all" or asked[0] == "replay"] == [
        ("replay", (P0, 0)),
        ("replay", (P0, 1)),
        ("replay", (P2, 0)),
        "resume_all",
    ]


def test_records_in_hand_are_dropped_if_their_partition_is_lost_in_a_replay():
    world = World(Polled(record(P0, 7), gained={P1: 2}))
    world.owned, world.behind = {P0: CommittedOffset(7)}, {P1: 0}
    world.while_replaying = [Polled(lost=[P0])]
    assert world.run()[-2:] == [("handle",), "lives"]


def test_a_loss_in_the_replay_after_an_abort_begins_that_anew_too():
    world = World(Polled(record(P0, 7)), aborts=[True])
    world.owned, world.behind = {P0: CommittedOffset(7), P1: CommittedOffset(2)}, {P0: 6, P1: 1}
    world.while_replaying = [Polled(lost=[P1])]
    assert world.run()[2:] == [
        "rewind",
        ("on_partitions_lost", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7, P1: 2}),
        ("on_partitions_lost", P0, P1),
        "pause_all",
        ("on_partitions_assigned", {P0: 7}),
        ("replay", (P0, 6)),
        "resume_all",
        "lives",
    ]


def test_what_could_not_be_handled_is_not_committed():
    class Broken(World):
        def handle(self, _batch: Batch) -> Output | None:
            raise ValueError("a bug")

    world = Broken(Polled(record(P0, 7)))
    with pytest.raises(ValueError, match="a bug"):
        world.run()
    assert world.asked == []


def test_any_other_trouble_of_a_commit_ends_it_without_the_role_believing_anything():
    class Away(World):
        def commit(self, _next_offsets: Mapping[TopicPartition, int], _output: Output) -> None:
            raise OSError("Kafka is away")

    world = Away(Polled(record(P0, 7)))
    with pytest.raises(OSError, match="Kafka is away"):
        world.run()
    assert world.asked == [("handle", (P0, 7))]


def test_transactions_that_keep_being_aborted_end_it():
    """Silence in between is no success."""
    polls = [Polled(record(P0, 7)), Polled()] * MOST_ABORTS
    world = World(*polls, aborts=[True] * MOST_ABORTS)
    with pytest.raises(Stuck, match=f"{MOST_ABORTS} transactions in a row were aborted"):
        world.run()
    assert len(world.polls) == 1


def test_a_success_in_between_is_a_fresh_start():
    polls = [Polled(record(P0, 7))] * (2 * MOST_ABORTS - 1)
    aborts = [True] * (MOST_ABORTS - 1)
    assert World(*polls, aborts=[*aborts, False, *aborts]).run()[-1] == "lives"


def test_it_ends_between_batches_when_it_is_told_to():
    world = World()
    assert world.run() == []
