"""evidently's DataDriftPreset on every window of at least 500 rows.

For more than 1,000 reference rows it compares Wasserstein distances, in standard deviations of the
reference, with 0.1, and calls a data set drifted if half of its columns are. The test is the
preset's own, taken without the pictures that a report draws beside it (1.4 s a pane); ``check.py``
holds it against the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest

from benchmarks.peers.peer import NOTHING, Peer, Rows, Rule, Scores, present, tumbling

DRIFT_SHARE = 0.5
THRESHOLD = 0.1
WINDOW_ROWS = 500


def scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    healthy = [pd.Series(present(column)) for column in reference.T]
    enough = ceil(DRIFT_SHARE * len(healthy))
    for window in tumbling(panes, WINDOW_ROWS):
        if window is None:
            yield NOTHING, NOTHING
        else:
            distances = np.sort(column_scores(healthy, window))
            yield distances[-1], distances[-enough]


def column_scores(healthy: list[pd.Series], window: Rows) -> list[float]:
    """As the preset shows them, for references of more than 1,000 rows."""
    live = [pd.Series(present(column)) for column in window.T]
    pairs = [pair for pair in zip(healthy, live, strict=True) if pair[1].size]
    tests = [get_stattest(*pair, "num", None) for pair in pairs]
    return [test(*pair, "num", None).drift_score for test, pair in zip(tests, pairs, strict=True)]


RULES = (Rule("any column", THRESHOLD), Rule("half of the columns", THRESHOLD))
PEERS = (Peer("evidently, drift preset", "evidently", RULES, scores, handles_missing=True),)
