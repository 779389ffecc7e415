"""The reference distributions of many features side by side, ready to be compared with windows.

Theory of operation
-------------------
The bins of all features (``monitor.counts.bins``) lie in one index space
(``monitor.statistics.cell_index``). A distance then costs a few passes over the bins that hold rows
of the window, not a pass over all bins of each feature. Two functions compare a window with a
table:

* ``monitor.statistics.exact_deviations.compare`` is exact.
* ``monitor.statistics.deviation_bounds.upper_bounds`` gives upper bounds for a fiftieth of the
  work. They suffice for most windows, which are healthy. They use groups of bins at which the
  reference's distribution function has nearly the same height (``EnvelopeGroups``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample
from monitor.counts.counts import Cells, Counts
from monitor.statistics.ranks import Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS_PER_ROOT = 2.0  # distinct heights per square root of the reference's rows


@dataclass(frozen=True, slots=True, eq=False)
class EcdfTable:
    """Empirical distribution functions (ECDF) of ``f`` features over their ``bins`` bins."""

    names: tuple[str, ...]  # of the cells: ``bins/temp``, ``score``
    offsets: Ints  # shape (f + 1,): the first bin of each feature, and the end
    sizes: Ints  # shape (f,): rows of each reference
    below: Floats  # shape (bins,): the reference's ECDF before each bin
    up_to: Floats  # shape (bins,): the reference's ECDF including each bin
    scores: tuple[Scores, Scores]  # of Wilcoxon's and Mood's tests
    groups: EnvelopeGroups

    @classmethod
    def of(cls, samples: Mapping[str, Sample]) -> EcdfTable:
        """The samples themselves are the reference."""
        return cls.against(samples, {name: sample.counts() for name, sample in samples.items()})

    @classmethod
    def against(cls, samples: Mapping[str, Sample], reference: Cells) -> EcdfTable:
        """``samples`` define the bins, the counts of ``reference`` in them are the reference."""
        dense = [
            reference.get(name, Counts.empty()).dense(sample.bins)
            for name, sample in samples.items()
        ]
        sizes = np.array([counts.sum() for counts in dense], dtype=np.int64)
        offsets = np.cumsum([0, *(counts.size for counts in dense)])
        ecdfs = [np.cumsum(counts) / max(int(counts.sum()), 1) for counts in dense]
        up_to = np.concatenate([np.empty(0), *ecdfs])
        below = np.concatenate([np.empty(0), *(np.append(0.0, ecdf[:-1]) for ecdf in ecdfs)])
        starts = offsets[:-1]
        scores = (Scores.wilcoxon(below, up_to, starts), Scores.mood(below, up_to, starts))
        groups = EnvelopeGroups.of(below, up_to, offsets, sizes, scores)
        return cls(tuple(samples), offsets, sizes, below, up_to, scores, groups)


@dataclass(frozen=True, slots=True, eq=False)
class EnvelopeGroups:
    """``g`` groups of adjacent bins with nearly the same reference ECDF, feature by feature."""

    edges: Ints  # shape (g + 1,): the first bin of each group, and the end
    starts: Ints  # shape (f + 1,): the first group of each feature, and the end
    up_to_first: Floats  # shape (g,): the reference's ECDF including the first bin
    below_last: Floats  # shape (g,): the reference's ECDF before the last bin
    max_scores: Floats  # shape (4, g): the largest scores of a row, then of their negatives

    @classmethod
    def of(
        cls,
        below: Floats,
        up_to: Floats,
        offsets: Ints,
        sizes: Ints,
        scores: Sequence[Scores],
    ) -> EnvelopeGroups:
        """A bin with a large step of the ECDF is a group of its own; its bound is exact."""
        first_bins = [
            _first_bins(below[start:end], up_to[start:end], size)
            for start, end, size in zip(offsets[:-1], offsets[1:], sizes, strict=True)
        ]
        first = np.concatenate(
            [
                np.empty(0, dtype=np.int64),
                *(bins + start for bins, start in zip(first_bins, offsets[:-1], strict=True)),
            ]
        )
        edges = np.append(first, offsets[-1])
        signed = [sign * each.per_bin for sign in (1, -1) for each in scores] if first.size else []
        return cls(
            edges,
            np.cumsum([0, *(bins.size for bins in first_bins)], dtype=np.int64),
            up_to[first],
            below[edges[1:] - 1] if first.size else np.empty(0),
            np.array([np.maximum.reduceat(score, first) for score in signed]),
        )


def _first_bins(below: Floats, up_to: Floats, size: int) -> Ints:
    """The first bin of each group of one feature, counted from its own first bin."""
    heights = GROUPS_PER_ROOT * np.sqrt(size)
    steps = np.diff(np.floor(below * heights))
    steps += np.diff(np.floor(up_to * heights))
    return np.append(0, 1 + np.flatnonzero(steps))
