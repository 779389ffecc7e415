"""Sentences about features and their tests, in Markdown. Every figure stands beside its limit."""

from __future__ import annotations

import re

from api.answers import Distribution, Feature, Model
from consumers.messages.limit_sentences import distance_limits, figure, proportion_limits
from dashboard import formats, labels
from dashboard.limits import distance_test
from producers.contract.version_info import is_link

NO_WINDOWS = (
    "No windows yet. Start the simulator (`driftline simulate`) or your own service, and the roles"
    " (`driftline consume`). A window appears here as soon as it closes."
)
CANNOT_JUDGE = (
    "Cannot judge: the reference itself varies this much. Longer windows, a longer reference or one"
    " of the same season would help."
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:])")
EXACT_TESTS = ("missing", "coverage", "categories")


def escape(text: object) -> str:
    """Text that Markdown shows as it is. Apply it once, to text that others wrote."""
    return _MARKDOWN.sub(r"\\\1", str(text))


def figures(  # noqa: PLR0913 - the figures of a test
    name: str,
    test: str | None,
    value: float | None,
    threshold: float | None,
    persistent: float | None,
    allowance: float | None,
    p_value: float | None = None,
) -> str:
    """A deviation beside the limits that decided, in the words of alerts."""
    if test in EXACT_TESTS:
        shown = figure(value)
        limits = proportion_limits(test, p_value, threshold, persistent, allowance)
    else:
        shown, limits = distance_limits(value, threshold, persistent, allowance)
    return f"{name} {shown}. {escape(limits)}".strip()


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
    test = distance_test(feature)
    name, value = labels.SHORT_TESTS[test], formats.number(feature.statistic)
    if labels.cannot_judge(feature):
        return f"{name} {value}. {CANNOT_JUDGE}"
    if feature.verdict == "insufficient_data":
        return (
            f"{name} {value}. Too few rows to judge: with {formats.quantity(feature.rows, 'row')},"
            f" only a distance above {formats.number(feature.detectable)} counts as drift."
        )
    limits = feature.threshold, feature.persistent, feature.allowance
    sentence = figures(name, test, feature.statistic, *limits, feature.p_value)
    return f"{sentence}{medians(feature.distribution)}"


def medians(distribution: Distribution | None) -> str:
    """Empty without them: for categories, and in messages of older releases."""
    if distribution is None or distribution.window_median is None:
        return ""
    now, before = distribution.window_median, distribution.reference_median
    return f" Median {now:,.4g}, in the reference {before:,.4g}."


def _decision(feature: Feature) -> str:
    """The figures of the other tests are those of KS, so their own value is named."""
    detail = "" if feature.detail is None else escape(feature.detail)
    if feature.decided_by == "kuiper":
        return f"Decided by Kuiper, {formats.number(feature.kuiper)}."
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
