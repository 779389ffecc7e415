"""The message of the topic ``windows``: one revision of a window of a model version or segment.

Described in ``docs/messages.md``; made from findings by ``consumers.messages.window_message``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from consumers.messages.names import Count, Enumerated, Name, Segment
from consumers.messages.reading import decode_json
from consumers.messages.records import Record
from consumers.messages.times import milliseconds


class WassersteinEffect(Struct, frozen=True, kw_only=True):
    """The distance in standard deviations of the reference lies between ``low`` and ``high``."""

    low: float
    high: float
    beyond: float  # proportion of rows outside the reference's values


class EffectSizes(Struct, frozen=True, kw_only=True):
    psi: float
    psi_noise: float
    jensen_shannon: float
    wasserstein: WassersteinEffect | None  # of numbers


class DataQuality(Struct, frozen=True, kw_only=True):
    """The test of the proportion of missing and wrongly typed values."""

    deviation: float | None
    p_value: float | None
    threshold: float | None
    allowance: float | None
    persistent: float | None
    verdict: Enumerated  # Verdict
    severity: Enumerated | None  # Severity


class UnseenCategories(Struct, frozen=True, kw_only=True):
    rows: int
    values: Mapping[str, int]  # the most frequent


class DistributionBins(Struct, frozen=True, kw_only=True):
    """Proportions in bins or categories, for drawing; fields of the other kind are absent."""

    edges: list[float] | UnsetType = UNSET
    categories: list[str] | UnsetType = UNSET
    reference: list[float]
    window: list[float]
    at: float | UnsetType | None = UNSET
    reference_median: float | UnsetType | None = UNSET
    window_median: float | UnsetType | None = UNSET


class FeatureResult(Struct, frozen=True, kw_only=True):
    """One feature, the score or the errors of a window against the reference."""

    name: str
    kind: str  # ``numeric`` or ``categorical``
    rows: int
    missing: int
    wrong_type: int
    not_finite: int
    out_of_range: int
    statistic: float | None
    p_value: float | None
    significant: bool
    threshold: float | None
    allowance: float | None
    persistent: float | None
    kuiper: float | None
    wilcoxon: float | None
    mood: float | None
    psi: float | None
    effects: EffectSizes | None
    verdict: Enumerated  # Verdict
    severity: Enumerated | None  # Severity
    decided_by: str | None
    detectable: float | None
    detail: str | None
    quality: DataQuality | None = None
    unseen: UnseenCategories | None
    distribution: DistributionBins | None = None


class EstimateResult(Struct, frozen=True, kw_only=True):
    value: float | None
    low: float | None
    high: float | None


class DetectorResult(Struct, frozen=True, kw_only=True):
    name: str
    drifting: bool
    detected_at: str | None


class MetricResult(Struct, frozen=True, kw_only=True):
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    resolution: float | None
    threshold: float | None
    severity: Enumerated | None  # Severity


class DataPart(Struct, frozen=True, kw_only=True):
    revision: Count
    status: Enumerated  # WindowStatus
    rows: int
    unknown_features: Mapping[str, int]
    features: list[FeatureResult]


class ConceptPart(Struct, frozen=True, kw_only=True):
    prediction: FeatureResult | None  # None: the model puts nothing out
    errors: FeatureResult | None
    further: list[FeatureResult] = []  # further outputs and errors
    expected: Mapping[str, EstimateResult] | None
    realised: Mapping[str, float | None] | None
    difference: Mapping[str, EstimateResult] | None
    detectors: list[DetectorResult]


class PerformancePart(Struct, frozen=True, kw_only=True):
    revision: Count
    status: Enumerated  # Maturity
    rows: int
    labels: int
    coverage: float | None
    metrics: Mapping[str, MetricResult]


class WindowMessage(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    model: Name
    version: Name
    segment: Segment = ""  # the whole
    life: Count = 0  # number of the life of the version, see ``versions``
    revision: Count
    start: str  # event time
    end: str  # exclusive
    data: DataPart
    concept: ConceptPart
    performance: PerformancePart
    plan: str | None = None  # hash of the settings by which it was judged, as in heartbeats

    def __post_init__(self) -> None:
        milliseconds(self.start)
        milliseconds(self.end)

    @property
    def start_ms(self) -> int:
        return milliseconds(self.start)

    @property
    def end_ms(self) -> int:
        return milliseconds(self.end)

    @property
    def key(self) -> bytes:
        """``model/version/start/end``, and ``/segment`` if it is not the whole."""
        parts = [self.model, self.version, self.start, self.end, self.segment]
        return "/".join(parts if self.segment else parts[:-1]).encode()


def decode_window(record: Record) -> WindowMessage:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(record.value, WindowMessage)
