"""river's ADWIN and KSWIN, one per feature, fed row by row, warmed up with the reference.

Neither has a score, but both alarm first where their sensitivity says so, and until the first alarm
the sensitivity changes nothing else. So

- ADWIN runs with the loosest delta of a grid; at an alarm it starts again from the first row with
  the next stricter one. The score of a pane is the strictest delta that alarmed first there.
- KSWIN runs with alpha = 0, which never alarms, and the score is the smallest p-value in the pane.
  (river also requires a distance above 0.1, which any p-value of interest has.)

KSWIN asks scipy for an exact p-value at every row, 0.3 ms. Of two samples of 30 only the distance
matters to it, so scipy is asked once for each of the 31 distances there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from types import SimpleNamespace

import numpy as np
from river import drift
from river.drift import kswin
from scipy.stats import ks_2samp

from benchmarks.peers.peer import NOTHING, Peer, Rows, Rule, Scores, present, surprise

DELTAS = [digit * 10.0**-power for power in range(2, 8) for digit in (2, 1, 0.5)]
DELTAS += [10.0**-power for power in (8, 9, 10, 12, 15, 20, 30, 50, 80, 120, 180, 260)]
WARM_UP_ROWS = 10_000


class Ladder:
    """ADWIN at the loosest delta that has not alarmed yet."""

    def __init__(self, reference: Rows) -> None:
        self._warm_up = present(reference)[-WARM_UP_ROWS:].tolist()
        self._seen: list[float] = []
        self._deltas = iter(DELTAS)
        self._climb()

    def push(self, values: Rows) -> float:
        """The score of the pane that ``values`` are."""
        new = present(values).tolist()
        score, alarmed = NOTHING, _feed(self._detector, new)
        self._seen += new
        while alarmed:
            score = surprise(self._detector.delta)
            alarmed = self._climb() and _feed(self._detector, self._seen)
        return score

    def _climb(self) -> bool:
        """False at the top, where the strictest detector stays."""
        delta = next(self._deltas, None)
        if delta is None:
            return False
        self._detector = drift.ADWIN(delta=delta)
        _feed(self._detector, self._warm_up)
        return True


def _feed(detector: drift.ADWIN, values: list[float]) -> bool:
    alarmed = False
    for value in values:
        detector.update(value)
        alarmed = alarmed or detector.drift_detected
    return alarmed


def adwin_scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    ladders = [Ladder(column) for column in reference.T]
    for pane in panes:
        pairs = zip(ladders, pane.T, strict=True)
        yield (max(ladder.push(values) for ladder, values in pairs),)


def kswin_scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    kswin.stats = SimpleNamespace(ks_2samp=tabled_ks)
    detectors = [drift.KSWIN(alpha=0.0, seed=number) for number in range(reference.shape[1])]
    for detector, column in zip(detectors, reference.T, strict=True):
        detector.window.extend(column[-detector.window_size :].tolist())
    for pane in panes:
        pairs = zip(detectors, pane.T, strict=True)
        yield (surprise(min(_smallest(detector, values) for detector, values in pairs)),)


def _smallest(detector: drift.KSWIN, values: Rows) -> float:
    p_values = []
    for value in values.tolist():
        detector.update(value)
        p_values.append(detector.p_value)
    return min(p_values)


def tabled_ks(one: list[float], other: list[float], method: str) -> tuple[float, float]:  # noqa: ARG001
    """What ``scipy.stats.ks_2samp`` answers, for two samples of one size."""
    size = len(one)
    ordered, against, both = np.sort(one), np.sort(other), np.concatenate([one, other])
    ahead = ordered.searchsorted(both, "right") - against.searchsorted(both, "right")
    apart = int(np.abs(ahead).max())
    return apart / size, _p_values(size)[apart]


@cache
def _p_values(size: int) -> list[float]:
    """By the number of values that lie apart; shifting one sample by ``k`` sets that many apart."""
    base = np.arange(size, dtype=np.float64)
    return [float(ks_2samp(base, base + k - 0.5 * (k > 0)).pvalue) for k in range(size + 1)]


PEERS = (
    Peer("river, ADWIN", "river", (Rule("delta = 0.002", surprise(0.002)),), adwin_scores, True),
    Peer("river, KSWIN", "river", (Rule("alpha = 0.005", surprise(0.005)),), kswin_scores),
)
