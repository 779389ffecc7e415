"""How far a feature lies beyond its limits. The limits are those of the drift rule."""

from __future__ import annotations

from api.answers import Feature
from consumers.messages.limit_sentences import sustained_limit


def distance_test(feature: Feature) -> str:
    """The test whose value is ``statistic``; ``threshold`` and the others are its figures too."""
    return "ks" if feature.kind == "numeric" else "categories"


def feature_sustained_limit(feature: Feature) -> float | None:
    return sustained_limit(distance_test(feature), feature.threshold, feature.allowance)


def excess(feature: Feature) -> float:
    """The distance as a multiple of its limits: beyond 1 both conditions of drift hold.

    0 without figures. Another test may find drift below 1.
    """
    limit = feature_sustained_limit(feature)
    if not limit or not feature.threshold or feature.statistic is None:
        return 0.0
    persistent = feature.statistic if feature.persistent is None else feature.persistent
    return min(feature.statistic / feature.threshold, persistent / limit)
