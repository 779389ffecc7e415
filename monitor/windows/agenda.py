"""When to look at each key again, in order of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.identity import Key


@dataclass(frozen=True, slots=True)
class Agenda:
    """Append times by key. What is due is found without looking at the others."""

    times_ms: Mapping[Key, int] = field(default_factory=dict)
    ordered: Sequence[tuple[int, Key]] = ()

    def updated(self, changes: Mapping[Key, int | None]) -> Agenda:
        """With other times of some keys. None: not before there is news of it."""
        times_ms, ordered = dict(self.times_ms), list(self.ordered)
        for key, at_ms in changes.items():
            before_ms = times_ms.pop(key, None)
            if before_ms is not None:
                del ordered[bisect_left(ordered, (before_ms, key))]
            if at_ms is not None:
                times_ms[key] = at_ms
                insort(ordered, (at_ms, key))
        return Agenda(times_ms, ordered)

    def until(self, now_ms: int) -> Iterable[Key]:
        """The keys to look at when it is ``now_ms``."""
        end = bisect_left(self.ordered, now_ms + 1, key=lambda entry: entry[0])
        return [key for _, key in self.ordered[:end]]
