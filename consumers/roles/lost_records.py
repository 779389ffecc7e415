"""Records that retention deleted before a role has read them: how many, and the incident."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consumers.messages.own_incidents import OwnIncident
from consumers.messages.records import Message, RecordBlock, TopicPartition
from monitor.decisions.incidents import Change

SUBJECT = "driftline/lost"


def lost_records(
    block: RecordBlock, expected: int, first_offset: Callable[[TopicPartition], int]
) -> int:
    """The number of offsets from ``expected`` on that were deleted and are not in the block.

    Markers of transactions and aborted records leave gaps as well, so records are lost only where
    the log does not reach back any more. 0 if nothing was read before.
    """
    first = block.record(0).offset
    is_complete = block.next_offset - expected == len(block)
    if expected == 0 or is_complete:
        return 0
    oldest = min(first_offset(block.source), block.next_offset)
    if oldest <= expected:
        return 0
    read = 0 if first >= oldest else sum(block.record(i).offset < oldest for i in range(len(block)))
    return oldest - expected - read


def lost_alerts(
    role: str, block: RecordBlock, expected: int, before_ms: int | None, lost: int
) -> Iterator[Message]:
    """The incident about Driftline itself: it is opened, and over with the records that follow.

    ``before_ms`` is the append time of the records before them.
    """
    source, at_ms = block.source, int(block.append_ms.max())
    about = (source.name, str(expected))
    sentence = _sentence(role, source, lost)
    found = OwnIncident(SUBJECT, about, at_ms, source.name, sentence, before_ms, lost)
    for change in (Change.OPENED, Change.RESOLVED):
        yield found.message(change, at_ms)


def _sentence(role: str, source: TopicPartition, lost: int) -> str:
    return (
        f"retention has deleted {lost} records of {source.name} before they were read:"
        f" windows of that time are incomplete; add workers to {role}, or raise retention.ms"
    )
