"""The steps ``data-drift`` and ``concept-drift``: windows that differ from the reference."""

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
from consumers.messages.windows import FeatureResult, WindowMessage
from monitor.counts.subjects import name_of
from monitor.statistics.drift_rule import Verdict

Result = tuple[WindowMessage, FeatureResult]


def data_drift_step(inputs: PipelineInputs, windows: Sequence[WindowMessage]) -> PipelineStep:
    closed = closed_windows(windows)
    features = [
        _history(name, [(w, w.data.features[i]) for w in closed])
        for i, name in enumerate(inputs.profile.schema.features)
    ]
    drifted = [feature for feature in features if feature["drifted"]]
    document = {
        "drift": bool(drifted),
        "judged": len(closed),
        "features": features,
        "windows": section_of_windows(windows, "data"),
    }
    return PipelineStep(
        "data-drift",
        {**header(inputs, "data-drift"), **document},
        _data_sentence(features, len(closed)),
        tuple(map(_history_line, drifted)),
    )


def concept_drift_step(inputs: PipelineInputs, windows: Sequence[WindowMessage]) -> PipelineStep:
    closed = closed_windows(windows)
    outputs, errors = (
        [_history(name_of(cells), _results(closed, name_of(cells))) for cells in references]
        for references in (inputs.profile.schema.outputs, inputs.profile.schema.errors)
    )
    document = {
        "drift": any(each["drifted"] for each in (*outputs, *errors)),
        "judged": len(closed),
        "prediction": outputs[0] if outputs else None,
        "errors": errors[0] if errors else None,
        "windows": section_of_windows(windows, "concept"),
    }
    if further := [*outputs[1:], *errors[1:]]:
        document["further"] = further
    return PipelineStep(
        "concept-drift",
        {**header(inputs, "concept-drift"), **document},
        _concept_sentence(outputs, errors, len(closed)),
        tuple(_history_line(history) for history in (*outputs, *errors) if history["drifted"]),
    )


def _results(closed: Sequence[WindowMessage], name: str) -> list[Result]:
    """The results of an output or an error in the windows that have it."""
    return [
        (window, found)
        for window in closed
        for found in (window.concept.prediction, window.concept.errors, *window.concept.further)
        if found is not None and found.name == name
    ]


def _concept_sentence(outputs: Sequence[Document], errors: Sequence[Document], judged: int) -> str:
    drifted = [f"the {each['name']} drifted in {each['drifted']}" for each in outputs]
    drifted += [f"the {each['name']} in {each['drifted']}" for each in errors]
    if not drifted:
        return "the model puts nothing out, and has no labels"
    drifted[0] += f" of {count_of_windows(judged)}"
    return ", ".join(drifted) + ("" if errors else "; no labels, so no errors")


def _history(name: str, results: Sequence[Result]) -> Document:
    """A feature over all windows. ``worst`` is the drifted window with the largest distance.

    ``results`` are pairs of a window and the result of the feature in it, oldest first.
    """
    drifted = [(w, feature) for w, feature in results if feature.verdict == Verdict.DRIFT]
    starts = [window.start for window, _ in drifted]
    severities = [f.severity for _, f in drifted if f.severity is not None]
    farthest = max(drifted, key=lambda result: result[1].statistic or 0.0, default=None)
    return {
        "name": name,
        "tested": any(feature.verdict != Verdict.INSUFFICIENT for _, feature in results),
        "drifted": len(drifted),
        "first": starts[0] if starts else None,
        "last": starts[-1] if starts else None,
        **_farthest_window(farthest),
        "severities": dict(Counter(severities)),
        "decided_by": dict(Counter(feature.decided_by for _, feature in drifted)),
    }


def _farthest_window(farthest: Result | None) -> Document:
    if farthest is None:
        return {"worst": None, "statistic": None, "threshold": None, "allowance": None}
    window, feature = farthest
    return {
        "worst": window.start,
        "statistic": feature.statistic,
        "threshold": feature.threshold,
        "allowance": feature.allowance,
    }


def _data_sentence(features: Sequence[Document], judged: int) -> str:
    drifted = sum(bool(feature["drifted"]) for feature in features)
    untested = [feature["name"] for feature in features if not feature["tested"]]
    tested = len(features) - len(untested)
    sentence = f"{drifted} of {tested} tested features drifted, in {count_of_windows(judged)}"
    if untested and judged:
        sentence += (
            f"; too few rows, in the windows or in the reference, to test {', '.join(untested)}"
        )
    return sentence


def _history_line(history: Document) -> str:
    """The test that decided may be another one than the KS distance that is printed."""
    tests = ", ".join(f"{name} in {windows}" for name, windows in history["decided_by"].items())
    return (
        f"{history['name']}: {count_of_windows(history['drifted'])}, first {history['first'][:10]},"
        f" last {history['last'][:10]}, decided by {tests}; largest KS distance"
        f" {history['statistic']:.3f} on {history['worst'][:10]} (sampling noise"
        f" {history['threshold']:.3f})"
    )
