"""The reference profile of a model version, which live data are compared with. It never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import (
    Categorical,
    Numeric,
    Predictions,
    Reference,
    categorical_reference,
    numeric_reference,
)
from monitor.counts.counting import count_data, count_outcomes, segment_codes, segment_numbers
from monitor.counts.schema import Schema
from monitor.counts.segmentation import Segments
from monitor.counts.segments import SegmentIndex, learned_segments
from monitor.counts.summary import Part, Summary
from monitor.counts.task import Labelled, Task
from monitor.counts.values import Column

SAMPLE_SIZE = 10_000
NO_SEGMENTS = Segments()
SEGMENTS_SHARE = 0.5  # of the budget, if there are any
SEGMENT_SAMPLE_SIZE = 2_000  # of each segment: there are many, and each has fewer rows


class InvalidReference(ValueError):
    """Rows that cannot be a reference. The message states why, and what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Schema, bins and pane counts of the reference rows of one model version."""

    schema: Schema
    panes: tuple[Summary, ...] = field(repr=False)  # the reference rows, oldest pane first
    label_delay_ms: Mapping[str, int] = field(default_factory=dict)  # "p50", "p90", "p99"
    model_file: bytes | None = field(default=None, repr=False)  # skops, if Driftline trained it
    segments: Mapping[str, Profile] = field(default_factory=dict, repr=False)  # by text
    share: float = 1.0  # of the budget, see ``with_shares``

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

    def take(self, rows: NDArray[np.int64]) -> ReferenceRows:
        """The rows at some positions."""
        label = None if self.label is None else self.label[rows]
        label_time_ms = None if self.label_time_ms is None else self.label_time_ms[rows]
        return ReferenceRows(self.predictions.take(rows), label, label_time_ms)

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
    segments: Segments = NO_SEGMENTS,
) -> Profile:
    """Learn a profile from ``rows``. It is reproducible for the same rows and seed.

    A feature that is neither in ``categorical`` nor in ``numeric`` is what most of its values are.
    ``segments`` get profiles of their own, of their rows.

    Raises ``InvalidReference`` for no rows, a feature without a usable value, scores or labels that
    are not those of the task, or ``segments`` that do not fit the features.
    """
    _check(rows, task)
    rng, predictions = np.random.default_rng(seed), rows.predictions
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
    profile = Profile(schema, (), _label_delays(rows), model_file)
    profile = _with_segments(profile, rows, segments, seed) if segments.by else profile
    return replace(profile, panes=_panes(profile.schema, rows))


def _panes(schema: Schema, rows: ReferenceRows) -> tuple[Summary, ...]:
    predictions = rows.predictions
    panes = count_data(schema, predictions, np.full(len(predictions), Part.ON_TIME, dtype=object))
    panes += _outcomes(schema, rows)
    return tuple(sorted(panes, key=lambda summary: (summary.pane_ms, summary.part)))


def _with_segments(profile: Profile, rows: ReferenceRows, segments: Segments, seed: int) -> Profile:
    """The profile with those of its segments, each of the rows of the segment."""
    predictions, schema = rows.predictions, profile.schema
    try:
        indices = tuple(
            learned_segments(
                each, schema.features, predictions.features, len(predictions), segments.most
            )
            for each in segments.by
        )
    except ValueError as error:
        raise InvalidReference(str(error)) from error
    schema = replace(schema, segmentations=indices)
    found: dict[str, Profile] = {}
    for index, codes in zip(indices, segment_codes(schema, predictions), strict=True):
        for text, chosen in index.groups(codes):
            rng = np.random.default_rng([seed, len(found)])
            found[text] = _segment_profile(profile, text, rows.take(chosen), rng, indices)
    schemas = {text: each.schema for text, each in found.items()}
    return with_shares(replace(profile, schema=replace(schema, segments=schemas), segments=found))


def with_shares(profile: Profile) -> Profile:
    """The whole and its segments with their shares of the budget.

    The segments have ``SEGMENTS_SHARE`` together, in equal parts, and the whole has the rest.
    """
    if not profile.segments:
        return replace(profile, share=1.0)
    own = SEGMENTS_SHARE / len(profile.segments)
    segments = {text: replace(each, share=own) for text, each in profile.segments.items()}
    return replace(profile, segments=segments, share=1 - SEGMENTS_SHARE)


def _segment_profile(
    whole: Profile,
    text: str,
    rows: ReferenceRows,
    rng: np.random.Generator,
    within: tuple[SegmentIndex, ...],
) -> Profile:
    """Of one segment. A feature without a value in it has the reference of the whole."""
    schema, task, predictions = whole.schema, whole.schema.task, rows.predictions
    features = {
        name: _learn_again(reference, predictions.features[name], rng)
        for name, reference in schema.features.items()
    }
    outputs: dict[str, Reference] = dict(task.categories(predictions.classes))
    outputs |= _numeric(task.outputs(predictions.score), rng, SEGMENT_SAMPLE_SIZE)
    errors = _numeric(_errors(rows, task), rng, SEGMENT_SAMPLE_SIZE)
    own = replace(
        schema, features=features, outputs=outputs, errors=errors, segment=text, within=within
    )
    return Profile(own, _panes(own, rows), whole.label_delay_ms)


def _learn_again(reference: Reference, values: Column, rng: np.random.Generator) -> Reference:
    try:
        if isinstance(reference, Categorical):
            return categorical_reference(values)
        return numeric_reference(values, SEGMENT_SAMPLE_SIZE, rng)
    except ValueError:
        return reference


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
    columns: Mapping[str, NDArray[np.float64]], rng: np.random.Generator, size: int = SAMPLE_SIZE
) -> dict[str, Numeric]:
    """The references of columns; those without a finite number are left out."""
    return {
        name: numeric_reference(values, size, rng)
        for name, values in columns.items()
        if np.isfinite(values).any()
    }


def _learn_errors(
    rows: ReferenceRows, rng: np.random.Generator, task: Task
) -> tuple[dict[str, Numeric], Task]:
    """The references of the errors, none without labels, and the task with its parameters."""
    labelled = _labelled(rows)
    if labelled is None:
        return {}, task
    learned = task.learned(labelled.score, labelled.label)
    return _numeric(task.errors(labelled), rng), learned


def _errors(rows: ReferenceRows, task: Task) -> Mapping[str, NDArray[np.float64]]:
    labelled = _labelled(rows)
    return {} if labelled is None else task.errors(labelled)


def _labelled(rows: ReferenceRows) -> Labelled | None:
    """The labelled rows; None if there are none."""
    known, predictions = rows.labelled, rows.predictions
    if rows.label is None or not known.size:
        return None
    return Labelled(predictions.score[known], predictions.predicted[known], rows.label[known])


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
        segments=segment_numbers(schema, predictions)[labelled],
    )


def _label_delays(rows: ReferenceRows) -> dict[str, int]:
    """Quantiles of label time minus prediction time in milliseconds, rounded up."""
    if rows.label_time_ms is None or not rows.labelled.size:
        return {}
    delay = (rows.label_time_ms - rows.predictions.time_ms)[rows.labelled]
    return {f"p{q}": int(np.ceil(np.percentile(delay, q))) for q in (50, 90, 99)}
