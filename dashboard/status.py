"""The status of a model on the overview, its reason, and how fresh the data is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.answers import Feature, Health, Incident, LatestMetrics, WindowItem, Worker
from dashboard import formats, incident_text, labels
from dashboard.text import NO_WINDOWS, escape

_SEVERITIES = ("critical", "warning")  # most severe first
_VERDICTS = ("ok", "drift", "insufficient_data", "cannot_judge")
_UNHEALTHY = ("problem", "silent")  # statuses of a role
_BEHIND = 10_000  # records to read: more than seconds of heavy traffic


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the status is derived from."""

    open_incidents: Sequence[Incident]
    newest_window: WindowItem | None
    latest_metrics: LatestMetrics
    health: Health


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A level of ``labels.SYMBOLS``, a short answer, and the reason in Markdown."""

    level: str
    answer: str
    reason: str


def model_status(state: ModelState) -> ModelStatus:
    """Open incidents come first, then problems of Driftline itself, then the newest window."""
    if state.open_incidents:
        return _with_incidents(state.open_incidents)
    if state.newest_window is None:
        return ModelStatus("unknown", "Unknown", NO_WINDOWS)
    if problems := health_problems(state.health):
        reason = f"No open incidents, but {'; '.join(problems)}."
        return ModelStatus("unknown", "Unknown", reason)
    return _without_incidents(state.newest_window, state.latest_metrics)


def _with_incidents(incidents: Sequence[Incident]) -> ModelStatus:
    counts = {level: sum(i.severity == level for i in incidents) for level in _SEVERITIES}
    by_severity = " and ".join(
        formats.quantity(number, f"{level} incident") for level, number in counts.items() if number
    )
    summary = by_severity or formats.quantity(len(incidents), "incident")
    if counts["critical"]:
        return ModelStatus("critical", "Critical", f"Open: {summary}{_worst(incidents)}.")
    return ModelStatus("warning", "Warning", f"Open: {summary}{_worst(incidents)}.")


def _worst(incidents: Sequence[Incident]) -> str:
    """Which of several is the worst, and since when."""
    worst = min(incidents, key=incident_text.order)
    since = formats.instant(worst.opened_at)
    return "" if len(incidents) == 1 else f"; worst: {incident_text.subject(worst)} since {since}"


def _without_incidents(newest: WindowItem, metrics: LatestMetrics) -> ModelStatus:
    window = formats.window(newest.window)
    too_few_rows = [f for f in newest.data.features if f.verdict == "insufficient_data"]
    if newest.window.status == "incomplete":
        reason = f"The window {window} starts before the first row and is not judged."
    elif newest.window.status == "no_data":
        reason = f"The newest window, {window}, has no rows."
    elif len(too_few_rows) == len(newest.data.features) > 0:
        reason = f"No open incidents, but {window} has too few rows to judge any feature."
    elif unknown := [f for f in newest.data.features if f.verdict not in _VERDICTS]:
        names = ", ".join(escape(f"{f.name} ({f.verdict})") for f in unknown)
        reason = f"No open incidents, but in {window} not every feature is judged: {names}."
    else:
        reason = f"No open incidents up to the window {window}. {_performance(metrics)}"
        notes = f"{_too_few_rows(too_few_rows)}{_not_judged(newest.data.features)}"
        return ModelStatus("good", "Healthy", f"{reason}{notes}")
    return ModelStatus("unknown", "Unknown", reason)


def _too_few_rows(features: Sequence[Feature]) -> str:
    names = ", ".join(escape(feature.name) for feature in features)
    return f" Too few rows to judge: {names}." if names else ""


def _not_judged(features: Sequence[Feature]) -> str:
    names = ", ".join(escape(one.name) for one in features if labels.cannot_judge(one))
    return f" Cannot judge, the reference itself varies as much: {names}." if names else ""


def _performance(metrics: LatestMetrics) -> str:
    if metrics.window is not None:
        return f"Performance is judged up to {formats.window(metrics.window)}."
    return "Performance is not judged yet: no window is fully labelled."


def health_problems(health: Health) -> list[str]:
    """What is wrong with the roles of Driftline, in Markdown."""
    missing = [f"the role {escape(role)} is not running" for role in health.missing]
    return missing + [_role_problem(role) for role in health.roles if role.status in _UNHEALTHY]


def behind(state: ModelState) -> str | None:
    """That a role has more than a window still to read, so that the findings are old."""
    newest = state.newest_window
    rows = 0 if newest is None else newest.data.rows or 0
    worst = max(state.health.roles, key=lambda role: role.lag, default=None)
    if worst is None or worst.lag < max(_BEHIND, rows):
        return None
    name, waiting = escape(f"{worst.role}-{worst.slot}"), formats.quantity(worst.lag, "record")
    return f"**The findings are behind the data:** {name} has {waiting} still to read."


def collecting(health: Health) -> list[str]:
    """How far the references are that are built from the next rows, in Markdown."""
    return [
        f"**{escape(one.model)} · version {escape(one.version)} is collecting its reference:**"
        f" {escape(one.progress)}."
        for one in health.collecting
    ]


def _role_problem(role: Worker) -> str:
    name = escape(f"{role.role}-{role.slot}")
    if role.status == "silent":
        return f"{name} is silent (last heartbeat {formats.age(role.heartbeat_age_s)})"
    return f"{name} reports a problem: {escape(role.problem or 'no details')}"


def freshness(state: ModelState) -> list[str]:
    """The age of the data, in event time and by the clock."""
    sentences = []
    if state.newest_window is not None:
        end = formats.instant(state.newest_window.window.end)
        sentences.append(f"Newest window ends {end} (event time, UTC).")
    ages = [r.progress_age_s for r in state.health.roles if r.progress_age_s is not None]
    if ages:
        sentences.append(f"Last activity {formats.age(min(ages))}.")
    lag = sum(role.lag for role in state.health.roles)
    if lag:
        sentences.append(f"Consumer lag: {formats.quantity(lag, 'record')}.")
    return sentences
