"""Arrow IPC streams as messages: marked with kind and schema, and distinguished by a header."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumers.messages.reading import SCHEMA, ForeignMessage, MalformedMessage, content_type
from consumers.messages.records import Headers, Record
from producers.contract.arrow_columns import ARROW, ARROW_HEADER, CONTENT_TYPE

JSON = b"application/json"
IN_THIS_THREAD = pa.ipc.IpcReadOptions(use_threads=False)  # a message is too small for more
ARROW_HEADERS: Headers = (ARROW_HEADER,)
JSON_HEADERS: Headers = ((CONTENT_TYPE, JSON),)


def arrow_metadata(kind: str) -> Mapping[str, str]:
    """Of the Arrow schema of a message: what it is, and the schema of its columns."""
    return {"driftline": kind, "schema": str(SCHEMA)}


def is_arrow(record: Record) -> bool:
    """Raises ``ForeignMessage`` if the record is neither Arrow nor JSON by its header."""
    kind = content_type(record.headers)
    if kind not in (ARROW, JSON):
        raise ForeignMessage("its content-type is neither Arrow nor JSON")
    return kind == ARROW


def read_arrow(value: bytes | None, *kinds: str) -> tuple[str, pa.Table]:
    """The kind and the columns of a message. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    try:
        reader = pa.ipc.open_stream(value or b"", options=IN_THIS_THREAD)
    except (pa.ArrowException, OSError) as error:
        raise ForeignMessage(f"not an Arrow stream: {error}") from error
    metadata = reader.schema.metadata or {}
    kind = metadata.get(b"driftline", b"").decode(errors="replace")
    if kind not in kinds:
        raise ForeignMessage(f"an Arrow stream that does not hold {' or '.join(kinds)}")
    if metadata.get(b"schema") != str(SCHEMA).encode():
        raise MalformedMessage(f"schema {metadata.get(b'schema')!r}, expected {SCHEMA}")
    try:
        table = reader.read_all()
        table.validate(full=True)  # reading a table with invalid offsets could end the process
        return kind, table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedMessage(str(error)) from error


def whole(values: NDArray[np.float64] | NDArray[np.int8]) -> NDArray[np.int64]:
    """Classes; earlier releases wrote int8. Raises ``ValueError`` for other numbers."""
    with np.errstate(invalid="ignore"):
        found = values.astype(np.int64)
    if not np.array_equal(found, values):
        raise ValueError("its values are not whole numbers, which this version does not know")
    return found
