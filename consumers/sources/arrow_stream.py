"""Arrow messages of a source topic as tables of bounded size, with the columns of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from consumers.messages.arrow import IN_THIS_THREAD
from consumers.messages.arrow_sizes import (
    InvalidStream,
    StreamSizes,
    sizes_of_message,
    stream_sizes,
)
from consumers.messages.records import RecordBlock
from consumers.sources.arrow_views import views_of, without_views
from consumers.sources.groups import Ints
from producers.contract.arrow_columns import (
    LABEL,
    MAX_BYTES,
    MAX_ROWS,
    MAX_TEXT_BYTES,
    MAX_VALUES,
    PREDICTION,
    is_text,
    unfit,
)
from producers.contract.records import ContractViolation, Undecodable

PART_BYTES = 2 * MAX_BYTES


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a check of each message needs to know of its schema."""

    error: str | None
    name_bytes: int  # of the names of the columns that are read
    dictionaries: tuple[str, ...]  # columns of texts that may be stored once for many rows
    views: tuple[str, ...]  # likewise


@lru_cache(maxsize=100)  # there are few schemas
def _layout(schema: pa.Schema, names: tuple[str, ...]) -> _Layout:
    error = unfit(schema, names)
    used = [
        field for field in schema if error is None and (names == PREDICTION or field.name in names)
    ]
    kinds = {field.name: field.type for field in used}
    dictionaries = [name for name, kind in kinds.items() if types.is_dictionary(kind)]
    return _Layout(
        error,
        sum(map(_name_bytes, used)),
        tuple(name for name in dictionaries if is_text(kinds[name].value_type)),
        tuple(name for name, kind in kinds.items() if types.is_string_view(kind)),
    )


def _name_bytes(field: pa.Field) -> int:
    names = [child.name for child in field.type] if types.is_struct(field.type) else []
    return sum(len(name.encode()) for name in (field.name, *names))


def read_table(
    value: bytes | None, names: tuple[str, ...], sizes: StreamSizes | None = None
) -> pa.Table:
    """The rows of a message. ``names`` is ``PREDICTION`` or ``LABEL``; ``sizes``, if known.

    Its size is checked before anything is decompressed. Raises ``Undecodable`` or
    ``ContractViolation``.
    """
    if value is None:
        raise Undecodable("a tombstone: the record has no value")
    try:
        reader = pa.ipc.open_stream(value, options=IN_THIS_THREAD)
        layout = _checked_layout(reader.schema, names)
        _check_sizes(stream_sizes(value) if sizes is None else sizes)
        table = reader.read_all()
        if names == LABEL:
            table = table.select(names)
        table.validate(full=True)
    except (InvalidStream, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Undecodable(f"not an Arrow stream: {' '.join(str(error).split())}") from None
    _check_texts(table, layout)
    return without_views(table.replace_schema_metadata(None), (*layout.views, *layout.dictionaries))


def _checked_layout(schema: pa.Schema, names: tuple[str, ...]) -> _Layout:
    layout = _layout(schema, names)
    if layout.error is not None:
        raise ContractViolation(layout.error)
    version = (schema.metadata or {}).get(b"schema", b"1")
    if version != b"1":
        found = version.decode(errors="replace")
        raise ContractViolation(f"its metadata have schema={found}: expected 1")
    return layout


def parts_of(block: RecordBlock) -> Iterator[RecordBlock]:
    """The block in parts that take a bounded memory when they are decoded."""
    block = replace(block, sizes=_sizes(block))
    start, size = 0, 0
    for position in block.arrow.tolist():
        held = _decoded_bytes(block.sizes.get(position))
        size += held
        if size > PART_BYTES and position > start:
            yield block.between(start, position)
            start, size = position, held
    yield block.between(start, len(block)) if start else block


def _sizes(block: RecordBlock) -> Mapping[int, StreamSizes]:
    """Those of the Arrow messages of a block, by position; none of what is not a stream."""
    found = dict(block.sizes)
    for position in block.arrow.tolist():
        if position not in found:
            sizes = sizes_of_message(block.values[position])
            if sizes is not None:
                found[position] = sizes
    return found


def _decoded_bytes(sizes: StreamSizes | None) -> int:
    """Of a message; 0 for one that is refused without being decompressed."""
    if sizes is None:
        return 0
    try:
        _check_sizes(sizes)
    except ContractViolation:
        return 0
    return max(sizes.bytes, 8 * sizes.values)


def _check_sizes(sizes: StreamSizes) -> None:
    _check_limit(sizes.rows, MAX_ROWS, "rows")
    _check_limit(sizes.values, MAX_VALUES, "values (rows times columns)")
    _check_limit(sizes.bytes, MAX_BYTES, "bytes after decompression")


def _check_texts(table: pa.Table, layout: _Layout) -> None:
    """A dictionary holds each text once, and the schema each name: rows as JSON hold their own."""
    names = table.num_rows * layout.name_bytes
    dictionaries = [chunk for name in layout.dictionaries for chunk in table[name].chunks]
    if not layout.views:
        most = sum(len(chunk) * chunk.dictionary.nbytes for chunk in dictionaries)
        if names + most <= MAX_TEXT_BYTES:
            return
    texts = sum(
        int(_lengths(chunk.dictionary)[chunk.indices.drop_null().to_numpy()].sum())
        for chunk in dictionaries
    )
    texts += sum(
        int(_lengths(chunk).sum()) for name in layout.views for chunk in table[name].chunks
    )
    _check_limit(names + texts, MAX_TEXT_BYTES, "bytes of texts and names, spelt out in each row")


def _lengths(texts: pa.Array) -> Ints:
    """In bytes; shape (n,)."""
    if types.is_string_view(texts.type):
        return views_of(texts)[:, 0].astype(np.int64)
    return np.asarray(pc.binary_length(texts).fill_null(0).to_numpy(), dtype=np.int64)


def _check_limit(found: int, most: int, of: str) -> None:
    if found > most:
        raise ContractViolation(f"it has {found:,} {of}: expected at most {most:,}")
