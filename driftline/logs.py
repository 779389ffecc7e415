"""Logs, on standard error: a line for people, or a JSON object for machines.

In neither stands a secret that ``hide`` was told of.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

FORMATS = ("text", "json")
SHORTEST = 4  # characters of a secret: hiding every "a" would hide everything

_hidden: list[str] = []  # the longest first: one may be a part of another


def set_up(
    level: str, log_format: str = "text", *, role: str | None = None, slot: int | None = None
) -> None:
    """For the whole process, unless it is set up already. ``role`` and ``slot`` name it."""
    is_json = log_format == "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(role, slot) if is_json else Text(role, slot))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if is_json:
        logging.captureWarnings(True)
        sys.excepthook = _unexpected


def hide(secrets: Iterable[str]) -> None:
    """From now on ``***`` stands in the logs for each of them."""
    known = {*_hidden, *(secret for secret in secrets if len(secret) >= SHORTEST)}
    _hidden[:] = sorted(known, key=len, reverse=True)


class Text(logging.Formatter):
    """What people read; with the time where more than one process writes."""

    def __init__(self, role: str | None = None, slot: int | None = None) -> None:
        worker = f"%(asctime)s {role}-{slot} %(levelname)s %(message)s"
        super().__init__("%(levelname)s %(name)s: %(message)s" if slot is None else worker)

    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """``time`` (UTC), ``level``, ``logger``, ``role``, ``slot``, ``message``, ``exception``."""

    def __init__(self, role: str | None = None, slot: int | None = None) -> None:
        super().__init__()
        self._role, self._slot = role, slot

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "role": self._role,
            "slot": self._slot,
            "message": _without_secrets(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = _without_secrets(self.formatException(record.exc_info))
        return json.dumps({name: value for name, value in line.items() if value is not None})


def _rfc3339(at_s: float) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _without_secrets(text: str) -> str:
    for secret in _hidden:
        text = text.replace(secret, "***")
    return text


def _unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """What ends the process is a line like any other."""
    logging.getLogger("driftline").critical(
        "ended by an error that nobody expected: %s", error, exc_info=(kind, error, trace)
    )
