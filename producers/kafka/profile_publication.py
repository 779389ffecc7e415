"""Publishes reference profiles: each version once, in one transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from msgspec.structs import replace

from driftline.settings import Settings
from monitor.counts.profile import Profile
from monitor.plan import Plan
from monitor.windows.learned import Learned
from producers.contract.learned import encode_learned, encode_learned_segments, learned_key
from producers.contract.profile_overview import encode_overview, overview_of
from producers.contract.profiles import content_hash, encode_profile
from producers.contract.version_info import VersionInfo
from producers.kafka.configuration import LIBRDKAFKA, client_config, create_client
from producers.kafka.errors import DeliveryFailed, ProfileConflict, reason
from producers.kafka.metadata import partitions
from producers.kafka.profile_table import PROFILES, ProfileTable
from producers.kafka.rights import TOPIC, TRANSACTIONAL_ID, WRITE, Right, refusal

INIT_TIMEOUT_S = READ_BACK_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 60.0
TRANSACTION_MS = 60_000
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
# A publisher that is fenced off begins again: nothing that anybody has to know.
WITHOUT_FENCING = LIBRDKAFKA.getChild("profiles")
WITHOUT_FENCING.addFilter(lambda record: "fenced" not in record.getMessage())
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)

Messages = list[tuple[bytes, bytes]]


class Publication(StrEnum):
    """What ``publish_profile`` has done, as the command says it."""

    NEW = "published to"
    UPDATED = "updated in"  # its info only
    UNCHANGED = "is already in"


def publish_profile(
    settings: Settings,
    profile: Profile,
    info: VersionInfo | None = None,
    reference_end_ms: int | None = None,
) -> Publication:
    """Publish a profile, or update the info of a version that is published with this content.

    ``reference_end_ms``: of a reference from a topic of another service; see ``Manifest``.

    The check and the write are one step, because the transactional id fences off other publishers;
    one that is fenced off begins again. After the return, everybody who catches up finds what was
    written. Raises ``ProfileConflict`` if the version is published with other content, ``BadInput``
    if ``info`` has too many tags, ``DeliveryFailed``.
    """
    for pause_s in PAUSES_S:
        try:
            return _publish(settings, profile, info or VersionInfo(), reference_end_ms)
        except _FencedOff:
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # so that two of them do not keep step
    raise DeliveryFailed(
        "the profile was not published: others publish profiles under"
        f" {settings.topic(PROFILES)!r} all the time: try again when they have finished"
    )


class _FencedOff(Exception):
    """Another publisher has begun meanwhile."""


def _publish(
    settings: Settings, profile: Profile, given: VersionInfo, end_ms: int | None
) -> Publication:
    topic = settings.topic(PROFILES)
    required = {
        "transactional.id": topic,
        "transaction.timeout.ms": TRANSACTION_MS,
        "logger": WITHOUT_FENCING,
    }
    producer = create_client(Producer, client_config(settings, required))
    partitions(producer, settings, topic, WRITE)
    plan = settings.plan(profile.model)
    with ProfileTable(settings) as table:
        try:
            producer.init_transactions(INIT_TIMEOUT_S)
            table.catch_up()
            publication, updated, messages = _due(table, plan, profile, given, end_ms)
            if messages:
                _write(producer, topic, messages)
        except KafkaException as error:
            if error.args[0].code() in FENCED:
                raise _FencedOff from error
            raise _not_published(settings, error) from error
        _read_back(table, lambda: _info(table, profile) == updated)
    return publication


def _not_published(settings: Settings, error: KafkaException) -> Exception:
    topic = settings.topic(PROFILES)
    needed = Right(WRITE, TRANSACTIONAL_ID, topic), Right(WRITE, TOPIC, topic)
    refused = refusal(settings, error.args[0], *needed)
    return refused or DeliveryFailed(f"the profile was not published: {reason(error)}")


def _due(
    table: ProfileTable, plan: Plan, profile: Profile, given: VersionInfo, end_ms: int | None
) -> tuple[Publication, VersionInfo, Messages]:
    """What is to be done, the info after it, and the messages to write."""
    before = _info(table, profile)
    if before is None:
        updated = VersionInfo().updated(given)
        messages = encode_profile(profile, updated, derived_blobs(plan, profile), end_ms)
        return Publication.NEW, updated, messages
    manifest = table.manifest(profile.model, profile.version)
    if manifest.content != content_hash(profile):
        raise ProfileConflict(
            f"model {profile.model!r} version {profile.version!r} is published already, with other"
            " content: a reference never changes, choose another --version"
        )
    updated = before.updated(given)
    if updated == before:
        return Publication.UNCHANGED, updated, []
    return Publication.UPDATED, updated, [replace(manifest, info=updated).message()]


def derived_blobs(plan: Plan, profile: Profile) -> dict[str, bytes]:
    """What readers would have to compute, which takes seconds."""
    if profile.schema.pane_ms != plan.windows.pane_ms:
        return {"overview": encode_overview(overview_of(profile))}
    learned = Learned.of(plan, profile)
    found = {
        "overview": encode_overview(overview_of(profile, learned.baseline)),
        "learned": _encoded(plan, profile, learned),
    }
    if not profile.segments:
        return found
    segments = {
        text: _encoded(plan, each, Learned.of(plan, each))
        for text, each in profile.segments.items()
    }
    return {**found, "segments": encode_learned_segments(segments)}


def _encoded(plan: Plan, profile: Profile, learned: Learned) -> bytes:
    return encode_learned(learned, learned_key(plan, content_hash(profile)), profile.schema.task)


def _info(table: ProfileTable, profile: Profile) -> VersionInfo | None:
    """None if the version is not published."""
    if table.get(profile.model, profile.version) is None:
        return None
    return table.info(profile.model, profile.version)


def _read_back(table: ProfileTable, found: Callable[[], bool]) -> None:
    """Wait until readers see what was written, shortly after the commit is confirmed."""
    deadline_s = time.monotonic() + READ_BACK_TIMEOUT_S
    while not found():
        if time.monotonic() > deadline_s:
            raise DeliveryFailed("the profile was sent, but cannot be read back from Kafka")
        table.catch_up()


def _write(producer: Any, topic: str, messages: Messages) -> None:
    producer.begin_transaction()
    for key, value in messages:
        producer.produce(topic, value, key)
    producer.commit_transaction(COMMIT_TIMEOUT_S)
