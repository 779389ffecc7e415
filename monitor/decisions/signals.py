"""Signals: what all windows that end together find about one subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.statistics.drift_rule import Comparison, Evidence, evidence


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """What the tests of a subject find in the window ``[start_ms, end_ms)``."""

    evidence: Evidence | None  # None: no drift, and no metric that fell
    start_ms: int
    end_ms: int
    is_clear: bool = False  # all that was tested is far from its limit
    order: tuple[int, bool, float] = (0, True, 0.0)  # the largest is the most severe

    @classmethod
    def of_test(
        cls, tested: Comparison | None, start_ms: int, end_ms: int, *, is_clear: bool = False
    ) -> WindowVerdict:
        """``tested`` is the most severe test, or None if no test found drift."""
        if tested is None or tested.severity is None:
            return cls(None, start_ms, end_ms, is_clear)
        found = evidence(tested, start_ms, end_ms)
        return cls(found, start_ms, end_ms, order=tested.severity_order)

    @classmethod
    def of_metric(
        cls, found: Evidence | None, start_ms: int, end_ms: int, *, is_clear: bool
    ) -> WindowVerdict:
        if found is None:
            return cls(None, start_ms, end_ms, is_clear)
        return cls(found, start_ms, end_ms, order=(found.severity.rank, True, 0.0))

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class SubjectSignal:
    """The verdict about a subject of all windows that end at ``end_ms`` and could decide."""

    end_ms: int
    clear: Mapping[int, int | None] = field(default_factory=dict)
    """By the length of a window in ms: its start if it is clear, else None."""
    evidence: Evidence | None = None  # None: no drift
    length_ms: int = 0  # of the shortest window that found it


def most_severe(verdicts: Sequence[WindowVerdict], end_ms: int) -> SubjectSignal:
    """One signal from the verdicts of all windows that end together.

    The evidence is the most severe verdict; of equally severe ones, that of the shortest window.
    """
    clear: dict[int, int | None] = {one.length_ms: one.start_ms for one in verdicts}
    clear.update((one.length_ms, None) for one in verdicts if not one.is_clear)
    drifted = [(one.evidence, one) for one in verdicts if one.evidence is not None]
    if not drifted:
        return SubjectSignal(end_ms, clear)
    found, _ = max(drifted, key=lambda pair: (pair[1].order, pair[1].start_ms))
    return SubjectSignal(end_ms, clear, found, min(one.length_ms for _, one in drifted))
