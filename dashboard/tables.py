"""Tables of text, from answers of the API. Pure; the columns exist without rows too.

Cells are Markdown, as ``st.table`` shows them, apart from ``features`` and ``detectors``, which go
to ``st.dataframe`` and are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pandas as pd

from api.answers import (
    Baseline,
    DataDrift,
    Feature,
    Health,
    Incident,
    LatestMetrics,
    Metric,
    Model,
    Retraining,
    Segments,
    WindowItem,
)
from dashboard import formats, incident_text, labels
from dashboard.formats import NO_VALUE
from dashboard.labels import METRICS, metric
from dashboard.limits import feature_sustained_limit
from dashboard.status import ModelStatus
from dashboard.text import escape

# -- segments ------------------------------------------------------------------------------------

SEGMENT_COLUMNS = ["segment", "critical", "warnings", "about", "newest window"]


def segments(found: Segments) -> pd.DataFrame:
    """One row for each segment, in the order of the answer."""
    rows = [
        (
            escape(one.segment),
            formats.count(one.critical),
            formats.count(one.warning),
            escape(", ".join(one.subjects)) or NO_VALUE,
            NO_VALUE if one.window is None else formats.window(one.window),
        )
        for one in found.items
    ]
    return pd.DataFrame(rows, columns=SEGMENT_COLUMNS)


# -- performance ---------------------------------------------------------------------------------

PERFORMANCE_COLUMNS = [
    "metric", "baseline", "production", "verdict", "95% interval", "provisional",
]  # fmt: skip


def performance(baseline: Baseline, latest: LatestMetrics) -> pd.DataFrame:
    """Each metric on the reference and in production."""
    provisional = latest.provisional.metrics if latest.provisional else {}
    known = [*baseline.metrics, *latest.metrics]
    names = dict.fromkeys([*METRICS, *known])
    rows = [
        (
            METRICS.get(name) or escape(metric(name)),
            formats.number(baseline.metrics[name].value if name in baseline.metrics else None),
            *_production(latest.metrics.get(name)),
            formats.number(provisional[name].value if name in provisional else None),
        )
        for name in names
        if name in known
    ]
    return pd.DataFrame(rows, columns=PERFORMANCE_COLUMNS)


def _production(found: Metric | None) -> tuple[str, str, str]:
    """Value, verdict and interval."""
    if found is None:
        return NO_VALUE, NO_VALUE, NO_VALUE
    interval = formats.interval(found.low, found.high)
    return formats.number(found.value), _metric_verdict(found), interval


def _metric_verdict(found: Metric) -> str:
    if found.value is None:
        return NO_VALUE
    if found.severity is not None:
        return escape(labels.degraded(found.severity))
    return labels.NOT_DEGRADED if found.threshold is not None else labels.NOT_TESTED


# -- drift ---------------------------------------------------------------------------------------

FEATURE_COLUMNS = [
    "feature", "verdict", "decided by", "distance", "noise", "sustained",
    "sustained limit", "normal variation", "Kuiper", "p-value", "p significant", "PSI", "missing",
    "out of range", "wrong type", "new categories",
]  # fmt: skip


def features(drift: DataDrift) -> pd.DataFrame:
    """Plain text."""
    return pd.DataFrame([_feature(f) for f in drift.features], columns=FEATURE_COLUMNS)


def _feature(feature: Feature) -> tuple[str, ...]:
    rows = feature.rows
    return (
        feature.name,
        labels.verdict(feature),
        feature.decided_by or "",
        formats.number(feature.statistic),
        formats.number(feature.threshold),
        formats.number(feature.persistent),
        formats.number(feature_sustained_limit(feature)),
        formats.number(feature.allowance),
        formats.number(feature.kuiper),
        formats.probability(feature.p_value),
        "•" if feature.significant else "",
        formats.number(feature.psi),
        formats.proportion(feature.missing, rows),
        formats.proportion(feature.out_of_range, rows),
        formats.proportion(feature.wrong_type, rows),
        "" if feature.unseen is None or not feature.unseen.rows else _new_categories(feature),
    )


def _new_categories(feature: Feature) -> str:
    assert feature.unseen is not None
    rows = formats.count(feature.unseen.rows)
    names = ", ".join(
        f"{name} ({formats.count(rows)})" for name, rows in feature.unseen.values.items()
    )
    return f"{rows}: {names}" if names else rows


def feature_numbers(feature: Feature) -> pd.DataFrame:
    """All figures of a feature in a window; those without a value are left out."""
    rows = [
        (labels.distance(feature), formats.number(feature.statistic)),
        ("noise", formats.number(feature.threshold)),
        ("sustained", formats.number(feature.persistent)),
        ("sustained limit", formats.number(feature_sustained_limit(feature))),
        ("normal variation", formats.number(feature.allowance)),
        ("smallest detectable distance", formats.number(feature.detectable)),
        *_other_tests(feature),
        ("rows", formats.count(feature.rows)),
        ("missing", formats.proportion(feature.missing, feature.rows)),
        ("out of range of the reference", formats.proportion(feature.out_of_range, feature.rows)),
        ("new categories", escape(_new_categories(feature)) if feature.unseen else NO_VALUE),
    ]
    return pd.DataFrame([row for row in rows if row[1] != NO_VALUE], columns=["figure", "value"])


def _other_tests(feature: Feature) -> list[tuple[str, str]]:
    return [
        ("Kuiper distance", formats.number(feature.kuiper)),
        ("Cliff's delta (Wilcoxon)", formats.number(feature.wilcoxon)),
        ("Mood's score", formats.number(feature.mood)),
        ("decided by", escape(feature.decided_by) if feature.decided_by else NO_VALUE),
        ("p-value", escape(formats.probability(feature.p_value))),
        ("PSI", formats.number(feature.psi)),
    ]


DETECTOR_COLUMNS = ["detector", "verdict", "last detection"]
DETECTORS = {"adwin": "ADWIN", "page_hinkley": "Page-Hinkley"}


def detectors(windows: Sequence[WindowItem]) -> pd.DataFrame:
    """The detectors in the newest window that has any. Plain text."""
    by_window = [w.concept.detectors for w in windows if w.concept and w.concept.detectors]
    rows = [
        (
            DETECTORS.get(detector.name, detector.name),
            labels.WARNING if detector.drifting else labels.NO_DRIFT,
            NO_VALUE if detector.detected_at is None else formats.instant(detector.detected_at),
        )
        for detector in (by_window[-1] if by_window else [])
    ]
    return pd.DataFrame(rows, columns=DETECTOR_COLUMNS)


# -- Driftline itself ----------------------------------------------------------------------------

ROLE_COLUMNS = ["role", "status", "last activity", "lag", "watermark", "problem"]


def roles(health: Health) -> pd.DataFrame:
    rows = [
        (
            escape(f"{role.role}-{role.slot}"),
            f"{'✔' if role.status in ('ok', 'replaced') else '▲'} {role.status}",
            formats.age(role.progress_age_s),
            formats.count(role.lag),
            NO_VALUE if role.watermark is None else formats.instant(role.watermark),
            escape(role.problem or ""),
        )
        for role in health.roles
    ]
    missing = [
        (escape(name), "▲ not running", "never", NO_VALUE, NO_VALUE, "") for name in health.missing
    ]
    return pd.DataFrame(rows + missing, columns=ROLE_COLUMNS)


RECORD_COLUMNS = ["records", "received", "counted", "late (counted)", "too late", "dead letters"]


def records(health: Health) -> pd.DataFrame:
    """What became of the records of each topic."""
    rows = [
        (
            topic,
            formats.count(records.received),
            formats.count(records.counted),
            formats.count(records.late),
            formats.count(records.too_late),
            _dead_letters(records.dead),
        )
        for topic, records in (("predictions", health.predictions), ("labels", health.labels))
    ]
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


def _dead_letters(by_reason: Mapping[str, int]) -> str:
    counts = {escape(reason): number for reason, number in by_reason.items() if number}
    return ", ".join(f"{number:,} {reason}" for reason, number in counts.items()) or "0"


CONDITION_COLUMNS = ["condition", "required", "actual", "met"]
CONDITIONS = {"not_running": "retraining in progress"}
_LONG_NUMBER = re.compile(r"\b\d{4,}\b")


def retraining_conditions(status: Retraining) -> pd.DataFrame:
    rows = [
        (
            escape(CONDITIONS.get(reason.condition, reason.condition.replace("_", " "))),
            _value(reason.required),
            _value(reason.actual),
            "✔ yes" if reason.met else "✘ no",
        )
        for reason in status.reasons
    ]
    return pd.DataFrame(rows, columns=CONDITION_COLUMNS)


def _value(value: object) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(_LONG_NUMBER.sub(lambda digits: f"{int(digits[0]):,}", str(value)))


RESOLVED_COLUMNS = ["incident", "open", "now and normal"]


def resolved(incidents: Sequence[Incident]) -> pd.DataFrame:
    """One row for each incident, whose subject is a link to its evidence."""
    rows = [
        (
            f"{labels.SYMBOLS.get(incident.severity, '?')} [{incident_text.subject(incident)}]"
            f"(alerts?incident={quote(incident.id, safe='')})",
            formats.period(incident.opened_at, incident.resolved_at or incident.opened_at),
            incident_text.before_and_now(incident.evidence) or NO_VALUE,
        )
        for incident in incidents
    ]
    return pd.DataFrame(rows, columns=RESOLVED_COLUMNS)


MODEL_COLUMNS = ["model", "version", "state", "status", "reason"]


def models(statuses: Sequence[tuple[Model, ModelStatus]]) -> pd.DataFrame:
    rows = [
        (
            escape(model.model),
            escape(model.version),
            escape(model.state),
            f"{labels.SYMBOLS[status.level]} {status.answer}",
            status.reason,
        )
        for model, status in statuses
    ]
    return pd.DataFrame(rows, columns=MODEL_COLUMNS)
