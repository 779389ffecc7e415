"""Paths into a record: the queries of RFC 9535 that select one value at most.

``$`` is the record, ``@`` one of its rows. Names follow a dot or stand in quoted brackets, numbers
in brackets are positions in an array: ``$.user['first name']``, ``@.scores[0]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]'"\s]+) | \['(?P<single>[^']+)'\] | \["(?P<double>[^"]+)"\]
      | \[(?P<index>\d{1,9})\]""",
    re.VERBOSE,
)


class Absent(LookupError):
    """There is no value at the path."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    text: str
    of_row: bool  # it begins with ``@``
    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Raises ``ValueError`` with a sentence."""
        steps, at = list[str | int](), 1
        while at < len(text) and (step := _STEP.match(text, at)):
            name = step["name"] or step["single"] or step["double"]
            steps.append(int(step["index"]) if name is None else name)
            at = step.end()
        if text[:1] not in ("$", "@") or at < len(text):
            raise ValueError(
                f"{text!r} is not a path: expected '$' for the record or '@' for a row of it, then"
                " names and positions, such as $.user['first name'] or @.scores[0]"
            )
        return cls(text, text[0] == "@", tuple(steps))

    def value(self, start: Any) -> Any:
        """The value below ``start``. Raises ``Absent``."""
        found = start
        try:
            for step in self.steps:
                found = found[step]
        except (LookupError, TypeError):
            raise Absent(self.text) from None
        return found
