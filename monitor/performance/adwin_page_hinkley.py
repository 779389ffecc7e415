"""Two detectors of the literature on the errors of windows, to be shown beside our own verdicts.

They belong to one ordered sequence, and keep no budget of false alarms: they inform, and open
nothing. Both are river's:

- **Page-Hinkley** (Page 1954), upwards: the sum of what exceeds the mean so far by more than 0.01
  passes 0.3. Of errors around 0.10, stray 0.03, it called 1.5 in a hundred healthy sequences of 200
  windows, and a rise by 0.05 after 8 windows (median).
- **ADWIN** (Bifet and Gavaldà 2007) with delta 0.05, looking at every window, the errors as shares
  of the largest: its bound is made for values that fill [0, 1]. It never called a healthy sequence
  of those, and needs long ones: a doubling was seen after 59 windows, a fourfold error after 25.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from river.base import DriftDetector
from river.drift import ADWIN, PageHinkley


@dataclass(frozen=True, slots=True)
class Detector:
    """What one of them says of a sequence."""

    name: str
    drifting: bool  # of the newest window
    at: int | None  # the window of the newest detection; None: there was none


def detect(errors: Mapping[int, float]) -> tuple[Detector, ...]:
    """Of the mean errors of windows side by side, each between 0 and 1; in order of their keys.

    Raises ``ValueError`` for any other number.
    """
    if not all(0 <= error <= 1 for error in errors.values()):
        raise ValueError("errors lie between 0 and 1")
    ordered = dict(sorted(errors.items()))
    largest = max(errors.values(), default=0.0) or 1.0
    adwin = ADWIN(delta=0.05, clock=1)  # type: ignore[no-untyped-call]
    hinkley = PageHinkley(min_instances=10, delta=0.01, threshold=0.3, mode="up")
    return (
        _run("adwin", adwin, {at: error / largest for at, error in ordered.items()}),
        _run("page_hinkley", hinkley, ordered),
    )


def _run(name: str, detector: DriftDetector, errors: Mapping[int, float]) -> Detector:
    found: int | None = None
    for at, error in errors.items():
        detector.update(error)
        if detector.drift_detected:
            found = at
    return Detector(name, found is not None and found == max(errors), found)
