"""Work of several seconds in the middle of a batch, without losing the membership of the group."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

EVERY_S = 0.2  # how often the client is polled meanwhile
T = TypeVar("T")


class Member(Protocol):
    """A member of a consumer group."""

    def pause_all(self) -> None: ...

    def keep_alive(self) -> bool: ...

    def resume_unless_rebalanced(self) -> None: ...


class LongWork:
    """Runs work on another thread. Meanwhile all partitions are paused, and the client is polled.

    So the work does not count against ``max.poll.interval.ms``. A rebalance may happen; then the
    offsets of the batch are refused when they are committed, and the batch is repeated.
    """

    def __init__(self, member: Member, beat: Callable[[], None]) -> None:
        self._member, self._beat = member, beat

    def __call__(self, work: Callable[[], T]) -> T:
        self._member.pause_all()
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(work)
            while not wait([future], timeout=EVERY_S).done:
                self._member.keep_alive()
                self._beat()
        self._member.resume_unless_rebalanced()
        return future.result()
