"""Metrics of a model: of a window, over time, and on the reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.answers.fields import PassThrough, Severity, VersionScope, WindowKey, WindowScope

Value = Annotated[
    float | None,
    Field(
        description="Of a classifier 0 to 1; `log_loss` (natural logarithm, scores clipped to"
        " 0.00005 and 0.99995) up to 9.9, of several classes up to 36.1. Null if"
        " undefined. For `log_loss`, `brier`, `calibration_error` and the errors of a regression"
        " lower is better."
    ),
]
Low = Annotated[
    float | None,
    Field(
        None,
        description="Lower end of the 95% confidence interval; null with too few labelled panes.",
    ),
]
High = Annotated[float | None, Field(None, description="Upper end of the 95% confidence interval.")]
Resolution = Annotated[
    float | None,
    Field(
        None,
        description="Upper bound of the error caused by binning or rounding; 0: exact. Null for"
        " `pr_auc`, `log_loss` of two classes, `brier`, `calibration_error` and `r2`.",
    ),
]
Coverage = Annotated[
    float | None, Field(None, description="Labelled rows divided by rows; null without rows.")
]


class Metric(PassThrough):
    """A metric of a window with its confidence interval and its baseline."""

    value: Value
    low: Low
    high: High
    baseline: float | None = Field(None, description="The metric on the reference.")
    resolution: Resolution
    threshold: float | None = Field(
        None,
        description="The metric is degraded if it is below this value by more than its natural"
        " variation. Null for metrics that are not evaluated.",
    )
    severity: Severity | None = Field(None, description="Null if the metric is not degraded.")


class BaselineMetric(PassThrough):
    """A metric on the reference."""

    value: Value
    low: Low
    high: High
    resolution: Resolution


class Performance(PassThrough):
    """Metrics of a window, computed from the labels known so far."""

    rows: int | None = Field(None, description="Predictions; null if there is no window.")
    labels: int | None = Field(None, description="Predictions whose label is known.")
    coverage: Coverage
    metrics: dict[str, Metric] = Field(
        {},
        description="Those of the task of the model. Binary, evaluated: `accuracy`, `precision`,"
        " `recall`, `f1`, `roc_auc`; informative: `balanced_accuracy`, `pr_auc` (average"
        " precision), `log_loss`, `brier`, `calibration_error` (expected calibration error over ten"
        " bins of width 0.1). Regression, evaluated: `mae`, `rmse`; informative: `bias` (mean of"
        " prediction - label), `r2`, `median_absolute_error`, `mape` (of labels that are not near"
        " zero), `clipped` (the proportion of labelled rows beyond the range of the sums)."
        " Multiclass, evaluated: `accuracy`, `balanced_accuracy`, `log_loss`; informative:"
        " `macro_precision`, `macro_recall`, `macro_f1`, `roc_auc` (means over classes, each"
        " against all others), and of each class `precision/<class>`, `recall/<class>`,"
        " `f1/<class>`, `roc_auc/<class>`.",
    )


class HistoryItem(Performance, WindowKey):
    """The performance of one window."""


class LatestMetrics(Performance, WindowScope):
    """The performance of the newest final window."""

    provisional: HistoryItem | None = Field(
        description="The newest later window whose labels may still arrive. Labels that arrive"
        " early are not a representative sample."
    )


class Baseline(VersionScope):
    """The performance on the reference. `window` is the time range of the reference."""

    rows: int | None = Field(None, description="Rows of the reference.")
    threshold: float | None = Field(
        None, description="A score at or above it predicts the positive class."
    )
    metrics: dict[str, BaselineMetric] = Field(
        {}, description="Empty if the reference has no labels."
    )
