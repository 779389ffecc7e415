"""Logs on standard error, as text or as one JSON object per line.

Secrets that were passed to ``hide`` are replaced by ``***`` in both.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

from driftline.terminal import printable_lines

FORMATS = ("text", "json")
SHORTEST = 4  # characters of a secret; shorter ones would hide parts of ordinary words

_hidden: list[str] = []  # the longest first, because one may be part of another


def set_up(
    level: str, log_format: str = "text", *, role: str | None = None, slot: int | None = None
) -> None:
    """Configure logging of the process, once. ``role`` and ``slot`` appear in every line."""
    is_json = log_format == "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(role, slot) if is_json else Text(role, slot))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if is_json:
        logging.captureWarnings(True)
        sys.excepthook = _log_exception


def hide(secrets: Iterable[str]) -> None:
    """Replace these texts by ``***`` in all later log lines."""
    all_secrets = {*_hidden, *(secret for secret in secrets if len(secret) >= SHORTEST)}
    _hidden[:] = sorted(all_secrets, key=len, reverse=True)


class Text(logging.Formatter):
    """Lines of text; for a worker with the time, because several processes write to one log."""

    def __init__(self, role: str | None = None, slot: int | None = None) -> None:
        worker = f"%(asctime)s {role}-{slot} %(levelname)s %(message)s"
        super().__init__("%(levelname)s %(name)s: %(message)s" if slot is None else worker)

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(without_secrets(super().format(record)))


class JsonLines(logging.Formatter):
    """Objects with ``time`` (UTC), ``level``, ``logger``, ``role``, ``slot``, ``message`` and
    ``exception``.
    """

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
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps({name: value for name, value in line.items() if value is not None})


def _rfc3339(at_s: float) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def without_secrets(text: str) -> str:
    """With ``***`` in place of each text that was passed to ``hide``."""
    for secret in _hidden:
        text = text.replace(secret, "***")
    return text


def _log_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log an unhandled exception in the same format before the process ends."""
    logging.getLogger("driftline").critical(
        "unexpected error: %s", error, exc_info=(kind, error, trace)
    )
