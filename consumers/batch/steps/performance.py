"""The step ``performance``: metrics of the windows that have labels, beside their baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from consumers.batch.inputs import PipelineInputs
from consumers.batch.steps.step import (
    Document,
    PipelineStep,
    closed_windows,
    count_of_windows,
    header,
    section_of_windows,
)
from consumers.messages.alerts import AlertMessage
from consumers.messages.windows import WindowMessage
from monitor.counts.task import Task
from monitor.decisions.incidents import Change

SUBJECT = "performance/"


def performance_step(
    inputs: PipelineInputs, windows: Sequence[WindowMessage], alerts: Sequence[AlertMessage]
) -> PipelineStep:
    """Windows have ``windows.length``; incidents may also come from longer ones."""
    labelled = [w for w in closed_windows(windows) if w.performance.labels]
    task = inputs.profile.schema.task
    metrics = [_metric_history(task, name, labelled) for name in task.metrics if windows]
    degraded = [metric for metric in metrics if metric["degraded"]]
    incidents = _metrics_with_incidents(alerts)
    document = {
        "degraded": bool(degraded or incidents),
        "incidents": incidents,
        "judged": len(labelled),
        "metrics": metrics,
        "windows": section_of_windows(windows, "performance"),
    }
    return PipelineStep(
        "performance",
        {**header(inputs, "performance"), **document},
        _sentence(degraded, incidents, len(labelled)),
        tuple(_metric_line(task, metric) for metric in metrics),
    )


def _metrics_with_incidents(alerts: Sequence[AlertMessage]) -> list[str]:
    """The metrics that opened an incident, as its subject or grouped with it."""
    opened = [alert for alert in alerts if alert.change == Change.OPENED]
    grouped = [name for alert in opened for name in alert.data.evidence.grouped or ()]
    subjects = dict.fromkeys([*(alert.subject for alert in opened), *grouped])
    return [name.removeprefix(SUBJECT) for name in subjects if name.startswith(SUBJECT)]


def _metric_history(task: Task, name: str, labelled: Sequence[WindowMessage]) -> Document:
    """A metric over all windows with labels. ``worst`` is the window with its worst value."""
    results = [(window, window.performance.metrics[name]) for window in labelled]
    defined = sorted(
        ((metric.value, window, metric) for window, metric in results if metric.value is not None),
        key=lambda result: result[0],
    )
    severities = [m.severity for _, _, m in defined if m.severity is not None]
    return {
        "name": name,
        "judged": name in task.judged,
        "baseline": defined[0][2].baseline if defined else None,
        "degraded": len(severities),
        "severities": dict(Counter(severities)),
        "lowest": defined[0][0] if defined else None,
        "highest": defined[-1][0] if defined else None,
        "worst": defined[-1 if name in task.lower_is_better else 0][1].start if defined else None,
    }


def _sentence(degraded: Sequence[Document], incidents: Sequence[str], judged: int) -> str:
    windows = count_of_windows(judged)
    if degraded:
        counts = ", ".join(f"{metric['name']} in {metric['degraded']}" for metric in degraded)
        sentence = f"degraded: {counts} of {windows}"
    else:
        sentence = f"no metric degraded in {windows} with labels"
    names = {metric["name"] for metric in degraded}
    longer = [name for name in incidents if name not in names]
    return sentence + (f"; degraded in longer windows: {', '.join(longer)}" if longer else "")


def _metric_line(task: Task, metric: Document) -> str:
    name, baseline = metric["name"], metric["baseline"]
    if metric["lowest"] is None:
        return f"{name}: not defined in any window"
    extreme = "highest" if name in task.lower_is_better else "lowest"
    windows = f"degraded in {count_of_windows(metric['degraded'])}, " if metric["judged"] else ""
    return (
        f"{name}: {windows}{extreme} {metric[extreme]:.3f} on {metric['worst'][:10]}, baseline"
        f" {'unknown' if baseline is None else f'{baseline:.3f}'}"
    )
