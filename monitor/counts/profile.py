"""The reference profile of a model version: what live data are compared with. It never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import (
    Column,
    Labels,
    Predictions,
    Reference,
    categorical_reference,
    numeric_reference,
)
from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.schema import Schema
from monitor.counts.summary import Part, Summary

SAMPLE_SIZE = 10_000


class InvalidReference(ValueError):
    """Rows that cannot serve as a reference. The message says why, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Schema, bins and pane counts of the reference rows of one model version."""

    schema: Schema
    panes: tuple[Summary, ...] = field(repr=False)  # the reference rows, oldest pane first
    label_delay_ms: Mapping[str, int] = field(default_factory=dict)  # "p50", "p90", "p99"
    model_file: bytes | None = field(default=None, repr=False)  # skops, if Driftline trained it

    @property
    def model(self) -> str:
        return self.schema.model

    @property
    def version(self) -> str:
        return self.schema.version

    @property
    def labelled(self) -> bool:
        return self.schema.errors is not None

    def label_wait_ms(self, configured_ms: int | None, horizon_ms: int) -> int:
        """How long a pane waits for its labels: as configured, else learned, else the horizon."""
        if configured_ms is not None:
            return configured_ms
        return min(max(self.label_delay_ms.get("p99", horizon_ms), 0), horizon_ms)


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRows:
    """Scored rows in time order; labels, where known, by the position of their row."""

    predictions: Predictions
    label: NDArray[np.int64] | None = None  # shape (n,): 0, 1, or -1 where unknown
    label_time_ms: NDArray[np.int64] | None = None  # shape (n,)


def build_profile(  # noqa: PLR0913 - all of it is what a profile says
    model: str,
    version: str,
    rows: ReferenceRows,
    *,
    pane_ms: int,
    threshold: float,
    categorical: Sequence[str] = (),
    seed: int = 0,
    model_file: bytes | None = None,
) -> Profile:
    """Learn a profile from ``rows``. The same rows and seed give the same profile.

    Raises ``InvalidReference`` if there is no row, a feature holds nothing to learn from, a score
    lies outside [0, 1], or the labels are others than 0 and 1, or all of one class.
    """
    _check(rows)
    rng = np.random.default_rng(seed)
    predictions = rows.predictions
    features = {
        name: _learn(name, values, name in categorical, rng)
        for name, values in predictions.features.items()
    }
    score = numeric_reference(predictions.score, SAMPLE_SIZE, rng)
    labelled = None if rows.label is None else _labelled(rows)
    errors = None
    if labelled is not None:
        distance = np.abs(labelled.label - predictions.score[_known(rows)])
        errors = numeric_reference(distance, SAMPLE_SIZE, rng)
    schema = Schema(model, version, pane_ms, threshold, features, score, errors)
    panes = count_data(schema, predictions, np.full(len(predictions), Part.ON_TIME, dtype=object))
    if labelled is not None:
        panes = [*panes, *_outcomes(schema, rows)]
    ordered = tuple(sorted(panes, key=lambda summary: (summary.pane_ms, summary.part)))
    return Profile(schema, ordered, _delays(rows), model_file)


def _check(rows: ReferenceRows) -> None:
    score = rows.predictions.score
    if score.size == 0:
        raise InvalidReference("the reference holds no rows: expected at least one scored row")
    if not ((score >= 0) & (score <= 1)).all():
        raise InvalidReference(
            f"scores must be probabilities between 0 and 1, found {_outside(score)}"
            " (a regression or a margin is not supported; only binary classification is)"
        )
    classes = set() if rows.label is None else set(np.unique(rows.label[_known(rows)]).tolist())
    if not classes <= {0, 1}:
        raise InvalidReference(f"labels must be 0 or 1, found {max(classes)}")
    if rows.label is not None and classes != {0, 1}:
        raise InvalidReference("the labels hold only one class: a reference needs both, 0 and 1")


def _outside(score: NDArray[np.float64]) -> str:
    worst = score[~((score >= 0) & (score <= 1))][0]
    return "a missing one" if np.isnan(worst) else f"{worst:g}"


def _learn(name: str, values: Column, categorical: bool, rng: np.random.Generator) -> Reference:
    try:
        if categorical or _looks_categorical(values):
            return categorical_reference(values)
        return numeric_reference(values, SAMPLE_SIZE, rng)
    except ValueError as error:
        raise InvalidReference(
            f"feature {name!r} cannot be learned: {error}; leave it out (--ignore {name})"
        ) from error


def _looks_categorical(values: Column) -> bool:
    """A feature is categorical if its first value that is not missing is a text or a boolean."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return False
    present = (v for v in values if v is not None and not (isinstance(v, float) and np.isnan(v)))
    return isinstance(next(present, None), str | bool | np.bool_)


def _known(rows: ReferenceRows) -> NDArray[np.bool_]:
    if rows.label is None:
        return np.zeros(len(rows.predictions), dtype=bool)
    return rows.label >= 0


def _labelled(rows: ReferenceRows) -> Labels:
    known = np.flatnonzero(_known(rows))
    assert rows.label is not None
    times = rows.predictions.time_ms if rows.label_time_ms is None else rows.label_time_ms
    ids = [rows.predictions.ids[i] for i in known.tolist()]
    return Labels(ids, times[known], rows.label[known])


def _outcomes(schema: Schema, rows: ReferenceRows) -> list[Summary]:
    known, predictions = _known(rows), rows.predictions
    assert rows.label is not None
    return count_outcomes(
        schema,
        pane_ms=predictions.time_ms[known] - predictions.time_ms[known] % schema.pane_ms,
        part=np.full(int(known.sum()), Part.FINAL, dtype=object),
        score=predictions.score[known],
        predicted=predictions.predicted[known],
        label=rows.label[known],
        sign=np.ones(int(known.sum()), dtype=np.int64),
    )


def _delays(rows: ReferenceRows) -> dict[str, int]:
    """Quantiles of label time minus prediction time, milliseconds; rounded up."""
    if rows.label_time_ms is None or rows.label is None:
        return {}
    delay = (rows.label_time_ms - rows.predictions.time_ms)[_known(rows)]
    return {f"p{q}": int(np.ceil(np.percentile(delay, q))) for q in (50, 90, 99)}
