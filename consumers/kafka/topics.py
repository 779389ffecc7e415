"""The topics: their partitions and retention, and making them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from driftline.errors import Trouble
from driftline.settings import Settings
from monitor.plan import DAY, Plan
from producers.kafka.profile_table import client_config, require_answer

TIMEOUT_S = 30.0
LIMIT = 1_048_588  # Kafka's own default for a message, kept for the sources
YEAR = 365 * DAY


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    config: Mapping[str, str]


class TopicsNotCreated(Trouble):
    """Topics that Kafka refused to make. The message says which, and why."""


def topics(settings: Settings, plan: Plan) -> list[Topic]:
    """Every topic, by its full name."""
    many = settings.topics.partitions
    plans = [plan, *map(settings.plan, settings.models)]
    horizon_ms = max(plan.time.label_horizon_ms for plan in plans)
    # With producers' own timestamps a replay of an old year would be deleted within minutes.
    source = {**_delete(max(2 * horizon_ms, 7 * DAY)), **_APPENDED}
    shapes: dict[str, tuple[int, Mapping[str, str]]] = {
        "predictions": (many, source),
        "labels": (many, source),
        "joins": (many, {**_delete(max(map(_joined_ms, plans))), **_APPENDED}),
        "summaries": (many, {**_delete(max(map(_summed_ms, plans))), **_APPENDED}),
        "windows": (many, {**_delete(YEAR), **_APPENDED}),
        "alerts": (1, {**_delete(YEAR), **_APPENDED}),
        "retraining": (1, {**_delete(YEAR), **_APPENDED}),
        "profiles": (1, _COMPACT),
        "heartbeats": (1, {**_COMPACT, "segment.ms": str(DAY)}),
        "detect-state": (many, {**_COMPACT, "segment.ms": str(DAY)}),
        "dead-letters": (many, {**_delete(30 * DAY), "max.message.bytes": str(2 * LIMIT)}),
    }
    return [
        Topic(settings.topic(name), partitions, config)
        for name, (partitions, config) in shapes.items()
    ]


_APPENDED = {"message.timestamp.type": "LogAppendTime"}
_COMPACT = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}


def _joined_ms(plan: Plan) -> int:
    """A prediction may be so much older than its label, which is kept as long as rows may come."""
    return plan.time.label_horizon_ms + _reach_ms(plan) + DAY


def _summed_ms(plan: Plan) -> int:
    """Panes are kept until no row can reach them, and their windows' labels had their time."""
    window_ms = max(plan.windows.length_ms, plan.windows.longest_ms)
    return _reach_ms(plan) + plan.time.label_horizon_ms + 2 * window_ms + DAY


def _reach_ms(plan: Plan) -> int:
    return max(plan.time.accept_late_ms, plan.time.label_horizon_ms)


def _delete(retention_ms: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}


def create(settings: Settings, plan: Plan) -> tuple[list[str], list[str]]:
    """Make what is missing; the names made, and those that were there already.

    Raises ``TopicsNotCreated``, or ``KafkaUnavailable``.
    """
    admin = AdminClient(client_config(settings, {}))
    require_answer(admin, settings)  # or each topic waits for it, and says so
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=settings.topics.replication,
            config=dict(topic.config),
        )
        for topic in topics(settings, plan)
    ]
    made, there, refused = [], [], []
    for name, future in admin.create_topics(wanted, request_timeout=TIMEOUT_S).items():
        try:
            future.result()
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                there.append(name)
            else:
                refused.append(f"{name}: {error.args[0].str()}")
    if refused:
        where, why = settings.kafka.bootstrap_servers, "; ".join(refused)
        raise TopicsNotCreated(f"Kafka at {where} did not make these topics: {why}")
    return made, there


def commands(settings: Settings, plan: Plan) -> list[str]:
    """The same as commands of Kafka's own tools, and the ACLs that the roles need."""
    servers = settings.kafka.bootstrap_servers
    lines = []
    for topic in topics(settings, plan):
        config = " ".join(f"--config {key}={value}" for key, value in topic.config.items())
        lines.append(
            f"kafka-topics.sh --bootstrap-server {servers} --create --if-not-exists"
            f" --topic {topic.name} --partitions {topic.partitions}"
            f" --replication-factor {settings.topics.replication} {config}"
        )
    who = f"kafka-acls.sh --bootstrap-server {servers} --add --allow-principal User:driftline"
    prefixed = f"--resource-pattern-type prefixed --topic {settings.kafka.prefix}."
    lines += [
        f"{who} --operation Read --operation Write --operation Describe {prefixed}",
        f"{who} --operation Read --resource-pattern-type prefixed --group {settings.kafka.prefix}.",
        f"{who} --operation Write --operation Describe --resource-pattern-type prefixed"
        f" --transactional-id {settings.kafka.prefix}.",
        f"{who} --operation IdempotentWrite --cluster",
    ]
    return lines
