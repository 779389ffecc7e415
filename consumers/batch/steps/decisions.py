"""The steps ``alerts`` and ``retraining``: incidents, and whether the model should be retrained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from consumers.batch.inputs import PipelineInputs
from consumers.batch.steps.step import Document, PipelineStep, header
from consumers.messages.alert_text import alert_line, change_of
from consumers.messages.records import Batch, Record
from consumers.roles.retrain import Retrain
from monitor.plan import Plan


def alerts_step(inputs: PipelineInputs, events: Sequence[Document]) -> PipelineStep:
    changes = Counter(map(change_of, events))
    newest = {event["data"]["incident"]: event for event in events}
    open_events = [event for event in newest.values() if event["data"]["state"] == "open"]
    document = {
        "opened": changes["opened"],
        "resolved": changes["resolved"],
        "open": [{"subject": e["subject"], "severity": e["data"]["severity"]} for e in open_events],
        "events": list(events),
    }
    return PipelineStep(
        "alerts",
        {**header(inputs, "alerts"), **document},
        f"{changes['opened']} incidents opened, {changes['resolved']} resolved,"
        f" {len(open_events)} open at the end",
        tuple(map(alert_line, events)),
    )


def retraining_step(
    plan: Plan, windows: Sequence[Document], events: Sequence[Document]
) -> PipelineStep:
    document = _decision(plan, windows, events)
    unmet = [reason["condition"] for reason in document["reasons"] if not reason["met"]]
    return PipelineStep(
        "retraining",
        document,
        f"decision: {document['decision']}"
        + (f" (not met: {', '.join(unmet)})" if unmet else " (all conditions are met)"),
        tuple(map(_reason_line, document["reasons"])),
    )


def _decision(plan: Plan, windows: Sequence[Document], events: Sequence[Document]) -> Document:
    """The decision that the role ``retrain`` publishes after these windows and alerts."""
    messages = [("windows", window) for window in windows] + [("alerts", e) for e in events]
    records = [
        Record(topic, 0, offset, None, msgspec.json.encode(document))
        for offset, (topic, document) in enumerate(messages)
    ]
    output = Retrain(lambda _: plan).handle(Batch(records))
    assert output is not None
    document: Document = msgspec.json.decode(output.messages[-1].value or b"")
    return document


def _reason_line(reason: Document) -> str:
    return (
        f"{reason['condition']}: {reason['actual']}, required {reason['required']}"
        f" ({'met' if reason['met'] else 'not met'})"
    )
