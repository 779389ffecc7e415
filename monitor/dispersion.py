"""How much a metric strays between healthy windows: the allowance for what is not sampling noise.

Theory of operation
-------------------
A jackknife inside one window knows how panes differ, and nothing of how days do. The reference
does: its labelled panes are cut into windows as long as those to be judged, and the Pearson
statistic of their metric against the whole reference's, over its degrees of freedom, is the factor
by which its variance exceeds that of independent rows (McCullagh and Nelder 1989, section 4.5:
overdispersion)::

    factor = Σ (m_b - m)² / se_b² / (B - 1)        se_b: of independent rows, at b's size

A later window's standard error is ``sqrt(factor)`` times that of as many independent rows, and its
quantiles are Student's with ``B - 1`` degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.counts import Cells
from monitor.metrics import METRICS, Metric, measure
from monitor.performance import Dispersion

LEAST_WINDOWS = 8


def dispersion(panes: Mapping[int, Cells], length_ms: int) -> dict[str, Dispersion]:
    """By metric, from the labelled panes of a reference by their start. Windows do not overlap.

    A metric that fewer than eight windows define is left out: nothing is known of it.
    """
    whole = measure(list(panes.values()))
    measured = [measure(inside) for inside in by_window(panes, length_ms)]
    found = {name: _one(whole[name], [m[name] for m in measured]) for name in METRICS}
    return {name: of for name, of in found.items() if of is not None}


def by_window(panes: Mapping[int, Cells], length_ms: int) -> list[list[Cells]]:
    """The panes of windows side by side, oldest first; windows without any are left out."""
    windows: dict[int, list[Cells]] = {}
    for start_ms, cells in sorted(panes.items()):
        windows.setdefault(start_ms // length_ms, []).append(cells)
    return list(windows.values())


def _one(whole: Metric, windows: list[Metric]) -> Dispersion | None:
    pairs = [(w.value, w.floor) for w in windows if w.value is not None and w.floor > 0]
    if whole.value is None or len(pairs) < LEAST_WINDOWS:
        return None
    values, floors = np.array(pairs).T
    pearson = float(np.square((values - whole.value) / floors).sum()) / (len(pairs) - 1)
    return Dispersion(max(1.0, pearson), len(pairs) - 1)
