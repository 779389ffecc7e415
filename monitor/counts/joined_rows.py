"""Labelled rows in columns, before they are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counting import count_outcomes, count_repeated, segments_in
from monitor.counts.schema import Schema
from monitor.counts.segments import separated
from monitor.counts.summary import PARTS, Part, Summary
from monitor.identity import Key

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class JoinedRows:
    """What is added to the labelled rows of one model version: columns of one length.

    A row without a label repeats a prediction.

    A row adds ``whole`` to the sum *all* of its pane. It adds ``final`` to the sum *final*, unless
    its label was known too late. A negative number removes what an earlier row has added.
    """

    model: str
    version: str
    time_ms: Whole  # of the prediction
    score: NDArray[np.float64]  # shape (n,), or (n, classes)
    predicted: Whole
    label: NDArray[np.float64]
    known_ms: Whole  # the event time at which the label was known and had arrived
    final: Whole
    whole: Whole
    segment: Whole  # the number of its segments, see ``segment_numbers``

    @property
    def key(self) -> Key:
        return Key(self.model, self.version)

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Whole) -> JoinedRows:
        """The rows at some positions."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        return JoinedRows(self.model, self.version, **columns)


COLUMNS = [field.name for field in fields(JoinedRows)][2:]


def concatenated(many: Sequence[JoinedRows]) -> JoinedRows:
    """All rows of one version."""
    columns = {name: _stacked([getattr(one, name) for one in many]) for name in COLUMNS}
    return JoinedRows(many[0].model, many[0].version, **columns)


def _stacked(many: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Of columns of one shape. Scores of other classes are unknown: it was registered anew."""
    shape = many[-1].shape[1:]
    return np.concatenate(
        [one if one.shape[1:] == shape else np.full((len(one), *shape), np.nan) for one in many]
    )


def own_rows(schema: Schema, rows: JoinedRows) -> JoinedRows:
    """Those of a version's ``rows`` that are in the segment of a schema; of the whole, all."""
    numbers = separated(rows.segment, schema.within)
    for index, codes in zip(schema.within, numbers, strict=True):
        if schema.segment in index.texts:
            return rows.take(np.flatnonzero(codes == index.texts.index(schema.segment) + 1))
    return rows


def count_joined_rows(schema: Schema, rows: JoinedRows, label_wait_ms: int) -> list[Summary]:
    """Summaries of labelled rows, of the whole and of each segment."""
    found = count_joined(schema, rows, label_wait_ms)
    for segment, chosen in segments_in(schema, rows.segment):
        found += count_joined(segment, rows.take(chosen), label_wait_ms)
    return found


def count_joined(schema: Schema, rows: JoinedRows, label_wait_ms: int) -> list[Summary]:
    """Summaries of labelled rows, of the whole or the segment that the schema belongs to.

    A label is in time for the sum *final* if it was known ``label_wait_ms`` after the end of the
    prediction's pane. ``Part.AMENDED`` holds the sum *all* minus the sum *final*. A label that the
    task of the version cannot have was meant for another version: it is none.
    """
    pane_ms = rows.time_ms - rows.time_ms % schema.pane_ms
    in_time = rows.known_ms < pane_ms + schema.pane_ms + label_wait_ms
    final = np.where(in_time, rows.final, 0)
    signs = np.concatenate([final, rows.whole - final])
    parts = np.repeat([PARTS.index(Part.FINAL), PARTS.index(Part.AMENDED)], len(rows))
    counted = np.flatnonzero(signs)
    row = counted % max(len(rows), 1)
    repeats = np.isnan(rows.label[row])
    is_labelled = ~repeats & schema.task.contract.label.holds(rows.label[row])
    labelled, repeated = row[is_labelled], row[repeats]
    return count_outcomes(
        schema,
        pane_ms=pane_ms[labelled],
        part=parts[counted[is_labelled]],
        score=rows.score[labelled],
        predicted=rows.predicted[labelled],
        label=rows.label[labelled],
        sign=signs[counted[is_labelled]],
        segments=rows.segment[labelled],
    ) + count_repeated(
        schema,
        pane_ms=pane_ms[repeated],
        part=parts[counted[repeats]],
        sign=signs[counted[repeats]],
    )
