"""scipy's two-sample KS test per feature, over tumbling windows, as most teams write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scipy.stats import ks_2samp

from benchmarks.peers.peer import (
    NOTHING,
    Peer,
    Rows,
    Rule,
    Scores,
    at_once,
    present,
    surprise,
    tumbling,
)

ALPHA = surprise(0.05)
RULES = (Rule("any p < 0.05", ALPHA), Rule("Benjamini-Hochberg, 0.05", ALPHA))


def over(window_rows: int) -> Peer:
    def scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
        for window in tumbling(panes, window_rows):
            yield (NOTHING, NOTHING) if window is None else _scores(reference, window)

    return Peer(
        f"scipy KS, windows of {window_rows:,}", "scipy", RULES, scores, handles_missing=True
    )


def _scores(reference: Rows, window: Rows) -> Scores:
    columns = [(present(r), present(w)) for r, w in zip(reference.T, window.T, strict=True)]
    # method="auto" would be exact, three times slower, and not otherwise at these sizes.
    p_values = [ks_2samp(*pair, method="asymp").pvalue for pair in columns if pair[1].size]
    return surprise(min(p_values)), surprise(at_once(p_values))


PEERS = (over(500), over(1_000), over(10_000))
