"""From the finding of a window to its message."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import UNSET

from consumers.messages.reading import SCHEMA
from consumers.messages.times import optional_rfc3339, rfc3339
from consumers.messages.windows import (
    ConceptPart,
    DataPart,
    DataQuality,
    DetectorResult,
    DistributionBins,
    EffectSizes,
    EstimateResult,
    FeatureResult,
    MetricResult,
    PerformancePart,
    UnseenCategories,
    WassersteinEffect,
    WindowMessage,
)
from monitor.counts.measured import Estimate, Expected
from monitor.performance.adwin_page_hinkley import Detector
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.effect_sizes import Effects
from monitor.statistics.histograms import Distribution
from monitor.windows.findings import (
    DataFinding,
    FeatureFinding,
    MetricFinding,
    PerformanceFinding,
    WindowFinding,
)

DIGITS = 5  # of proportions that are only drawn


def window_message(
    finding: WindowFinding, p_value_threshold: float, plan: str | None = None
) -> WindowMessage:
    """``plan`` is the hash of the settings by which the window was judged."""
    return WindowMessage(
        schema=SCHEMA,
        model=finding.key.model,
        version=finding.key.version,
        segment=finding.key.segment,
        life=finding.life,
        revision=finding.revision,
        start=rfc3339(finding.start_ms),
        end=rfc3339(finding.end_ms),
        data=_data(finding.data, p_value_threshold),
        concept=_concept(finding, p_value_threshold),
        performance=_performance(finding.performance),
        plan=plan,
    )


def finite(value: float | None) -> float | None:
    """JSON has neither NaN nor infinities."""
    return value if value is not None and math.isfinite(value) else None


def _data(data: DataFinding, p_value_threshold: float) -> DataPart:
    return DataPart(
        revision=data.revision,
        status=data.status,
        rows=data.rows,
        unknown_features=dict(data.unknown),
        features=[_feature(feature, p_value_threshold) for feature in data.features],
    )


def _concept(finding: WindowFinding, p_value_threshold: float) -> ConceptPart:
    performance = finding.performance
    outputs, errors = (
        [_feature(one, p_value_threshold) for one in findings]
        for findings in (finding.data.outputs, finding.data.errors)
    )
    expected = performance.expected or {}
    return ConceptPart(
        prediction=outputs[0] if outputs else None,
        errors=errors[0] if errors else None,
        further=[*outputs[1:], *errors[1:]],
        expected={name: _estimate(metric) for name, metric in expected.items()} or None,
        realised=_realised(performance),
        difference=_difference(performance.labels, expected),
        detectors=[_detector(detector) for detector in finding.detectors],
    )


def _realised(performance: PerformanceFinding) -> dict[str, float | None] | None:
    if not performance.labels:
        return None
    return {name: finite(metric.metric.value) for name, metric in performance.metrics.items()}


def _difference(labels: int, expected: Mapping[str, Expected]) -> dict[str, EstimateResult] | None:
    if not labels or not expected:
        return None
    return {name: _estimate(metric.difference) for name, metric in expected.items()}


def _estimate(estimate: Expected | Estimate) -> EstimateResult:
    return EstimateResult(
        value=finite(estimate.value), low=finite(estimate.low), high=finite(estimate.high)
    )


def _detector(detector: Detector) -> DetectorResult:
    return DetectorResult(
        name=detector.name, drifting=detector.drifting, detected_at=optional_rfc3339(detector.at)
    )


def _feature(feature: FeatureFinding, p_value_threshold: float) -> FeatureResult:
    """The figures of a number are those of KS, whichever test decided."""
    most_severe = feature.most_severe
    shown = feature.test("ks") or most_severe
    decisive = None if most_severe is None or most_severe.severity is None else most_severe
    p_value = None if shown is None else shown.p_value
    return FeatureResult(
        name=feature.name,
        kind=feature.kind,
        rows=feature.rows,
        missing=feature.missing,
        wrong_type=feature.wrong_type,
        not_finite=feature.not_finite,
        out_of_range=feature.out_of_range,
        statistic=None if shown is None else shown.value,
        p_value=p_value,
        significant=p_value is not None and p_value <= p_value_threshold,
        threshold=None if shown is None else shown.threshold,
        allowance=None if shown is None else min(shown.allowance, 1.0),
        persistent=None if shown is None else shown.persistent,
        kuiper=_value(feature.test("kuiper")),
        wilcoxon=_value(feature.test("wilcoxon")),
        mood=_value(feature.test("mood")),
        psi=None if feature.effects is None else feature.effects.psi,
        effects=None if feature.effects is None else _effects(feature.effects),
        verdict=feature.verdict,
        severity=feature.severity,
        decided_by=None if decisive is None else decisive.test,
        detectable=None if shown is None else min(shown.detectable, 1.0),
        detail=None if decisive is None else decisive.detail,
        quality=None if feature.quality is None else _quality(feature.quality),
        unseen=_unseen(feature),
        distribution=distribution_bins(feature.distribution),
    )


def _value(test: Comparison | None) -> float | None:
    return None if test is None else test.value


def _unseen(feature: FeatureFinding) -> UnseenCategories | None:
    if feature.unseen is None:
        return None
    return UnseenCategories(rows=feature.unseen_rows, values=dict(feature.unseen))


def _effects(effects: Effects) -> EffectSizes:
    distance = effects.wasserstein
    return EffectSizes(
        psi=effects.psi,
        psi_noise=effects.psi_noise,
        jensen_shannon=effects.jensen_shannon,
        wasserstein=None
        if distance is None
        else WassersteinEffect(low=distance.lower, high=distance.upper, beyond=distance.beyond),
    )


def _quality(test: Comparison) -> DataQuality:
    return DataQuality(
        deviation=test.value,
        p_value=test.p_value,
        threshold=test.threshold,
        allowance=min(test.allowance, 1.0),
        persistent=test.persistent,
        verdict=test.verdict,
        severity=test.severity,
    )


def distribution_bins(distribution: Distribution | None) -> DistributionBins | None:
    if distribution is None:
        return None
    categorical = bool(distribution.categories)
    return DistributionBins(
        edges=UNSET if categorical else list(distribution.edges),
        categories=list(distribution.categories) if categorical else UNSET,
        reference=_rounded(distribution.reference),
        window=_rounded(distribution.window),
        at=UNSET if categorical else distribution.at,
        reference_median=UNSET if categorical else distribution.reference_median,
        window_median=UNSET if categorical else distribution.window_median,
    )


def _rounded(proportions: Sequence[float]) -> list[float]:
    return [round(proportion, DIGITS) for proportion in proportions]


def _performance(performance: PerformanceFinding) -> PerformancePart:
    rows, labels = performance.rows, performance.labels
    return PerformancePart(
        revision=performance.revision,
        status=performance.status,
        rows=rows,
        labels=labels,
        coverage=labels / rows if rows else None,
        metrics={name: _metric(metric) for name, metric in performance.metrics.items()},
    )


def _metric(finding: MetricFinding) -> MetricResult:
    low, high = finding.metric.interval()
    return MetricResult(
        value=finite(finding.metric.value),
        low=finite(low),
        high=finite(high),
        baseline=finite(finding.baseline.value),
        resolution=finding.metric.resolution,
        threshold=finite(finding.threshold),
        severity=finding.severity,
    )
