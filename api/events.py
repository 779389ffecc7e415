"""Transitions of incidents as server-sent events, in the order in which they were written.

The id of an event is that of its CloudEvent, so it stays valid after the database is rebuilt. A
client that reconnects sends the last id that it received (``Last-Event-ID``; browsers do this by
themselves) and gets all later events. With an unknown id it gets all events: a repeated event is
better than a lost one. Events have no ``event`` field, so ``onmessage`` receives all of them; the
type is part of the CloudEvent.
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

from api.queries import newest_sequence, sequence_of_event, transitions_after
from consumers.database.database import Database, DatabaseUnavailable

BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class StreamControl:
    """How often a stream polls the database, sends a comment while idle, and when it ends."""

    poll_s: float = 1.0
    comment_s: float = 15.0
    close_after_s: float | None = None  # clients reconnect by themselves; None: never
    stopping: threading.Event = field(default_factory=threading.Event)


def start_sequence(database: Database, last_event: str | None) -> int:
    """The sequence number after which a stream starts; by default the newest one.

    Raises ``DatabaseUnavailable``.
    """
    with database.read() as connection:
        if last_event is None:
            return newest_sequence(connection)
        return sequence_of_event(connection, last_event) or 0


async def stream(
    database: Database, model: str | None, after: int, control: StreamControl
) -> AsyncIterator[str]:
    yield "retry: 3000\n\n"
    opened_s = sent_s = anyio.current_time()
    while True:
        frames, after = await run_in_threadpool(_next_frames, database, model, after)
        if frames or anyio.current_time() - sent_s >= control.comment_s:
            sent_s = anyio.current_time()
            yield "".join(frames) or ": still here\n\n"
        if len(frames) == BATCH_SIZE:
            continue
        if _should_close(opened_s, control):
            return
        await anyio.sleep(control.poll_s)


def _should_close(opened_s: float, control: StreamControl) -> bool:
    age_s = anyio.current_time() - opened_s
    return control.stopping.is_set() or (
        control.close_after_s is not None and age_s > control.close_after_s
    )


def _next_frames(database: Database, model: str | None, after: int) -> tuple[list[str], int]:
    """New frames and the newest sequence number; no frames while the database is unavailable."""
    try:
        with database.read() as connection:
            rows = transitions_after(connection, after, model, BATCH_SIZE)
    except DatabaseUnavailable:
        return [], after
    return [_frame(row) for row in rows], rows[-1].sequence if rows else after


def _frame(row: Row[Any]) -> str:
    identity = " ".join(row.id.split())  # a line break would end the field
    return f"id: {identity}\ndata: {json.dumps(row.event)}\n\n"
