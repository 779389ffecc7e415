"""What the API promises, field by field; from here comes what its OpenAPI document says.

What comes from messages may hold more than is described: fields are only ever added, and they are
passed on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Value = Annotated[
    float | None,
    Field(
        description="0 to 1 (`log_loss`, natural, of scores kept 0.00005 from 0 and 1: up to 9.9);"
        " null where it is undefined. Of `log_loss`, `brier` and `calibration_error` the lower is"
        " the better."
    ),
]

Severity = Annotated[str, Field(json_schema_extra={"enum": ["warning", "critical"]})]
Low = Annotated[
    float | None,
    Field(None, description="Lower end of the 95% interval; null with too few labelled panes."),
]
High = Annotated[float | None, Field(None, description="Upper end of the 95% interval.")]
Resolution = Annotated[
    float | None,
    Field(
        None,
        description="The largest error of the value from binning the scores; 0 means exact. Null"
        " for pr_auc, log_loss, brier and calibration_error.",
    ),
]
Coverage = Annotated[
    float | None, Field(None, description="Labelled rows divided by rows; null without rows.")
]


class Answer(BaseModel):
    """Made here."""


class Passed(BaseModel):
    """Passed on from a message."""

    model_config = ConfigDict(extra="allow")


class Page(Answer, Generic[T]):
    """A list, or a part of it."""

    items: list[T]
    next: str | None = Field(description="Pass it as `cursor` for what follows; null at the end.")


class Window(Answer):
    """`[start, end)` of event time."""

    start: datetime
    end: datetime = Field(description="Exclusive.")
    revision: int = Field(
        ge=0, description="How often this part was amended; a larger one replaces a smaller one."
    )
    status: str = Field(
        description="Of data: `closed` (judged), `incomplete` (reaches back before the first row,"
        " decides nothing), `no_data`. Of performance: `provisional` (labels may still come) or"
        " `final`. Of a baseline: `reference`."
    )


class About(Passed):
    """What an answer is about."""

    model: str | None = Field(description="Null while no model is registered.")
    version: str | None = Field(description="Null while no model is registered.")
    window: Window | None = Field(description="Null while there is none.")
    status: Literal["ok", "no_data"] = Field(description="`no_data` while `window` is null.")


class Unseen(Passed):
    """Categories that the reference does not have."""

    rows: int = Field(description="Rows with such a category.")
    values: dict[str, int] = Field(description="The most frequent of them, with their rows.")


class Distribution(Passed):
    """Reference and window in the same bins or categories, to be drawn, not computed with."""

    edges: list[float] | None = Field(
        None, description="Of numbers: the upper ends of the bins, inclusive; the last is open."
    )
    categories: list[str] | None = Field(None, description="Of categories: the most frequent.")
    reference: list[float] = Field(description="The share of each bin in the reference, 0 to 1.")
    window: list[float] = Field(description="The share of each bin in the window, 0 to 1.")
    at: float | None = Field(None, description="Where the two distributions lie furthest apart.")


class FlawedShare(Passed):
    """The share of values that are missing or of a wrong type, against the reference's."""

    deviation: float | None = Field(None, description="By how much it differs, 0 to 1.")
    p_value: float | None = Field(None, description="Exact, as if rows were independent.")
    threshold: float | None = Field(None, description="What sampling noise explains, as above.")
    allowance: float | None = Field(None, description="What the reference strays by.")
    persistent: float | None = Field(None, description="What both halves of the window share.")
    verdict: str = Field(json_schema_extra={"enum": ["ok", "drift", "insufficient_data"]})
    severity: Severity | None = Field(None, description="Of a drift.")


