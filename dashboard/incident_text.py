"""Sentences about incidents, in Markdown. Text from messages is escaped here, and only here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.answers import Incident
from dashboard import formats, labels, window_parameter
from dashboard.text import escape, limits

Evidence = Mapping[str, Any]  # as in the message of an alert

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_WINDOW = re.compile(rf"({_TIME} to {_TIME})")


def subject(incident: Incident) -> str:
    """``data/temp`` as **temp** (data)."""
    kind, _, name = incident.subject.partition("/")
    return (
        f"**{escape(labels.METRICS.get(name, name))}** ({escape(kind)})" if name else escape(kind)
    )


def about(incident: Incident) -> str:
    """The model version, or Driftline itself."""
    if incident.model is None:
        return "Driftline"
    return f"{escape(incident.model)} · version {escape(incident.version)}"


def headline(incident: Incident) -> str:
    """Symbol, subject, severity, state, and since when."""
    opened = formats.instant(incident.opened_at)
    severity, state = (escape(text.capitalize()) for text in (incident.severity, incident.state))
    when = f"since {opened}"
    if incident.resolved_at is not None:
        when = f"{opened} to {formats.instant(incident.resolved_at)}"
    if incident.reason is not None:
        state = f"{state} ({escape(incident.reason)})"
    resolved = incident.state == "resolved"
    symbol = "✔" if resolved else labels.SYMBOLS.get(incident.severity, "?")
    return f"{symbol} {subject(incident)} · {severity} · {state} · {when}"


def message(message: str) -> str:
    """The message of an incident, with its windows in short form."""
    parts = _WINDOW.split(message)
    return "".join(escape(part) if i % 2 == 0 else _window(part) for i, part in enumerate(parts))


def _window(text: str) -> str:
    return formats.period(*(datetime.fromisoformat(at) for at in text.split(" to ")))


def transition(event: Mapping[str, Any]) -> str:
    """One change of an incident, from its CloudEvent."""
    change = str(event.get("type", "")).rpartition(".")[2].capitalize()
    data = event.get("data") or {}
    when = str(event.get("time", ""))[:16].replace("T", " ")
    return f"**{escape(change)}** {when} · {message(str(data.get('message', '')))}"


def window(incident: Incident) -> str | None:
    """The window that changed the incident last, as a parameter of an address."""
    bounds = incident.window or {}
    period = window_parameter.parse(f"{bounds.get('start')}/{bounds.get('end')}")
    return None if period is None else window_parameter.to_parameter(period)


def evidence(evidence: Evidence) -> str:
    """The figures of an incident with their limits. Unknown fields are left out."""
    decided_by = evidence.get("decided_by")
    if decided_by == "rows":
        sentences = _rows(evidence)
    else:
        sentences = _metric(evidence) if decided_by in labels.METRICS else _distance(evidence)
    if grouped := evidence.get("grouped"):
        sentences.append(f"Same incident: {escape(', '.join(grouped))}.")
    return " ".join(sentences)


def _distance(evidence: Evidence) -> list[str]:
    test, value = evidence.get("decided_by"), evidence.get("value")
    name = labels.TESTS.get(str(test), labels.UNKNOWN_TEST)
    detail = f" ({escape(evidence['detail'])})" if evidence.get("detail") else ""
    bounds = (evidence.get(field) for field in ("threshold", "persistent", "allowance"))
    sentences = [
        "" if value is None else f"{name} {formats.number(value)}{detail}.",
        limits(test, *bounds),
        "" if evidence.get("rows") is None else f"{formats.quantity(evidence['rows'], 'row')}.",
    ]
    return [sentence for sentence in sentences if sentence]


def _metric(evidence: Evidence) -> list[str]:
    """A warning is judged against the baseline, a critical incident against its own limit."""
    interval = formats.interval(evidence.get("low"), evidence.get("high"))
    value, baseline = formats.number(evidence.get("value")), evidence.get("baseline")
    limit = evidence.get("threshold")
    sentences = [
        f"{labels.METRICS[evidence['decided_by']]} {value} (95% interval {interval}).",
        "" if baseline is None else f"Baseline {formats.number(baseline)}.",
        "" if limit is None else f"Critical limit {formats.number(limit)}.",
        _labels(evidence),
    ]
    return [sentence for sentence in sentences if sentence]


def _rows(evidence: Evidence) -> list[str]:
    """Limits are absent if there were no rows at all."""
    low, high, usual = (evidence.get(field) for field in ("low", "high", "baseline"))
    sentences = [f"{formats.quantity(evidence.get('rows') or 0, 'row')}."]
    if low is not None and high is not None and usual is not None:
        normal = f"{formats.count(round(max(low, 0)))} to {formats.count(round(high))}"
        sentences.append(
            f"{formats.count(round(usual))} on average in the reference, normal: {normal}."
        )
    return sentences


def _labels(evidence: Evidence) -> str:
    if evidence.get("labels") is None:
        return ""
    labelled = formats.quantity(evidence["labels"], "label")
    return f"{labelled}, {formats.proportion(evidence.get('coverage'))} of the rows."
