"""Compares the configuration of existing topics with what the plans and this release need.

Topics are configured when they are created. A longer label horizon, set later, needs a longer
retention, without which a lost store or snapshot cannot be rebuilt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from consumers.kafka.topics import TIMEOUT_S, Config, Topic, topics
from driftline.settings import Settings
from monitor.plan import Plan, duration_text
from producers.kafka.configuration import client_config
from producers.kafka.errors import reason

RETENTION = "retention.ms"
UNLIMITED = "-1"
_AT_LEAST = (RETENTION, "max.message.bytes")
# A topic with more than one policy is both compacted and deleted from.
_EQUAL = ("cleanup.policy", "message.timestamp.type")


def configuration_warnings(settings: Settings, plan: Plan, existing: Collection[str]) -> list[str]:
    """One line for each existing topic whose configuration does not fit, and how to change it.

    A topic that keeps more records or takes larger messages than needed fits.
    """
    wanted = [topic for topic in topics(settings, plan) if topic.name in existing]
    if not wanted:
        return []
    try:
        current = _current(settings, wanted)
    except KafkaException as error:
        return [f"the configuration of existing topics could not be read: {reason(error)}"]
    found = [(topic, _misfits(topic.config, current[topic.name])) for topic in wanted]
    return [
        _warning(settings, topic, current[topic.name], misfits)
        for topic, misfits in found
        if misfits
    ]


def _current(settings: Settings, wanted: Sequence[Topic]) -> Mapping[str, Config]:
    """The configuration of each topic, by its name. Raises ``KafkaException``."""
    admin = AdminClient(client_config(settings, {}))
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in wanted]
    futures = admin.describe_configs(resources, request_timeout=TIMEOUT_S)
    return {
        resource.name: {key: str(entry.value) for key, entry in future.result().items()}
        for resource, future in futures.items()
    }


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
