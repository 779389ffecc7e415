"""Prediction records as columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.counts.columns import Predictions
from monitor.counts.schema import Schema
from monitor.counts.summary import MAX_NAMES, add_names, shortened
from producers.contract.records import PredictionRecord


def prediction_columns(records: Sequence[PredictionRecord], schema: Schema) -> Predictions:
    """Columns of one version. The default prediction is whether the score reaches the threshold."""
    score = np.array([record.score for record in records], dtype=np.float64)
    default = schema.task.predicted(score, schema.threshold)
    predicted = [
        int(default[i]) if record.prediction is None else record.prediction
        for i, record in enumerate(records)
    ]
    names = [*schema.features, *_unknown_features(records, schema)]
    return Predictions(
        [record.id for record in records],
        np.array([record.time_ms for record in records], dtype=np.int64),
        score,
        np.array(predicted, dtype=np.int64),
        {name: [record.features.get(name) for record in records] for name in names},
    )


def _unknown_features(records: Sequence[PredictionRecord], schema: Schema) -> list[str]:
    """Features that the schema does not have, at most as many as a sum of their names keeps."""
    names = set().union(*(record.features for record in records))
    unknown = sorted(names - schema.features.keys())
    kept = add_names([{"unknown": dict.fromkeys(map(shortened, unknown), 1)}])["unknown"]
    return [name for name in unknown if shortened(name) in kept][:MAX_NAMES]
