"""What an error says is missing, and when it is back."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.database.database import Database, DatabaseUnavailable
from consumers.kafka.outage import Outage
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import Record
from consumers.processes import needs
from consumers.processes.needs import Needs
from driftline.errors import DiskFull, SchemaRegistryUnavailable
from driftline.settings import load_settings
from producers.kafka.errors import MissingTopic
from producers.kafka.rights import MissingRight, Right

CLOCK = Record("detect-state", 0, 7, b"clock/0", b'{"schema": 2}')


RIGHT = Right("Read", "topic", "driftline.joins")


@pytest.fixture
def found(tmp_path: Path) -> Needs:
    settings = load_settings(
        None,
        kafka={"bootstrap_servers": "127.0.0.1:1"},
        state={"directory": tmp_path / "state"},
        store={"url": f"sqlite:///{tmp_path / 'folder' / 'driftline.db'}"},
    )
    return Needs(settings, Outage("Kafka at 127.0.0.1:1"))


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)), "Kafka at 127.0.0.1:1"),
        (DatabaseUnavailable("no connection"), "the database"),
        (DiskFull("no room"), "room on the disk of"),
        (OSError(errno.ENOSPC, "No space left on device"), "room on the disk of"),
        (UnreadableMessage(CLOCK, "schema 2"), "state that this release can read"),
        (MissingRight(load_settings(None), RIGHT), "a right on Kafka"),
    ],
)
def test_each_error_names_what_is_missing(found, error, name):
    missing = found.missing(error)
    assert missing is not None
    assert missing.outage.name.startswith(name)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), MissingTopic("no topic")])
def test_other_errors_are_no_outages(found, error):
    assert found.missing(error) is None


def test_a_right_is_back_when_kafka_gives_it(found, monkeypatch):
    denied = [RIGHT]
    monkeypatch.setattr(needs, "not_given", lambda _, rights: [r for r in rights if r in denied])
    missing = found.missing(MissingRight(load_settings(None), RIGHT))
    assert missing is not None
    assert not missing.is_back()
    denied.clear()
    assert missing.is_back()


class Topic:
    """Stands in for the reader of a topic with these offsets of the key ``clock/0``."""

    def __init__(self, *offsets: int) -> None:
        self._offsets = offsets

    def __call__(self, *_: object) -> Topic:
        return self

    def __enter__(self) -> Topic:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def records(self) -> list[Record]:
        other = replace(CLOCK, offset=99, key=b"clock/1")
        return [*(replace(CLOCK, offset=offset) for offset in self._offsets), other]


@pytest.mark.parametrize(
    ("offsets", "is_back"), [((7,), False), ((3, 7), False), ((7, 9), True), ((), True)]
)
def test_state_that_cannot_be_read_is_back_once_it_is_replaced_or_deleted(
    found, monkeypatch, offsets, is_back
):
    monkeypatch.setattr(needs, "TopicReader", Topic(*offsets))
    missing = found.missing(UnreadableMessage(CLOCK, "schema 2"))
    assert missing is not None
    assert missing.is_back() == is_back


def test_a_broker_that_does_not_answer_is_not_back(found, monkeypatch):
    monkeypatch.setattr("consumers.kafka.outage.ANSWER_S", 0.2)
    missing = found.missing(KafkaException(KafkaError(KafkaError._TRANSPORT)))
    assert missing is not None
    assert not missing.is_back()


def test_the_disk_is_back_when_some_megabytes_can_be_written(found, tmp_path, monkeypatch):
    missing = found.missing(DiskFull("no room"))
    assert missing is not None
    assert missing.is_back()
    assert list((tmp_path / "state").iterdir()) == []
    monkeypatch.setattr(needs.Path, "open", full)
    assert not missing.is_back()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_database_is_back_when_its_tables_can_be_read(found, tmp_path):
    """Its folder is missing at first."""
    address = f"sqlite:///{tmp_path / 'folder' / 'driftline.db'}"
    with pytest.raises(DatabaseUnavailable) as away:
        Database.to_write(address)
    missing = found.missing(away.value)
    assert missing is not None
    assert not missing.is_back()
    (tmp_path / "folder").mkdir()
    assert missing.is_back()


def test_a_schema_registry_is_asked_whether_it_is_back(found):
    """Without an address there is none to wait for."""
    missing = found.missing(SchemaRegistryUnavailable("it does not answer"))
    assert missing is not None
    assert (missing.outage.name, missing.is_back()) == ("the Schema Registry", True)
