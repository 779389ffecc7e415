"""Errors of Kafka as the roles see them, and their translation from the client library."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from driftline.errors import Trouble
from producers.kafka.errors import MissingTopic

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


def translated(error: KafkaError) -> Exception:
    """The exception to raise for an error: with a remedy if there is one."""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return MissingTopic(f"{error.str()}: run `driftline topics create` first")
    if error.code() in _FENCED or _is_fenced_member(error):
        return SlotTaken(
            f"shut out of Kafka ({error.str()}): another process seems to work in the same role and"
            " slot; give each its own --slot"
        )
    return KafkaException(error)


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