class Feature(Passed):
    """One feature of one window against the reference."""

    name: str
    kind: str = Field(json_schema_extra={"enum": ["numeric", "categorical"]})
    rows: int = Field(description="Rows received (of the errors: labelled rows).")
    missing: int | None = Field(None, description="Of them, without a value.")
    wrong_type: int | None = Field(None, description="Of them, with a value of another type.")
    not_finite: int | None = Field(None, description="Of them, infinite.")
    out_of_range: int | None = Field(None, description="Of them, outside the reference's range.")
    statistic: float | None = Field(
        None,
        description="Of numbers: two-sample Kolmogorov-Smirnov distance, 0 to 1. Of categories: the"
        " largest difference of a share. Null without a value.",
    )
    p_value: float | None = Field(None, description="Of `statistic`, as if rows were independent.")
    significant: bool | None = Field(
        None, description="`p_value` <= `p_value_threshold`; opens no incident."
    )
    threshold: float | None = Field(
        None,
        description="The distance that sampling noise alone exceeds no more often than the budget"
        " of false alarms allows.",
    )
    allowance: float | None = Field(
        None,
        description="What `persistent` may reach beyond half of `threshold`, because the reference"
        " itself strays so far.",
    )
    persistent: float | None = Field(
        None, description="The part of the distance that both halves of the window share."
    )
    kuiper: float | None = Field(
        None,
        description="Kuiper's distance, 0 to 1, from the same counts: it sees what only widens or"
        " narrows. Null for categories.",
    )
    wilcoxon: float | None = Field(
        None,
        description="Size of Cliff's delta, 0 to 1: P(a live value lies above one of the reference)"
        " - P(below). It sees a small shift sooner. Null for categories and constants.",
    )
    mood: float | None = Field(
        None,
        description="Size of the mean of 1 - 6 u (1 - u) over the places u in the reference, less"
        " the reference's own: it sees soon what widens or narrows. Null as above.",
    )
    psi: float | None = Field(
        None, description="Population stability index over at most ten bins of the reference."
    )
    effects: dict[str, Any] | None = Field(
        None,
        description="How large the change is: `psi` with its `psi_noise`, `jensen_shannon`, and of"
        " numbers `wasserstein` (`low`, `high`, `beyond`). None of it decides.",
    )
    verdict: str = Field(
        description="`drift` if of a test the value exceeds `threshold`, and `persistent` less half"
        " of it exceeds `allowance`; `insufficient_data` says nothing either way. Numbers have four"
        " tests, KS, Kuiper, Wilcoxon and Mood, and the figures beside are those of KS.",
        json_schema_extra={"enum": ["ok", "drift", "insufficient_data"]},
    )
    severity: Severity | None = Field(None, description="Of a drift.")
    decided_by: str | None = Field(
        None,
        description="The gravest of the tests that found a drift; null without one.",
        json_schema_extra={"enum": ["ks", "kuiper", "wilcoxon", "mood", "categories"]},
    )
    detectable: float | None = Field(
        None, description="The smallest distance that so many rows could have shown."
    )
    detail: str | None = Field(None, description="Of a drift: which category, and how it moved.")
    quality: FlawedShare | None = Field(
        None, description="The share of missing and wrongly typed values, as a test of its own."
    )
    unseen: Unseen | None = Field(None, description="Null for numbers.")
    distribution: Distribution | None = Field(None, description="Null without a value.")


class Metric(Passed):
    """One metric of a window, with its interval, beside its baseline."""

    value: Value
    low: Low
    high: High
    baseline: float | None = Field(None, description="The metric on the reference.")
    resolution: Resolution
    threshold: float | None = Field(
        None,
        description="Below it, by more than it strays, the metric counts as degraded; null where it"
        " is shown and not judged.",
    )
    severity: Severity | None = Field(None, description="Null while it is not degraded.")


class BaselineMetric(Passed):
    """One metric on the reference."""

    value: Value
    low: Low
    high: High
    resolution: Resolution


class Measured(Passed):
    """How well a window was predicted, as far as its labels tell."""

    rows: int | None = Field(None, description="Predictions; null while there is no window.")
    labels: int | None = Field(None, description="Those whose label is known.")
    coverage: Coverage
    metrics: dict[str, Metric] = Field(
        {},
        description="Judged: `accuracy`, `precision`, `recall`, `f1`, `roc_auc`. Shown beside them:"
        " `balanced_accuracy`, `pr_auc` (average precision), `log_loss`, `brier`,"
        " `calibration_error` (expected, over ten bins of width 0.1).",
    )


class Placed(Passed):
    model: str
    version: str
    window: Window


class HistoryItem(Measured, Placed):
    """A window's performance."""


class LatestMetrics(Measured, About):
    """The newest final window, and beside it what is known of the newest one after it."""

    provisional: HistoryItem | None = Field(
        description="The newest window after it whose labels may still come; its metrics are no"
        " fair sample yet."
    )


class Baseline(About):
    """How the model did on its reference. `window` is the span of the reference."""

    rows: int | None = Field(None, description="Rows of the reference.")
    threshold: float | None = Field(
        None, description="A score at or above it predicts the positive class."
    )
    metrics: dict[str, BaselineMetric] = Field({}, description="Empty if it had no labels.")


class DataPart(Passed):
    rows: int | None = Field(None, description="Predictions; null while there is no window.")
    unknown_features: dict[str, int] = Field(
        {}, description="Features that the reference lacks, with the rows that had them."
    )
    features: list[Feature] = []


class DataDrift(DataPart, About):
    """Every feature of a window against the reference."""


class Estimate(Passed):
    """A number that was not counted, with its 95% interval."""

    value: float | None = Field(description="Null where it is undefined.")
    low: float | None = Field(
        None, description="Lower end of the interval; null with too short a reference."
    )
    high: float | None = Field(None, description="Upper end of the interval.")


