"""Records that a typed decoder accepts, as columns, and those that it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from consumers.sources.groups import Ints, Origin
from producers.contract.records import END_MS, EPOCH, MILLISECOND

Values = Sequence[bytes | None]
C = TypeVar("C")

AT_ONCE = 400  # records: the objects of so many fit into the cache of a core

_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)


def typed_columns(
    decode: Callable[[bytes], Any],
    columns: Callable[[Sequence[Any], Origin], C],
    values: Values,
    at: Ints,
) -> tuple[list[C], Ints]:
    """``columns`` of the records ``at`` that ``decode`` accepts, and the positions of the others.

    The rows of ``decode`` need an ``id`` and a ``time``.
    """
    found, refused = list[C](), [at[:0]]
    for first in range(0, at.size, AT_ONCE):
        some = at[first : first + AT_ONCE]
        rows, others = _decoded(decode, _chosen(values, some))
        if rows:
            found.append(columns(rows, _origin(rows, np.delete(some, others))))
        refused.append(some[others])
    return found, np.concatenate(refused)


def out_of_range(time_ms: Ints) -> Ints:
    """The positions of times that the contract does not allow."""
    return np.flatnonzero((time_ms < 0) | (time_ms >= END_MS))


def _decoded(decode: Callable[[bytes], Any], values: Values) -> tuple[list[Any], Ints]:
    """The rows, and the positions of the values that were refused."""
    rows, refused = list[Any](), list[int]()
    pending = map(decode, values)  # type: ignore[arg-type] # None is refused by a TypeError
    while True:
        try:
            rows.extend(pending)  # an error leaves those before it
            return rows, np.array(refused, dtype=np.int64)
        except _REFUSED:
            refused.append(len(rows) + len(refused))


def _chosen(values: Values, at: Ints) -> Values:
    first, last = int(at[0]), int(at[-1])
    if last - first + 1 == at.size:
        return values[first : last + 1]
    return [values[i] for i in at.tolist()]


def _origin(rows: Sequence[Any], record: Ints) -> Origin:
    ids = pa.array([row.id for row in rows], pa.string())
    time_ms = _times_ms([row.time for row in rows])
    return Origin(record, ids, time_ms, np.zeros(record.size, dtype=np.int64))


def _times_ms(times: Sequence[Any]) -> Ints:
    """Of integers and aware datetimes. Those beyond 64 bits become one that is out of range."""
    ms = [time if isinstance(time, int) else (time - EPOCH) // MILLISECOND for time in times]
    try:
        return np.array(ms, dtype=np.int64)
    except OverflowError:
        return np.array([min(max(one, -1), END_MS) for one in ms], dtype=np.int64)
