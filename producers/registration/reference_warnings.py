"""What the user should know about a file of rows before its results are trusted, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitor.counts.profile import Profile
from monitor.counts.values import Column
from monitor.plan import Plan, duration_text
from producers.registration.decision_threshold import predicted_by, threshold_of
from producers.registration.rows_file import FileRows
from producers.registration.value_columns import FeatureColumn

MIN_ROWS = 100  # with fewer, hardly anything can be said about a column
FEW_NUMBERS = 20  # so few different whole numbers may be codes
ALMOST_ALL = 0.95  # different values in proportion to the rows: an id has as many
SKILL = 0.1  # of the score, from which on it seems to predict a column
_LABELS = ("label", "labels", "target", "truth", "y", "y_true", "actual", "outcome", "ground_truth")
_PREDICTIONS = ("prediction", "predictions", "predicted", "y_pred", "pred", "decision")


def row_warnings(file: FileRows) -> list[str]:
    """Of any file: what its values and times were taken for."""
    found = [*file.notes, *([file.threshold.warning] if file.threshold.warning else [])]
    found += [f"column {c.name!r}: {c.warning}" for c in file.features if c.warning]
    if file.unnamed:
        names = ", ".join(file.unnamed)
        found.append(f"left out, because it has no name (perhaps a saved index): {names}")
    return found


def reference_warnings(file: FileRows, profile: Profile, plan: Plan) -> list[str]:
    """Of a file of reference rows, also what may be no feature, and settings that do not fit."""
    columns = [f"column {c.name!r}: {text}" for c in file.features for text in _of(file, c)]
    return [*row_warnings(file), *columns, *_of_labels(file, profile, plan)]


def _of(file: FileRows, column: FeatureColumn) -> Iterator[str]:
    name = column.name
    facts = file.facts(column)
    if facts.present < MIN_ROWS:
        return
    if role := _role(file, column):
        yield f"it may be the {role}: use it with --{role}, or leave it out with --ignore {name!r}"
        return
    is_insisted = name in (*file.columns.numeric, *file.columns.categorical)
    could_be_id = not column.is_numeric or facts.is_whole
    if could_be_id and facts.different > max(ALMOST_ALL * facts.present, FEW_NUMBERS):
        yield (
            f"it has {facts.different:,} different values in {facts.present:,} rows, like an id or"
            f" a row number: if it is no feature, leave it out with --ignore {name!r}"
        )
    elif facts.is_whole and 2 < facts.different <= FEW_NUMBERS and not is_insisted:
        yield (
            f"it has only {facts.different} different whole numbers: --categorical {name!r} if they"
            f" are codes, --numeric {name!r} if they are numbers"
        )


def _role(file: FileRows, column: FeatureColumn) -> str | None:
    """``label`` or ``prediction``, if the column seems to be that, and no option names one."""
    classes = _classes(file.rows.predictions.features[column.name])
    if classes is None or not file.columns.task.contract.label.whole:
        return None
    name, known = column.name.lower(), classes >= 0
    score, classes = file.rows.predictions.score[known], classes[known]
    if file.columns.prediction is None and (name in _PREDICTIONS or _follows(score, classes)):
        return "prediction"
    if file.columns.label is None and (name in _LABELS or _skill(score, classes) > SKILL):
        return "label"
    return None


def _classes(values: Column) -> NDArray[np.int64] | None:
    """0, 1 and -1 (missing) of a column with two values; None of any other."""
    code, distinct = pd.factorize(np.asarray(values), sort=False)
    if len(distinct) != 2:
        return None
    first_is_one = str(distinct[0]) > str(distinct[1])
    return np.where((code >= 0) & first_is_one, 1 - code, code).astype(np.int64)


def _follows(score: NDArray[np.float64], classes: NDArray[np.int64]) -> bool:
    """Whether the classes follow from the score by a threshold."""
    threshold = threshold_of(None, score, classes).value
    return bool((predicted_by(score, threshold) == classes).all())


def _skill(score: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """Of the Brier score, against always predicting the mean."""
    variance = float(label.var())
    return 1 - float(np.square(score - label).mean()) / variance if variance else 0.0


def _of_labels(file: FileRows, profile: Profile, plan: Plan) -> Iterator[str]:
    """Labels that come too late to count."""
    label, label_ms = file.rows.label, file.rows.label_time_ms
    if label is None or label_ms is None or not profile.label_delay_ms:
        return
    horizon_ms = plan.time.label_horizon_ms
    delay_ms = (label_ms - file.rows.predictions.time_ms)[file.rows.labelled]
    late = int((delay_ms > horizon_ms).sum())
    if late:
        yield (
            f"{late:,} of {delay_ms.size:,} labels ({late / delay_ms.size:.0%}) come later after"
            f" their prediction than time.label_horizon, which is {duration_text(horizon_ms)}, so"
            f" they never count; 99% come within {duration_text(profile.label_delay_ms['p99'])}:"
            " set time.label_horizon"
        )
