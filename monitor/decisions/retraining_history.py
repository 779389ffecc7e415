"""What decisions about retraining are made from: critical incidents and labels, in event time.

Theory of operation
-------------------
There is a decision for the end of each window of a version, and where a critical incident ends that
cannot recover any more, because a version without rows has no further windows. Two clocks have to
pass it, and either may be ahead of the other::

    rows       closed up to the end of the window
    labels     final up to ``label_wait`` before: what could be labelled by then

So what is noted has its event time, and a decision takes what is not later than its two times. The
same rows give the same decisions, however far each clock has run ahead when one is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitor.decisions.retraining import Facts


class CriticalState(StrEnum):
    OPEN = "open"
    RECOVERED = "recovered"
    ENDED = "ended"  # otherwise: it counts no longer


@dataclass(frozen=True, slots=True)
class CriticalChange:
    """The state of a critical incident from a moment on."""

    at_ms: int
    incident: str
    state: CriticalState
    of_labels: bool  # whether it follows the clock of the labels


@dataclass(frozen=True, slots=True)
class RetrainingHistory:
    """Of one life of a version. Everything of the newest decision, and what was noted after it."""

    due: tuple[int, ...] = ()  # times that wait for their decision, ascending
    critical: Mapping[str, int | None] = field(default_factory=dict)  # last open at; None: still
    labels: int = 0
    later_changes: tuple[CriticalChange, ...] = ()
    later_labels: Mapping[int, int] = field(default_factory=dict)  # by end of their pane
    noted_until_ms: int | None = None  # labels of panes up to here are noted

    def with_due(self, *times_ms: int) -> RetrainingHistory:
        """With times to decide for: each is after the newest decision."""
        return replace(self, due=tuple(sorted({*self.due, *times_ms})))

    def with_labels(self, by_end: Mapping[int, int], until_ms: int) -> RetrainingHistory:
        """With the labels of the panes that have become final, up to ``until_ms``."""
        labels = {end_ms: count for end_ms, count in by_end.items() if count}
        return replace(self, later_labels={**self.later_labels, **labels}, noted_until_ms=until_ms)

    def at(self, end_ms: int, labels_ms: int, lookback_ms: int) -> RetrainingHistory:
        """The history at the decision for ``end_ms``, with what is final up to ``labels_ms``."""
        passed = [one for one in self.later_changes if _is_past(one, end_ms, labels_ms)]
        critical = _applied(self.critical, passed)
        return replace(
            self,
            due=tuple(ms for ms in self.due if ms > end_ms),
            critical={
                incident: at_ms
                for incident, at_ms in critical.items()
                if at_ms is None or at_ms >= end_ms - lookback_ms
            },
            labels=self.labels + sum(n for ms, n in self.later_labels.items() if ms <= labels_ms),
            later_changes=tuple(
                one for one in self.later_changes if not _is_past(one, end_ms, labels_ms)
            ),
            later_labels={ms: n for ms, n in self.later_labels.items() if ms > labels_ms},
        )

    def facts(self, end_ms: int) -> Facts:
        """The input of the decision for ``end_ms``, of the history at it."""
        open_ms = [end_ms if at_ms is None else at_ms for at_ms in self.critical.values()]
        return Facts(end_ms, open_ms, self.labels)


def _is_past(change: CriticalChange, end_ms: int, labels_ms: int) -> bool:
    return change.at_ms <= (labels_ms if change.of_labels else end_ms)


def _applied(
    critical: Mapping[str, int | None], changes: Iterable[CriticalChange]
) -> dict[str, int | None]:
    after = dict(critical)
    for change in changes:
        if change.state is CriticalState.ENDED:
            after.pop(change.incident, None)
        else:
            is_open = change.state is CriticalState.OPEN
            after[change.incident] = None if is_open else change.at_ms
    return after
