"""Summaries as bytes: an Arrow IPC stream, zstd, with a row for every name in a summary.

===========  ==================================================================================
``summary``  number of the summary in the list; its rows are consecutive
``name``     of the counts or texts; null in the only row of a summary without any
``index``    cells with a count, ascending; empty in a row of texts
``text``     texts with a count; null in a row of counts
``count``    count of each cell or text
===========  ==================================================================================

The other columns are ``model``, ``version``, ``pane_ms`` and ``part`` of the summary, and
``segment`` unless every summary is of the whole. Decoding
returns exactly what was encoded, in its order, and the same summaries have the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from producers.contract.column_checks import (
    END_MS,
    integers,
    lists_of_integers,
    lists_of_texts,
    require_ascending,
    require_texts,
)

# One thread: for messages of this size, others cost more than they compress.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
_NO_CELLS = np.empty(0, dtype=np.int64)
_NO_COUNTS = Counts.empty()


def encode_summaries(
    summaries: Sequence[Summary],
    metadata: Mapping[str, str] | None = None,
    *,
    narrow: bool = False,
) -> bytes:
    """``metadata`` goes to the Arrow schema.

    ``narrow``: counts in the smallest integers that hold them, which is faster. The bytes of a
    profile have a hash, so theirs must stay as they are.

    Raises ``ValueError`` for a cell or a count that does not fit its column.
    """
    rows = list(chain.from_iterable(_rows(i, summary) for i, summary in enumerate(summaries)))
    summary_of_row = [summaries[row.summary] for row in rows]
    count_type = _smallest_type([row.counts.count for row in rows]) if narrow else pa.int64()
    columns = {
        "summary": pa.array([row.summary for row in rows], pa.int32()),
        "model": text_column([summary.model for summary in summary_of_row]),
        "version": text_column([summary.version for summary in summary_of_row]),
        "pane_ms": pa.array([summary.pane_ms for summary in summary_of_row], pa.int64()),
        "part": text_column([summary.part.value for summary in summary_of_row]),
        "name": text_column([row.name for row in rows]),
        "index": list_column([row.counts.index for row in rows], pa.int32()),
        "text": pa.array([row.texts for row in rows], pa.list_(pa.string())),
        "count": list_column([row.counts.count for row in rows], count_type),
    }
    if any(summary.segment for summary in summaries):
        columns["segment"] = text_column([summary.segment for summary in summary_of_row])
    return encode_table(pa.table(columns).replace_schema_metadata(metadata))


def decode_summaries(value: bytes) -> list[Summary]:
    """Raises ``ValueError`` if the bytes hold no summaries."""
    return decode_summary_table(decode_table(value))


def decode_summary_table(table: pa.Table) -> list[Summary]:
    """Raises ``ValueError`` if the table does not hold summaries."""
    try:
        require_texts(table, *set(_own_columns(table)) - {"pane_ms"})
        integers(table, "pane_ms", -END_MS, END_MS)
        rows = _decoded_rows(table)
        number = integers(table, "summary")
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        own = table.select(_own_columns(table)).take(starts).to_pylist()
    except KeyError as error:
        raise ValueError(f"the bytes hold no summaries: {error}") from error
    spans = pairwise([*starts.tolist(), len(rows)])
    return [_summary(own, rows[a:b]) for own, (a, b) in zip(own, spans, strict=True)]


def encode_table(table: pa.Table) -> bytes:
    """An Arrow IPC stream, zstd."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def decode_table(value: bytes) -> pa.Table:
    """Raises ``ValueError`` if the bytes are not Arrow."""
    with pa.ipc.open_stream(value) as reader:
        return reader.read_all()


def text_column(texts: Sequence[str | None]) -> pa.Array:
    """A dictionary-encoded column."""
    return pa.array(texts, pa.string()).dictionary_encode()


def list_column(parts: Sequence[NDArray[Any]], item_type: pa.DataType) -> pa.Array:
    """A column whose row ``i`` is the list ``parts[i]``."""
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int32)
    flat = np.concatenate(parts) if parts else _NO_CELLS
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(flat).cast(item_type))


def arrays_of_lists(column: pa.ChunkedArray, dtype: type[np.generic]) -> list[NDArray[Any]]:
    """The inverse of ``list_column``: one array for every row."""
    whole = column.combine_chunks()
    flat = whole.values.to_numpy(zero_copy_only=False).astype(dtype)
    return [flat[a:b] for a, b in pairwise(whole.offsets.to_pylist())]


def _smallest_type(parts: Sequence[NDArray[np.int64]]) -> pa.DataType:
    low = min((int(part.min(initial=0)) for part in parts), default=0)
    high = max((int(part.max(initial=0)) for part in parts), default=0)
    kinds = (np.int8, np.int16, np.int32, np.int64)
    fitting = (k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    return pa.from_numpy_dtype(next(fitting))


class _Row(NamedTuple):
    summary: int
    name: str | None
    counts: Counts
    texts: list[str] | None


def _rows(number: int, summary: Summary) -> Iterator[_Row]:
    for name, counts in summary.cells.items():
        yield _Row(number, name, counts, None)
    for name, text_counts in summary.names.items():
        values = np.fromiter(text_counts.values(), dtype=np.int64, count=len(text_counts))
        yield _Row(number, name, Counts(_NO_CELLS, values), list(text_counts))
    if not summary.cells and not summary.names:
        yield _Row(number, None, _NO_COUNTS, None)


def _own_columns(table: pa.Table) -> list[str]:
    segment = ["segment"] if "segment" in table.column_names else []
    return ["model", "version", "pane_ms", "part", *segment]


_Decoded = tuple[str | None, Counts, list[str] | None]  # name, counts, texts


def _decoded_rows(table: pa.Table) -> list[_Decoded]:
    require_texts(table, "name", gaps=True)
    require_ascending(table, "index")
    names = table["name"].cast(pa.string()).combine_chunks().dictionary_encode()
    distinct = [*names.dictionary.to_pylist(), None]
    index = names.indices.fill_null(len(distinct) - 1).to_pylist()
    counts = map(Counts, lists_of_integers(table, "index"), lists_of_integers(table, "count"))
    texts = lists_of_texts(table, "text")
    return [(distinct[i], c, t) for i, c, t in zip(index, counts, texts, strict=True)]


def _summary(own: dict[str, Any], rows: Iterable[_Decoded]) -> Summary:
    cells: dict[str, Counts] = {}
    names: dict[str, dict[str, int]] = {}
    for name, counts, texts in rows:
        if name is not None and texts is None:
            if counts.index.size != counts.count.size:
                raise ValueError(f"cells of '{name}' lack a count")
            cells[name] = counts
        elif name is not None and texts is not None:
            names[name] = dict(zip(texts, counts.count.tolist(), strict=True))
    return Summary(cells=cells, names=names, **{**own, "part": Part(own["part"])})
