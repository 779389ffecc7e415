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
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.problems import RETRY_AFTER_S, problem
from api.queries import newest_sequence, sequence_of_event, transitions_after
from consumers.database.database import Database, DatabaseUnavailable

BATCH_SIZE = 500


@dataclass(slots=True)
class StreamControl:
    """How often a stream polls, sends a comment while idle, when it ends, and how many are open."""

    poll_s: float = 1.0
    comment_s: float = 15.0
    close_after_s: float | None = None  # clients reconnect by themselves; None: never
    most: int = 100  # open at once
    stopping: threading.Event = field(default_factory=threading.Event)
    open: int = 0


class EventStream(StreamingResponse):
    """A stream, or a problem if too many are open."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[str], control: StreamControl) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store"})
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._control.open >= self._control.most:
            await _too_many(self._control.most)(scope, receive, send)
            return
        self._control.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._control.open -= 1


def _too_many(most: int) -> Response:
    detail = f"{most} event streams are open: try again, or raise [api] max_streams"
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


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
