"""Rows that ``aggregate`` sends to ``join``: predictions and labels by a hash of their id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from consumers.messages.joins import JoinRows, identity, identity_partition, join_message
from consumers.messages.records import Message
from monitor.counts.columns import Predictions
from monitor.counts.summary import Part
from producers.contract.records import LabelRecord


def prediction_rows(
    model: str, version: str, rows: Predictions, parts: NDArray[np.object_]
) -> JoinRows:
    """Predictions of one version; ``parts`` holds a ``Part`` for each."""
    return JoinRows(
        model,
        [identity(model, id_) for id_ in rows.ids],
        [version] * len(rows),
        rows.time_ms,
        parts == Part.LATE,
        rows.score,
        rows.predicted,
        np.zeros(len(rows), dtype=np.int64),
    )


def label_rows(model: str, labels: Sequence[tuple[LabelRecord, int]]) -> JoinRows:
    """Labels, each with the newest label time before it in its partition."""
    n = len(labels)
    return JoinRows(
        model,
        [identity(model, label.id) for label, _ in labels],
        [None] * n,
        np.array([label.time_ms for label, _ in labels], dtype=np.int64),
        np.zeros(n, dtype=bool),
        np.zeros(n),
        np.array([label.label for label, _ in labels], dtype=np.int64),
        np.array([seen_ms for _, seen_ms in labels], dtype=np.int64),
    )


def join_messages(rows: JoinRows, partitions: int) -> Iterable[Message]:
    """A message for each partition of ``joins`` that gets some of the rows."""
    target = np.array([identity_partition(ident, partitions) for ident in rows.ident])
    for number in np.unique(target):
        selected = np.flatnonzero(target == number)
        yield join_message(
            JoinRows(
                rows.model,
                [rows.ident[i] for i in selected],
                [rows.version[i] for i in selected],
                rows.time_ms[selected],
                rows.late[selected],
                rows.score[selected],
                rows.value[selected],
                rows.seen_ms[selected],
            ),
            int(number),
        )
