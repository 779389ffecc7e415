"""The sentences of alerts: what was measured, in which window, and the limits it exceeded.

A test of the rows opens an incident if two conditions hold (``monitor.statistics.drift_rule``), and
a sentence prints both with the figures that decide:

* distances and ranks: ``value > threshold`` and ``persistent > allowance + threshold / 2``;
* missing values and coverage: an exact test (its p-value) and the same second condition;
* the number of rows: below ``low`` or above ``high``;
* categories: exact tests (their p-value), and the second condition for each category with three
  quarters of its own noise. ``threshold`` is the largest noise of any category, so the limit that
  can be printed is the largest one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumers.messages.times import rfc3339
from monitor.decisions.incidents import Change, Resolution
from monitor.statistics.category_check import NOISE_FRACTION
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.windows.findings import Transition


def alert_sentence(transition: Transition) -> str:
    """The message of an alert, beginning with the subject."""
    subject, grouped = transition.incident.subject, transition.incident.grouped
    window = f"{rfc3339(transition.start_ms)} to {rfc3339(transition.window_end_ms)}"
    if transition.change is Change.RESOLVED:
        return f"{subject}: {_RESOLVED[transition.resolution].format(window=window)}"
    also = f" Also affected: {', '.join(grouped)}." if grouped else ""
    return f"{subject}: {evidence_sentence(transition.evidence, window)}{also}"


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
    return _distance("KS distance {value} from the reference", evidence, window)


def _kuiper(evidence: Evidence, window: str) -> str:
    return _distance("Kuiper distance {value} from the reference", evidence, window)


def _wilcoxon(evidence: Evidence, window: str) -> str:
    measure = f"values are {evidence.detail} than in the reference, Cliff's delta {{value}}"
    return _distance(measure, evidence, window)


def _mood(evidence: Evidence, window: str) -> str:
    measure = f"values spread {evidence.detail} than in the reference, Mood's score {{value}}"
    return _distance(measure, evidence, window)


def _distance(measure: str, evidence: Evidence, window: str) -> str:
    value, threshold = _above(evidence.value, evidence.threshold)
    return (
        f"{measure.format(value=value)} in the window {window}. Limit {threshold} (sampling noise);"
        f" {_persistence(evidence, 'normal variation')}."
    )


def _missing(evidence: Evidence, window: str) -> str:
    return _proportion("proportion of missing or wrongly typed values", evidence, window)


def _coverage(evidence: Evidence, window: str) -> str:
    return _proportion("proportion of predictions without a label", evidence, window)


def _proportion(measure: str, evidence: Evidence, window: str) -> str:
    return (
        f"{measure} differs by {evidence.value:.3f} from the reference ({evidence.detail}) in the"
        f" window {window}. {_p_value(evidence)}; {_persistence(evidence, 'allowance')}."
    )


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


def _categories(evidence: Evidence, window: str) -> str:
    detail = "" if evidence.detail is None else f" ({evidence.detail})"
    allowance, noise = evidence.allowance or 0.0, NOISE_FRACTION * (evidence.threshold or 0.0)
    return (
        f"largest difference of a category's proportion {evidence.value:.3f} from the reference"
        f"{detail} in the window {window}. {_p_value(evidence)}; sustained"
        f" {_figure(evidence.persistent)}, limit at most {allowance + noise:.3f} (allowance"
        f" {allowance:.3f} + three quarters of the noise of a category, at most {noise:.3f})."
    )


def _p_value(evidence: Evidence) -> str:
    figure = "unknown" if evidence.p_value is None else f"{evidence.p_value:.1e}"
    return f"Exact test p-value {figure}"


def _persistence(evidence: Evidence, allowance_name: str) -> str:
    """The second condition: the part of the value that both halves of the window have."""
    allowance, noise = evidence.allowance or 0.0, (evidence.threshold or 0.0) / 2
    persistent, limit = _above(evidence.persistent, allowance + noise)
    return (
        f"sustained {persistent}, limit {limit} ({allowance_name} {allowance:.3f} + half of the"
        f" noise {noise:.3f})"
    )


def _metric(evidence: Evidence, window: str) -> str:
    """A warning is decided against the baseline, a critical alert against the threshold."""
    critical = evidence.severity is Severity.CRITICAL
    limit = f"Limit {_figure(evidence.threshold)}" if critical else "Limit: the baseline"
    return (
        f"{evidence.decided_by} {_figure(evidence.value)}{_interval(evidence)} in the window"
        f" {window}, baseline {_figure(evidence.baseline)}. {limit}, less the noise of both."
    )


def _interval(evidence: Evidence) -> str:
    if evidence.low is None or evidence.high is None:
        return ""
    return f" (95% interval {evidence.low:.3f} to {evidence.high:.3f})"


def _above(value: float | None, limit: float | None) -> tuple[str, str]:
    """Both with three decimals, or with more where they would look equal."""
    for digits in (3, 4, 5):
        figures = _figure(value, digits), _figure(limit, digits)
        if figures[0] != figures[1]:
            break
    return figures


def _figure(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


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
