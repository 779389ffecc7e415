"""How rows are divided into segments: by the values of features, or by ranges of them.

A segmentation has one segment for each value, or combination of values, that the reference has
often enough, and one, ``other``, for the rest. So a row is in one segment of each segmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from monitor.plan import InvalidPlan

OTHER = "other"
MOST_SEGMENTATIONS, MOST_FEATURES, MOST_SEGMENTS = 8, 3, 200


@dataclass(frozen=True, slots=True)
class Dimension:
    """A feature whose values divide rows: its categories, or ranges of numbers between cuts."""

    feature: str
    cuts: tuple[float, ...] = ()

    @classmethod
    def of(cls, text: str) -> Dimension:
        """From ``origin`` or ``age:18,30,50``. Raises ``InvalidPlan``."""
        name, _, after = text.rpartition(":")
        cuts = _numbers(after) if name else None
        if cuts is None:
            return cls(text)
        if not all(map(isfinite, cuts)) or any(low >= high for low, high in pairwise(cuts)):
            raise InvalidPlan(f"{text!r} needs cuts that are finite and ascend, as in 'age:18,30'")
        return cls(name, cuts)

    @property
    def ranges(self) -> tuple[str, ...]:
        """The names of the ranges: ``..18``, ``18..30``, ``30..``; the lower end belongs to it."""
        ends = ["", *(f"{cut:.15g}" for cut in self.cuts), ""]
        return tuple(f"{low}..{high}" for low, high in pairwise(ends))

    def __str__(self) -> str:
        cuts = ",".join(f"{cut:.15g}" for cut in self.cuts)
        return f"{self.feature}:{cuts}" if cuts else self.feature


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Divides rows by one feature or by a combination of them, sorted by name."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, given: str | Sequence[str]) -> Segmentation:
        """From ``"origin"`` or ``["carrier", "origin"]``. Raises ``InvalidPlan``."""
        texts = [given] if isinstance(given, str) else given
        own = sorted(map(Dimension.of, texts), key=lambda one: one.feature)
        if not 1 <= len({one.feature for one in own}) == len(own) <= MOST_FEATURES:
            raise InvalidPlan(
                f"a segmentation needs 1 to {MOST_FEATURES} different features, got {list(texts)}"
            )
        return cls(tuple(own))

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(one.feature for one in self.dimensions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.dimensions))


@dataclass(frozen=True, slots=True)
class Segments:
    """The segmentations of a model, each with at most ``most`` segments besides ``other``."""

    by: tuple[Segmentation, ...] = ()
    most: int = 50

    def __post_init__(self) -> None:
        if len(self.by) > MOST_SEGMENTATIONS:
            raise InvalidPlan(
                f"segments has {len(self.by)} segmentations, at most {MOST_SEGMENTATIONS} are"
                " possible"
            )
        if not 1 <= self.most <= MOST_SEGMENTS:
            raise InvalidPlan(f"max_segments must lie between 1 and {MOST_SEGMENTS}")
        features = [one.features for one in self.by]
        for one in features:
            if features.count(one) > 1:
                raise InvalidPlan(
                    f"segments divides by {' and '.join(map(repr, one))} twice: give it once"
                )


def _numbers(text: str) -> tuple[float, ...] | None:
    """The numbers of ``18,30,50``; None if it is something else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        return None
