"""A user's own history, cut into blocks, and its splits into a reference and a live stream.

Theory of operation
-------------------
The history is cut into blocks, usually days. Half of them, drawn at random, are the reference; the
others, concatenated in time order, are the live stream::

    history     d0  d1  d2  d3  d4  d5  d6  d7
    reference   d1  d2  d4  d7                      drawn at random
    live        d0  d3  d5  d6

Between the two nothing has changed but what changes from day to day, so every incident in the live
stream is a false alarm. Many splits give the rate.

A history covers its own season only, and its splits share days: the interval of a rate shows the
precision of the mean over the splits and says nothing about other months.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.values import taken
from monitor.plan import DAY, Windows

LEAST_BLOCKS = 8

Ints = NDArray[np.int64]


class TooShort(ValueError):
    """A history that cannot be cut into enough blocks. The message names how much is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rows in time order, cut into ``b`` blocks. Stretches without a row are not blocks."""

    rows: ReferenceRows
    block_ms: int
    numbers: Ints  # shape (b,), ascending: of the blocks, counted since 1970
    cuts: Ints  # shape (b + 1,): where the rows of each begin, and the end

    @classmethod
    def of(cls, rows: ReferenceRows, windows: Windows) -> History:
        """Cut rows into days, or, of less than eight days, into blocks as long as a window.

        A block is a whole number of panes. Raises ``TooShort``.
        """
        time_ms = rows.predictions.time_ms
        for length_ms in (DAY, min(windows.length_ms, DAY)):
            block_ms = -(-length_ms // windows.pane_ms) * windows.pane_ms
            numbers, first = np.unique(time_ms // block_ms, return_index=True)
            if numbers.size >= LEAST_BLOCKS:
                return cls(rows, block_ms, numbers, np.append(first, time_ms.size))
        raise TooShort(
            f"the history holds rows on {numbers.size} blocks of {block_ms / 3_600_000:g} hours:"
            f" at least {LEAST_BLOCKS} are needed, that is {LEAST_BLOCKS} days, or as many windows"
            f" if windows.length is shorter than a day; two months or more tell much more"
        )

    def __len__(self) -> int:
        return self.numbers.size

    def concatenated(self, blocks: Sequence[int]) -> ReferenceRows:
        """The rows of some blocks, moved in time so that they follow each other from 1970 on."""
        parts = [np.arange(self.cuts[b], self.cuts[b + 1]) for b in blocks]
        moved = np.arange(len(blocks)) - self.numbers[list(blocks)]
        moved_ms = np.repeat(moved * self.block_ms, [part.size for part in parts])
        return _moved(self.rows, np.concatenate(parts), moved_ms)


@dataclass(frozen=True, slots=True)
class Split:
    """Two halves of a history: positions of blocks, ascending."""

    reference: tuple[int, ...]
    live: tuple[int, ...]


def random_split(blocks: int, rng: np.random.Generator) -> Split:
    chosen = set(rng.choice(blocks, blocks // 2, replace=False).tolist())
    return Split(tuple(sorted(chosen)), tuple(b for b in range(blocks) if b not in chosen))


def forward_split(blocks: int) -> Split:
    """The older half as the reference, the newer half live: the season moves on."""
    return Split(tuple(range(blocks // 2)), tuple(range(blocks // 2, blocks)))


def _moved(rows: ReferenceRows, chosen: Ints, moved_ms: Ints) -> ReferenceRows:
    predictions, label, label_ms = rows.predictions, rows.label, rows.label_time_ms
    positions = chosen.tolist()
    features = {
        name: values[chosen] if isinstance(values, np.ndarray) else [values[i] for i in positions]
        for name, values in predictions.features.items()
    }
    return ReferenceRows(
        Predictions(
            [predictions.ids[i] for i in positions],
            predictions.time_ms[chosen] + moved_ms,
            predictions.score[chosen],
            predictions.predicted[chosen],
            features,
            taken(predictions.classes, chosen),
        ),
        None if label is None else label[chosen],
        None if label_ms is None else label_ms[chosen] + moved_ms,
    )
