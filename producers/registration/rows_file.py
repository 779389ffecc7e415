"""Scored rows out of a CSV or Parquet file, whatever its columns are called."""

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
from producers.contract.times import times_ms


class InvalidFile(BadInput):
    """A file that cannot be used as it is. The message says what is wrong with which column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a file mean; those that are not named here are features."""

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
    threshold: float = 0.5  # of a prediction, where no column holds it
    label_delay_ms: int | None = None  # where no column holds the time of the label

    def __post_init__(self) -> None:
        if self.label is None and self.label_time is not None:
            raise InvalidFile("--label-time says when labels became known: it needs --label")

    @property
    def named(self) -> list[str]:
        """Every column that has to be there."""
        own = (self.time, self.score, self.prediction, self.label, self.label_time, self.id)
        return [*filter(None, own), *self.categorical, *self.ignore]

    def features(self, there: Sequence[str]) -> list[str]:
        taken = set(self.named) - set(self.categorical)
        return [name for name in there if name not in taken]


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
        raise InvalidFile(f"{path} cannot be read: there is no such file") from error
    except pd.errors.EmptyDataError as error:
        raise InvalidFile(f"{path} is empty: expected a line of column names, and rows") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise InvalidFile(f"{path} cannot be read: {said}") from error
    frame.columns = frame.columns.map(str)
    return frame


def _read(path: Path, columns: Columns) -> pd.DataFrame:
    if path.suffix == ".csv":
        # Read as they stand: "007" is no number where it names something.
        texts = dict.fromkeys(filter(None, (columns.id, *columns.categorical)), "str")
        return pd.read_csv(path, dtype=texts, low_memory=False)
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        return frame if frame.index.names == [None] else frame.reset_index()
    raise ValueError("expected a name that ends in .csv or .parquet")


def _check(frame: pd.DataFrame, path: Path, columns: Columns) -> None:
    for name in columns.named:
        if name not in frame.columns:
            there = ", ".join(frame.columns)
            raise InvalidFile(f"there is no column {name!r} in {path}: there are {there}")
    if frame.empty:
        raise InvalidFile(f"{path} holds no rows: expected at least one")


def _scores(column: pd.Series[Any]) -> NDArray[np.float64]:
    if not _is_number(column):
        raise InvalidFile(f"column {column.name!r} does not hold numbers: a score lies in 0 to 1")
    score = column.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = score[~((score >= 0) & (score <= 1))]
    if wrong.size:
        found = "is missing" if np.isnan(wrong[0]) else f"is {wrong[0]:g}"
        raise InvalidFile(
            f"a score in column {column.name!r} {found}: scores are probabilities between 0 and 1"
            " (only binary classification is supported, no regression and no margins)"
        )
    return score


def _ids(frame: pd.DataFrame, path: Path, column: str | None) -> list[str]:
    """Without a column of them: the place in the file's order of time."""
    if column is None:
        return [f"{path.stem[:150]}/{number}" for number in range(len(frame))]
    ids = [_text(value) for value in _objects(frame[column])]
    if not all(text is not None and 1 <= len(text) <= 200 for text in ids):
        raise InvalidFile(f"an id in column {column!r} is missing, or longer than 200 characters")
    if len(set(ids)) < len(ids):
        ((twice, times),) = Counter(ids).most_common(1)
        raise InvalidFile(
            f"the id {twice!r} in column {column!r} names {times} rows: an id is the name of one;"
            " without --id the rows are numbered"
        )
    return [str(text) for text in ids]


def _predicted(
    frame: pd.DataFrame, columns: Columns, score: NDArray[np.float64]
) -> NDArray[np.int64]:
    if columns.prediction is None:
        return (score >= columns.threshold).astype(np.int64)
    predicted = _classes(frame[columns.prediction], columns.positive, also_numbers=True)
    if (predicted < 0).any():
        raise InvalidFile(f"a prediction in column {columns.prediction!r} is missing")
    return predicted


def _classes(
    column: pd.Series[Any], positive: str | None, *, also_numbers: bool = False
) -> NDArray[np.int64]:
    """0 and 1, and -1 where the value is missing.

    A service may predict 0 and 1 where the truth has other names: ``also_numbers``.
    """
    texts = [_class(value) for value in _objects(column)]
    met = {text for text in texts if text is not None}
    wanted = _class(positive)
    plain = also_numbers and wanted not in met
    one = _positive(str(column.name), sorted(met), None if plain else wanted)
    return np.array([-1 if text is None else text == one for text in texts], dtype=np.int64)


def _positive(column: str, met: Sequence[str], positive: str | None) -> str:
    """Which of the values met, at most two, means 1."""
    shown = ", ".join(map(repr, met[:5])) + (", …" if len(met) > 5 else "")
    if len(met) > 2:
        raise InvalidFile(
            f"column {column!r} holds {len(met)} different values ({shown}): only binary"
            " classification is supported"
        )
    if positive is None:
        for zero, one in (("0", "1"), ("false", "true")):
            if {zero, one}.issuperset(met):
                return one
        raise InvalidFile(f"column {column!r} holds {shown}: say with --positive which means 1")
    if positive not in met and len(met) == 2:
        raise InvalidFile(f"column {column!r} holds {shown}, and never the positive {positive!r}")
    return positive


def _feature(column: pd.Series[Any], categorical: bool) -> NDArray[Any]:
    """Numbers with NaN, or objects with None, where a value is missing."""
    if _is_number(column) and not categorical:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = _objects(column)
    for value in values:
        if not isinstance(value, str | int | float | None):
            raise InvalidFile(
                f"column {column.name!r} holds a {type(value).__name__}: a feature is a number, a"
                " text or a boolean; leave the column out with --ignore"
            )
    return np.array([_text(value) for value in values] if categorical else values, dtype=object)


def _label_times(
    frame: pd.DataFrame, columns: Columns, label: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Shape (n,); where there is no label, the time of the prediction."""
    time_ms = frame[columns.time].to_numpy(dtype=np.int64)
    if columns.label_time is None:
        return None if columns.label_delay_ms is None else time_ms + columns.label_delay_ms
    known = label >= 0
    known_at = time_ms.copy()
    known_at[known] = times_ms(frame.loc[known, columns.label_time], columns.timezone)
    if (known_at < time_ms).any():
        raise InvalidFile(
            f"a time in column {columns.label_time!r} lies before the prediction that it judges"
        )
    return known_at


def _is_number(column: pd.Series[Any]) -> bool:
    numeric, boolean = pd.api.types.is_numeric_dtype, pd.api.types.is_bool_dtype
    return numeric(column) and not boolean(column)


def _objects(column: pd.Series[Any]) -> list[Any]:
    """Plain values, None where one is missing."""
    return [
        None if missing else value
        for value, missing in zip(column.tolist(), column.isna(), strict=True)
    ]


def _class(value: Any) -> str | None:
    """Truth is truth, however its first letter is written."""
    text = _text(value)
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def _text(value: Any) -> str | None:
    """How a value is written as a category, an id or a class: 1, 1.0 and "1" are the same."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
