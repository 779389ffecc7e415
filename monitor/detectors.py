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

from collections.abc import Sequence
from dataclasses import dataclass

from river.base import DriftDetector
from river.drift import ADWIN, PageHinkley


@dataclass(frozen=True, slots=True)
class Detector:
    """What one of them says of a sequence."""

    name: str
    drifting: bool  # of the newest window
    at: int | None  # position of the newest detection, from 0; None: there was none


def detect(errors: Sequence[float]) -> tuple[Detector, ...]:
    """Of the mean errors of final windows, oldest first, each between 0 and 1.

    Raises ``ValueError`` for any other number.
    """
    if not all(0 <= error <= 1 for error in errors):
        raise ValueError("errors lie between 0 and 1")
    largest = max(errors, default=0.0) or 1.0
    adwin = ADWIN(delta=0.05, clock=1)  # type: ignore[no-untyped-call]
    hinkley = PageHinkley(min_instances=10, delta=0.01, threshold=0.3, mode="up")
    return (
        _run("adwin", adwin, [error / largest for error in errors]),
        _run("page_hinkley", hinkley, errors),
    )


def _run(name: str, detector: DriftDetector, values: Sequence[float]) -> Detector:
    found: int | None = None
    for position, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found = position
    return Detector(name, found is not None and found == len(values) - 1, found)
