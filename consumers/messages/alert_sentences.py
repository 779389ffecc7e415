"""The sentences of alerts: what was measured, in which window, and the limits it exceeded.

Every printed figure is one that decided (``consumers.messages.limit_sentences``); the number of
rows is decided by ``low`` and ``high``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumers.messages.limit_sentences import distance_limits, figure, proportion_limits
from consumers.messages.times import rfc3339
from monitor.decisions.incidents import Change, Resolution
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.windows.findings import Transition

MOST_SEGMENTS = 3  # in a sentence


def alert_sentence(transition: Transition) -> str:
    """The message of an alert, beginning with the subject."""
    subject, grouped = transition.incident.subject, transition.incident.grouped
    window = f"{rfc3339(transition.start_ms)} to {rfc3339(transition.window_end_ms)}"
    if transition.change is Change.RESOLVED:
        return f"{subject}: {_RESOLVED[transition.resolution].format(window=window)}"
    also = f" Also affected: {', '.join(grouped)}." if grouped else ""
    sentence = evidence_sentence(transition.evidence, window)
    return f"{subject}: {sentence}{_segments(transition)}{also}"


def _segments(transition: Transition) -> str:
    """The segments that explain most of the fall of a metric, or have an incident of their own."""
    shares = transition.evidence.segments[:MOST_SEGMENTS]
    if shares:
        listed = ", ".join(f"{one.segment} {one.share:.0%} (mix {one.mix:.0%})" for one in shares)
        return f" Part of the fall by segment: {listed}."
    own = transition.segments
    more = f" and {len(own) - MOST_SEGMENTS} more" if len(own) > MOST_SEGMENTS else ""
    return f" Also in segments: {', '.join(own[:MOST_SEGMENTS])}{more}." if own else ""


_RESOLVED: Mapping[Resolution, str] = {
    Resolution.RECOVERED: "back to normal in the window {window}.",
    Resolution.RETIRED: "the model version was retired.",
    Resolution.STALE: "no rows in the window {window}, so it can neither continue nor recover.",
    Resolution.REBASED: "the model version was reset, and starts afresh.",
}


def evidence_sentence(evidence: Evidence, window: str) -> str:
    """The measured value in ``window``, and its limits."""
    describe = _TESTS.get(evidence.decided_by, _metric)
    return describe(evidence, window)


def _ks(evidence: Evidence, window: str) -> str:
    return _distance("KS {value}", evidence, window)


def _kuiper(evidence: Evidence, window: str) -> str:
    return _distance("Kuiper {value}", evidence, window)


def _wilcoxon(evidence: Evidence, window: str) -> str:
    measure = f"values are {evidence.detail} than in the reference, Cliff's delta {{value}}"
    return _distance(measure, evidence, window)


def _mood(evidence: Evidence, window: str) -> str:
    measure = f"values spread {evidence.detail} than in the reference, Mood's score {{value}}"
    return _distance(measure, evidence, window)


def _distance(measure: str, evidence: Evidence, window: str) -> str:
    figures = evidence.value, evidence.threshold, evidence.persistent, evidence.allowance
    value, limits = distance_limits(*figures)
    return f"{measure.format(value=value)} in the window {window}. {limits}{_medians(evidence)}"


def _medians(evidence: Evidence) -> str:
    drawn = evidence.distribution
    if drawn is None or drawn.window_median is None:
        return ""
    return f" Median {drawn.window_median:,.4g}, in the reference {drawn.reference_median:,.4g}."


def _missing(evidence: Evidence, window: str) -> str:
    return _proportion("missing or wrongly typed values", evidence, window)


def _coverage(evidence: Evidence, window: str) -> str:
    return _proportion("share of predictions with a label", evidence, window)


def _proportion(measure: str, evidence: Evidence, window: str) -> str:
    return f"{measure}: {evidence.detail} in the window {window}. {_limits(evidence)}"


def _categories(evidence: Evidence, window: str) -> str:
    detail = "" if evidence.detail is None else f", most: {evidence.detail}"
    return f"shares of categories changed{detail} in the window {window}. {_limits(evidence)}"


def _limits(evidence: Evidence) -> str:
    figures = evidence.threshold, evidence.persistent, evidence.allowance
    return proportion_limits(evidence.decided_by, evidence.p_value, *figures)


def _rows(evidence: Evidence, window: str) -> str:
    """``detail`` is ``none``, ``lower`` or ``higher``."""
    if evidence.detail == "none":
        return f"no rows in the window {window}."
    than = {"lower": "fewer", "higher": "more"}.get(evidence.detail or "", "not as many")
    low, high = max(evidence.low or 0.0, 0.0), evidence.high or 0.0
    return (
        f"{evidence.rows:,} rows in the window {window}, {than} than windows of the reference have:"
        f" {evidence.baseline or 0.0:,.0f} on average, normal from {low:,.0f} to {high:,.0f}."
    )


def _metric(evidence: Evidence, window: str) -> str:
    """A warning is decided against the baseline, a critical alert against the threshold."""
    critical = evidence.severity is Severity.CRITICAL
    limit = f"Limit {figure(evidence.threshold)}" if critical else "Limit: the baseline"
    return (
        f"{evidence.decided_by} {figure(evidence.value)}{_interval(evidence)} in the window"
        f" {window}, baseline {figure(evidence.baseline)}. {limit}, less the noise of both."
    )


def _interval(evidence: Evidence) -> str:
    if evidence.low is None or evidence.high is None:
        return ""
    return f" (95% interval {evidence.low:.3f} to {evidence.high:.3f})"


_TESTS: Mapping[str, Callable[[Evidence, str], str]] = {
    "ks": _ks,
    "kuiper": _kuiper,
    "wilcoxon": _wilcoxon,
    "mood": _mood,
    "categories": _categories,
    "missing": _missing,
    "coverage": _coverage,
    "rows": _rows,
}
