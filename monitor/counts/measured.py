"""What is measured on labelled rows: metrics, and their expected values without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scipy.special import stdtrit

from monitor.counts.counts import Cells


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric on the labelled rows of a window. ``value`` is None if it is undefined."""

    value: float | None
    se: float | None = None  # jackknife over panes; None with fewer than two labelled panes
    panes: int = 0  # labelled panes
    independent_se: float = 0.0  # the standard error of as many independent rows
    adjusted: float = 0.0  # the value with four more rows, so that few rows are no evidence
    resolution: float | None = 0.0  # the largest error from binning or rounding; None: not stated
    lower_is_better: bool = False
    maximum: float = 1.0  # the largest possible value
    minimum: float = 0.0  # the smallest

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """The two-sided interval, clipped to the possible values."""
        if self.value is None or self.se is None:
            return None, None
        margin = float(stdtrit(self.panes - 1, 0.5 + level / 2)) * self.se
        return max(self.minimum, self.value - margin), min(self.maximum, self.value + margin)


@dataclass(frozen=True, slots=True)
class Estimate:
    """``value`` is None if the metric is undefined, the ends if its error is unknown."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected metric, and the difference between the realised and the expected metric."""

    value: float | None
    low: float | None = None
    high: float | None = None
    difference: Estimate = field(default=Estimate(None))  # on the labelled rows alone


class Expectation(Protocol):
    """Estimates metrics without labels, by what a reference has taught."""

    def estimate(
        self, panes: Sequence[Cells], predictions: Cells | None = None
    ) -> Mapping[str, Expected] | None:
        """The expected metrics of rows, and the difference on the labelled rows of ``panes``.

        ``predictions`` are the cells of all rows. Without them, the expected metrics are those of
        the labelled rows. None if there is no row.
        """
        ...
