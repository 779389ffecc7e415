"""Points at which a test ends a worker on purpose, as ``kill -9`` would.

``DRIFTLINE_FAULT=ROLE:POINT:COUNT`` ends a worker of ROLE when it reaches POINT for the COUNT-th
time. Workers of other roles ignore it. Unset, a point costs one look at an empty dictionary.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from driftline.errors import InvalidSettings

VARIABLE = "DRIFTLINE_FAULT"
EXIT_CODE = 137  # as after SIGKILL

# Of a transaction, in order. Not all output has reached the broker before "before-commit".
TRANSACTION_POINTS = (
    "after-begin",
    "after-output",
    "after-offsets",
    "before-commit",
    "after-commit",  # before the role writes its files
    "after-disk",
)
SINK_POINTS = ("after-database",)  # after the commit of the database, before the next batch

_remaining: dict[str, int] = {}  # how often until the process ends, by point


def set_up(role: str) -> None:
    """Read the variable for a worker of ``role``. Raises ``InvalidSettings``."""
    _remaining.clear()
    if text := os.environ.get(VARIABLE):
        named, point, count = _parsed(text)
        if named == role:
            _remaining[point] = count


def fault_point(name: str, prepare: Callable[[], object] | None = None) -> None:
    """End the process if the variable names this point. ``prepare`` is called only before that."""
    if _remaining and name in _remaining:
        _remaining[name] -= 1
        if _remaining[name] == 0:
            _end(name, prepare)


def _end(name: str, prepare: Callable[[], object] | None) -> NoReturn:
    if prepare is not None:
        prepare()
    sys.stderr.write(f"{VARIABLE}: ended at {name}\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def _parsed(text: str) -> tuple[str, str, int]:
    role, _, rest = text.partition(":")
    point, _, count = rest.partition(":")
    points = (*TRANSACTION_POINTS, *SINK_POINTS)
    if point not in points or not count.isdecimal() or int(count) == 0:
        raise InvalidSettings(
            f"{VARIABLE}: expected ROLE:POINT:COUNT, with a count of at least 1 and one of the"
            f" points {', '.join(points)}; got {text!r}"
        )
    return role, point, int(count)
