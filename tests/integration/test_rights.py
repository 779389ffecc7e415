"""A broker that demands TLS, SASL/SCRAM and rights: the printed ones do, and each is missed."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

import driftline.__main__
from consumers.processes.rights import rights_of
from consumers.processes.worker import INGEST, ROLES, all_reads_of
from driftline.settings import Settings, load_settings
from producers.kafka.rights import Right, not_given
from tests.conftest import REMEDY, lacking
from tests.integration.broker import BrokerUnavailable
from tests.integration.deployment import Deployment
from tests.integration.secure_broker import ADMIN, USER, SecureKafka
from tests.integration.test_arrow_equals_json import LAST_END, SETTINGS
from tests.integration.test_sources import COLUMNS
from tests.integration.test_user_stories import loans

pytestmark = pytest.mark.kafka

EVERY_ROLE = (INGEST, *ROLES)
ANY_ACL = (ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY)
EVERY_ACL = AclBindingFilter(*ANY_ACL, AclPermissionType.ANY)
OPERATIONS = {"Read": "READ", "Write": "WRITE", "DescribeConfigs": "DESCRIBE_CONFIGS"}
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}


@pytest.fixture(scope="module")
def broker() -> Iterator[SecureKafka]:
    try:
        local = SecureKafka()
    except BrokerUnavailable as error:
        lacking("kafka", f"{error} ({REMEDY})")
    with local:
        yield local


class Acls:
    """Those of the user ``driftline``, as an administrator changes them."""

    def __init__(self, broker: SecureKafka) -> None:
        self._admin = AdminClient(
            {"bootstrap.servers": broker.bootstrap_servers, **broker.client()}
        )

    def create_topics(self, *names: str) -> None:
        for made in self._admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
            made.result()

    def give(self, commands: str) -> None:
        """Exactly what commands of ``kafka-acls.sh`` give."""
        lines = [line for line in commands.splitlines() if line.startswith("kafka-acls.sh")]
        self._create([acl for line in lines for acl in _printed(shlex.split(line))])

    def deny(self, *rights: Right) -> None:
        """Without its prefix a right cannot be taken away; what is denied is not allowed."""
        denied = AclPermissionType.DENY
        self._create([_acl(right, denied, ResourcePatternType.LITERAL) for right in rights])

    def allow_again(self) -> None:
        self._delete(AclPermissionType.DENY)

    def take_all(self) -> None:
        self._delete(AclPermissionType.ANY)

    def _create(self, acls: list[AclBinding]) -> None:
        for made in self._admin.create_acls(acls).values():
            made.result()
        self._until(lambda present: set(acls) <= present)

    def _delete(self, permission: AclPermissionType) -> None:
        every = AclBindingFilter(*ANY_ACL, permission)
        for done in self._admin.delete_acls([every]).values():
            done.result()
        self._until(lambda present: not present, every)

    def _until(
        self,
        condition: Callable[[set[AclBinding]], bool],
        which: AclBindingFilter = EVERY_ACL,
    ) -> None:
        """The controller knows of a change before the broker does."""
        deadline_s = time.monotonic() + 30
        while not condition(set(self._admin.describe_acls(which).result())):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def _printed(words: list[str]) -> Iterator[AclBinding]:
    options = [(word, words[at + 1]) for at, word in enumerate(words[:-1]) if word[:2] == "--"]
    (pattern,) = [value for name, value in options if name == "--resource-pattern-type"] or [""]
    kind = ResourcePatternType.PREFIXED if pattern else ResourcePatternType.LITERAL
    assert ("--allow-principal", f"User:{USER}") in options
    (resource,) = [(n[2:], value) for n, value in options if n[2:] in RESOURCES]
    for name, value in options:
        if name == "--operation":
            yield _acl(Right(value, *resource), AclPermissionType.ALLOW, kind)


def _acl(right: Right, permission: AclPermissionType, kind: ResourcePatternType) -> AclBinding:
    operation = AclOperation[OPERATIONS[right.operation]]
    resource = RESOURCES[right.resource]
    return AclBinding(resource, right.name, kind, f"User:{USER}", "*", operation, permission)


@pytest.fixture
def acls(broker: SecureKafka) -> Iterator[Acls]:
    made = Acls(broker)
    yield made
    made.take_all()


@pytest.fixture
def secured(broker: SecureKafka, prefix: str, tmp_path: Path, acls: Acls) -> Iterator[Deployment]:
    """Topics and rights are there as ``topics create --print`` prints them, for its user."""
    scored = f"{prefix}-scored"
    acls.create_topics(scored)
    shared = SETTINGS | {"DRIFTLINE_SOURCES": json.dumps([source(scored)])}
    own = (broker.bootstrap_servers, prefix, tmp_path)
    administrator = Deployment(*own, shared | client(broker, ADMIN))
    administrator.cli("topics", "create")
    deployment = Deployment(*own, shared | client(broker, USER))
    acls.give(deployment.cli("topics", "create", "--print"))
    with deployment:
        yield deployment


def client(broker: SecureKafka, user: str) -> dict[str, str]:
    """As variables."""
    return {
        f"DRIFTLINE_KAFKA__CLIENT__{name.upper().replace('.', '__')}": value
        for name, value in broker.client(user).items()
    }


def source(topic: str) -> dict[str, Any]:
    where = {"id": "$.id", "time": "$.at", "score": "$.p", "features": "$.in"}
    return {"topic": topic, "model": {"value": "bank"}, "version": {"value": "1"}, **where}


def settings_of(deployment: Deployment) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.settings.items():
            patch.setenv(name, value)
        own = {"bootstrap_servers": deployment.servers, "prefix": deployment.prefix}
        return load_settings(None, kafka=own)


def register(deployment: Deployment) -> pd.DataFrame:
    """The model ``bank``. Returns its live rows, with an incident."""
    loans(1, 20, "2013-03-01").to_csv(deployment.directory / "reference.csv", index=False)
    reference = ["--reference", str(deployment.directory / "reference.csv"), "--model", "bank"]
    deployment.cli("register", *reference, *COLUMNS)
    return loans(2, 4, "2013-03-26", shift=9_000.0)


def replay(deployment: Deployment, rows: pd.DataFrame, *options: str) -> None:
    file = deployment.directory / "live.csv"
    rows.to_csv(file, index=False)
    own = ["--label-delay", "3h", "--model", "bank", *options]
    deployment.cli("replay", str(file), *COLUMNS, *own)


def produce(broker: SecureKafka, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **broker.client()})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def scored_row(number: int) -> bytes:
    inner = {"income": 30_000.0, "age": 40, "region": "north"}
    at = "2013-03-26T00:00:00Z"
    return json.dumps({"id": f"s{number}", "at": at, "p": 0.1, "in": inner}).encode()


def refused(deployment: Deployment, *words: str) -> str:
    """What a command says that ends with code 1."""
    main, environment = driftline.__main__.main, deployment.environment
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code == 1, f"{words}: {done.output}{done.exception!r}"
    return done.output


def await_listed(deployment: Deployment, reason: str) -> None:
    listed = ("dead-letters", "list")
    deployment.until(lambda: reason in deployment.cli(*listed), f"a dead letter: {reason}")


def await_logged(deployment: Deployment, role: str, text: str, times: int = 1) -> None:
    log = deployment.directory / f"{role}-0.log"
    deployment.until(
        lambda: log.exists() and log.read_text().count(text) >= times, f"{text!r} in {log.name}"
    )


def test_roles_and_commands_work_with_the_printed_rights_and_name_one_that_is_missing(
    broker, acls, secured
):
    """Of each role one right is taken while it runs, or before it starts; then it goes on."""
    prefix, scored = secured.prefix, f"{secured.prefix}-scored"
    rows = register(secured)
    secured.start("ingest", "aggregate", "join", "store")
    replay(secured, rows[:800])
    produce(broker, scored, scored_row(1), b"not JSON")
    await_logged(secured, "ingest", "is reading")
    await_listed(secured, "undecodable")

    taken = {
        "ingest": Right("Write", "topic", f"{prefix}.predictions"),
        "aggregate": Right("Read", "topic", f"{prefix}.predictions"),
        "join": Right("Read", "group", f"{prefix}.join"),
        "detect": Right("Write", "topic", f"{prefix}.windows"),
        "retrain": Right("Write", "transactional-id", f"{prefix}.retrain-0"),
        "store": Right("Read", "topic", f"{prefix}.windows"),
    }
    acls.deny(*taken.values())
    secured.start("detect", "retrain")
    produce(broker, scored, scored_row(2))
    for role, right in taken.items():
        await_logged(secured, role, f"Kafka denies User:{USER} {right}: ")
    acls.allow_again()

    replay(secured, rows[800:], "--finish")
    secured.await_final(LAST_END, model="bank")
    assert "income" in secured.cli("alerts")
    for command in (["models", "list"], ["models", "show", "bank", "1"], ["inspect", scored]):
        assert "bank" in secured.cli(*command) or command[0] == "inspect"
    assert "sent back 1" in secured.cli("dead-letters", "replay", "--reason", "undecodable")
    assert "nothing is wrong" in secured.cli("doctor")


@pytest.mark.long
def test_each_role_is_told_each_right_that_it_lacks(acls, secured):
    settings = settings_of(secured)
    for role in EVERY_ROLE:
        needed = rights_of(settings, role, all_reads_of(settings)[role])
        assert not_given(settings, needed) == []
        for right in needed:
            acls.deny(right)
            assert not_given(settings, needed) == [right]
            acls.allow_again()


def every_refusal(prefix: str, live: str) -> list[tuple[list[str], Right]]:
    """Commands, and for each one a right without which it cannot do its work."""
    profiles, scored = f"{prefix}.profiles", f"{prefix}-scored"
    replay = ["dead-letters", "replay", "--reason", "undecodable"]
    of_replay = f"{prefix}.dead-letter-replay.undecodable"
    retire = ["models", "retire", "bank", "1"]
    register = ["register", "--reference", live, "--model", "other", *COLUMNS]
    send = ["replay", live, "--model", "bank", *COLUMNS]
    return [
        (register, Right("Read", "topic", profiles)),
        (register, Right("Write", "topic", profiles)),
        (register, Right("Write", "transactional-id", profiles)),
        (send, Right("Read", "topic", profiles)),
        (send, Right("Write", "topic", f"{prefix}.predictions")),
        (send, Right("Write", "topic", f"{prefix}.labels")),
        (["models", "list"], Right("Read", "topic", profiles)),
        (retire, Right("Write", "topic", f"{prefix}.summaries")),
        (["alerts"], Right("Read", "topic", f"{prefix}.alerts")),
        (["dead-letters", "list"], Right("Read", "topic", f"{prefix}.dead-letters")),
        (replay, Right("Read", "topic", f"{prefix}.dead-letters")),
        (replay, Right("Read", "group", of_replay)),
        (replay, Right("Write", "transactional-id", f"{of_replay}-0")),
        (replay, Right("Write", "topic", scored)),
        (["inspect", scored], Right("Read", "topic", scored)),
        (["doctor"], Right("DescribeConfigs", "topic", f"{prefix}.alerts")),
    ]


@pytest.mark.long
def test_each_command_names_the_right_that_it_lacks(broker, acls, secured):
    prefix = secured.prefix
    register(secured)[:100].to_csv(secured.directory / "live.csv", index=False)
    secured.start("ingest")
    produce(broker, f"{prefix}-scored", b"not JSON")
    await_listed(secured, "undecodable")
    for command, right in every_refusal(prefix, str(secured.directory / "live.csv")):
        acls.deny(right)
        said = refused(secured, *command)
        assert f"Kafka denies User:{USER} {right}: " in said, command
        acls.allow_again()


def test_a_wrong_password_and_an_unknown_authority_are_told(secured, monkeypatch):
    own = "DRIFTLINE_KAFKA__CLIENT__"
    monkeypatch.setitem(secured.settings, f"{own}SASL__PASSWORD", "wrong")
    assert "is there, but not with this [kafka.client]: " in refused(secured, "models", "list")
    monkeypatch.delitem(secured.settings, f"{own}SSL__CA__LOCATION")
    assert "certificate verify failed" in refused(secured, "models", "list")
