"""The unplanned ends of one worker, in a file, so that its later processes can report them.

It works the same whether ``driftline consume`` or a container runtime restarts the process: the
file lies in the state directory. A process that finds the mark of another one knows that it was
killed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from driftline.clock import wall_clock_ms
from driftline.errors import BadInput, Trouble

log = logging.getLogger(__name__)

PERIOD_MS = 600_000
TOO_MANY = 3  # unplanned ends within the period
MAX_REASON = 300  # characters
KILLED = "it was killed (out of memory, for example); its log says no more"


class End(Struct, frozen=True):
    at_ms: int
    reason: str


class _History(Struct, frozen=True):
    running: bool = False
    ends: tuple[End, ...] = ()


class Restarts:
    """Reports a worker whose process ends again and again. Without a writable file, nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ends: tuple[End, ...] = ()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """The time in which the worker runs. An exception is an unplanned end."""
        before = self._read()
        self._ends = before.ends
        if before.running:
            self._add(KILLED)
        self._write(running=True)
        try:
            yield
        except Exception as error:
            self._add(_reason(error))
            raise
        finally:
            self._write(running=False)

    def note(self, error: Exception) -> None:
        """Count a run that ended although its process goes on."""
        self._add(_reason(error))
        self._write(running=True)

    def problem(self) -> str | None:
        """The problem to report in the heartbeat; None if there were few ends lately."""
        ends = self._recent()
        if len(ends) < TOO_MANY:
            return None
        minutes = PERIOD_MS // 60_000
        return f"it ended {len(ends)} times in the last {minutes} minutes, last: {ends[-1].reason}"

    def _recent(self) -> tuple[End, ...]:
        since_ms = wall_clock_ms() - PERIOD_MS
        return tuple(end for end in self._ends if end.at_ms >= since_ms)

    def _add(self, reason: str) -> None:
        self._ends = (*self._recent(), End(wall_clock_ms(), reason))

    def _read(self) -> _History:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_History)
        except (OSError, msgspec.MsgspecError):
            return _History()

    def _write(self, *, running: bool) -> None:
        history = msgspec.json.encode(_History(running, self._ends))
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(".tmp")
            temporary.write_bytes(history)
            temporary.replace(self._file)
        except OSError as error:
            log.warning("restarts of this worker are not noticed: %s", error)


def _reason(error: Exception) -> str:
    """The message of an error that is meant for people; the type as well, of any other."""
    text = str(error) if isinstance(error, BadInput | Trouble) else repr(error)
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"
