"""nannyml's univariate drift: KS distances per chunk, against mean + 3 standard deviations.

Both come from the reference's own chunks, so the score is how many of those standard deviations the
worst feature lies above its mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from nannyml import UnivariateDriftCalculator, disable_usage_logging
from nannyml.chunk import CountBasedChunker
from nannyml.thresholds import StandardDeviationThreshold

from benchmarks.peers.peer import NOTHING, Peer, Rows, Rule, Scores, tumbling

METHOD = "kolmogorov_smirnov"
CHUNK_ROWS = 500
DEVIATIONS = 3.0
disable_usage_logging()  # it would report home
RULES = (Rule("mean + 3 standard deviations", DEVIATIONS),)


def scores(reference: Rows, panes: Iterable[Rows]) -> Iterator[Scores]:
    names = [f"f{number}" for number in range(reference.shape[1])]
    calculator = UnivariateDriftCalculator(
        names,
        continuous_methods=[METHOD],
        chunk_size=CHUNK_ROWS,
        thresholds={METHOD: StandardDeviationThreshold(None, DEVIATIONS)},
    )
    calculator.fit(pd.DataFrame(reference, columns=names))
    mean, deviation = _healthy(calculator, names)
    calculator.chunker = CountBasedChunker(1)
    for window in tumbling(panes, CHUNK_ROWS):
        if window is None:
            yield (NOTHING,)
        else:
            result = calculator.calculate(pd.DataFrame(window, columns=names))
            distances = _column(result.filter(period="analysis").to_df(), names, "value")
            yield (float(np.nanmax((distances[0] - mean) / deviation)),)


def _healthy(calculator: UnivariateDriftCalculator, names: list[str]) -> tuple[Rows, Rows]:
    """The mean, and the standard deviation as nannyml's own threshold tells it."""
    frame = calculator.result.filter(period="reference").to_df()
    mean = _column(frame, names, "value").mean(axis=0)
    return mean, (_column(frame, names, "upper_threshold")[0] - mean) / DEVIATIONS


def _column(frame: pd.DataFrame, names: list[str], what: str) -> Rows:
    return np.column_stack([frame[(name, METHOD, what)].to_numpy(float) for name in names])


PEERS = (Peer("nannyml, univariate KS", "nannyml", RULES, scores, handles_missing=True),)
