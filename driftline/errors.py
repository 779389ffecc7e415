"""The errors that a command reports as one sentence, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class BadInput(ValueError):
    """The caller asked for something impossible. The message says why and what was expected."""


class InvalidSettings(BadInput):
    """A configuration that cannot be used. The message names the key and what was expected."""


def not_registered(what: str, registered: Iterable[str]) -> BadInput:
    """``what`` is named, and nothing of this name is ``registered``."""
    known = ", ".join(registered) or "none"
    return BadInput(f"{what} is not registered; registered: {known}")


class Trouble(RuntimeError):
    """An outside system does not work as it should. The message says what to check."""


class BeginAgain(Trouble):
    """A cache was unusable and has been removed: a new run in the same process rebuilds it."""


class DatabaseUnavailable(Trouble):
    """The database cannot be used now: absent, empty, locked or unreachable."""


class SchemaRegistryUnavailable(Trouble):
    """The Schema Registry does not answer, or not as one."""


class DiskFull(Trouble):
    """There is no room on a disk."""
