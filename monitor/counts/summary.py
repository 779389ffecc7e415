"""A summary: what was counted of one model version in one pane of event time.

Names of cells, and what the numbers of the cells mean:

===================  ==========================================================================
``rows``             cell 0: rows received
``bins/<feature>``   bins cut by the reference sample (``monitor.counts.bins``), for the score
``score`` ``categories/<f>``   position in the reference's categories; the one past the last: unseen
``quality/<f>``      ``Quality``
``classes``          predicted class, 0 or 1
``outcomes``         ``2 * predicted + label``, labelled rows
``scores_labels``    ``2 * score_bin + label``, labelled rows, ``SCORE_BINS`` bins on [0, 1]
``errors``           bins of ``|label - score|``, labelled rows
===================  ==========================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from monitor.counts.counts import Cells

SCORE_BINS = 10_000
MOST_NAMES = 200  # texts of one name that a sum keeps
SHOWN_NAMES = 50
LONGEST_NAME = 200  # characters


class Part(StrEnum):
    """Which sum of a pane a summary belongs to.

    Data are summed as on time or late; performance as final (labels that came in time to be
    judged) or amended (the difference that later rows and labels make).
    """

    ON_TIME = "on_time"
    LATE = "late"
    FINAL = "final"
    AMENDED = "amended"


class Quality(IntEnum):
    MISSING = 0
    WRONG_TYPE = 1
    NOT_FINITE = 2
    OUT_OF_RANGE = 3


Names = Mapping[str, Mapping[str, int]]  # "unseen/<feature>" or "unknown" -> text -> times met


@dataclass(frozen=True, slots=True)
class Summary:
    """One addition to one pane: ``[pane_ms, pane_ms + pane)`` of event time, UTC."""

    model: str
    version: str
    pane_ms: int
    part: Part
    cells: Cells
    names: Names = field(default_factory=dict)


def add_names(many: Iterable[Names], most: int = MOST_NAMES) -> dict[str, dict[str, int]]:
    """The sum, exact, of up to ``most`` texts of each name.

    Of more texts a sample is kept, those with the smallest hashes. Whatever belongs to it belonged
    to it from the first, so its counts are whole, and in what order sums were taken is nothing;
    the most frequent so far, kept in their place, would forget what the next sum makes frequent.
    """
    gathered: dict[str, dict[str, int]] = {}
    for names in many:
        for name, texts in names.items():
            into = gathered.setdefault(name, {})
            for text, count in texts.items():
                into[text] = into.get(text, 0) + count
    return {name: _sampled(texts, most) for name, texts in gathered.items()}


def most_frequent(texts: Mapping[str, int], most: int = SHOWN_NAMES) -> dict[str, int]:
    """The ``most`` frequent of ``texts``, ties in the order of the text."""
    return dict(sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))[:most])


def shortened(text: str) -> str:
    """What is kept of a text that somebody sent: it must fit the message that tells of it."""
    return text[:LONGEST_NAME]


def _sampled(texts: dict[str, int], most: int) -> dict[str, int]:
    if len(texts) <= most:
        return texts
    return {text: texts[text] for text in sorted(texts, key=_hash)[:most]}


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
