"""Pages of a list as a table: CSV (RFC 4180) or a stream of Arrow. A row for each item.

Fields of objects are columns with dotted names, such as ``window.start``; lists are left out. The
cursor of the next page is in the header ``Link`` (RFC 8288).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel
from starlette.responses import Response

Format = Literal["json", "csv", "arrow"]
Columns = Mapping[str, Sequence[Any]]  # of the same length

MEDIA_TYPES = {"csv": "text/csv", "arrow": "application/vnd.apache.arrow.stream"}
TABLE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {"schema": {}} for media_type in MEDIA_TYPES.values()}}
}


def table_response(
    items: Sequence[BaseModel], cursor: str | None, table_format: Format, address: str
) -> Response:
    """``address`` is the path and the query of the request."""
    body = _WRITERS[table_format](columns_of(items))
    headers = {} if cursor is None else {"Link": _link(address, cursor)}
    return Response(body, media_type=MEDIA_TYPES[table_format], headers=headers)


def _link(address: str, cursor: str) -> str:
    path, _, query = address.partition("?")
    parameters = {**dict(parse_qsl(query)), "cursor": cursor}
    return f'<{path}?{urlencode(parameters)}>; rel="next"'


def columns_of(items: Sequence[BaseModel]) -> Columns:
    """In the order in which they occur first; None where an item does not have a column."""
    rows = [dict(_fields(item.model_dump())) for item in items]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _fields(item: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{within}{name}.")
        elif not isinstance(value, list):
            yield f"{within}{name}", value


def csv_bytes(columns: Columns) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(
        [_spelled(value) for value in row] for row in zip(*columns.values(), strict=True)
    )
    return text.getvalue().encode()


def _spelled(value: Any) -> Any:
    """As in JSON."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else value


def arrow_bytes(columns: Columns) -> bytes:
    """An IPC stream."""
    import pyarrow as pa  # here, because it is large and few ask for it

    table, sink = pa.table(dict(columns)), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


_WRITERS: Mapping[str, Callable[[Columns], bytes]] = {"csv": csv_bytes, "arrow": arrow_bytes}
