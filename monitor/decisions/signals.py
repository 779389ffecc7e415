"""Signals: what all windows that end together find about one subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.statistics.drift_rule import Comparison, Evidence, Severity, evidence


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """The most severe test of a subject in one window; None if no test found drift."""

    tested: Comparison | None
    start_ms: int
    end_ms: int
    slide_ms: int


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """The evidence that a metric fell in one window; None if it did not."""

    evidence: Evidence | None
    slide_ms: int


@dataclass(frozen=True, slots=True)
class SubjectSignal:
    """The verdict about a subject of all windows that end at ``end_ms`` and could decide."""

    end_ms: int
    span_ms: int  # event time since the previous signal: how much health a healthy signal proves
    evidence: Evidence | None = None  # None: healthy
    slide_ms: int = 0  # the longest slide of the windows that found it


def most_severe(verdicts: Sequence[WindowVerdict], end_ms: int, span_ms: int) -> SubjectSignal:
    """One signal from the verdicts of all windows that end together.

    The evidence is the most severe verdict; of equally severe ones, that of the shortest window.
    The longest window with drift determines how long the subject must be healthy to resolve.
    """
    drifted = [(verdict.tested, verdict) for verdict in verdicts if verdict.tested is not None]
    if not drifted:
        return SubjectSignal(end_ms, span_ms)
    tested, window = max(drifted, key=lambda pair: (pair[0].severity_order, pair[1].start_ms))
    found = evidence(tested, window.start_ms, window.end_ms)
    return SubjectSignal(end_ms, span_ms, found, max(verdict.slide_ms for _, verdict in drifted))


def most_severe_metric(verdicts: Sequence[MetricVerdict], end_ms: int) -> SubjectSignal:
    """One signal from the verdicts of all windows that a metric was tested in, at least one.

    As in ``most_severe``; the shortest slide is the event time that a healthy signal proves.
    """
    span_ms = min(verdict.slide_ms for verdict in verdicts)
    fallen = [verdict for verdict in verdicts if verdict.evidence is not None]
    found = max(
        (verdict.evidence for verdict in fallen if verdict.evidence is not None),
        key=lambda one: (one.severity is Severity.CRITICAL, one.start_ms),
        default=None,
    )
    if found is None:
        return SubjectSignal(end_ms, span_ms)
    return SubjectSignal(end_ms, span_ms, found, max(verdict.slide_ms for verdict in fallen))
