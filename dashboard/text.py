"""Sentences about features and their tests, in Markdown. Every figure stands beside its limit."""

from __future__ import annotations

import re

from api.answers import Feature, Model
from dashboard import formats, labels
from dashboard.limits import distance_test, noise_part, sustained_limit
from producers.contract.version_info import is_link

NO_WINDOWS = (
    "No windows yet. Start the simulator (`driftline simulate`) or your own service, and the roles"
    " (`driftline consume`). A window appears here as soon as it closes."
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:])")
EXACT_TESTS = ("missing", "coverage")
_PARTS = {0.5: "half", 0.75: "three quarters"}


def escape(text: object) -> str:
    """Text that Markdown shows as it is. Apply it once, to text that others wrote."""
    return _MARKDOWN.sub(r"\\\1", str(text))


def limits(
    test: str | None, threshold: float | None, persistent: float | None, allowance: float | None
) -> str:
    """The two conditions of a test with their figures.

    Each category has limits of its own. Proportions of invalid values and of labels are decided by
    an exact test, which ``threshold`` approximates.
    """
    at_most = "at most " if test == "categories" else ""
    precision = "about " if test in EXACT_TESTS else at_most
    parts = []
    if threshold is not None:
        parts.append(f"limit {precision}{formats.number(threshold)} (sampling noise)")
    if persistent is not None:
        parts.append(f"sustained {formats.number(persistent)}")
    if persistent is not None and threshold is not None and allowance is not None:
        limit = formats.number(sustained_limit(test, threshold, allowance))
        parts[-1] += f", limit {at_most}{limit} ({_explanation(test, threshold, allowance)})"
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def _explanation(test: str | None, threshold: float, allowance: float) -> str:
    part = noise_part(test)
    noise = f"{_PARTS[part]} of the noise {formats.number(part * threshold)}"
    return f"normal variation {formats.number(allowance)} + {noise}"


def about(model: Model) -> list[str]:
    """Description, state, owner, runbook and tags of a version, without those it does not have.

    The runbook is a link only if it is an address of http or https.
    """
    runbook = model.runbook or ""
    facts = {
        "State": escape(_state(model)),
        "Owner": escape(model.owner or ""),
        "Runbook": f"[{escape(runbook)}](<{runbook}>)" if is_link(runbook) else escape(runbook),
        "Tags": escape(", ".join(f"{name}={value}" for name, value in model.tags.items())),
    }
    lines = [f"{name}: {text}" for name, text in facts.items() if text]
    return [escape(model.description), *lines] if model.description else lines


def _state(model: Model) -> str:
    if model.state_since is None:
        return model.state
    since = formats.instant(model.state_since)
    return f"{model.state} since {since}, by {model.state_by}: {model.state_why}"


def finding(feature: Feature) -> str:
    """The figures of a feature in a window, their limits, and the test that decided."""
    return " ".join(filter(None, (_distance(feature), _decision(feature), _quality(feature))))


def _distance(feature: Feature) -> str:
    if feature.statistic is None:
        return "No values in this window."
    distance = f"{labels.distance(feature)} {formats.number(feature.statistic)} from the reference."
    if feature.verdict == "insufficient_data":
        return (
            f"{distance} Too few rows to judge: with {formats.quantity(feature.rows, 'row')}, only"
            f" a distance above {formats.number(feature.detectable)} counts as drift."
        )
    figures = feature.threshold, feature.persistent, feature.allowance
    conditions = limits(distance_test(feature), *figures)
    return " ".join(filter(None, (distance, conditions, _undetectable(feature))))


def _undetectable(feature: Feature) -> str:
    """A distance never exceeds 1."""
    if feature.verdict != "ok" or feature.detectable is None or feature.detectable < 1:
        return ""
    return "No drift can be detected: in the reference itself, windows differ this much."


def _decision(feature: Feature) -> str:
    """The figures of the other tests are those of KS, so their own value is named."""
    detail = "" if feature.detail is None else escape(feature.detail)
    if feature.decided_by == "kuiper":
        return f"Decided by the Kuiper distance, {formats.number(feature.kuiper)}."
    if feature.decided_by == "wilcoxon":
        delta = formats.number(feature.wilcoxon)
        return f"Decided by the rank test: values are {detail} (Cliff's delta {delta})."
    if feature.decided_by == "mood":
        score = formats.number(feature.mood)
        return f"Decided by the spread: values are {detail} (Mood's score {score})."
    return f"Changed most: {detail}." if detail else ""


def _quality(feature: Feature) -> str:
    quality = feature.quality
    if quality is None or quality.severity is None or quality.deviation is None:
        return ""
    return (
        "The proportion of invalid values (missing or of a wrong type) differs from the reference"
        f" by {100 * quality.deviation:.1f} percentage points: {quality.severity}."
    )
