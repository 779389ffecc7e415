"""The steps ``train`` and ``evaluate``: the reference, and the metrics over all tested rows."""

from __future__ import annotations

from consumers.batch.inputs import PipelineInputs, reference_rows, reference_span_ms
from consumers.batch.steps.step import PipelineStep, header
from consumers.messages.times import rfc3339
from monitor.counts.schema import Schema
from producers.example.evaluate import (
    Evaluation,
    evaluated,
    evaluation_document,
    evaluation_lines,
)


def training_step(inputs: PipelineInputs) -> PipelineStep:
    profile = inputs.profile
    rows, (start, end) = reference_rows(profile), map(rfc3339, reference_span_ms(profile))
    features = _feature_names(profile.schema)
    document = {
        "trained": inputs.trained,
        "reference": {"rows": rows, "from": start, "until": end},
        "features": features,
        "threshold": profile.schema.threshold,
        "labelled": profile.labelled,
        "task": profile.schema.task.name,
    }
    return PipelineStep(
        "train",
        {**header(inputs, "train"), **document},
        f"{_outcome(inputs)}; the reference has {rows:,} rows from {start} to {end}",
        tuple(f"{kind} features: {', '.join(names) or 'none'}" for kind, names in features.items()),
    )


def evaluation_step(inputs: PipelineInputs) -> PipelineStep:
    evaluation = evaluated(inputs.profile, inputs.rows)
    return PipelineStep(
        "evaluate",
        {**header(inputs, "evaluate"), **evaluation_document(evaluation)},
        _metrics_sentence(evaluation),
        tuple(evaluation_lines(evaluation)),
    )


def _feature_names(schema: Schema) -> dict[str, list[str]]:
    return {
        "numeric": [name for name, _ in schema.numeric],
        "categorical": [name for name, _ in schema.categorical],
    }


def _outcome(inputs: PipelineInputs) -> str:
    return "skipped, saved reference used" if inputs.trained is None else "done"


def _metrics_sentence(evaluation: Evaluation) -> str:
    metrics = [
        f"{name} {metric.value:.3f} (baseline {baseline.value:.3f})"
        for name in evaluation.judged
        if (metric := evaluation.metrics[name]).value is not None
        and (baseline := evaluation.baseline[name]).value is not None
    ]
    return ", ".join(metrics) or "no metrics: the rows or the reference have no labels"
