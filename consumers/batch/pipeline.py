"""The batch pipeline: the findings of the stream on the rows of a file, as a folder of reports.

    train -> evaluate -> data drift -> concept drift -> performance -> alerts -> retraining

It calls the code of the stream (``consumers.batch.findings``, ``consumers.messages``), so the same
rows give the same numbers. Each step is in ``consumers.batch.steps``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from consumers.batch.findings import findings_of
from consumers.batch.inputs import PipelineInputs
from consumers.batch.steps.decisions import alerts_step, retraining_step
from consumers.batch.steps.drift import concept_drift_step, data_drift_step
from consumers.batch.steps.performance import performance_step
from consumers.batch.steps.reference import evaluation_step, training_step
from consumers.batch.steps.step import Document, PipelineStep
from consumers.messages.alert_message import alert_message
from consumers.messages.window_message import window_message
from consumers.messages.windows import WindowMessage
from driftline.errors import BadInput
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings


def pipeline(plan: Plan, inputs: PipelineInputs) -> Iterator[PipelineStep]:
    """Every step, in order, each as soon as it is done. Raises ``BadInput``."""
    evaluator = _evaluator(plan, inputs)
    yield training_step(inputs)
    yield evaluation_step(inputs)
    _, findings = findings_of(evaluator, inputs.rows)
    windows = _newest_windows(findings, plan)
    alerts = sorted(map(alert_message, findings.transitions), key=lambda alert: alert.time_ms)
    yield data_drift_step(inputs, windows)
    yield concept_drift_step(inputs, windows)
    yield performance_step(inputs, windows, alerts)
    yield alerts_step(inputs, alerts)
    yield retraining_step(findings)


def opened_incidents(documents: Mapping[str, Document]) -> int:
    """The number of incidents that opened in a run; ``documents`` by the name of their step."""
    return int(documents["alerts"]["opened"])


def _newest_windows(findings: Findings, plan: Plan) -> list[WindowMessage]:
    """The newest revision of every window, oldest window first."""
    newest = {window.start_ms: window for window in findings.windows}
    p_value_threshold = plan.drift.p_value_threshold
    return [window_message(window, p_value_threshold) for _, window in sorted(newest.items())]


def _evaluator(plan: Plan, inputs: PipelineInputs) -> Evaluator:
    try:
        return Evaluator.of(plan, inputs.profile)
    except ValueError as error:  # a saved profile with panes of another length
        raise BadInput(str(error)) from error
