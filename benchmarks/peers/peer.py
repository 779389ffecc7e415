"""What a peer is here: a score at the end of every pane, for each of its rules of alarm.

An alarm is a score that reaches the rule's threshold, so one pass over a stream serves every
threshold: the tool's own and the one tuned to a rate of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]  # shape (rows, features)
Scores = tuple[float, ...]  # one per rule; -inf says that nothing was tested
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Rule:
    """How a tool turns its tests into one alarm."""

    name: str
    default: float | None  # the threshold that the tool uses or documents; None: it has none


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool and its rules; ``scores`` may be left before the panes end."""

    name: str
    package: str
    rules: tuple[Rule, ...]
    scores: Callable[[Rows, Iterable[Rows]], Iterator[Scores]]
    handles_missing: bool = False


def surprise(p_value: float) -> float:
    """-log10 p, finite."""
    return -log10(max(p_value, SMALLEST))


def at_once(surprises: Iterable[float]) -> float:
    """Of the smallest p-value that Benjamini and Hochberg's procedure leaves, over all features."""
    ordered = np.sort(np.fromiter(surprises, dtype=np.float64))[::-1]
    return float((ordered - np.log10(ordered.size / np.arange(1, ordered.size + 1))).max())


def present(values: Rows) -> Rows:
    """Without what is missing."""
    return values[~np.isnan(values)]


def tumbling(panes: Iterable[Rows], rows: int) -> Iterator[Rows | None]:
    """Whole panes up to a window of at least so many rows, and None while it fills."""
    waiting: list[Rows] = []
    for pane in panes:
        waiting.append(pane)
        full = sum(map(len, waiting)) >= rows
        yield np.concatenate(waiting) if full else None
        if full:
            waiting = []


NOTHING = -inf
