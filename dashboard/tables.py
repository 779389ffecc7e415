"""Answers turned into tables of text. Pure; the columns stand without rows too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from api.answers import (
    Baseline,
    DataDrift,
    Feature,
    HistoryItem,
    LatestMetrics,
    Metric,
    Model,
    Retraining,
    WindowItem,
)
from api.health import Health
from dashboard import text
from dashboard.status import Condition
from dashboard.text import METRICS, NOTHING

# -- performance ---------------------------------------------------------------------------------

BESIDE_COLUMNS = ["metric", "baseline", "production", "95% interval", "provisional", "judgement"]


def beside(baseline: Baseline, latest: LatestMetrics) -> pd.DataFrame:
    """Each metric on the reference and in production."""
    names = [n for n in METRICS if n in {**baseline.metrics, **_metrics(latest)}]
    coming = _metrics(latest.provisional) if latest.provisional else {}
    rows = [
        (
            METRICS[name],
            text.number(baseline.metrics[name].value if name in baseline.metrics else None),
            *_production(_metrics(latest).get(name)),
            text.number(coming[name].value if name in coming else None),
            _judgement(_metrics(latest).get(name)),
        )
        for name in names
    ]
    return pd.DataFrame(rows, columns=BESIDE_COLUMNS)


def _metrics(of: LatestMetrics | HistoryItem) -> Mapping[str, Metric]:
    return of.metrics


def _production(metric: Metric | None) -> tuple[str, str]:
    if metric is None:
        return NOTHING, NOTHING
    return text.number(metric.value), text.interval(metric.low, metric.high)


def _judgement(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return NOTHING
    if metric.severity is None:
        calm = f"{text.SYMBOLS['good']} not degraded"
        return calm if metric.threshold is not None else text.UNTESTED
    return f"{text.SYMBOLS.get(metric.severity, '?')} degraded, {metric.severity}"


# -- drift ---------------------------------------------------------------------------------------

FEATURE_COLUMNS = [
    "feature", "verdict", "decided by", "distance", "sampling noise", "reference's straying",
    "Kuiper", "p-value", "p significant", "PSI", "missing",
     "out of range", "wrong type", "new categories",
]  # fmt: skip


def features(drift: DataDrift) -> pd.DataFrame:
    return pd.DataFrame([_feature(f) for f in drift.features], columns=FEATURE_COLUMNS)


def _feature(feature: Feature) -> tuple[str, ...]:
    rows = feature.rows
    return (
        feature.name,
        text.verdict(feature),
        feature.decided_by or "",
        text.number(feature.statistic),
        text.number(feature.threshold),
        text.number(feature.allowance),
        text.number(feature.kuiper),
        text.probability(feature.p_value),
        "•" if feature.significant else "",
        text.number(feature.psi),
        text.share(feature.missing, rows),
        text.share(feature.out_of_range, rows),
        text.share(feature.wrong_type, rows),
        "" if feature.unseen is None or not feature.unseen.rows else _unseen(feature),
    )


def _unseen(feature: Feature) -> str:
    assert feature.unseen is not None
    names = ", ".join(f"{name} ({rows})" for name, rows in feature.unseen.values.items())
    return f"{feature.unseen.rows}: {names}" if names else str(feature.unseen.rows)


def numbers(feature: Feature) -> pd.DataFrame:
    """Everything that is known of a feature in a window, as a list."""
    known = [
        (text.distance(feature), text.number(feature.statistic)),
        ("sampling noise explains", text.number(feature.threshold)),
        ("persists", text.number(feature.persistent)),
        ("reference's straying", text.number(feature.allowance)),
        ("smallest that would show", text.number(feature.detectable)),
        ("Kuiper distance", text.number(feature.kuiper)),
        ("Cliff's delta (Wilcoxon)", text.number(feature.wilcoxon)),
        ("Mood's score", text.number(feature.mood)),
        ("decided by", feature.decided_by or NOTHING),
        ("p-value", text.probability(feature.p_value)),
        ("PSI", text.number(feature.psi)),
        ("rows", text.count(feature.rows)),
        ("missing", text.share(feature.missing, feature.rows)),
        ("out of the reference's range", text.share(feature.out_of_range, feature.rows)),
        ("new categories", _unseen(feature) if feature.unseen else NOTHING),
    ]
    return pd.DataFrame([row for row in known if row[1] != NOTHING], columns=["number", "value"])


DETECTOR_COLUMNS = ["detector", "now", "last detection"]
DETECTORS = {"adwin": "ADWIN", "page_hinkley": "Page-Hinkley"}


def detectors(windows: Sequence[WindowItem]) -> pd.DataFrame:
    """What they say of the newest final window."""
    told = [item.concept.detectors for item in windows if item.concept and item.concept.detectors]
    rows = [
        (
            DETECTORS.get(detector.name, detector.name),
            text.WARNING if detector.drifting else text.CALM,
            NOTHING if detector.detected_at is None else text.instant(detector.detected_at),
        )
        for detector in (told[-1] if told else [])
    ]
    return pd.DataFrame(rows, columns=DETECTOR_COLUMNS)


# -- Driftline itself ----------------------------------------------------------------------------

ROLE_COLUMNS = ["role", "state", "last progress", "still to read", "data read up to", "problem"]


def roles(health: Health) -> pd.DataFrame:
    rows = [
        (
            f"{role.role}-{role.slot}",
            f"{'✔' if role.status in ('ok', 'replaced') else '▲'} {role.status}",
            text.ago(role.progress_age_s),
            text.count(role.lag),
            NOTHING if role.watermark is None else text.instant(role.watermark),
            role.problem or "",
        )
        for role in health.roles
    ]
    missing = [(name, "▲ never heard of", "never", NOTHING, NOTHING, "") for name in health.missing]
    return pd.DataFrame(rows + missing, columns=ROLE_COLUMNS)


RECORD_COLUMNS = ["records", "received", "counted", "of them late", "too late", "dead letters"]


def records(health: Health) -> pd.DataFrame:
    rows = [
        (
            name,
            text.count(of.received),
            text.count(of.counted),
            text.count(of.late),
            text.count(of.too_late),
            ", ".join(f"{many:,} {reason}" for reason, many in of.dead.items() if many) or "0",
        )
        for name, of in (("predictions", health.predictions), ("labels", health.labels))
    ]
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


REASON_COLUMNS = ["condition", "required", "actual", "met"]


def reasons(status: Retraining) -> pd.DataFrame:
    rows = [
        (
            r.condition.replace("_", " "),
            _said(r.required),
            _said(r.actual),
            "✔ yes" if r.met else "✘ no",
        )
        for r in status.reasons
    ]
    return pd.DataFrame(rows, columns=REASON_COLUMNS)


def _said(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


MODEL_COLUMNS = ["model", "version", "all right?", "why"]


def overview(situations: Sequence[tuple[Model, Condition]]) -> pd.DataFrame:
    rows = [
        (
            model.model,
            model.version,
            f"{text.SYMBOLS[condition.level]} {condition.answer}",
            condition.reason,
        )
        for model, condition in situations
    ]
    return pd.DataFrame(rows, columns=MODEL_COLUMNS)
