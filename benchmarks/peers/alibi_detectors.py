"""alibi-detect's KSDrift on every pane, and CVMDriftOnline on every row.

Its licence, the Business Source License 1.1, allows it as an opponent here and nowhere in the
product.

The online detector costs rows of reference x rows of window x features for every row of the stream,
so it gets 500 of the reference and windows of 50 and 100. Its own thresholds come from simulated
streams, some twenty times as many as the rows that it may run without a false alarm: at 4% of runs
of 50,000 rows more than 20,000,000, so here its statistic has only the threshold tuned to it. The
other online detectors want PyTorch or TensorFlow (LSDD, MMD) or binary data (FET).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from alibi_detect.cd import CVMDriftOnline, KSDrift

from benchmarks.peers.peer import Peer, Rows, Rule, Scores, surprise

ALPHA = 0.05
ONLINE_REFERENCE_ROWS = 500
ONLINE_WINDOWS = [50, 100]
SIMULATED = {"ert": 20.0, "n_bootstraps": 2_000}  # the fewest that it accepts; unused


def ks_scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    detector = KSDrift(reference, p_val=ALPHA, correction="bonferroni")
    for pane in panes:
        p_values = detector.predict(pane)["data"]["p_val"]
        yield (surprise(float(p_values.min()) * p_values.size),)


def online_scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    detector = CVMDriftOnline(
        reference[:ONLINE_REFERENCE_ROWS], window_sizes=ONLINE_WINDOWS, verbose=False, **SIMULATED
    )
    for pane in panes:
        statistics = [detector.score(row) for row in pane]
        yield (float(np.nanmax(statistics)),)


PEERS = (
    Peer(
        "alibi-detect, KSDrift",
        "alibi-detect",
        (Rule("Bonferroni, 0.05", surprise(ALPHA)),),
        ks_scores,
    ),
    Peer("alibi-detect, CVMDriftOnline", "alibi-detect", (Rule("statistic", None),), online_scores),
)
