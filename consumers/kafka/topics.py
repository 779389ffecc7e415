"""The topics of Driftline: their partitions and retention, and creating them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumers.kafka.acls import acl_commands
from consumers.kafka.configuration import MAX_MESSAGE_BYTES
from driftline.errors import Trouble
from driftline.settings import Settings
from monitor.plan import DAY, HOUR, Plan
from producers.kafka.configuration import client_config
from producers.kafka.errors import reason
from producers.kafka.metadata import metadata
from producers.kafka.rights import CREATE, TOPIC, Right, login, refusal

TIMEOUT_S = 30.0
MAX_SOURCE_BYTES = 1_048_588  # Kafka's default, which the source topics keep
YEAR = 365 * DAY

Config = Mapping[str, str]

# With the timestamps of producers, a replay of an old year would be deleted within minutes.
_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
_TABLE = {"cleanup.policy": "compact", **_APPEND_TIME}
# Read whole at each start: Kafka compacts only segments that are closed.
_STATE = {**_TABLE, "segment.ms": str(HOUR)}
# The size of a message grows with the number of features.
_LARGE = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
# A record of a source topic with more headers, perhaps compressed less well.
_WITH_HEADERS = {"max.message.bytes": str(2 * MAX_SOURCE_BYTES)}
_EXISTS = KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS))
_SINGLE_PARTITION = {"alerts", "retraining", "profiles", "heartbeats"}


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    config: Config


class TopicsNotCreated(Trouble):
    """Kafka refused to create topics. The message names them with the reasons."""


def topics(settings: Settings, plan: Plan) -> list[Topic]:
    """All topics, by their full names."""
    plans = [plan, *map(settings.plan, settings.models)]
    configs = {
        "predictions": _log(_source_retention_ms(plans)),
        "labels": _log(_source_retention_ms(plans)),
        **_halves(settings),
        "joins": _log(max(map(_joins_retention_ms, plans))),
        "summaries": _log(max(map(_summaries_retention_ms, plans))),
        "windows": {**_log(YEAR), **_LARGE},
        "alerts": _log(YEAR),
        "retraining": _log(YEAR),
        "profiles": _TABLE,
        "heartbeats": _STATE,
        "positions": _STATE,
        "versions": _TABLE,
        "detect-state": {**_STATE, **_LARGE},
        "dead-letters": {**_deleted(30 * DAY), **_WITH_HEADERS},
    }
    partitions = settings.topics.partitions
    return [
        Topic(settings.topic(name), 1 if name in _SINGLE_PARTITION else partitions, config)
        for name, config in configs.items()
    ]


def _source_retention_ms(plans: Sequence[Plan]) -> int:
    return max(2 * max(plan.time.label_horizon_ms for plan in plans), 7 * DAY)


def _halves(settings: Settings) -> Mapping[str, Config]:
    """The topic, if there are pairs. An entry lasts for a horizon, and begins within another one of
    what is left to read.
    """
    horizons_ms = [one.pair.horizon_ms for one in settings.pairs().values() if one.pair is not None]
    if not horizons_ms:
        return {}
    return {"halves": {**_log(2 * max(horizons_ms) + DAY), **_WITH_HEADERS}}


def _joins_retention_ms(plan: Plan) -> int:
    """A prediction may be a label horizon older than its label, which waits for late rows."""
    return plan.time.label_horizon_ms + _max_lateness_ms(plan) + DAY


def _summaries_retention_ms(plan: Plan) -> int:
    """Panes are kept until no row can change them and the labels of their windows are final."""
    window_ms = max(plan.windows.length_ms, plan.windows.longest_ms)
    return _max_lateness_ms(plan) + plan.time.label_horizon_ms + 2 * window_ms + DAY


def _max_lateness_ms(plan: Plan) -> int:
    return max(plan.time.accept_late_ms, plan.time.label_horizon_ms)


def _log(retention_ms: int) -> Config:
    return {**_deleted(retention_ms), **_APPEND_TIME}


def _deleted(retention_ms: int) -> Config:
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms)}


def create(settings: Settings, plan: Plan) -> tuple[list[str], list[str]]:
    """Create missing topics. Returns the names created, and those that existed.

    Raises ``TopicsNotCreated``, ``KafkaUnavailable`` or ``MissingRight``.
    """
    admin = AdminClient(client_config(settings, {}))
    known = metadata(admin, settings).topics  # otherwise each topic waits for the timeout
    every = topics(settings, plan)
    # Who may not create topics may use those that exist.
    errors = _created(settings, admin, [topic for topic in every if topic.name not in known])
    _raise_refused(settings, errors)
    created = [topic.name for topic in every if errors.get(topic.name, _EXISTS) is None]
    return created, [topic.name for topic in every if topic.name not in created]


def _created(
    settings: Settings, admin: AdminClient, missing: Sequence[Topic]
) -> dict[str, KafkaException | None]:
    """Creates topics, and returns the error of each, by its name."""
    if not missing:
        return {}
    new_topics = [_new_topic(topic, settings.topics.replication) for topic in missing]
    futures = admin.create_topics(new_topics, request_timeout=TIMEOUT_S)
    return {name: _error(future) for name, future in futures.items()}


def _raise_refused(settings: Settings, errors: Mapping[str, KafkaException | None]) -> None:
    """Raises ``MissingRight`` or ``TopicsNotCreated`` if a topic could not be created."""
    refused = {name: error for name, error in errors.items() if error and not _exists(error)}
    for name, error in refused.items():
        if (missing := refusal(settings, error.args[0], Right(CREATE, TOPIC, name))) is not None:
            raise missing from error
    if refused:
        reasons = "; ".join(f"{name}: {reason(error)}" for name, error in refused.items())
        servers = settings.kafka.bootstrap_servers
        raise TopicsNotCreated(f"Kafka at {servers} did not create these topics: {reasons}")


def _error(future: Future[None]) -> KafkaException | None:
    try:
        future.result()
    except KafkaException as error:
        return error
    return None


def _exists(error: KafkaException) -> bool:
    return bool(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS)


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        config=dict(topic.config),
    )


def commands(settings: Settings, plan: Plan) -> list[str]:
    """Commands of Kafka's tools that create the topics, and the ACLs that the roles need."""
    creates = [_create_command(settings, topic) for topic in topics(settings, plan)]
    return [*creates, *acl_commands(settings)]


def _create_command(settings: Settings, topic: Topic) -> str:
    config = " ".join(f"--config {key}={value}" for key, value in topic.config.items())
    return (
        f"kafka-topics.sh --bootstrap-server {settings.kafka.bootstrap_servers}{login(settings)}"
        f" --create --if-not-exists --topic {topic.name} --partitions {topic.partitions}"
        f" --replication-factor {settings.topics.replication} {config}"
    )
