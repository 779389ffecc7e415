"""The batch pipeline: what the stream would have found in a file, as a folder of reports.

    train -> evaluate -> data drift -> concept drift -> performance -> alerts -> retraining

It calls what the stream calls (``consumers.batch.findings``, the documents of
``consumers.messages.internal``, the role ``retrain``), so on the same rows its numbers are the
stream's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from consumers.batch.findings import findings_of
from consumers.batch.inputs import PipelineInputs, reference_rows, reference_span_ms
from consumers.messages.alert_text import alert_line, change_of, event_ms
from consumers.messages.internal import SCHEMA, alert_event, rfc3339, window_document
from consumers.messages.roles import Batch, Record
from consumers.roles.retrain import Retrain
from driftline.errors import BadInput
from monitor.performance.degradation import JUDGED
from monitor.performance.metrics import LOSSES
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from producers.example.evaluate import evaluated, evaluation_document, evaluation_lines

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What a step has to say: to programs, in one line, and in more."""

    name: str
    document: Document
    sentence: str
    details: tuple[str, ...] = ()


def pipeline(plan: Plan, inputs: PipelineInputs) -> Iterator[Step]:
    """Every step, in order, each as soon as it is done. Raises ``BadInput``."""
    evaluator = _evaluator(plan, inputs)
    yield _training(inputs)
    yield _evaluation(inputs)
    _, findings = findings_of(evaluator, inputs.rows)
    windows = newest_windows(findings, plan)
    events = sorted(map(alert_event, findings.transitions), key=event_ms)
    yield _data_drift(inputs, windows)
    yield _concept_drift(inputs, windows)
    yield _performance(inputs, windows, events)
    yield _alerts(inputs, events)
    yield _retraining(plan, windows, events)


def opened(steps: Mapping[str, Document]) -> int:
    """How many incidents the documents of a whole run tell of."""
    return int(steps["alerts"]["opened"])


def newest_windows(findings: Findings, plan: Plan) -> list[Document]:
    """The newest revision of every window, oldest window first."""
    newest = {found.start_ms: found for found in findings.windows}
    marked = plan.drift.p_value_threshold
    return [window_document(found, marked) for _, found in sorted(newest.items())]


def _evaluator(plan: Plan, inputs: PipelineInputs) -> Evaluator:
    try:
        return Evaluator.of(plan, inputs.profile)
    except ValueError as error:  # a saved profile of another pane
        raise BadInput(str(error)) from error


def _training(inputs: PipelineInputs) -> Step:
    profile, (from_ms, until_ms) = inputs.profile, reference_span_ms(inputs.profile)
    rows, span = reference_rows(profile), f"{rfc3339(from_ms)} to {rfc3339(until_ms)}"
    numeric = [name for name, _ in profile.schema.numeric]
    categorical = [name for name, _ in profile.schema.categorical]
    document = {
        "trained": inputs.trained,
        "reference": {"rows": rows, "from": rfc3339(from_ms), "until": rfc3339(until_ms)},
        "features": {"numeric": numeric, "categorical": categorical},
        "threshold": profile.schema.threshold,
        "labelled": profile.labelled,
    }
    did = "skipped, as saved before" if inputs.trained is None else "done"
    return Step(
        "train",
        {**_head(inputs, "train"), **document},
        f"{did}; the reference is {rows:,} rows of {span}",
        (
            f"numeric features: {', '.join(numeric) or 'none'}",
            f"categorical features: {', '.join(categorical) or 'none'}",
        ),
    )


def _evaluation(inputs: PipelineInputs) -> Step:
    found = evaluated(inputs.profile, inputs.rows)
    shown = [
        f"{name} {metric.value:.3f} (baseline {before.value:.3f})"
        for name in JUDGED
        if (metric := found.metrics[name]).value is not None
        and (before := found.baseline[name]).value is not None
    ]
    return Step(
        "evaluate",
        {**_head(inputs, "evaluate"), **evaluation_document(found)},
        ", ".join(shown) or "nothing to measure: no labels, or a reference without them",
        tuple(evaluation_lines(found)),
    )


