"""Summaries on the topic ``summaries``: Arrow, in messages under 512 kB, one partition a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec
from msgspec import Struct

from consumers.messages import joined_rows
from consumers.messages.arrow import ARROW_HEADERS, arrow_metadata, is_arrow, read_arrow
from consumers.messages.names import require_name
from consumers.messages.progress import decode_progress
from consumers.messages.reading import MalformedMessage
from consumers.messages.records import Message, Record
from monitor.counts.counts import Counts
from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Summary
from monitor.windows.clocks import Progress
from monitor.windows.lives import LifeRequest
from producers.contract.partitions import model_partition
from producers.contract.summaries import decode_summary_table, encode_summaries

KIND = "summaries"
MOST_BYTES = 450_000  # of summaries in a message: with the overhead of Arrow, under 512 kB
SummaryContent = list[Summary] | JoinedRows | Progress | LifeRequest
ROW_BYTES, CELL_BYTES = 48, 12  # of a name besides its text, and of each of its cells


def summary_messages(model: str, summaries: Sequence[Summary], partitions: int) -> list[Message]:
    """Summaries of one model, for its partition of ``summaries``."""
    partition = model_partition(model, partitions)
    return [
        Message("summaries", model.encode(), value, partition, ARROW_HEADERS)
        for value in encode_pieces(summaries)
    ]


def decode_summary_message(record: Record) -> SummaryContent:
    """What the topic ``summaries`` holds. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    if not is_arrow(record):
        return decode_progress(record)
    kind, table = read_arrow(record.value, KIND, joined_rows.KIND)
    try:
        if kind == KIND:
            return _named(decode_summary_table(table))
        return joined_rows.joined_rows_of(table)
    except ValueError as error:
        raise MalformedMessage(str(error)) from error


def _named(summaries: list[Summary]) -> list[Summary]:
    """Raises ``ValueError`` for a version whose state could not be published under its name."""
    for name in {name for one in summaries for name in (one.model, one.version)}:
        require_name(name)
    return summaries


class _NamesModel(Struct):
    model: str | None = None


class _NamesModels(_NamesModel):
    versions: list[_NamesModel] = []


def named_models(record: Record) -> frozenset[str]:
    """The models that a message of ``summaries`` is about, also if it cannot be decoded.

    That is its key. Without a key, the names in ``model`` and ``versions``, if it is JSON.
    """
    if record.key is not None:
        return frozenset({record.key.decode(errors="replace")})
    try:
        named = msgspec.json.decode(record.value or b"", type=_NamesModels)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    return frozenset(one.model for one in (named, *named.versions) if one.model is not None)


def encode_pieces(summaries: Sequence[Summary]) -> list[bytes]:
    """Values under 512 kB that together hold all ``summaries``, even if nothing compresses."""
    values: list[bytes] = []
    batch: list[Summary] = []
    size = 0
    for piece in (piece for summary in summaries for piece in _pieces(summary)):
        piece_bytes = sum(_size(name, content) for name, content in _contents(piece))
        if batch and size + piece_bytes > MOST_BYTES:
            values.append(_encode(batch))
            batch, size = [], 0
        batch.append(piece)
        size += piece_bytes
    return [*values, _encode(batch)] if batch else values


def _encode(summaries: Sequence[Summary]) -> bytes:
    return encode_summaries(summaries, arrow_metadata(KIND), narrow=True)


def _pieces(summary: Summary) -> Iterable[Summary]:
    """A summary that is too large for a message, by groups of features; pieces add up to it."""
    cells: dict[str, Counts] = {}
    names: dict[str, Mapping[str, int]] = {}
    size = 0
    for name, content in _contents(summary):
        content_bytes = _size(name, content)
        if size and size + content_bytes > MOST_BYTES:
            yield replace(summary, cells=cells, names=names)
            cells, names, size = {}, {}, 0
        if isinstance(content, Counts):
            cells[name] = content
        else:
            names[name] = content
        size += content_bytes
    yield replace(summary, cells=cells, names=names)


def _contents(summary: Summary) -> Iterable[tuple[str, Counts | Mapping[str, int]]]:
    return (*summary.cells.items(), *summary.names.items())


def _size(name: str, content: Counts | Mapping[str, int]) -> int:
    """The bytes of one row of a message, before compression."""
    if isinstance(content, Counts):
        return ROW_BYTES + len(name.encode()) + CELL_BYTES * content.index.size
    texts = sum(CELL_BYTES + len(text.encode()) for text in content)
    return ROW_BYTES + len(name.encode()) + texts
