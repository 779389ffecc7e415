"""Transitions of incidents as server-sent events, in the order in which they were written.

The id of an event is that of its CloudEvent, so that it means the same after the database was built
anew. Whoever comes back with the last one (``Last-Event-ID``, browsers do by themselves) gets
everything after it; an id that is not there any more gets everything, because losing is worse than
repeating. Events have no name of their own: ``onmessage`` sees all of them, the type is inside.
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from api.queries import newest_sequence, sequence_of, transitions_after
from consumers.database.database import Database, DatabaseUnavailable

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the database is asked, and when a silent or a long connection is touched."""

    poll_s: float = 1.0
    comment_s: float = 15.0
    close_after_s: float | None = None  # the client comes back by itself; None: never
    stopping: threading.Event = field(default_factory=threading.Event)


def beginning(database: Database, last_event: str | None) -> int:
    """The sequence after which to begin: what is new by default. Raises ``DatabaseUnavailable``."""
    with database.read() as connection:
        if last_event is None:
            return newest_sequence(connection)
        return sequence_of(connection, last_event) or 0


async def stream(
    database: Database, model: str | None, after: int, pace: Pace
) -> AsyncIterator[str]:
    yield "retry: 3000\n\n"
    opened = spoke = anyio.current_time()
    while True:
        frames, after = await run_in_threadpool(_news, database, model, after)
        if frames or anyio.current_time() - spoke >= pace.comment_s:
            spoke = anyio.current_time()
            yield "".join(frames) or ": still here\n\n"
        if len(frames) == AT_ONCE:
            continue
        if _over(opened, pace):
            return
        await anyio.sleep(pace.poll_s)


def _over(opened: float, pace: Pace) -> bool:
    open_s = anyio.current_time() - opened
    return pace.stopping.is_set() or (
        pace.close_after_s is not None and open_s > pace.close_after_s
    )


def _news(database: Database, model: str | None, after: int) -> tuple[list[str], int]:
    """Frames, and the sequence to go on after; none while the database cannot be read."""
    try:
        with database.read() as connection:
            rows = transitions_after(connection, after, model, AT_ONCE)
    except DatabaseUnavailable:
        return [], after
    return [_frame(row) for row in rows], rows[-1].sequence if rows else after


def _frame(row: Row[Any]) -> str:
    identity = " ".join(row.id.split())  # a line break would end the field
    return f"id: {identity}\ndata: {json.dumps(row.event)}\n\n"
