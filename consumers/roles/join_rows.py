"""Rows that ``aggregate`` sends to ``join``: predictions and labels by a hash of their id."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumers.messages.identities import identities
from consumers.messages.joins import JoinRows, ident_column, join_message, most_rows
from consumers.messages.records import Message
from consumers.sources.groups import LabelRows, PredictionRows

MOST_ROWS = 10_000  # of a message: 600 kB if nothing of it can be compressed

Ints = NDArray[np.int64]


def prediction_messages(
    rows: PredictionRows, late: NDArray[np.bool_], life: int, segments: Ints, partitions: int
) -> Iterable[Message]:
    """Messages for ``joins``; ``life`` is that of the version.

    ``late``, and ``segments`` as ``segment_numbers`` finds them, have shape (n,).
    """
    schema, origin = rows.schema, rows.origin
    idents = identities(schema.model, origin.ids)
    most = most_rows(MOST_ROWS, rows.score)
    for number, chosen in _by_partition(idents, partitions, most):
        own = JoinRows(
            schema.model,
            ident_column(idents[chosen]),
            pa.repeat(pa.scalar(schema.version, pa.string()), chosen.size),
            origin.time_ms[chosen],
            late[chosen],
            rows.score[chosen],
            rows.predicted[chosen].astype(np.float64),
            np.zeros(chosen.size, dtype=np.int64),
            np.full(chosen.size, life),
            segments[chosen] if schema.segmentations else None,
        )
        yield join_message(own, number)


def label_messages(rows: LabelRows, seen_ms: Ints, partitions: int) -> Iterable[Message]:
    """Messages for ``joins``; ``seen_ms`` is the newest label time before each, shape (n,)."""
    idents = identities(rows.model, rows.origin.ids)
    for number, chosen in _by_partition(idents, partitions):
        own = JoinRows(
            rows.model,
            ident_column(idents[chosen]),
            pa.nulls(chosen.size, pa.string()),
            rows.origin.time_ms[chosen],
            np.zeros(chosen.size, dtype=bool),
            np.zeros(chosen.size),
            rows.label[chosen],
            seen_ms[chosen],
            np.zeros(chosen.size, dtype=np.int64),
        )
        yield join_message(own, number)


def _by_partition(
    idents: NDArray[np.uint64], partitions: int, most: int = MOST_ROWS
) -> Iterable[tuple[int, Ints]]:
    """The rows of each message, with its partition of ``joins``."""
    target = (idents[:, 0] % np.uint64(partitions)).astype(np.int64)
    for number in np.unique(target).tolist():
        rows = np.flatnonzero(target == number)
        for start in range(0, rows.size, most):
            yield number, rows[start : start + most]
