"""Reads scored rows from a CSV or Parquet file with any column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from driftline.errors import BadInput
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.task import BINARY, NO_LABEL
from producers.contract.times import times_ms


class InvalidFile(BadInput):
    """A file that cannot be used. The message names the column and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The meaning of the columns of a file. Columns that are not named here are features."""

    time: str
    score: str
    prediction: str | None = None
    label: str | None = None
    label_time: str | None = None
    id: str | None = None
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    positive: str | None = None  # the value of labels and predictions that means 1
    timezone: str | None = None  # of times without an offset
    threshold: float = 0.5  # of predictions, if no column has them
    label_delay_ms: int | None = None  # if no column has the time of the label

    def __post_init__(self) -> None:
        if self.label is None and self.label_time is not None:
            raise InvalidFile("--label-time needs --label, the column of the labels themselves")

    @property
    def named(self) -> list[str]:
        """Every column that must exist."""
        own = (self.time, self.score, self.prediction, self.label, self.label_time, self.id)
        return [*filter(None, own), *self.categorical, *self.ignore]

    def features(self, names: Sequence[str]) -> list[str]:
        others = set(self.named) - set(self.categorical)
        return [name for name in names if name not in others]


def read_rows(path: Path, columns: Columns) -> ReferenceRows:
    """The rows of ``path``, sorted by time. Raises ``InvalidFile`` or ``InvalidTime``."""
    frame = _frame(path, columns)
    _check(frame, path, columns)
    frame = frame.assign(**{columns.time: times_ms(frame[columns.time], columns.timezone)})
    frame = frame.sort_values(columns.time, kind="stable", ignore_index=True)
    score = _scores(frame[columns.score])
    rows = Predictions(
        ids=_ids(frame, path, columns.id),
        time_ms=frame[columns.time].to_numpy(dtype=np.int64),
        score=score,
        predicted=_predicted(frame, columns, score),
        features={
            name: _feature(frame[name], name in columns.categorical)
            for name in columns.features(list(frame.columns))
        },
    )
    if columns.label is None:
        return ReferenceRows(rows)
    label = _classes(frame[columns.label], columns.positive)
    return ReferenceRows(rows, label, _label_times(frame, columns, label))


def _frame(path: Path, columns: Columns) -> pd.DataFrame:
    try:
        frame = _read(path, columns)
    except FileNotFoundError as error:
        raise InvalidFile(f"{path} cannot be read: the file does not exist") from error
    except pd.errors.EmptyDataError as error:
        raise InvalidFile(
            f"{path} is empty: expected a line of column names and at least one row"
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InvalidFile(f"{path} cannot be read: {reason}") from error
    frame.columns = frame.columns.map(str)
    return frame


def _read(path: Path, columns: Columns) -> pd.DataFrame:
    if path.suffix == ".csv":
        # Ids and categories are read as text, so that "007" stays "007".
        texts = dict.fromkeys(filter(None, (columns.id, *columns.categorical)), "str")
        return pd.read_csv(path, dtype=texts, low_memory=False)
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        return frame if frame.index.names == [None] else frame.reset_index()
    raise ValueError("expected a file name that ends in .csv or .parquet")


def _check(frame: pd.DataFrame, path: Path, columns: Columns) -> None:
    for name in columns.named:
        if name not in frame.columns:
            names = ", ".join(frame.columns)
            raise InvalidFile(f"there is no column {name!r} in {path}: its columns are {names}")
    if frame.empty:
        raise InvalidFile(f"{path} has no rows: expected at least one")


def _scores(column: pd.Series[Any]) -> NDArray[np.float64]:
    if not _is_number(column):
        raise InvalidFile(f"column {column.name!r} is not numeric: expected scores from 0 to 1")
    score = column.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = score[~BINARY.is_score(score)]
    if wrong.size:
        value = "is missing" if np.isnan(wrong[0]) else f"is {wrong[0]:g}"
        raise InvalidFile(
            f"a score in column {column.name!r} {value}: expected probabilities between 0 and 1"
            " (only binary classification is supported, no regression and no margins)"
        )
    return score


def _ids(frame: pd.DataFrame, path: Path, column: str | None) -> list[str]:
    """Without a column: the file name and the number of the row in the order of time."""
    if column is None:
        return [f"{path.stem[:150]}/{number}" for number in range(len(frame))]
    ids = [_text(value) for value in _objects(frame[column])]
    if not all(text is not None and 1 <= len(text) <= 200 for text in ids):
        raise InvalidFile(f"an id in column {column!r} is missing or longer than 200 characters")
    if len(set(ids)) < len(ids):
        ((duplicate, count),) = Counter(ids).most_common(1)
        raise InvalidFile(
            f"the id {duplicate!r} in column {column!r} belongs to {count} rows: ids must be"
            " unique; without --id the rows are numbered"
        )
    return [str(text) for text in ids]


def _predicted(
    frame: pd.DataFrame, columns: Columns, score: NDArray[np.float64]
) -> NDArray[np.int64]:
    if columns.prediction is None:
        return BINARY.predicted(score, columns.threshold)
    predicted = _classes(frame[columns.prediction], columns.positive, also_numbers=True)
    if not BINARY.is_known(predicted).all():
        raise InvalidFile(f"a prediction in column {columns.prediction!r} is missing")
    return predicted


def _classes(
    column: pd.Series[Any], positive: str | None, *, also_numbers: bool = False
) -> NDArray[np.int64]:
    """0 and 1, and ``NO_LABEL`` where the value is missing.

    With ``also_numbers`` the column may have 0 and 1 although ``positive`` is another name.
    """
    texts = [_class(value) for value in _objects(column)]
    distinct = {text for text in texts if text is not None}
    named = _class(positive)
    has_numbers = also_numbers and named not in distinct
    one = _positive(str(column.name), sorted(distinct), None if has_numbers else named)
    return np.array([NO_LABEL if text is None else text == one for text in texts], dtype=np.int64)


def _positive(column: str, values: Sequence[str], positive: str | None) -> str:
    """The one of the distinct values, at most two, that means 1."""
    listed = ", ".join(map(repr, values[:5])) + (", …" if len(values) > 5 else "")
    if len(values) > 2:
        raise InvalidFile(
            f"column {column!r} has {len(values)} different values ({listed}): only binary"
            " classification is supported"
        )
    if positive is None:
        return _usual_positive(column, values, listed)
    if positive not in values and len(values) == 2:
        raise InvalidFile(
            f"column {column!r} has the values {listed}, but not the positive one {positive!r}"
        )
    return positive


def _usual_positive(column: str, values: Sequence[str], listed: str) -> str:
    for zero, one in (("0", "1"), ("false", "true")):
        if {zero, one}.issuperset(values):
            return one
    raise InvalidFile(
        f"column {column!r} has the values {listed}: give the positive one with --positive"
    )


def _feature(column: pd.Series[Any], categorical: bool) -> NDArray[Any]:
    """Numbers with NaN, or objects with None, where a value is missing."""
    if _is_number(column) and not categorical:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = _objects(column)
    for value in values:
        if not isinstance(value, str | int | float | None):
            raise InvalidFile(
                f"column {column.name!r} has a {type(value).__name__}: expected numbers, strings or"
                " booleans; --ignore leaves a column out"
            )
    return np.array([_text(value) for value in values] if categorical else values, dtype=object)


def _label_times(
    frame: pd.DataFrame, columns: Columns, label: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Shape (n,). Rows without a label have the time of the prediction."""
    time_ms = frame[columns.time].to_numpy(dtype=np.int64)
    if columns.label_time is None:
        return None if columns.label_delay_ms is None else time_ms + columns.label_delay_ms
    is_labelled = BINARY.is_known(label)
    label_time_ms = time_ms.copy()
    label_time_ms[is_labelled] = times_ms(
        frame.loc[is_labelled, columns.label_time], columns.timezone
    )
    if (label_time_ms < time_ms).any():
        raise InvalidFile(
            f"a time in column {columns.label_time!r} is before the time of its prediction"
        )
    return label_time_ms


def _is_number(column: pd.Series[Any]) -> bool:
    numeric, boolean = pd.api.types.is_numeric_dtype, pd.api.types.is_bool_dtype
    return numeric(column) and not boolean(column)


def _objects(column: pd.Series[Any]) -> list[Any]:
    """Python values; None where a value is missing."""
    return [
        None if missing else value
        for value, missing in zip(column.tolist(), column.isna(), strict=True)
    ]


def _class(value: Any) -> str | None:
    """As ``_text``; ``True`` and ``TRUE`` are the same as ``true``."""
    text = _text(value)
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def _text(value: Any) -> str | None:
    """A value as a category, an id or a class: 1, 1.0 and "1" are the same."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
