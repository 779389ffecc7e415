"""frouros' KSTest on every pane, with the significance level of its documentation.

Its streaming test, IncrementalKSTest, computes everything anew for every row and feature, 0.8 ms
each: 13 minutes for one run of 100 panes. It is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from frouros.detectors.data_drift import KSTest

from benchmarks.peers.peer import Peer, Rows, Rule, Scores, surprise

RULES = (Rule("any p <= 0.001", surprise(0.001)),)


def scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    detectors = [KSTest() for _ in reference.T]
    for detector, column in zip(detectors, reference.T, strict=True):
        detector.fit(X=column)
    for pane in panes:
        pairs = zip(detectors, pane.T, strict=True)
        yield (surprise(min(detector.compare(X=column)[0].p_value for detector, column in pairs)),)


PEERS = (Peer("frouros, KSTest", "frouros", RULES, scores),)
