"""The models of the examples: a binary classifier with calibrated scores, and two without.

Theory of operation
-------------------
Boosted trees are fitted to all training rows. Scores of a binary classifier are calibrated on rows
that the trees were not fitted to: the second half of the rows is divided into blocks, and each
block is scored by trees fitted to all rows *before* it, as it is done in production::

    |------ fit ------|score|
    |--------- fit ---------|score|
    |------------ fit ------------|score|        -> one sigmoid over all of these scores

All random draws depend on the seed, and only one thread is used, because sums of floats depend on
how they are divided among threads. So the same rows and seed give the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from monitor.counts.profile import InvalidReference, ReferenceRows
from producers.example.history import Columns, History

BLOCKS = 4
ROUNDS = 150
ROUNDS_OF_CLASSES = 50  # each fits a tree for every class
MOST_CATEGORIES = 255  # limit of the trees; the rarest categories share a code
Trees: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Columns as one numeric matrix: first the codes of categorical columns, then the numbers."""

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]
    encoder: OrdinalEncoder | None  # None without categorical columns

    @classmethod
    def of(cls, features: Columns, categorical: Sequence[str]) -> Encoding:
        numeric = tuple(name for name in features if name not in categorical)
        if not categorical:
            return cls((), numeric, None)
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=MOST_CATEGORIES,
        )
        encoder.fit(np.column_stack([features[name] for name in categorical]))
        return cls(tuple(categorical), numeric, encoder)

    def matrix(self, features: Columns) -> NDArray[np.float64]:
        """Shape (n, columns). Missing values and unknown categories are NaN."""
        numbers = [np.asarray(features[name], dtype=np.float64) for name in self.numeric]
        if self.encoder is None:
            return np.column_stack(numbers)
        texts = np.column_stack([features[name] for name in self.categorical])
        return np.column_stack([self.encoder.transform(texts), *numbers])


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model."""

    encoding: Encoding
    trees: Trees
    calibration: LogisticRegression | None  # of a binary classifier

    def score(self, features: Columns) -> NDArray[np.float64]:
        """Of a binary classifier the probability of the positive class, shape (n,).

        Of several classes that of each, shape (n, classes). Of a regression the predicted number.
        """
        matrix = self.encoding.matrix(features)
        with threadpool_limits(1):
            if self.calibration is not None:
                margin = self.trees.decision_function(matrix)
                return np.asarray(self.calibration.predict_proba(margin[:, None])[:, 1])
            if isinstance(self.trees, HistGradientBoostingRegressor):
                return np.asarray(self.trees.predict(matrix))
            return np.asarray(self.trees.predict_proba(matrix))


def train(history: History, categorical: Sequence[str], seed: int = 0) -> Model:
    """Raises ``InvalidReference`` if one half of the rows has only one class."""
    middle = len(history) // 2
    for label in (history.label[:middle], history.label[middle:]):
        if np.unique(label).size != 2:
            raise InvalidReference(
                "training needs rows of both classes in the older and in the newer half"
            )
    encoding = Encoding.of(history.features, categorical)
    matrix = encoding.matrix(history.features)
    with threadpool_limits(1):
        margins = _out_of_sample_margins(matrix, history.label, encoding, seed)
        calibration = LogisticRegression(C=1e6).fit(margins[:, None], history.label[middle:])
        trees = _fitted(matrix, history.label, encoding, seed)
    return Model(encoding, trees, calibration)


def train_regression(history: History, categorical: Sequence[str], seed: int = 0) -> Model:
    """Of the label as a number, without calibration."""
    encoding = Encoding.of(history.features, categorical)
    trees = HistGradientBoostingRegressor(**_options(encoding, seed))
    return _uncalibrated(encoding, trees, history, history.label)


def train_classes(
    history: History, codes: NDArray[np.int64], categorical: Sequence[str], seed: int = 0
) -> Model:
    """Of classes, each with its code from 0 on, shape (n,). Without calibration."""
    encoding = Encoding.of(history.features, categorical)
    options = {**_options(encoding, seed), "max_iter": ROUNDS_OF_CLASSES}
    return _uncalibrated(encoding, HistGradientBoostingClassifier(**options), history, codes)


def baseline(rows: ReferenceRows) -> dict[str, float]:
    """Metrics of fully labelled rows, by name."""
    label, score, predicted = rows.label, rows.predictions.score, rows.predictions.predicted
    return {
        "ROC-AUC": float(roc_auc_score(label, score)),
        "accuracy": float(accuracy_score(label, predicted)),
        "precision": float(precision_score(label, predicted, zero_division=0)),
        "recall": float(recall_score(label, predicted)),
        "F1": float(f1_score(label, predicted)),
        "Brier score": float(brier_score_loss(label, score)),
    }


def _out_of_sample_margins(
    matrix: NDArray[np.float64], label: NDArray[np.int64], encoding: Encoding, seed: int
) -> NDArray[np.float64]:
    """Uncalibrated scores of the newer half, each by trees fitted to older rows only."""
    edges = np.linspace(len(label) // 2, len(label), BLOCKS + 1).astype(int)
    return np.concatenate(
        [
            _fitted(matrix[:a], label[:a], encoding, seed).decision_function(matrix[a:b])
            for a, b in pairwise(edges.tolist())
            if a < b
        ]
    )


def _fitted(
    matrix: NDArray[np.float64], label: NDArray[np.int64], encoding: Encoding, seed: int
) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(**_options(encoding, seed)).fit(matrix, label)


def _uncalibrated(encoding: Encoding, trees: Trees, history: History, label: NDArray[Any]) -> Model:
    with threadpool_limits(1):
        return Model(encoding, trees.fit(encoding.matrix(history.features), label), None)


def _options(encoding: Encoding, seed: int) -> dict[str, Any]:
    return {
        "learning_rate": 0.05,
        "max_iter": ROUNDS,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 100,
        "categorical_features": list(range(len(encoding.categorical))) or None,
        "early_stopping": False,
        "random_state": seed,
    }