def _data_drift(inputs: PipelineInputs, windows: Sequence[Document]) -> Step:
    closed = [w for w in windows if w["data"]["status"] == "closed"]
    features = [
        _history(name, [(w, w["data"]["features"][i]) for w in closed])
        for i, name in enumerate(inputs.profile.schema.features)
    ]
    drifted = [feature for feature in features if feature["drifted"]]
    document = {
        "drift": bool(drifted),
        "judged": len(closed),
        "features": features,
        "windows": [{"start": w["start"], "end": w["end"], **w["data"]} for w in windows],
    }
    tested = sum(feature["tested"] for feature in features)
    blind = [feature["name"] for feature in features if not feature["tested"]]
    said = f"{len(drifted)} of {tested} tested features drifted, in {_windows(len(closed))}"
    if blind and closed:
        said += f"; too few rows, there or in the reference, to tell of {', '.join(blind)}"
    return Step(
        "data-drift",
        {**_head(inputs, "data-drift"), **document},
        said,
        tuple(map(_history_line, drifted)),
    )


def _concept_drift(inputs: PipelineInputs, windows: Sequence[Document]) -> Step:
    closed = [w for w in windows if w["data"]["status"] == "closed"]
    score = _history("score", [(w, w["concept"]["prediction"]) for w in closed])
    judged = [(w, w["concept"]["errors"]) for w in closed if w["concept"]["errors"] is not None]
    error = _history("error", judged)
    document = {
        "drift": bool(score["drifted"] or error["drifted"]),
        "judged": len(closed),
        "prediction": score,
        "errors": error if judged else None,
        "windows": [{"start": w["start"], "end": w["end"], **w["concept"]} for w in windows],
    }
    said = f"the score drifted in {score['drifted']} of {_windows(len(closed))}"
    said += f", the error in {error['drifted']}" if judged else "; no labels, so no errors"
    return Step(
        "concept-drift",
        {**_head(inputs, "concept-drift"), **document},
        said,
        tuple(_history_line(history) for history in (score, error) if history["drifted"]),
    )


def _performance(
    inputs: PipelineInputs, windows: Sequence[Document], events: Sequence[Document]
) -> Step:
    """Of the windows that people look at; incidents come of longer ones, too."""
    closed = [w for w in windows if w["data"]["status"] == "closed"]
    judged = [w for w in closed if w["performance"]["labels"]]
    metrics = [_metric_history(name, judged) for name in _metric_names(windows)]
    fallen = [metric for metric in metrics if metric["degraded"]]
    incidents = _incidents_of("performance/", events)
    document = {
        "degraded": bool(fallen or incidents),
        "incidents": incidents,
        "judged": len(judged),
        "metrics": metrics,
        "windows": [{"start": w["start"], "end": w["end"], **w["performance"]} for w in windows],
    }
    names = ", ".join(f"{metric['name']} in {metric['degraded']}" for metric in fallen)
    said = (
        f"below the baseline: {names} of {_windows(len(judged))}"
        if fallen
        else f"no metric fell in {_windows(len(judged))} with labels"
    )
    longer = [name for name in incidents if not any(m["name"] == name for m in fallen)]
    if longer:
        said += f", but in longer ones {', '.join(longer)}"
    return Step(
        "performance",
        {**_head(inputs, "performance"), **document},
        said,
        tuple(map(_metric_line, metrics)),
    )


def _alerts(inputs: PipelineInputs, events: Sequence[Document]) -> Step:
    changes = Counter(change_of(event) for event in events)
    newest = {event["data"]["incident"]: event for event in events}
    still = [event for event in newest.values() if event["data"]["state"] == "open"]
    document = {
        "opened": changes["opened"],
        "resolved": changes["resolved"],
        "open": [
            {"subject": event["subject"], "severity": event["data"]["severity"]} for event in still
        ],
        "events": list(events),
    }
    return Step(
        "alerts",
        {**_head(inputs, "alerts"), **document},
        f"{changes['opened']} incidents opened, {changes['resolved']} resolved,"
        f" {len(still)} open at the end",
        tuple(map(alert_line, events)),
    )


def _retraining(plan: Plan, windows: Sequence[Document], events: Sequence[Document]) -> Step:
    """Told to the role itself, which then has one decision to publish."""
    told = [("windows", window) for window in windows] + [("alerts", event) for event in events]
    records = [
        Record(topic, 0, offset, None, msgspec.json.encode(document))
        for offset, (topic, document) in enumerate(told)
    ]
    output = Retrain(lambda _: plan).handle(Batch(records))
    assert output is not None
    document = msgspec.json.decode(output.messages[-1].value or b"")
    unmet = [r["condition"] for r in document["reasons"] if not r["met"]]
    return Step(
        "retraining",
        document,
        f"decision: {document['decision']}"
        + (f" (not met: {', '.join(unmet)})" if unmet else " (every condition is met)"),
        tuple(
            f"{r['condition']}: {r['actual']}, required {r['required']}"
            f" ({'met' if r['met'] else 'not met'})"
            for r in document["reasons"]
        ),
    )


