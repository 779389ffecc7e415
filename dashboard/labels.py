"""Names of metrics, tests and verdicts. Every state has a symbol beside its colour."""

from __future__ import annotations

from api.answers import Feature
from dashboard.limits import distance_test

METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "macro_precision": "Precision, mean of classes",
    "macro_recall": "Recall, mean of classes",
    "macro_f1": "F1, mean of classes",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "bias": "Bias",
    "r2": "R²",
    "median_absolute_error": "Median absolute error",
    "mape": "Mean absolute percentage error",
    "clipped": "Clipped rows",
}
# Those of them that are drawn, of the tasks that have them.
DRAWN = (
    *("accuracy", "precision", "recall", "roc_auc", "mae", "rmse", "bias", "r2"),
    *("balanced_accuracy", "macro_f1", "log_loss"),
)


def metric(name: str) -> str:
    """Of a single class: ``recall/late``."""
    of, separator, of_class = name.partition("/")
    return f"{METRICS.get(of, of)}{f': {of_class}' if separator else ''}"


# What the value of a test measures; the keys are those of ``decided_by``.
TESTS = {
    "ks": "KS distance",
    "kuiper": "Kuiper distance",
    "wilcoxon": "Cliff's delta",
    "mood": "Mood's score",
    "categories": "Largest change of a proportion",
    "missing": "Change of the proportion of invalid values",
    "coverage": "Change of the proportion without a label",
}
UNKNOWN_TEST = "Distance"
SHORT_TESTS = {**TESTS, "ks": "KS", "kuiper": "Kuiper"}  # in sentences

SYMBOLS = {"critical": "◆", "warning": "▲", "good": "✔", "unknown": "?"}
NO_DRIFT = "✔ no drift"
WARNING = "▲ drift, warning"
CRITICAL = "◆ drift, critical"
TOO_FEW_ROWS = "✚ too few rows"
NOT_TESTED = "○ not tested"
NOT_JUDGED = "… not judged"
CANNOT_JUDGE = "▨ cannot judge"
NO_ROWS = "□ no rows"

FINAL = "● final"
PROVISIONAL = "▽ provisional"
DEGRADED = {"warning": "▲ degraded, warning", "critical": "◆ degraded, critical"}
NOT_DEGRADED = "✔ not degraded"


def degraded(severity: str) -> str:
    return DEGRADED.get(severity, f"? degraded, {severity}")


def verdict(feature: Feature) -> str:
    """A verdict that this release does not know is shown as it is."""
    if feature.verdict == "drift":
        return CRITICAL if feature.severity == "critical" else WARNING
    if feature.verdict == "insufficient_data":
        return TOO_FEW_ROWS
    if cannot_judge(feature):
        return CANNOT_JUDGE
    if feature.verdict != "ok":
        return f"? {feature.verdict}"
    return NOT_TESTED if feature.statistic is None else NO_DRIFT


def cannot_judge(feature: Feature) -> bool:
    """No distance could be reported. Earlier releases gave such windows the verdict ``ok``."""
    detectable = feature.detectable or 0.0
    return feature.verdict == "cannot_judge" or (feature.verdict == "ok" and detectable >= 1)


def distance(feature: Feature) -> str:
    """What ``statistic`` measures."""
    return TESTS[distance_test(feature)]
