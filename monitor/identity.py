"""What is watched: a model version as a whole, or a segment of its rows.

The text of a segment names values of features, ``carrier=UA&origin=EWR``: pairs sorted by name,
percent-encoded, joined by ``&``. So a segment has one text only, without slashes and in ASCII. The
empty text is the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

VersionKey = tuple[str, str]  # model, version

MAX_SEGMENT = 1_000  # characters: keys of messages and of databases are limited


class Key(NamedTuple):
    """A segment of a model version. All segments share the clock and the life of the version."""

    model: str
    version: str
    segment: str = ""  # the whole

    @property
    def version_key(self) -> VersionKey:
        return self.model, self.version

    @property
    def name(self) -> str:
        """``model/version``, and ``/segment`` if it is not the whole."""
        return "/".join(self if self.segment else self.version_key)


def segment_text(pairs: Mapping[str, str]) -> str:
    """The text of the segment with these values, by name. No pairs: the whole.

    Raises ``ValueError`` for an empty name, or if the text is too long.
    """
    if "" in pairs:
        raise ValueError("a segment names its features: the name of a feature is empty")
    text = "&".join(f"{_encoded(name)}={_encoded(pairs[name])}" for name in sorted(pairs))
    if len(text) > MAX_SEGMENT:
        raise ValueError(
            f"the segment {text[:50]}… has {len(text):,} characters, the limit is {MAX_SEGMENT:,}:"
            " use fewer features or shorter values"
        )
    return text


def segment_pairs(text: str) -> dict[str, str]:
    """The values of a segment by name: the inverse of ``segment_text``.

    Raises ``ValueError`` if the text is not one that ``segment_text`` returns.
    """
    try:
        pairs = dict(_decoded(part) for part in text.split("&")) if text else {}
        well_formed = segment_text(pairs) == text
    except ValueError:
        well_formed = False
    if not well_formed:
        raise ValueError(
            f"{text[:100]!r} is not a segment: expected name=value pairs, percent-encoded, sorted"
            f" by name and joined by '&', at most {MAX_SEGMENT:,} characters"
        )
    return pairs


def _encoded(text: str) -> str:
    """Lone surrogates, which JSON may hold, are kept."""
    return quote(text, safe="", errors="surrogatepass")


def _decoded(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ValueError("a pair has no '='")
    return unquote(name, errors="surrogatepass"), unquote(value, errors="surrogatepass")
