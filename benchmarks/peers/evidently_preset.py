"""evidently's DataDriftPreset on every pane.

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

from benchmarks.peers.peer import Peer, Rows, Rule, Scores

DRIFT_SHARE = 0.5
THRESHOLD = 0.1


def scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    healthy = [pd.Series(column) for column in reference.T]
    enough = ceil(DRIFT_SHARE * len(healthy))
    for pane in panes:
        distances = np.sort(column_scores(healthy, pane))
        yield distances[-1], distances[-enough]


def column_scores(healthy: list[pd.Series], pane: Rows) -> list[float]:
    """As the preset shows them, for references of more than 1,000 rows."""
    live = [pd.Series(column) for column in pane.T]
    pairs = list(zip(healthy, live, strict=True))
    tests = [get_stattest(*pair, "num", None) for pair in pairs]
    return [test(*pair, "num", None).drift_score for test, pair in zip(tests, pairs, strict=True)]


RULES = (Rule("any column", THRESHOLD), Rule("half of the columns", THRESHOLD))
PEERS = (Peer("evidently, drift preset", "evidently", RULES, scores),)
