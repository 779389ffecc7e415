"""A binary classifier with calibrated scores, trained on the past and judged on what came after.

Theory of operation
-------------------
Boosted trees are fitted to all training rows. Their scores are calibrated with scores that no tree
has learned from: the second half of the rows, block by block, each scored by trees fitted to
everything *before* it, as the future will be::

    |------ fit ------|score|
    |--------- fit ---------|score|
    |------------ fit ------------|score|        -> one sigmoid over all of these scores

Nothing is drawn at random but by the seed, and one thread does it all, because sums of floats
depend on how threads share them: the same rows and seed give the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
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
MOST_CATEGORIES = 255  # that the trees can tell apart; rarer ones share a code


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Columns as one matrix of numbers: codes of the categorical ones first, then the numeric."""

    categorical: tuple[str, ...]
    numeric: tuple[str, ...]
    encoder: OrdinalEncoder | None  # None: there is no categorical column

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
        """Shape (n, columns); what is missing, and categories never seen, are NaN."""
        numbers = [np.asarray(features[name], dtype=np.float64) for name in self.numeric]
        if self.encoder is None:
            return np.column_stack(numbers)
        texts = np.column_stack([features[name] for name in self.categorical])
        return np.column_stack([self.encoder.transform(texts), *numbers])


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Scores rows by the columns it was trained on."""

    encoding: Encoding
    trees: HistGradientBoostingClassifier
    calibration: LogisticRegression

    def score(self, features: Columns) -> NDArray[np.float64]:
        """P(positive), shape (n,)."""
        matrix = self.encoding.matrix(features)
        with threadpool_limits(1):
            margin = self.trees.decision_function(matrix)
        return np.asarray(self.calibration.predict_proba(margin[:, None])[:, 1])


def train(history: History, categorical: Sequence[str], seed: int = 0) -> Model:
    """Raises ``InvalidReference`` if one half of the rows holds only one class."""
    middle = len(history) // 2
    for label in (history.label[:middle], history.label[middle:]):
        if np.unique(label).size != 2:
            raise InvalidReference("training needs both classes in the older and the newer half")
    encoding = Encoding.of(history.features, categorical)
    matrix = encoding.matrix(history.features)
    with threadpool_limits(1):
        ahead = _margins_ahead(matrix, history.label, len(encoding.categorical), seed)
        calibration = LogisticRegression(C=1e6).fit(ahead[:, None], history.label[middle:])
        trees = _fitted(matrix, history.label, len(encoding.categorical), seed)
    return Model(encoding, trees, calibration)


def baseline(rows: ReferenceRows) -> dict[str, float]:
    """How well the scores of fully labelled rows do."""
    label, score, predicted = rows.label, rows.predictions.score, rows.predictions.predicted
    return {
        "ROC-AUC": float(roc_auc_score(label, score)),
        "accuracy": float(accuracy_score(label, predicted)),
        "precision": float(precision_score(label, predicted, zero_division=0)),
        "recall": float(recall_score(label, predicted)),
        "F1": float(f1_score(label, predicted)),
        "Brier score": float(brier_score_loss(label, score)),
    }


def _margins_ahead(
    matrix: NDArray[np.float64], label: NDArray[np.int64], categories: int, seed: int
) -> NDArray[np.float64]:
    """Scores of the newer half before calibration, by trees that saw only what is older."""
    edges = np.linspace(len(label) // 2, len(label), BLOCKS + 1).astype(int)
    return np.concatenate(
        [
            _fitted(matrix[:a], label[:a], categories, seed).decision_function(matrix[a:b])
            for a, b in pairwise(edges.tolist())
            if a < b
        ]
    )


def _fitted(
    matrix: NDArray[np.float64], label: NDArray[np.int64], categories: int, seed: int
) -> HistGradientBoostingClassifier:
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        categorical_features=list(range(categories)) or None,
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(matrix, label)
