"""What a command may end with, short of a bug: one sentence, and who can do something about it."""

from __future__ import annotations


class BadInput(ValueError):
    """What was asked for cannot be done. The message says why, and what was expected."""


class Trouble(RuntimeError):
    """Something outside does not answer as it should. The message says what to look at."""
