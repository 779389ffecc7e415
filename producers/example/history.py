"""Rows with features and labels that no model has scored yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.values import Coded
from monitor.tasks.binary import BINARY

Columns = Mapping[str, NDArray[Any]]  # numbers (missing: NaN), or objects (missing: None)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Unscored rows in time order, with their labels."""

    ids: NDArray[np.object_]  # shape (n,), texts
    time_ms: NDArray[np.int64]  # shape (n,), ascending
    features: Columns  # of shape (n,)
    label: NDArray[Any]  # shape (n,): of a binary task 0 or 1, see ``monitor.counts.task``
    label_time_ms: NDArray[np.int64]  # shape (n,): when the label became known

    def __len__(self) -> int:
        return self.time_ms.size

    def between(self, from_ms: int, until_ms: int) -> History:
        """The rows with ``from_ms <= time < until_ms``."""
        first, end = np.searchsorted(self.time_ms, [from_ms, until_ms])
        return self.rows(slice(int(first), int(end)))

    def rows(self, selected: slice | NDArray[np.bool_]) -> History:
        """The rows of a slice or of a mask of shape (n,)."""
        return History(
            self.ids[selected],
            self.time_ms[selected],
            {name: values[selected] for name, values in self.features.items()},
            self.label[selected],
            self.label_time_ms[selected],
        )

    def scored(self, score: NDArray[np.float64], threshold: float) -> ReferenceRows:
        """The rows with the scores of a model, shape (n,), and the classes it predicts."""
        _, predicted = BINARY.columns(score, np.full(score.size, np.nan), threshold)
        return self.predicted(score, predicted)

    def predicted(
        self,
        score: NDArray[np.float64],
        predicted: NDArray[np.int64],
        classes: Coded | None = None,
    ) -> ReferenceRows:
        """The rows with the outputs of a model of any task (``monitor.counts.task``)."""
        ids = self.ids.tolist()
        rows = Predictions(ids, self.time_ms, score, predicted, self.features, classes)
        return ReferenceRows(rows, self.label.astype(np.float64), self.label_time_ms)


def joined(one: History, other: History) -> History:
    """The rows of two histories with the same features, in time order."""
    order = np.argsort(np.concatenate([one.time_ms, other.time_ms]), kind="stable")

    def both(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([a, b])[order]

    return History(
        both(one.ids, other.ids),
        both(one.time_ms, other.time_ms),
        {name: both(values, other.features[name]) for name, values in one.features.items()},
        both(one.label, other.label),
        both(one.label_time_ms, other.label_time_ms),
    )
