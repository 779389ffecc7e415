"""A summary: the counts of one model version, or a segment of it, in one pane of event time.

Names of cells, and what the numbers of the cells mean:

===================  ==========================================================================
``rows``             cell 0: rows received
``bins/<feature>``   bins cut by the reference sample (``monitor.counts.bins``)
``categories/<f>``   position in the reference's categories; the one past the last: any other
``rarer/<feature>``  cell 0: rows of those others that the reference has, but does not list
``quality/<f>``      ``Quality``
``outcomes``         one for each labelled row
``repeated``         cell 0: rows that repeat a prediction, and cannot get a label of their own
===================  ==========================================================================

All others are those of the task of the model (``monitor.tasks``): the bins of what the model puts
out and of its errors, and what its metrics are computed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from monitor.counts.counts import Cells
from monitor.identity import Key

SCORE_BINS = 10_000
MAX_NAMES = 200  # texts of one name that a sum keeps
SHOWN_NAMES = 50
MAX_NAME_LENGTH = 200  # characters


class Part(StrEnum):
    """The part of a pane that a summary is added to.

    Data are on time or late. Performance is final (from labels that arrived before the verdict) or
    amended (the difference made by later rows and labels).
    """

    ON_TIME = "on_time"
    LATE = "late"
    FINAL = "final"
    AMENDED = "amended"


PARTS = tuple(Part)


class Quality(IntEnum):
    MISSING = 0
    WRONG_TYPE = 1
    NOT_FINITE = 2
    OUT_OF_RANGE = 3


Names = Mapping[str, Mapping[str, int]]  # "unseen/<feature>" or "unknown" -> text -> occurrences


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts to be added to one pane: ``[pane_ms, pane_ms + pane)`` of event time, UTC."""

    model: str
    version: str
    pane_ms: int
    part: Part
    cells: Cells
    names: Names = field(default_factory=dict)
    segment: str = ""  # the whole

    @property
    def key(self) -> Key:
        return Key(self.model, self.version, self.segment)


def add_names(many: Iterable[Names], most: int = MAX_NAMES) -> dict[str, dict[str, int]]:
    """The sum, with up to ``most`` texts of each name.

    If there are more, those with the smallest hashes are kept. A text in this sample was in it from
    the start, so its counts are exact, and the order of addition does not matter. Keeping the most
    frequent texts instead would drop texts that a later sum makes frequent.
    """
    gathered: dict[str, dict[str, int]] = {}
    for names in many:
        for name, texts in names.items():
            into = gathered.setdefault(name, {})
            for text, count in texts.items():
                into[text] = into.get(text, 0) + count
    return {name: _sampled(texts, most) for name, texts in gathered.items()}


def most_frequent(texts: Mapping[str, int], most: int = SHOWN_NAMES) -> dict[str, int]:
    """The ``most`` most frequent of ``texts``, ties in alphabetical order."""
    return dict(sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))[:most])


def shortened(text: str) -> str:
    """The kept part of a received text, so that it fits into messages."""
    return text[:MAX_NAME_LENGTH]


def _sampled(texts: dict[str, int], most: int) -> dict[str, int]:
    if len(texts) <= most:
        return texts
    return {text: texts[text] for text in sorted(texts, key=_hash)[:most]}


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