def _incidents_of(kind: str, events: Sequence[Document]) -> list[str]:
    """What opened incidents of a kind, alone or with others."""
    opened = [event for event in events if change_of(event) == "opened"]
    also = [name for event in opened for name in event["data"]["evidence"].get("grouped") or ()]
    subjects = dict.fromkeys([*(event["subject"] for event in opened), *also])
    return [of.removeprefix(kind) for of in subjects if of.startswith(kind)]


def _head(inputs: PipelineInputs, step: str) -> Document:
    profile = inputs.profile
    return {"schema": SCHEMA, "step": step, "model": profile.model, "version": profile.version}


def _history(name: str, judged: Sequence[tuple[Document, Document]]) -> Document:
    """What all windows together say of a feature; ``worst`` is the farthest one that drifted."""
    drifted = [(window, found) for window, found in judged if found["verdict"] == "drift"]
    worst, far = max(drifted, key=lambda pair: _distance(pair[1]), default=(None, None))
    return {
        "name": name,
        "tested": any(found["verdict"] != "insufficient_data" for _, found in judged),
        "drifted": len(drifted),
        "first": drifted[0][0]["start"] if drifted else None,
        "last": drifted[-1][0]["start"] if drifted else None,
        "worst": None if worst is None else worst["start"],
        "statistic": None if far is None else far["statistic"],
        "threshold": None if far is None else far["threshold"],
        "allowance": None if far is None else far["allowance"],
        "severities": dict(Counter(found["severity"] for _, found in drifted)),
        "decided_by": dict(Counter(found["decided_by"] for _, found in drifted)),
    }


def _distance(found: Document) -> float:
    return float(found["statistic"] or 0.0)


def _history_line(history: Document) -> str:
    """What decided may be another statistic than the distance that is shown."""
    by = ", ".join(f"{name} in {windows}" for name, windows in history["decided_by"].items())
    return (
        f"{history['name']}: {_windows(history['drifted'])}, first {history['first'][:10]}, last"
        f" {history['last'][:10]}, decided by {by}; farthest {history['statistic']:.3f} on"
        f" {history['worst'][:10]} (sampling noise of that distance: {history['threshold']:.3f})"
    )


def _metric_names(windows: Sequence[Document]) -> list[str]:
    return list(windows[0]["performance"]["metrics"]) if windows else []


def _metric_history(name: str, judged: Sequence[Document]) -> Document:
    """What all windows together say of a metric; ``worst`` is the window where it was."""
    found = [(w, w["performance"]["metrics"][name]) for w in judged]
    known = sorted(
        ((w, metric) for w, metric in found if metric["value"] is not None),
        key=lambda pair: float(pair[1]["value"]),
    )
    lowest, highest = (known[0], known[-1]) if known else ((None, None), (None, None))
    worst = highest[0] if name in LOSSES else lowest[0]
    return {
        "name": name,
        "judged": name in JUDGED,
        "baseline": known[0][1]["baseline"] if known else None,
        "degraded": sum(metric["severity"] is not None for _, metric in known),
        "severities": dict(Counter(m["severity"] for _, m in known if m["severity"] is not None)),
        "lowest": None if lowest[1] is None else lowest[1]["value"],
        "highest": None if highest[1] is None else highest[1]["value"],
        "worst": None if worst is None else worst["start"],
    }


def _metric_line(metric: Document) -> str:
    name, before = metric["name"], metric["baseline"]
    if metric["lowest"] is None:
        return f"{name}: never defined"
    extreme = "highest" if name in LOSSES else "lowest"
    fallen = f"fallen in {_windows(metric['degraded'])}, " if metric["judged"] else ""
    return (
        f"{name}: {fallen}{extreme} {metric[extreme]:.3f} on {metric['worst'][:10]}, baseline"
        f" {'unknown' if before is None else f'{before:.3f}'}"
    )


def _windows(count: int) -> str:
    return f"{count} window" if count == 1 else f"{count} windows"
