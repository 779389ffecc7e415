"""What people say about a model version: owner, description, runbook and tags. No result uses it.

``register`` and ``train`` write it into the manifest of the profile. It can change later, unlike
the profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from driftline.errors import BadInput
from producers.contract.names import is_name

MAX_TEXT = 1_000  # characters
MAX_TAGS = 50


class VersionInfo(Struct, frozen=True, kw_only=True):
    owner: str | None = None
    description: str | None = None
    runbook: str | None = None  # a link
    tags: Mapping[str, str] = {}

    def updated(self, given: VersionInfo) -> VersionInfo:
        """With the fields and tags that are given. An empty text removes one, None keeps it.

        Raises ``BadInput`` if there are too many tags.
        """
        tags = {name: value for name, value in {**self.tags, **given.tags}.items() if value}
        if len(tags) > MAX_TAGS:
            raise BadInput(f"{len(tags)} tags are too many: expected at most {MAX_TAGS}")
        return VersionInfo(
            owner=_either(given.owner, self.owner),
            description=_either(given.description, self.description),
            runbook=_either(given.runbook, self.runbook),
            tags=dict(sorted(tags.items())),
        )


def given_info(
    owner: str | None, description: str | None, runbook: str | None, tags: Sequence[str]
) -> VersionInfo:
    """From the values of options; tags are ``name=value``. Raises ``BadInput``."""
    for name, text in (("owner", owner), ("description", description), ("runbook", runbook)):
        _check_text(name, text or "")
    if runbook and not is_link(runbook):
        raise BadInput(f"the runbook {runbook!r} is not a link: expected http:// or https://")
    return VersionInfo(
        owner=owner, description=description, runbook=runbook, tags=dict(map(_tag, tags))
    )


def is_link(text: str) -> bool:
    """Whether ``text`` is an http or https URL that is safe to show as a link."""
    if not text.isprintable() or any(character in text for character in ' "<>\\'):
        return False
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname)


def _either(given: str | None, before: str | None) -> str | None:
    return before if given is None else given or None


def _tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise BadInput(f"the tag {text!r} has no '=': expected name=value")
    if not is_name(name):
        raise BadInput(
            f"the tag {text!r} has no valid name: expected 1 to 100 letters, digits, '.', '_' or"
            " '-' before '='"
        )
    _check_text(f"value of the tag {name}", value)
    return name, value


def _check_text(what: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise BadInput(f"the {what} has {len(text):,} characters: expected at most {MAX_TEXT:,}")
    if not text.isprintable():
        raise BadInput(f"the {what} has control characters or line breaks: expected one line")
