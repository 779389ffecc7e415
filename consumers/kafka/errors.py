"""Errors of Kafka as the roles see them, and their translation from the client library."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException

from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.errors import MissingTopic
from producers.kafka.rights import GROUP, READ, TOPIC, Right, refusal

_FENCED = {
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError._FENCED,
}


class TransactionAborted(Exception):
    """The transaction had no effect: continue from the committed offsets."""


class TransactionUnsettled(Trouble):
    """It is unknown whether a transaction was committed. A restart of the worker settles it."""


class SlotTaken(Trouble):
    """Another process runs with the same role and slot, and has fenced this one."""


class RecordsLost(Trouble):
    """The embedded broker dropped records before they were read."""


def translated(settings: Settings, error: KafkaError, *needed: Right) -> Exception:
    """The exception to raise for an error of what needs these rights: with a remedy, if any."""
    refused = refusal(settings, error, *needed)
    if refused is not None:
        return refused
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return MissingTopic(f"{error.str()}: run `driftline topics create` first")
    if error.code() in _FENCED or _is_fenced_member(error):
        return SlotTaken(
            f"shut out of Kafka ({error.str()}): another process seems to work in the same role and"
            " slot; give each its own --slot"
        )
    return KafkaException(error)


def rights_to_read(topic: str | None, groups: Sequence[str]) -> list[Right]:
    """Of a topic, if it is known, by members of these groups."""
    of_topic = [] if topic is None else [Right(READ, TOPIC, topic)]
    return [*of_topic, *(Right(READ, GROUP, name) for name in groups)]


def is_slot_unreleased(error: KafkaError | None) -> bool:
    """Whether the group does not admit a member yet, because an earlier one is in its slot."""
    return (
        error is not None
        and error.code() == KafkaError._FATAL
        and "instance ID is still used by another member" in error.str()
    )


def _is_fenced_member(error: KafkaError) -> bool:
    """All fatal errors of a consumer have one code; only the text tells them apart."""
    return bool(error.code() == KafkaError._FATAL and "group.instance.id" in error.str())
