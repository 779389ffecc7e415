"""The steps ``alerts`` and ``retraining``: incidents, and whether the model should be retrained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from consumers.batch.inputs import PipelineInputs
from consumers.batch.steps.step import PipelineStep, header
from consumers.messages.alert_terminal import alert_line
from consumers.messages.alerts import AlertMessage
from consumers.messages.decisions import Reason, RetrainingDecision, retraining_decision
from monitor.windows.findings import Findings


def alerts_step(inputs: PipelineInputs, alerts: Sequence[AlertMessage]) -> PipelineStep:
    changes = Counter(alert.change for alert in alerts)
    newest = {alert.data.incident: alert for alert in alerts}
    still_open = [alert for alert in newest.values() if alert.data.state == "open"]
    document = {
        "opened": changes["opened"],
        "resolved": changes["resolved"],
        "open": [{"subject": a.subject, "severity": a.data.severity} for a in still_open],
        "events": msgspec.to_builtins(alerts),
    }
    return PipelineStep(
        "alerts",
        {**header(inputs, "alerts"), **document},
        f"{changes['opened']} incidents opened, {changes['resolved']} resolved,"
        f" {len(still_open)} open at the end",
        tuple(map(alert_line, alerts)),
    )


def retraining_step(findings: Findings) -> PipelineStep:
    decision = _newest_decision(findings)
    unmet = [reason.condition for reason in decision.reasons if not reason.met]
    return PipelineStep(
        "retraining",
        msgspec.to_builtins(decision),
        f"decision: {decision.decision}"
        + (f" (not met: {', '.join(unmet)})" if unmet else " (all conditions are met)"),
        tuple(map(_reason_line, decision.reasons)),
    )


def _newest_decision(findings: Findings) -> RetrainingDecision:
    """The decision at the end of the last window."""
    found = findings.retraining[-1]
    return retraining_decision(*found.key.version_key, found.decision, found.life)


def _reason_line(reason: Reason) -> str:
    return (
        f"{reason.condition}: {reason.actual}, required {reason.required}"
        f" ({'met' if reason.met else 'not met'})"
    )
