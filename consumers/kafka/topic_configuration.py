"""Compares the configuration of existing topics with what the plans and this release need.

Topics are configured when they are created. A longer label horizon, set later, needs a longer
retention, without which a lost store or snapshot cannot be rebuilt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from consumers.kafka.outage import sentence
from consumers.kafka.topics import TIMEOUT_S, Config, Topic, topics
from driftline.errors import Trouble
from driftline.settings import Settings
from monitor.plan import Plan, duration_text
from producers.kafka.configuration import client_config
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.metadata import metadata
from producers.kafka.rights import DESCRIBE_CONFIGS, TOPIC, MissingRight, Right, refusal

log = logging.getLogger(__name__)

WATCH_S = 60.0
RETENTION = "retention.ms"
UNLIMITED = "-1"
_AT_LEAST = (RETENTION, "max.message.bytes")
# A topic with more than one policy is both compacted and deleted from.
_EQUAL = ("cleanup.policy", "message.timestamp.type")


class UnfitTopics(Trouble):
    """Topics are configured in a way with which results would be wrong."""


class Unfit(NamedTuple):
    """An existing topic whose configuration does not fit."""

    topic: str  # full name
    sentence: str  # what differs, and the command that changes it
    wrong: bool  # whether results would be wrong; otherwise a lost cache could not be rebuilt


def configuration_warnings(settings: Settings, plan: Plan, existing: Collection[str]) -> list[str]:
    """One line for each existing topic whose configuration does not fit, and how to change it."""
    try:
        return [unfit.sentence for unfit in unfit_topics(settings, plan, existing)]
    except (KafkaException, MissingRight) as error:
        return [f"the configuration of existing topics could not be read: {sentence(error)}"]


def unfit_topics(settings: Settings, plan: Plan, existing: Collection[str]) -> list[Unfit]:
    """Those of the existing topics that do not fit. Raises ``KafkaException`` or ``MissingRight``.

    A topic that keeps more records or takes larger messages than needed fits.
    """
    wanted = [topic for topic in topics(settings, plan) if topic.name in existing]
    current = _current(settings, wanted) if wanted else {}
    found = [(topic, _misfits(topic.config, current[topic.name])) for topic in wanted]
    return [
        Unfit(
            topic.name,
            _warning(settings, topic, current[topic.name], misfits),
            not set(misfits).isdisjoint(_EQUAL),
        )
        for topic, misfits in found
        if misfits
    ]


class TopicWatch:
    """Compares the configuration of topics with the plans at the start and every minute."""

    def __init__(self, settings: Settings, existing: Callable[[], Collection[str]]) -> None:
        self._settings, self._existing = settings, existing
        self._next_s = float("-inf")
        self._problem: str | None = None

    def problem(self) -> str | None:
        """What does not fit. Raises ``UnfitTopics`` if results would be wrong."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + WATCH_S
            self._problem = self._compared()
        return self._problem

    def _compared(self) -> str | None:
        settings = self._settings
        try:
            found = unfit_topics(settings, settings.plan(), self._existing())
        except MissingRight as error:
            return str(error)
        except (KafkaException, KafkaUnavailable) as error:
            log.info("the configuration of topics could not be read: %s", error)
            return None
        wrong = [unfit.sentence for unfit in found if unfit.wrong]
        if wrong:
            raise UnfitTopics("; ".join(wrong))
        return "; ".join(unfit.sentence for unfit in found) or None


def existing_topics(settings: Settings) -> frozenset[str]:
    """The full names of all topics of the cluster. Raises ``KafkaUnavailable``."""
    admin = AdminClient(client_config(settings, {}))
    return frozenset(metadata(admin, settings).topics)


def retention_warnings(settings: Settings, needed_ms: Mapping[str, int]) -> list[str]:
    """Of topics of others, by their names, that keep their records for a shorter time.

    None if their configuration may not be read.
    """
    wanted = [Topic(name, 0, {RETENTION: str(ms)}) for name, ms in needed_ms.items()]
    try:
        current = _current(settings, wanted)
    except (KafkaException, MissingRight):
        return []
    return [
        _warning(settings, topic, current[topic.name], misfits)
        for topic in wanted
        if (misfits := _misfits(topic.config, current[topic.name]))
    ]


def _current(settings: Settings, wanted: Sequence[Topic]) -> Mapping[str, Config]:
    """The configuration of each topic, by its name.

    Raises ``KafkaException`` or ``MissingRight``.
    """
    admin = AdminClient(client_config(settings, {}))
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in wanted]
    futures = admin.describe_configs(resources, request_timeout=TIMEOUT_S)
    return {
        resource.name: _entries(settings, resource.name, future)
        for resource, future in futures.items()
    }


def _entries(settings: Settings, topic: str, future: Future[Mapping[str, Any]]) -> Config:
    try:
        return {key: str(entry.value) for key, entry in future.result().items()}
    except KafkaException as error:
        needed = Right(DESCRIBE_CONFIGS, TOPIC, topic)
        raise (refusal(settings, error.args[0], needed) or error) from error


def _misfits(needed: Config, current: Config) -> list[str]:
    """The keys whose current value does not fit."""
    differ = [key for key in _EQUAL if key in needed and current.get(key) != needed[key]]
    less = [
        key
        for key in _AT_LEAST
        if key in needed and _less(current.get(key, UNLIMITED), needed[key])
    ]
    return differ + less


def _less(current: str, needed: str) -> bool:
    return current != UNLIMITED and int(current) < int(needed)


def _warning(settings: Settings, topic: Topic, current: Config, misfits: Sequence[str]) -> str:
    differences = ", ".join(
        f"{key} is {_text(key, current.get(key, 'not set'))}, needed"
        f" {'at least ' if key in _AT_LEAST else ''}{_text(key, topic.config[key])}"
        for key in misfits
    )
    changes = ",".join(f"{key}={topic.config[key]}" for key in misfits)
    return (
        f"{topic.name}: {differences}: kafka-configs.sh --bootstrap-server"
        f" {settings.kafka.bootstrap_servers} --alter --entity-type topics --entity-name"
        f" {topic.name} --add-config {changes}"
    )


def _text(key: str, value: str) -> str:
    return f"{value} ({duration_text(int(value))})" if key == RETENTION else value
