"""Labelled rows that are not counted yet, on the topic ``summaries``, as Arrow.

``join`` writes them instead of a summary if it does not have the profile of their version.
``detect`` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumers.messages.arrow import ARROW_HEADERS, arrow_metadata, whole
from consumers.messages.joins import most_rows, segment_numbers_of
from consumers.messages.names import require_name
from consumers.messages.records import Message
from monitor.counts.joined_rows import JoinedRows
from producers.contract.column_checks import doubles, doubles_or_lists, integers
from producers.contract.partitions import model_partition
from producers.contract.summaries import encode_table

KIND = "joined_rows"
_INTEGERS = ("time_ms", "known_ms", "final", "whole")
MOST_ROWS = 8_000  # in a message: under 512 kB, even if nothing compresses


def joined_rows_messages(rows: JoinedRows, partitions: int) -> Iterator[Message]:
    """For the partition of their model in ``summaries``."""
    partition = model_partition(rows.model, partitions)
    table, most = _table(rows), most_rows(MOST_ROWS, rows.score)
    for start in range(0, len(rows), most):
        value = encode_table(table.slice(start, most))
        yield Message("summaries", rows.model.encode(), value, partition, ARROW_HEADERS)


def joined_rows_of(table: pa.Table) -> JoinedRows:
    """Raises ``ValueError`` if the table does not hold joined rows."""
    try:
        metadata = table.schema.metadata
        return JoinedRows(
            require_name(metadata[b"model"].decode()),
            require_name(metadata[b"version"].decode()),
            score=doubles_or_lists(table, "score"),
            predicted=whole(doubles(table, "predicted")),
            label=doubles(table, "label"),
            segment=segment_numbers_of(table),
            **{name: integers(table, name) for name in _INTEGERS},
        )
    except (KeyError, pa.ArrowException) as error:
        raise ValueError(f"the message holds no joined rows: {error}") from error


def _table(rows: JoinedRows) -> pa.Table:
    columns = {
        "time_ms": rows.time_ms,
        "score": _score_column(rows.score),
        "predicted": rows.predicted.astype(np.float64),
        "label": rows.label,
        "known_ms": rows.known_ms,
        "final": rows.final.astype(np.int8),
        "whole": rows.whole.astype(np.int8),
        **({"segment": rows.segment} if rows.segment.any() else {}),
    }
    metadata = {**arrow_metadata(KIND), "model": rows.model, "version": rows.version}
    return pa.table(columns).replace_schema_metadata(metadata)


def _score_column(score: NDArray[np.float64]) -> pa.Array:
    """A list of those of all classes, if there is more than one."""
    if score.ndim == 1:
        return pa.array(score)
    return pa.FixedSizeListArray.from_arrays(score.ravel(), score.shape[1])