class Detector(Passed):
    """ADWIN or Page-Hinkley, on the error rates of final windows side by side."""

    name: str = Field(description="`adwin` or `page_hinkley`.")
    drifting: bool = Field(description="Whether it called out in the newest of these windows.")
    detected_at: datetime | None = Field(
        None, description="End of the window in which it last did; null if it never did."
    )


class ConceptPart(Passed):
    prediction: Feature | None = Field(None, description="The score, as one feature.")
    errors: Feature | None = Field(
        None, description="|label - score| of labelled rows, as one feature; null without labels."
    )
    expected: dict[str, Estimate] | None = Field(
        None,
        description="Metrics as the scores alone let expect them, if they mean what they meant in"
        " the reference (CBPE), with the 95% interval of where the labels should put them; null"
        " without a reference with labels.",
    )
    realised: dict[str, float | None] | None = Field(
        None, description="Each metric as the labels have it; null without labels."
    )
    difference: dict[str, Estimate] | None = Field(
        None,
        description="Realised less expected on the same labelled rows, -1 to 1. An interval without"
        " 0: the scores no longer mean what they meant. Null without labels.",
    )
    detectors: list[Detector] = Field(
        [], description="They inform, and open no incident. Of final windows alone."
    )


class ConceptDrift(ConceptPart, About):
    """What became of the scores, and of what they mean."""

    performance_status: str | None = Field(
        None, description="Whether the labels behind `errors` and `realised` are `final`."
    )


class DataOfWindow(DataPart):
    revision: int = Field(ge=0, description="Of this part.")
    status: str = Field(description="`closed`, `incomplete` or `no_data`.")


class PerformanceOfWindow(Measured):
    revision: int = Field(ge=0, description="Of this part.")
    status: str = Field(description="`provisional` or `final`.")


class WindowItem(Answer):
    """A window with all its parts, as on the topic `windows`."""

    model: str
    version: str
    window: Window = Field(description="Its revision is that of the whole, its status the data's.")
    data: DataOfWindow
    concept: ConceptPart | None
    performance: PerformanceOfWindow | None


class Incident(Answer):
    """Something that was found, in its latest state."""

    id: str
    model: str
    version: str
    kind: str = Field(description="What `subject` begins with: `data`, `concept`, …")
    subject: str = Field(description="What it is about, like `data/temp` or `performance/recall`.")
    severity: Severity
    state: str = Field(json_schema_extra={"enum": ["open", "resolved"]})
    opened_at: datetime = Field(description="End of the window that opened it, event time.")
    updated_at: datetime = Field(description="End of the window that changed it last.")
    resolved_at: datetime | None = Field(description="Null while it is open.")
    window: dict[str, Any] | None = Field(description="`start` and `end` of what changed it last.")
    evidence: dict[str, Any] = Field(
        description="`statistic`, its `value`, `severity`, and what it had to exceed; what does not"
        " belong to this kind of incident is left out. `also`: other subjects that it stands for."
    )
    message: str = Field(description="The same in one sentence.")


class IncidentHistory(Incident):
    transitions: list[dict[str, Any]] = Field(
        description="Its CloudEvents as on the topic `alerts`, oldest first."
    )


class FeatureKind(Passed):
    name: str
    kind: str = Field(json_schema_extra={"enum": ["numeric", "categorical"]})


class Model(Answer):
    """A model version that is watched."""

    model: str
    version: str
    registered_at: datetime = Field(description="Wall-clock.")
    features: list[FeatureKind]
    threshold: float = Field(description="A score at or above it predicts the positive class.")
    pane_ms: int = Field(description="The stretch of event time that windows are made of.")
    rows: int = Field(description="Rows of the reference.")
    labelled: bool = Field(description="Whether the reference has labels.")
    reference_start: datetime = Field(description="Event time of the first pane of the reference.")
    reference_end: datetime = Field(description="Exclusive.")
    label_delay_ms: dict[str, int] = Field(
        description="Quantiles (`p50`, `p90`, `p99`) of how long its labels took."
    )


class Reason(Passed):
    """One condition of the policy."""

    condition: str
    required: Any = Field(None, description="What the policy asks for.")
    actual: Any = Field(None, description="What there was.")
    met: bool


class Retraining(About):
    """The newest decision about retraining. `window` is null where it is about no one window."""

    status: Literal["ok", "no_data"] = Field(description="`no_data` while nothing was decided.")
    decision: str = Field(
        "none",
        description="`none` while nothing was decided.",
        json_schema_extra={"enum": ["retrain", "wait", "none"]},
    )
    reasons: list[Reason] = []
    decided_at: datetime | None = Field(None, description="Event time; null with `none`.")
