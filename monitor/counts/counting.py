"""Counts rows into summaries: one for each pane that a batch touches.

Of a version with segments, the whole also has the cells ``segment outcomes/<i>``: the labelled
rows of each segment of the segmentation ``i``, in the cell ``code * outcomes + outcome`` (see
``Task.ratio_cells``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import Categorical, FeatureTally, Numeric
from monitor.counts.counts import Counts, tally
from monitor.counts.schema import Schema
from monitor.counts.segments import combined, separated
from monitor.counts.subjects import unseen_of
from monitor.counts.summary import PARTS, Part, Summary, add_names, shortened
from monitor.counts.task import Labelled, Weighted
from monitor.counts.values import Coded, Column, Read, given, missing

T = TypeVar("T")

REDACTED = "(redacted)"  # instead of the texts of unseen categories


class Rows(Protocol):
    """Rows of one model version, such as ``Predictions``; arrays have shape (n,)."""

    @property
    def time_ms(self) -> NDArray[np.int64]: ...

    @property
    def score(self) -> NDArray[np.float64]: ...

    @property
    def predicted(self) -> NDArray[np.int64]: ...

    @property
    def features(self) -> Mapping[str, Column | Read]: ...

    @property
    def classes(self) -> Coded | None: ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Self: ...


Parts = NDArray[np.object_] | NDArray[np.int64]  # each a ``Part``, or its position in ``PARTS``


def segment_codes(schema: Schema, rows: Rows) -> list[NDArray[np.int64]]:
    """The code of each row in each segmentation, shape (n,)."""
    return [index.codes(rows.features, len(rows)) for index in schema.segmentations]


def segment_numbers(schema: Schema, rows: Rows) -> NDArray[np.int64]:
    """One number for the segments of each row, shape (n,); 0 without segmentations."""
    return combined(segment_codes(schema, rows), schema.segmentations, len(rows))


def segments_in(
    schema: Schema, segments: NDArray[np.int64]
) -> Iterator[tuple[Schema, NDArray[np.int64]]]:
    """The segments that occur in ``segment_numbers``, each with the positions of its rows."""
    codes = separated(segments, schema.segmentations)
    for index, code in zip(schema.segmentations, codes, strict=True):
        for text, chosen in index.groups(code):
            yield schema.segments[text], chosen


def count_rows(
    schema: Schema,
    rows: Rows,
    part: Parts,
    segments: NDArray[np.int64],
    redact: Collection[str] = (),
) -> list[Summary]:
    """Summaries of the whole and of each segment.

    ``part``, and ``segments`` as ``segment_numbers`` finds them, have shape (n,).
    """
    found = count_data(schema, rows, part, redact)
    for segment, chosen in segments_in(schema, segments):
        found += count_data(segment, rows.take(chosen), part[chosen], redact)
    return found


def count_data(
    schema: Schema, rows: Rows, part: Parts, redact: Collection[str] = ()
) -> list[Summary]:
    """One summary for each pane and part of ``rows``; ``part`` has shape (n,). Of the features in
    ``redact``, unseen categories are counted without their texts.

    A feature of the schema that the rows lack counts as missing. A feature that only the rows have
    is not counted, but listed under the name ``unknown`` with the number of rows that have it.
    """
    keys, group = _groups(rows.time_ms - rows.time_ms % schema.pane_ms, part)
    n, groups = len(rows), len(keys)
    absent = missing(n)
    cells: list[dict[str, Counts]] = [{} for _ in keys]
    names: list[dict[str, dict[str, int]]] = [{} for _ in keys]
    _put(cells, "rows", tally(group, np.zeros(n, dtype=np.int64), groups, 1))
    for name, tallied in _outputs(schema, rows, group, groups):
        _put(cells, name, tallied.values)
        _put(names, unseen_of(name), tallied.unseen)
    for name, (cell, width) in schema.task.row_cells(rows.predicted).items():
        _put(cells, name, tally(group, cell, groups, width))
    for name, reference in schema.features.items():
        tallied = reference.tally(rows.features.get(name, absent), group, groups)
        kind = "categories" if isinstance(reference, Categorical) else "bins"
        _put(cells, f"{kind}/{name}", tallied.values)
        _put(cells, f"quality/{name}", tallied.quality)
        _put(cells, f"rarer/{name}", tallied.rarer)
        unseen = tallied.unseen
        _put(names, f"unseen/{name}", list(map(_nameless, unseen)) if name in redact else unseen)
    _put(names, "unknown", _unknown(schema, rows, group, groups))
    found, of = zip(keys, cells, names, strict=True), (schema.model, schema.version)
    return [
        Summary(*of, pane_ms, part_of, counted, add_names([named]), schema.segment)
        for (pane_ms, part_of), counted, named in found
    ]


def count_outcomes(  # noqa: PLR0913 - the columns of a labelled row
    schema: Schema,
    *,
    pane_ms: NDArray[np.int64],
    part: Parts,
    score: NDArray[np.float64],
    predicted: NDArray[np.int64],
    label: NDArray[np.float64],
    sign: NDArray[np.int64],
    segments: NDArray[np.int64] | None = None,
) -> list[Summary]:
    """Summaries of labelled rows, all arrays of shape (n,); a ``sign`` of -1 removes a row.

    ``segments`` is the number of the segments of each row (``segment_numbers``).
    """
    keys, group = _groups(pane_ms, part)
    labelled = Labelled(score, predicted, label)
    cell = dict(schema.task.label_cells(labelled))
    for name, errors in schema.task.errors(labelled).items():
        if name in schema.errors:
            cell[name] = _located(schema.errors[name], errors)
    if segments is not None:
        cell |= _outcomes_by_segment(schema, labelled, segments)
    summaries = []
    order = np.argsort(group, kind="stable")
    cuts = np.searchsorted(group[order], np.arange(len(keys) + 1))
    for i, (pane, part_of) in enumerate(keys):
        rows = order[cuts[i] : cuts[i + 1]]
        cells = {name: _signed(of_name, rows, sign[rows]) for name, of_name in cell.items()}
        cells = {name: counts for name, counts in cells.items() if counts}
        if cells:
            summaries.append(
                Summary(schema.model, schema.version, pane, part_of, cells, segment=schema.segment)
            )
    return summaries


def count_repeated(
    schema: Schema, *, pane_ms: NDArray[np.int64], part: Parts, sign: NDArray[np.int64]
) -> list[Summary]:
    """Summaries of rows that repeat a prediction, all arrays of shape (n,)."""
    keys, group = _groups(pane_ms, part)
    found = [Counts.of(np.zeros(n.size, np.int64), n) for n in _split(sign, group, len(keys))]
    return [
        Summary(
            schema.model,
            schema.version,
            pane,
            part_of,
            {"repeated": counts},
            segment=schema.segment,
        )
        for (pane, part_of), counts in zip(keys, found, strict=True)
        if counts
    ]


def _outputs(
    schema: Schema, rows: Rows, group: NDArray[np.int64], groups: int
) -> Iterator[tuple[str, FeatureTally]]:
    """What the model puts out, as far as the reference has it."""
    numbers, classes = schema.numeric_outputs, schema.class_outputs
    for name, values in schema.task.outputs(rows.score).items():
        if name in numbers:
            yield name, FeatureTally.of_bins(_binned(numbers[name], values, group, groups))
    for name, coded in schema.task.classes_of(rows.classes).items():
        if name in classes:
            yield name, classes[name].tally(coded, group, groups)


def _outcomes_by_segment(
    schema: Schema, rows: Labelled, segments: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    outcome, outcomes = schema.task.ratio_cells(rows), schema.task.outcomes
    if outcome is None:
        return {}
    codes = separated(segments, schema.segmentations)
    return {segment_cells(i): code * outcomes + outcome for i, code in enumerate(codes)}


def segment_cells(number: int) -> str:
    """The cells of the outcomes by segment of a segmentation."""
    return f"segment outcomes/{number}"


def _split(
    values: NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> list[NDArray[np.int64]]:
    return [values[group == i] for i in range(groups)]


def _binned(
    reference: Numeric, values: NDArray[np.float64], group: NDArray[np.int64], groups: int
) -> list[Counts]:
    """Counts of ``values`` in the bins of their reference, one element for each group."""
    if np.isnan(values).any():
        present = np.flatnonzero(~np.isnan(values))
        values, group = values[present], group[present]
    return tally(group, reference.sample.locate(values), groups, reference.sample.bins)


def _located(reference: Numeric, values: NDArray[np.float64]) -> NDArray[np.int64] | Weighted:
    """The bin of each value; a row with NaN has none."""
    unknown = np.isnan(values)
    bins = reference.sample.locate(np.where(unknown, 0.0, values))
    if not unknown.any():
        return bins
    return Weighted(bins[:, None], (~unknown).astype(np.int64)[:, None])


def _signed(
    cell: NDArray[np.int64] | Weighted, rows: NDArray[np.int64], sign: NDArray[np.int64]
) -> Counts:
    if isinstance(cell, Weighted):
        weight = cell.weight[rows] * sign[:, None]
        if cell.cell.ndim == 1:
            return Counts.of(cell.cell, weight.sum(axis=0))
        return Counts.of(cell.cell[rows], weight)
    return Counts.of(cell[rows], sign)


def _groups(
    pane_ms: NDArray[np.int64], part: Parts
) -> tuple[list[tuple[int, Part]], NDArray[np.int64]]:
    """The distinct (pane, part) pairs, oldest first, and the position of each row's pair."""
    if part.dtype == object:
        rank = {p: i for i, p in enumerate(PARTS)}
        part = np.array([rank[p] for p in part], dtype=np.int64)
    distinct, group = _distinct(pane_ms * len(PARTS) + part)
    keys = [(code // len(PARTS), PARTS[code % len(PARTS)]) for code in distinct.tolist()]
    return keys, group


def _distinct(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As ``np.unique`` with the inverse, faster if all are the same."""
    if codes.size and (codes == codes[0]).all():
        return codes[:1], np.zeros(codes.size, dtype=np.int64)
    distinct, group = np.unique(codes, return_inverse=True)
    return distinct, group.astype(np.int64)


def _unknown(
    schema: Schema, rows: Rows, group: NDArray[np.int64], groups: int
) -> list[dict[str, int]]:
    """By group: the number of rows with a value for each feature that the schema lacks."""
    unknown: list[dict[str, int]] = [{} for _ in range(groups)]
    for name, values in rows.features.items():
        if name not in schema.features:
            present, rows_each = np.unique(group[given(values)], return_counts=True)
            for g, count in zip(present.tolist(), rows_each.tolist(), strict=True):
                unknown[g][shortened(name)] = unknown[g].get(shortened(name), 0) + count
    return unknown


def _nameless(texts: Mapping[str, int]) -> dict[str, int]:
    return {REDACTED: sum(texts.values())} if texts else {}


def _put(into: Sequence[dict[str, T]], name: str, values: Sequence[T]) -> None:
    for group, value in zip(into, values, strict=True):
        if value:
            group[name] = value
