"""The limit of the sustained part of a distance, as ``monitor.statistics.drift_rule`` has it.

A window drifts if both conditions hold::

    distance > threshold    and    persistent > allowance + part * threshold

``threshold`` is what sampling noise explains, ``allowance`` the normal variation of the reference.
``part`` is one half, and three quarters for categories.
"""

from __future__ import annotations

from api.answers import Feature

_HALF = 0.5
_NOISE_PARTS = {"categories": 0.75}


def noise_part(test: str | None) -> float:
    """The part of the sampling noise in the limit of the sustained distance."""
    return _NOISE_PARTS.get(test or "", _HALF)


def sustained_limit(
    test: str | None, threshold: float | None, allowance: float | None
) -> float | None:
    """None without both figures."""
    if threshold is None or allowance is None:
        return None
    return allowance + noise_part(test) * threshold


def distance_test(feature: Feature) -> str:
    """The test whose value is ``statistic``; ``threshold`` and the others are its figures too."""
    return "ks" if feature.kind == "numeric" else "categories"


def feature_sustained_limit(feature: Feature) -> float | None:
    return sustained_limit(distance_test(feature), feature.threshold, feature.allowance)
