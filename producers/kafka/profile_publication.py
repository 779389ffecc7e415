"""Publishes reference profiles: each version once, in one transaction."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaException, Producer

from driftline.settings import Settings
from monitor.counts.profile import Profile
from producers.contract.profiles import content_hash, encode_profile
from producers.kafka.configuration import client_config, create_client
from producers.kafka.errors import DeliveryFailed, ProfileConflict, reason
from producers.kafka.metadata import partitions
from producers.kafka.profile_table import PROFILES, ProfileTable

INIT_TIMEOUT_S = READ_BACK_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 60.0
TRANSACTION_MS = 60_000


def publish_profile(settings: Settings, profile: Profile) -> bool:
    """Publish a profile. Returns False if the version is already published with this content.

    The check and the write are one step, because the transactional id fences off other publishers.
    After the return, everybody who catches up finds the profile. Raises ``ProfileConflict`` if the
    version is published with other content.
    """
    topic = settings.topic(PROFILES)
    required = {"transactional.id": topic, "transaction.timeout.ms": TRANSACTION_MS}
    producer = create_client(Producer, client_config(settings, required))
    partitions(producer, settings, topic)
    with ProfileTable(settings) as table:
        try:
            producer.init_transactions(INIT_TIMEOUT_S)
            table.catch_up()
            if _is_published(table, profile):
                return False
            _write(producer, topic, encode_profile(profile))
        except KafkaException as error:
            raise DeliveryFailed(f"the profile was not published: {reason(error)}") from error
        _read_back(table, profile)
    return True


def _is_published(table: ProfileTable, profile: Profile) -> bool:
    if table.get(profile.model, profile.version) is None:
        return False
    if table.content(profile.model, profile.version) != content_hash(profile):
        raise ProfileConflict(
            f"model {profile.model!r} version {profile.version!r} is published already, with other"
            " content: a reference never changes, choose another --version"
        )
    return True


def _read_back(table: ProfileTable, profile: Profile) -> None:
    """Wait until readers see the profile, shortly after the commit is confirmed."""
    deadline_s = time.monotonic() + READ_BACK_TIMEOUT_S
    while table.get(profile.model, profile.version) is None:
        if time.monotonic() > deadline_s:
            raise DeliveryFailed("the profile was sent, but cannot be read back from Kafka")
        table.catch_up()


def _write(producer: Any, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
    producer.begin_transaction()
    for key, value in messages:
        producer.produce(topic, value, key)
    producer.commit_transaction(COMMIT_TIMEOUT_S)
