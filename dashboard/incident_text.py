"""Sentences about incidents, in Markdown. Text from messages is escaped here, and only here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.answers import Distribution, Incident
from dashboard import formats, labels, window_parameter
from dashboard.text import escape, figures, medians

_COLOURS = {"critical": "red", "warning": "orange"}
Evidence = Mapping[str, Any]  # as in the message of an alert

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_MEDIANS = re.compile(r"Median \S+, in the reference \S+(?=\.)")
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
    """Severity, symbol, subject, state, and since when."""
    opened = formats.instant(incident.opened_at)
    state = escape(incident.state.capitalize())
    when = f"since {opened}"
    if incident.resolved_at is not None:
        when = f"{opened} to {formats.instant(incident.resolved_at)}"
    if incident.reason is not None:
        state = f"{state} ({escape(incident.reason)})"
    resolved = incident.state == "resolved"
    symbol = "✔" if resolved else labels.SYMBOLS.get(incident.severity, "?")
    return f"{badge(incident)} {symbol} {subject(incident)} · {state} {when}"


def badge(incident: Incident) -> str:
    """The severity in its colour; grey once it is resolved."""
    colour = _COLOURS.get(incident.severity, "gray") if incident.state == "open" else "gray"
    return f":{colour}-badge[{escape(incident.severity)}]"


def message(message: str) -> str:
    """The message of an incident, with its windows in short form."""
    parts = _WINDOW.split(message)
    return "".join(escape(part) if i % 2 == 0 else _window(part) for i, part in enumerate(parts))


def _window(text: str) -> str:
    return formats.period(*(datetime.fromisoformat(at) for at in text.split(" to ")))


def told(incident: Incident) -> str:
    """Its evidence in one sentence, with what is now and what was normal in bold.

    The message of a resolved incident only says how it ended.
    """
    text = message(incident.message.removeprefix(f"{incident.subject}: "))
    if incident.state == "resolved":
        text = f"{evidence(incident.evidence)} Window: {evidence_period(incident)}."
    text = text[:1].upper() + text[1:]
    for phrase in (escape(incident.evidence.get("detail") or ""), *_MEDIANS.findall(text)):
        text = text.replace(phrase, f"**{phrase}**") if " " in phrase else text
    return text


def evidence_period(incident: Incident) -> str:
    """The window of the evidence, as people read it."""
    parameter = window(incident)
    return "its window" if parameter is None else window_parameter.describe(parameter)


def before_and_now(evidence: Evidence) -> str:
    """What was normal and what is now, in the units of the feature or the metric, if known."""
    drawn, decided_by = distribution(evidence), evidence.get("decided_by")
    value, baseline = evidence.get("value"), evidence.get("baseline")
    if drawn is not None and drawn.window_median is not None:
        return f"Median **{drawn.window_median:,.4g}**, normal {drawn.reference_median:,.4g}"
    if decided_by == "rows":
        usual = "" if baseline is None else f", normal {formats.count(round(baseline))}"
        return f"**{formats.quantity(evidence.get('rows') or 0, 'row')}**{usual}"
    if decided_by in labels.METRICS:
        name = labels.METRICS[str(decided_by)]
        return f"{name} **{formats.number(value)}**, normal {formats.number(baseline)}"
    return escape(evidence.get("detail") or "")


def count_by_kind(incidents: Sequence[Incident]) -> str:
    """``2 data, 1 quality``, the most frequent first."""
    counts = Counter(incident.kind for incident in incidents).most_common()
    return ", ".join(f"{number:,} {escape(kind)}" for kind, number in counts)


def order(incident: Incident) -> tuple[int, float, datetime]:
    """Sorts by severity, then by how far the evidence lies beyond its limit, then by age."""
    rank = {"critical": 0, "warning": 1}.get(incident.severity, 2)
    found = incident.evidence
    value, limit = found.get("value"), found.get("threshold")
    beyond = abs(value) / limit if value is not None and limit else 0.0
    return rank, -beyond, incident.opened_at


def transition(event: Mapping[str, Any]) -> str:
    """One change of an incident, from its CloudEvent."""
    change = str(event.get("type", "")).rpartition(".")[2].capitalize()
    data = event.get("data") or {}
    when = str(event.get("time", ""))[:16].replace("T", " ")
    return f"**{escape(change)}** {when} · {message(str(data.get('message', '')))}"


def window(incident: Incident) -> str | None:
    """The window of its evidence, as a parameter of an address."""
    bounds = incident.evidence.get("window") or incident.window or {}
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
    sentences += _segments(evidence.get("segments") or ())
    return " ".join(sentences)


def _segments(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those that explain the fall of a metric, then those with an incident of their own."""
    shares = [
        f"{escape(one['segment'])} {one['share']:.0%} (mix {one.get('mix', 0):.0%})"
        for one in found
        if one.get("share") is not None
    ]
    own = [escape(one["segment"]) for one in found if one.get("incident")]
    sentences = [f"Part of the fall by segment: {', '.join(shares)}."] if shares else []
    return sentences + ([f"Incidents in segments: {', '.join(own)}."] if own else [])


def _distance(evidence: Evidence) -> list[str]:
    test = evidence.get("decided_by")
    name = labels.SHORT_TESTS.get(str(test), labels.UNKNOWN_TEST)
    detail = f" ({escape(evidence['detail'])})" if evidence.get("detail") else ""
    fields = ("value", "threshold", "persistent", "allowance", "p_value")
    sentence = figures(f"{name}{detail}", test, *(evidence.get(field) for field in fields))
    rows = evidence.get("rows")
    sentences = [
        "" if evidence.get("value") is None else f"{sentence}{medians(distribution(evidence))}",
        "" if rows is None else f"{formats.quantity(rows, 'row')}.",
    ]
    return [sentence for sentence in sentences if sentence]


def distribution(evidence: Evidence) -> Distribution | None:
    """Of the reference and of the window of the evidence, if the incident is about one."""
    found = evidence.get("distribution")
    return None if found is None else Distribution.model_validate(found)


def _metric(evidence: Evidence) -> list[str]:
    """A warning is judged against the baseline, a critical incident against its own limit."""
    interval = formats.interval(evidence.get("low"), evidence.get("high"))
    value, baseline = formats.number(evidence.get("value")), evidence.get("baseline")
    limit = evidence.get("threshold")
    sentences = [
        f"{labels.METRICS[evidence['decided_by']]} {value} (95% interval {interval}).",
        "" if baseline is None else f"Baseline {formats.number(baseline)}.",
        "" if limit is None else _metric_limit(evidence.get("severity"), formats.number(limit)),
        _labels(evidence),
    ]
    return [sentence for sentence in sentences if sentence]


def _metric_limit(severity: str | None, limit: str) -> str:
    if severity == "critical":
        return f"Beyond the critical limit {limit} by more than noise."
    return f"Worse than the baseline by more than noise; critical beyond {limit}."


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
