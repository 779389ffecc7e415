"""Two detectors from the literature on the errors of panes, shown beside our own verdicts.

They depend on the order of the panes and have no budget of false alarms: they inform, and open no
incident. Both are river's, and read the mean error of each pane (the error rate of a
classifier) as the number of standard deviations ``z`` that it lies above that of the reference:

- **Page-Hinkley** (Page 1954), upwards: the sum of what ``z`` exceeds its mean so far by more than
  0.5 passes 10.
- **ADWIN** (Bifet and Gavaldà 2007) with delta 0.05, of ``Φ(z - mean of z)``, because its bound is
  made for values that fill the interval from 0 to 1.

Measured delays and false detections are in ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import erf, sqrt
from typing import TYPE_CHECKING

from monitor.counts.task import ErrorRate

if TYPE_CHECKING:
    # Imported when a detector is made: river imports scikit-learn, which only ``detect`` can use.
    from river.base import DriftDetector


@dataclass(frozen=True, slots=True)
class Detector:
    """The result of one of them for a window."""

    name: str
    drifting: bool  # whether it detected a change within the window
    at: int | None  # end of the pane of the newest detection so far; None: there was none


@dataclass(frozen=True, slots=True)
class ErrorScale:
    """The mean error of the reference, and how far that of healthy panes varies around it."""

    rate: ErrorRate
    factor: float  # of the variance, against that of independent rows; at least 1

    def standardized(self, wrong: int, labels: int) -> float:
        """The mean error of ``labels`` rows, in standard deviations above that of the reference."""
        variance = self.factor * self.rate.variance / labels
        return (wrong / labels - self.rate.mean) / sqrt(variance)


def _page_hinkley() -> DriftDetector:
    from river.drift import PageHinkley

    return PageHinkley(min_instances=10, delta=0.5, threshold=10, mode="up")


def _adwin() -> DriftDetector:
    from river.drift import ADWIN

    return ADWIN(delta=0.05, clock=1)  # type: ignore[no-untyped-call]


def _unchanged(errors: Sequence[float]) -> Sequence[float]:
    return errors


def _centred_probabilities(errors: Sequence[float]) -> list[float]:
    """Φ of the distance of each value from the mean of all of them."""
    mean = sum(errors) / len(errors) if errors else 0.0
    return [(1 + erf((error - mean) / sqrt(2))) / 2 for error in errors]


_Scaled = Callable[[Sequence[float]], Sequence[float]]
DETECTORS: Mapping[str, tuple[Callable[[], DriftDetector], _Scaled]] = {
    "adwin": (_adwin, _centred_probabilities),
    "page_hinkley": (_page_hinkley, _unchanged),
}


def detects(name: str, errors: Sequence[float]) -> bool:
    """Whether a detector finds a change anywhere in standardized errors, given in time order."""
    make, scaled = DETECTORS[name]
    detector = make()
    for error in scaled(errors):
        detector.update(error)
        if detector.drift_detected:
            return True
    return False
