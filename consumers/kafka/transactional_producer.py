"""Writes messages and the offsets of consumer groups in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from threading import Thread
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka.configuration import TIMEOUT_S, TRANSACTION_MS, producer_config
from consumers.kafka.errors import (
    TransactionAborted,
    TransactionUnsettled,
    rights_to_read,
    translated,
)
from consumers.messages.records import Message
from driftline.fault_points import fault_point
from driftline.settings import Settings
from producers.kafka.rights import TOPIC, TRANSACTIONAL_ID, WRITE, Right, refusal

log = logging.getLogger(__name__)


class TransactionalProducer:
    """One transaction at a time. Fences off an older producer with the same transactional id."""

    def __init__(self, settings: Settings, transactional_id: str, groups: Sequence[str]) -> None:
        """``groups``: the full names of those whose offsets it commits."""
        self._settings = settings
        own = Right(WRITE, TRANSACTIONAL_ID, transactional_id)
        self._needed = [own, *rights_to_read(None, groups)]
        self._producer = Producer(producer_config(settings, transactional_id))
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            raise (refusal(settings, error.args[0], *self._needed) or error) from error

    def commit(
        self,
        messages: Sequence[Message],
        offsets: Sequence[tuple[bytes, list[KafkaPartition]]],
    ) -> None:
        """``offsets``: of each group, with the metadata of its member.

        Raises ``TransactionAborted`` if the transaction had no effect, ``MissingRight`` if Kafka
        has refused it.

        After any other error it is unknown whether it was committed; the next producer with this
        transactional id settles it.
        """
        begun_s = time.monotonic()
        try:
            self._producer.begin_transaction()
            fault_point("after-begin")
            for message in messages:
                self._produce(message)
            fault_point("after-output")
            for group_metadata, of_group in offsets:
                self._send_offsets(of_group, group_metadata)
                fault_point("after-offsets")
            fault_point("before-commit", prepare=self._producer.flush)
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            self._abort(error, time.monotonic() - begun_s, {message.topic for message in messages})

    def _send_offsets(self, offsets: list[KafkaPartition], group_metadata: Any) -> None:
        """Within the time that a transaction may last. Raises ``TransactionUnsettled``.

        The client library ignores its time limit (librdkafka's issues 5456 and 5511): it may wait
        for ever for the coordinator of the group after an outage.
        """
        failed: list[KafkaException] = []

        def send() -> None:
            try:
                self._producer.send_offsets_to_transaction(offsets, group_metadata)
            except KafkaException as error:
                failed.append(error)

        sending = Thread(target=send, daemon=True)
        sending.start()
        sending.join(TRANSACTION_MS / 1000)
        if sending.is_alive():
            raise _unsettled("the coordinator of the group does not answer")
        if failed:
            raise failed[0]

    def _produce(self, message: Message) -> None:
        options: dict[str, Any] = {"key": message.key, "value": message.value}
        if message.partition is not None:
            options["partition"] = message.partition
        if message.headers:
            options["headers"] = list(message.headers)
        while True:
            try:
                self._producer.produce(self._settings.topic(message.topic), **options)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _abort(self, error: KafkaException, open_s: float, topics: Iterable[str]) -> None:
        reason = error.args[0]
        written = (Right(WRITE, TOPIC, self._settings.topic(topic)) for topic in topics)
        if (refused := refusal(self._settings, reason, *self._needed, *written)) is not None:
            # The next producer with this transactional id aborts it.
            raise refused from error
        if reason.fatal():
            if open_s * 1000 > TRANSACTION_MS:  # the broker shuts out who keeps one open so long
                raise _unsettled(reason.str()) from error
            raise translated(self._settings, reason) from error
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException as failed:
            raise _unsettled(f"{reason.str()}; {failed.args[0].str()}") from failed
        log.warning("transaction aborted, going back to the committed offsets: %s", reason.str())
        raise TransactionAborted(reason.str()) from error


def _unsettled(why: str) -> TransactionUnsettled:
    return TransactionUnsettled(
        f"Kafka failed during a transaction ({why}): the next run of this worker settles whether it"
        " was committed"
    )
