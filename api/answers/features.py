"""One feature of a window compared with the reference."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.answers.fields import Kind, PassThrough, Severity, Verdict


class UnseenCategories(PassThrough):
    """Categories that do not occur in the reference."""

    rows: int = Field(description="Rows with such a category.")
    values: dict[str, int] = Field(description="The most frequent ones, with their rows.")


class Distribution(PassThrough):
    """Reference and window in the same bins or categories. For charts, not for calculations."""

    edges: list[float] | None = Field(
        None,
        description="Numeric features: upper ends of the bins, inclusive. The last bin has no"
        " upper end.",
    )
    categories: list[str] | None = Field(
        None, description="Categorical features: the most frequent categories."
    )
    reference: list[float] = Field(
        description="Proportion of each bin or category in the reference, 0 to 1."
    )
    window: list[float] = Field(
        description="Proportion of each bin or category in the window, 0 to 1."
    )
    at: float | None = Field(
        None, description="The value at which the two distribution functions differ most."
    )
    reference_median: float | None = Field(
        None, description="Numeric features: the value at or just below the middle row."
    )
    window_median: float | None = Field(
        None, description="The same of the window, as a value of the reference."
    )


class DataQuality(PassThrough):
    """The proportion of invalid values (missing or of a wrong type), tested on its own."""

    deviation: float | None = Field(
        None, description="Absolute difference from the proportion in the reference, 0 to 1."
    )
    p_value: float | None = Field(
        None, description="Exact p-value of `deviation`, assuming independent rows."
    )
    threshold: float | None = Field(
        None, description="Limit for sampling noise, as for the distance of a feature."
    )
    allowance: float | None = Field(None, description="Natural variation within the reference.")
    persistent: float | None = Field(
        None, description="The part of `deviation` that is present in both halves of the window."
    )
    verdict: Verdict
    severity: Severity | None = Field(None, description="Null if there is no drift.")


class Feature(PassThrough):
    """One feature of one window compared with the reference."""

    name: str
    kind: Kind
    rows: int = Field(description="Rows received; for `errors`, labelled rows.")
    missing: int | None = Field(None, description="Rows without a value.")
    wrong_type: int | None = Field(None, description="Rows with a value of another type.")
    not_finite: int | None = Field(None, description="Rows with an infinite value.")
    out_of_range: int | None = Field(
        None, description="Rows with a value outside the range of the reference."
    )
    statistic: float | None = Field(
        None,
        description="Numeric features: two-sample Kolmogorov-Smirnov distance, 0 to 1. Categorical"
        " features: the largest difference of a category's proportion. Null without values.",
    )
    p_value: float | None = Field(
        None, description="p-value of `statistic`, assuming independent rows."
    )
    significant: bool | None = Field(
        None, description="Whether `p_value` <= `p_value_threshold`. Does not open an incident."
    )
    threshold: float | None = Field(
        None,
        description="The distance that sampling noise alone exceeds no more often than the budget"
        " of false alarms allows.",
    )
    allowance: float | None = Field(
        None,
        description="How far `persistent` may exceed half of `threshold`: the natural variation"
        " within the reference.",
    )
    persistent: float | None = Field(
        None, description="The part of the distance that is present in both halves of the window."
    )
    kuiper: float | None = Field(
        None,
        description="Kuiper's distance, 0 to 1, from the same counts. Sensitive to a change of"
        " spread. Null for categorical features.",
    )
    wilcoxon: float | None = Field(
        None,
        description="Absolute value of Cliff's delta, 0 to 1: P(a value of the window is larger"
        " than one of the reference) - P(it is smaller). Sensitive to a small shift. Null for"
        " categorical and constant features.",
    )
    mood: float | None = Field(
        None,
        description="Absolute value of the mean of 1 - 6 u (1 - u), where u is a value's rank in"
        " the reference (0 to 1), minus the same mean of the reference. Sensitive to a change of"
        " spread. Null for categorical and constant features.",
    )
    psi: float | None = Field(
        None,
        description="Population stability index over at most ten bins of the reference.",
    )
    effects: dict[str, Any] | None = Field(
        None,
        description="Measures of the size of the change: `psi` with its `psi_noise`,"
        " `jensen_shannon`, and for numeric features `wasserstein` (`low`, `high`, `beyond`). They"
        " have no influence on the verdict.",
    )
    verdict: Verdict = Field(
        description="`drift` if the value of at least one test exceeds its `threshold`, and its"
        " `persistent` minus half of the threshold exceeds its `allowance`. `insufficient_data` if"
        " there are too few values to decide, `cannot_judge` if the reference itself varies over"
        " its whole range. Numeric features have four tests: KS, Kuiper,"
        " Wilcoxon and Mood; the other fields of this object are those of KS."
    )
    severity: Severity | None = Field(None, description="Null if there is no drift.")
    decided_by: str | None = Field(
        None,
        description="The most severe test among those that detected a drift; null if there is no"
        " drift.",
        json_schema_extra={"enum": ["ks", "kuiper", "wilcoxon", "mood", "categories"]},
    )
    detectable: float | None = Field(
        None, description="The smallest distance that is detectable with this number of rows."
    )
    detail: str | None = Field(
        None, description="Categorical drift: which category changed, and how."
    )
    quality: DataQuality | None = Field(
        None, description="The test of the proportion of missing values and wrong types."
    )
    unseen: UnseenCategories | None = Field(None, description="Null for numeric features.")
    distribution: Distribution | None = Field(None, description="Null if there are no values.")
