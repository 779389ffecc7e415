"""Data drift and concept drift of one window."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.answers.features import Feature
from api.answers.fields import PassThrough, WindowKey, WindowScope


class DataPart(PassThrough):
    rows: int | None = Field(None, description="Predictions; null if there is no window.")
    unknown_features: dict[str, int] = Field(
        {}, description="Features that are not in the reference, with the rows that have them."
    )
    features: list[Feature] = Field([])


class DataDrift(DataPart, WindowScope):
    """All features of a window compared with the reference."""


class FeatureHistoryItem(Feature, WindowKey):
    """A feature in one window."""


class Estimate(PassThrough):
    """An estimate with its 95% confidence interval."""

    value: float | None = Field(description="Null if undefined.")
    low: float | None = Field(
        None, description="Lower end of the interval; null if the reference is too short."
    )
    high: float | None = Field(None, description="Upper end of the interval.")


class Detector(PassThrough):
    """A change detector of the library river."""

    name: str = Field(description="`adwin` or `page_hinkley`.")
    drifting: bool = Field(description="Whether there is a detection within the window.")
    detected_at: datetime | None = Field(
        None, description="End of the pane of the newest detection; null if there is none."
    )


class ConceptPart(PassThrough):
    prediction: Feature | None = Field(
        None,
        description="The scores, the predicted numbers of a regression, or the predicted classes"
        " of several, compared like a feature; null if the model puts nothing out.",
    )
    errors: Feature | None = Field(
        None,
        description="|label - score| of labelled rows, |prediction - label| of a regression, or 1"
        " minus the probability of the label of several classes (0 or 1 without probabilities),"
        " compared like a feature; null without labels.",
    )
    further: list[Feature] = Field(
        [],
        description="Further outputs and errors of the task, compared like a feature: the"
        " `residual` (prediction - label) of a regression, the `score` (largest probability) of"
        " several classes.",
    )
    expected: dict[str, Estimate] | None = Field(
        None,
        description="Metrics estimated without labels, with a 95% prediction interval for the"
        " realised values. Binary: from the scores (CBPE), if they are calibrated as in the"
        " reference. Regression: `mae`, if predictions err as in the reference. Multiclass:"
        " `accuracy`, if probabilities are calibrated as in the reference. Null if the"
        " reference has no labels.",
    )
    realised: dict[str, float | None] | None = Field(
        None, description="Metrics computed from the labels; null without labels."
    )
    difference: dict[str, Estimate] | None = Field(
        None,
        description="`realised` minus `expected` on the same labelled rows. If the interval"
        " excludes 0, scores or predictions no longer mean the same. Null without labels.",
    )
    detectors: list[Detector] = Field(
        [],
        description="Change detectors on the mean errors of final panes. Informative: they open"
        " no incidents.",
    )


class ConceptDrift(ConceptPart, WindowScope):
    """The scores of a window, its errors, and expected and realised metrics."""

    performance_status: str | None = Field(
        None, description="`provisional` or `final`: status of the labels of this window."
    )
