"""The reference profile of a model version, which live data are compared with. It never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import (
    Numeric,
    Predictions,
    Reference,
    categorical_reference,
    numeric_reference,
)
from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.schema import Schema
from monitor.counts.summary import Part, Summary
from monitor.counts.task import Labelled, Task
from monitor.counts.values import Column

SAMPLE_SIZE = 10_000


class InvalidReference(ValueError):
    """Rows that cannot be a reference. The message states why, and what was expected."""


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
        return bool(self.schema.errors)

    def label_wait_ms(self, configured_ms: int | None, horizon_ms: int) -> int:
        """The time a pane waits for its labels. See ``label_wait_ms``."""
        return label_wait_ms(self.label_delay_ms, configured_ms, horizon_ms)


def label_wait_ms(
    label_delay_ms: Mapping[str, int], configured_ms: int | None, horizon_ms: int
) -> int:
    """The time a pane waits for its labels: configured, else learned, else the horizon."""
    if configured_ms is not None:
        return configured_ms
    return min(max(label_delay_ms.get("p99", horizon_ms), 0), horizon_ms)


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRows:
    """Scored rows in time order, with their labels where known."""

    predictions: Predictions
    label: NDArray[np.float64] | None = None  # shape (n,): class or number, ``NO_LABEL`` is NaN
    label_time_ms: NDArray[np.int64] | None = None  # shape (n,)

    @property
    def labelled(self) -> NDArray[np.int64]:
        """The positions of the rows whose label is known."""
        if self.label is None:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(~np.isnan(self.label))


def build_profile(  # noqa: PLR0913 - the settings of a profile
    model: str,
    version: str,
    rows: ReferenceRows,
    *,
    pane_ms: int,
    threshold: float,
    task: Task,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    seed: int = 0,
    model_file: bytes | None = None,
) -> Profile:
    """Learn a profile from ``rows``. It is reproducible for the same rows and seed.

    A feature that is neither in ``categorical`` nor in ``numeric`` is what most of its values are.

    Raises ``InvalidReference`` if there are no rows, a feature has no usable value, or scores or
    labels are not those of the task.
    """
    _check(rows, task)
    rng = np.random.default_rng(seed)
    predictions = rows.predictions
    features = {
        name: _learn(
            name,
            values,
            name in categorical or (name not in numeric and looks_categorical(values)),
            rng,
        )
        for name, values in predictions.features.items()
    }
    outputs: dict[str, Reference] = dict(task.categories(predictions.classes))
    outputs |= _numeric(task.outputs(predictions.score), rng)
    errors, learned = _learn_errors(rows, rng, task)
    schema = Schema(model, version, pane_ms, threshold, features, outputs, errors, learned)
    panes = count_data(schema, predictions, np.full(len(predictions), Part.ON_TIME, dtype=object))
    panes += _outcomes(schema, rows)
    ordered = tuple(sorted(panes, key=lambda summary: (summary.pane_ms, summary.part)))
    return Profile(schema, ordered, _label_delays(rows), model_file)


def _check(rows: ReferenceRows, task: Task) -> None:
    if len(rows.predictions) == 0:
        raise InvalidReference("the reference holds no rows: expected at least one scored row")
    try:
        task.check_reference(rows.predictions.score, rows.label)
    except ValueError as error:
        raise InvalidReference(str(error)) from error


def _learn(name: str, values: Column, categorical: bool, rng: np.random.Generator) -> Reference:
    try:
        if categorical:
            return categorical_reference(values)
        return numeric_reference(values, SAMPLE_SIZE, rng)
    except ValueError as error:
        raise InvalidReference(
            f"feature {name!r} cannot be learned: {error}; leave it out (--ignore {name})"
        ) from error


def looks_categorical(values: Column) -> bool:
    """Whether most of the values that are not missing are texts or booleans."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return False
    kinds = Counter(type(value) for value in values if value == value)  # NaN is missing
    texts = sum(n for kind, n in kinds.items() if issubclass(kind, str | bool | np.bool_))
    numbers = sum(n for kind, n in kinds.items() if issubclass(kind, int | float | np.number))
    return texts > numbers - kinds[bool]


def _numeric(
    columns: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
) -> dict[str, Numeric]:
    """The references of columns; those without a finite number are left out."""
    return {
        name: numeric_reference(values, SAMPLE_SIZE, rng)
        for name, values in columns.items()
        if np.isfinite(values).any()
    }


def _learn_errors(
    rows: ReferenceRows, rng: np.random.Generator, task: Task
) -> tuple[dict[str, Numeric], Task]:
    """The references of the errors, none without labels, and the task with its parameters."""
    known = rows.labelled
    if rows.label is None or not known.size:
        return {}, task
    predictions = rows.predictions
    labelled = Labelled(predictions.score[known], predictions.predicted[known], rows.label[known])
    learned = task.learned(labelled.score, labelled.label)
    return _numeric(task.errors(labelled), rng), learned


def _outcomes(schema: Schema, rows: ReferenceRows) -> list[Summary]:
    if rows.label is None:
        return []
    labelled, predictions = rows.labelled, rows.predictions
    count = labelled.size
    return count_outcomes(
        schema,
        pane_ms=predictions.time_ms[labelled] - predictions.time_ms[labelled] % schema.pane_ms,
        part=np.full(count, Part.FINAL, dtype=object),
        score=predictions.score[labelled],
        predicted=predictions.predicted[labelled],
        label=rows.label[labelled],
        sign=np.ones(count, dtype=np.int64),
    )


def _label_delays(rows: ReferenceRows) -> dict[str, int]:
    """Quantiles of label time minus prediction time in milliseconds, rounded up."""
    if rows.label_time_ms is None or not rows.labelled.size:
        return {}
    delay = (rows.label_time_ms - rows.predictions.time_ms)[rows.labelled]
    return {f"p{q}": int(np.ceil(np.percentile(delay, q))) for q in (50, 90, 99)}
