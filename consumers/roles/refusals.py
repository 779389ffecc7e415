"""Records of other services that are set aside, with the reason."""

from __future__ import annotations

from consumers.dead_letters.dead_letter import dead_letter_message
from consumers.dead_letters.redaction import without_value
from consumers.messages.records import Message, Record
from consumers.sources.mapping.scope import Unmappable
from producers.contract.records import Undecodable


class Unpaired(ValueError):
    """A half has stayed alone. The message is one sentence."""


REFUSED = (Undecodable, Unmappable, Unpaired)


def reason_of(error: Exception) -> str:
    """Of one of ``REFUSED``."""
    return type(error).__name__.lower()


def letter(record: Record, error: Exception, *, redacts: bool) -> Message:
    """The dead letter. ``redacts``: without the value, because what is redacted may be in it."""
    kept, hidden = without_value(record) if redacts else (record, None)
    return dead_letter_message(kept, reason_of(error), str(error), hidden=hidden)
