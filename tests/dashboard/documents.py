"""Documents of the API with sensible defaults, for tests of the dashboard."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

BASELINE = {
    name: {"value": 0.9, "low": 0.89, "high": 0.91}
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc")
}


DISTRIBUTION = {
    "edges": [40.0, 60.0],
    "reference": [0.3, 0.4, 0.3],
    "window": [0.1, 0.4, 0.5],
    "at": 40.0,
    "reference_median": 50.0,
    "window_median": 1008.0,
}


def model(name: str = "flight-delay", *features: str) -> Json:
    return {
        "model": name,
        "version": "1",
        "registered_at": "2026-01-01T00:00:00Z",
        "state": "live",
        "state_since": "2026-01-02T00:00:00Z",
        "state_by": "driftline",
        "state_why": "its first row",
        "features": [{"name": f, "kind": "numeric"} for f in features or ("temp", "distance")],
        "threshold": 0.5,
        "pane_ms": 3_600_000,
        "rows": 2000,
        "labelled": True,
        "reference_start": "2013-03-01T00:00:00Z",
        "reference_end": "2013-04-01T00:00:00Z",
        "label_delay_ms": {"p50": 1, "p90": 2, "p99": 3},
    }


def day(number: int) -> tuple[str, str]:
    """A day of April 2013, counted from 1."""
    return f"2013-04-{number:02}T00:00:00Z", f"2013-04-{number + 1:02}T00:00:00Z"


def feature(name: str = "temp", **fields: Any) -> Json:
    return {
        "name": name,
        "kind": "numeric",
        "rows": 900,
        "missing": 9,
        "statistic": 0.05,
        "p_value": 0.02,
        "significant": True,
        "threshold": 0.09,
        "allowance": 0.12,
        "persistent": 0.03,
        "psi": 0.01,
        "verdict": "ok",
        "severity": None,
        "detectable": 0.09,
        **fields,
    }


def drifted(name: str = "temp", severity: str = "critical", **fields: Any) -> Json:
    return feature(name, **{"statistic": 0.41, "verdict": "drift", "severity": severity, **fields})


def metric(value: float | None = 0.91, **fields: Any) -> Json:
    figures = {"value": value, "low": 0.88, "high": 0.94, "baseline": 0.92, "threshold": 0.83}
    return {**figures, **fields}


def window(
    number: int = 1,
    *features: Json,
    labels: str = "final",
    status: str = "closed",
    model: str = "flight-delay",
    **fields: Any,
) -> Json:
    """A day of April, with the given features or two without drift."""
    start, end = day(number)
    metrics = {name: metric() for name in BASELINE}
    return {
        "model": model,
        "version": "1",
        "window": {"start": start, "end": end, "revision": 0, "status": status},
        "data": {
            "revision": 0,
            "status": status,
            "rows": 900,
            "features": list(features) or [feature("temp"), feature("distance")],
        },
        "concept": {
            "prediction": feature("score"),
            "errors": feature("error"),
            "expected": None,
            "realised": {"accuracy": 0.91},
            "detectors": [{"name": "adwin", "drifting": False, "detected_at": None}],
        },
        "performance": {
            "revision": 0,
            "status": labels,
            "rows": 900,
            "labels": 700,
            "coverage": 700 / 900,
            "metrics": metrics,
        },
        **fields,
    }


def incident(identity: str = "91ab", **fields: Any) -> Json:
    start, end = day(2)
    return {
        "id": identity,
        "model": "flight-delay",
        "version": "1",
        "kind": "data",
        "subject": "data/temp",
        "severity": "critical",
        "state": "open",
        "opened_at": end,
        "updated_at": end,
        "resolved_at": None,
        "window": {"start": start, "end": end},
        "evidence": {"decided_by": "ks", "value": 0.41, "threshold": 0.09, "rows": 900},
        "message": f"data/temp: the distribution moved by 0.41 in the window {start} to {end}.",
        **fields,
    }


def transition(incident: Json) -> Json:
    return {
        "type": "driftline.incident.opened",
        "time": incident["opened_at"],
        "data": {"message": incident["message"]},
    }


COLLECTING: Json = {
    **{"model": "new", "version": "1", "rows": 7, "needed": 9, "start": None, "end": None},
    **{"labels": None, "refused": 0, "progress": "7 of 9 rows"},
}


def health(*roles: Json, **fields: Any) -> Json:
    records = {"received": 0, "counted": 0, "late": 0, "too_late": 0, "dead": {}}
    joined = ("labels", "matched", "waiting", "expired", "duplicates", "superseded")
    more = ("predictions", "repeated_predictions")
    return {
        "status": "ok",
        "checked_at": "2026-01-01T00:00:00Z",
        "missing": [],
        "roles": list(roles) or [role("detect")],
        "predictions": records,
        "labels": records,
        "joins": dict.fromkeys((*joined, *more), 0),
        **fields,
    }


def role(name: str, **fields: Any) -> Json:
    return {
        "role": name,
        "slot": 0,
        "status": "ok",
        "problem": None,
        "heartbeat_at": "2026-01-01T00:00:00Z",
        "heartbeat_age_s": 2.0,
        "progress_at": "2026-01-01T00:00:00Z",
        "progress_age_s": 3.0,
        "lag": 0,
        "watermark": None,
        "partitions": {},
        **fields,
    }


def performance_window(window: Json) -> Json:
    return {**window["window"], "status": window["performance"]["status"]}


def about(model: str, window: Json | None = None) -> Json:
    status = "no_data" if window is None else "ok"
    return {"model": model, "version": "1", "window": window, "status": status}
