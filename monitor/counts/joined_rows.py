"""Labelled rows in columns, before they are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counting import count_outcomes, count_repeated
from monitor.counts.schema import Schema
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
    score: NDArray[np.float64]
    predicted: Whole
    label: NDArray[np.float64]
    known_ms: Whole  # the event time at which the label was known and had arrived
    final: Whole
    whole: Whole

    @property
    def key(self) -> Key:
        return Key(self.model, self.version)

    def __len__(self) -> int:
        return len(self.time_ms)


def concatenated(many: Sequence[JoinedRows]) -> JoinedRows:
    """All rows of one version."""
    names = [field.name for field in fields(JoinedRows)][2:]
    columns = {name: np.concatenate([getattr(one, name) for one in many]) for name in names}
    return JoinedRows(many[0].model, many[0].version, **columns)


def count_joined(schema: Schema, rows: JoinedRows, label_wait_ms: int) -> list[Summary]:
    """Summaries of labelled rows.

    A label is in time for the sum *final* if it was known ``label_wait_ms`` after the end of the
    prediction's pane. ``Part.AMENDED`` holds the sum *all* minus the sum *final*.
    """
    pane_ms = rows.time_ms - rows.time_ms % schema.pane_ms
    in_time = rows.known_ms < pane_ms + schema.pane_ms + label_wait_ms
    final = np.where(in_time, rows.final, 0)
    signs = np.concatenate([final, rows.whole - final])
    parts = np.repeat([PARTS.index(Part.FINAL), PARTS.index(Part.AMENDED)], len(rows))
    counted = np.flatnonzero(signs)
    row = counted % max(len(rows), 1)
    is_labelled = ~np.isnan(rows.label[row])
    labelled, repeated = row[is_labelled], row[~is_labelled]
    return count_outcomes(
        schema,
        pane_ms=pane_ms[labelled],
        part=parts[counted[is_labelled]],
        score=rows.score[labelled],
        predicted=rows.predicted[labelled],
        label=rows.label[labelled],
        sign=signs[counted[is_labelled]],
    ) + count_repeated(
        schema,
        pane_ms=pane_ms[repeated],
        part=parts[counted[~is_labelled]],
        sign=signs[counted[~is_labelled]],
    )
