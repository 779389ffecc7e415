"""Rights that Kafka demands: which one is missing when it refuses something, and what gives it.

Theory of operation
-------------------
An error of Kafka says the kind of resource that was refused, seldom its name, and never the
operation. Who has called knows the rights that it needed. If that were several, Kafka is asked
which of them it gives; it does not tell this of transactional ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.configuration import client_config

READ, WRITE, DESCRIBE = "Read", "Write", "Describe"
CREATE, DESCRIBE_CONFIGS = "Create", "DescribeConfigs"
TOPIC, GROUP, TRANSACTIONAL_ID = "topic", "group", "transactional-id"
TIMEOUT_S = 10.0
_RESOURCES: Mapping[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: TOPIC,
    # Of the whole cluster: who may write no topic may not begin to write.
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: TOPIC,
    KafkaError.GROUP_AUTHORIZATION_FAILED: GROUP,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: TRANSACTIONAL_ID,
}


class Right(NamedTuple):
    """One operation on one resource, in the words of ``kafka-acls.sh``."""

    operation: str
    resource: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}"


class MissingRight(Trouble):
    """Kafka has refused what needs ``rights``. The message names them, and what gives them."""

    def __init__(self, settings: Settings, *rights: Right) -> None:
        self.rights = rights
        needed = " and ".join(map(str, rights))
        super().__init__(
            f"Kafka denies {principal(settings)} {needed}: {_remedy(settings, rights)}"
        )


def principal(settings: Settings) -> str:
    """The name of our user in ACLs; ``User:driftline`` if the configuration does not tell it."""
    client = settings.kafka.client
    mechanism = client.get("sasl.mechanism") or client.get("sasl.mechanisms", "")
    is_scram = mechanism.startswith("SCRAM")
    return f"User:{client.get('sasl.username', 'driftline') if is_scram else 'driftline'}"


def acl_command(settings: Settings, operations: Iterable[str], resource: str) -> str:
    """The command that gives ``operations``. ``resource`` has its options."""
    words = " ".join(f"--operation {operation}" for operation in operations)
    return (
        f"kafka-acls.sh --bootstrap-server {settings.kafka.bootstrap_servers}{login(settings)}"
        f" --add --allow-principal {principal(settings)} {words} {resource}"
    )


def login(settings: Settings) -> str:
    """The option with which Kafka's tools log in, if they have to."""
    return " --command-config admin.properties" if settings.kafka.client else ""


def is_refusal(error: KafkaError) -> bool:
    """Whether a right is missing."""
    return error.code() in _RESOURCES


def refusal(settings: Settings, error: KafkaError, *needed: Right) -> MissingRight | None:
    """What to raise for ``error`` of a call that needs these rights; None if it is no refusal."""
    resource = _RESOURCES.get(error.code())
    possible = [right for right in needed if right.resource == resource]
    if len(possible) > 1:
        possible = not_given(settings, possible) or possible
    return MissingRight(settings, *possible) if possible else None


def not_given(settings: Settings, rights: Sequence[Right]) -> list[Right]:
    """Those of ``rights`` that Kafka denies, as far as it tells. Without ACLs, none."""
    client = AdminClient(client_config(settings, {}))
    given = {
        TOPIC: _given_topics(client, _names(rights, TOPIC)),
        GROUP: _given_groups(client, _names(rights, GROUP)),
    }
    return [
        right
        for right in rights
        if (operations := given.get(right.resource, {}).get(right.name)) is not None
        and _constant(right.operation) not in operations
    ]


Given = Mapping[str, "set[str] | None"]  # operations by name; None if Kafka does not tell


def _given_topics(client: AdminClient, names: Sequence[str]) -> Given:
    if not names:
        return {}
    own = {"include_authorized_operations": True, "request_timeout": TIMEOUT_S}
    return _given(client.describe_topics(TopicCollection(list(names)), **own))


def _given_groups(client: AdminClient, names: Sequence[str]) -> Given:
    if not names:
        return {}
    own = {"include_authorized_operations": True, "request_timeout": TIMEOUT_S}
    return _given(client.describe_consumer_groups(list(names), **own))


def _given(described: Mapping[str, Any]) -> Given:
    return {name: _operations(future) for name, future in described.items()}


def _operations(future: Any) -> set[str] | None:
    try:
        operations = future.result().authorized_operations
    except KafkaException as error:
        return set() if is_refusal(error.args[0]) else None
    return {operation.name for operation in operations} if operations else None


def _names(rights: Sequence[Right], resource: str) -> list[str]:
    return sorted({right.name for right in rights if right.resource == resource})


def _constant(operation: str) -> str:
    """As the client library names it: ``DESCRIBE_CONFIGS``."""
    return "".join(f"_{c}" if c.isupper() else c.upper() for c in operation).lstrip("_")


def _remedy(settings: Settings, rights: Sequence[Right]) -> str:
    printed = {source.topic for source in settings.sources}
    for operation, resource, name in rights:
        if name not in printed and not name.startswith(f"{settings.kafka.prefix}."):
            return f"{acl_command(settings, [operation], f'--{resource} {name}')} gives it"
    return "`driftline topics create --print` prints the commands that give what it needs"
