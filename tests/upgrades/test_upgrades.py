"""What earlier releases have written: this one goes on from it, or refuses it with a sentence.

``python -m tests.upgrades.make NAME`` writes the files of a release.
"""

from __future__ import annotations

import gzip
import logging
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select

import consumers.roles.detect
import consumers.roles.learning
from consumers.database.database import Database, ForeignDatabase
from consumers.database.tables import decisions, incidents, transitions, versions, windows
from consumers.messages.records import TopicPartition
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from producers.contract.profile_index import ProfileIndex, split_key
from producers.contract.profiles import content_hash
from tests.consumers.in_memory import Log
from tests.consumers.roles.test_detect import table
from tests.upgrades.stream import HALF, SENT, decode, documents, new_log, register, send, store

RELEASES = sorted(path.parent.name for path in Path(__file__).parent.glob("*/log.msgpack.gz"))
OTHER_TABLES = {"0.1.0"}  # releases with another schema version of the database
RESULTS = ("windows", "alerts")

pytestmark = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture(autouse=True, scope="module")
def _learned_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect.Evaluator, "of", cache(Evaluator.of))
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


def file(release: str, name: str) -> Path:
    return Path(__file__).parent / release / name


def log_of(release: str) -> Log:
    return decode(gzip.decompress(file(release, "log.msgpack.gz").read_bytes()))


@cache
def from_scratch() -> Log:
    """The whole stream, through the roles of this release alone."""
    log = new_log()
    register(log)
    with TemporaryDirectory() as directory:
        send(log, Path(directory), 0, HALF)
        send(log, Path(directory), HALF, SENT)
    return log


def after(log: Log, release: str) -> list[object]:
    """What was written behind the messages of an earlier release, which may lack later fields.

    Alerts by their ids: an incident that was open has the evidence that the earlier release kept.
    """
    before = log_of(release)
    of_windows, alerts = (documents(log, topic)[len(before.all(topic)) :] for topic in RESULTS)
    return [of_windows, [(one["id"], one["type"], one["subject"]) for one in alerts]]


@pytest.mark.parametrize("disk", ["kept", "lost"])
def test_roles_go_on_from_the_log_and_the_disk_of_an_earlier_release(
    release, disk, tmp_path, caplog
):
    """The results are those of this release alone: nothing is counted twice or left out.

    The entries of ``join`` have another size since 0.1.0, so its store is rebuilt from the log.
    """
    log = log_of(release)
    if disk == "kept":
        with tarfile.open(file(release, "state.tar.gz")) as state:
            state.extractall(tmp_path, filter="data")
    with caplog.at_level(logging.WARNING):
        send(log, tmp_path, HALF, SENT)
    assert after(log, release) == after(from_scratch(), release)
    assert all(after(log, release))
    rebuilt = [line for line in caplog.messages if "another release" in line]
    assert [Path(line.split()[0]).parent.name for line in rebuilt] == ["join"] * (disk == "kept")


def test_the_profile_that_an_earlier_release_has_published_is_read(release):
    index = ProfileIndex[bytes]()
    for record in log_of(release).all("profiles"):
        assert record.value is not None
        split_key(record.key)
        index.add(record.key, record.value, record.value)
    found = index.complete["m", "1"]
    assert found.manifest.content == content_hash(table().get("m", "1"))


def database_of(release: str, tmp_path: Path) -> str:
    path = tmp_path / "driftline.db"
    path.write_bytes(gzip.decompress(file(release, "driftline.db.gz").read_bytes()))
    return f"sqlite:///{path}"


def contents(database: Database) -> list[list[tuple[object, ...]]]:
    found = []
    with database.read() as connection:
        for its in (windows, incidents, transitions, decisions, versions):
            rows = connection.execute(select(its).order_by(*its.primary_key)).all()
            found.append([tuple(row) for row in rows])
    return found


def test_store_goes_on_from_the_database_of_an_earlier_release_or_refuses_it(release, tmp_path):
    """A database with other tables is not migrated: an empty one is filled again from Kafka."""
    log = from_scratch()
    fresh = Database.to_write(f"sqlite:///{tmp_path / 'fresh.db'}")
    store(log, fresh)
    address = database_of(release, tmp_path)
    if release in OTHER_TABLES:
        with pytest.raises(ForeignDatabase, match="it is filled again from Kafka"):
            Database.to_write(address)
    else:
        database = Database.to_write(address)
        store(log, database)
        assert contents(database) == contents(fresh)
        database.close()
    fresh.close()


def test_an_empty_database_is_filled_with_all_that_an_earlier_release_has_published(
    release, tmp_path
):
    """What replaces a migration: the topics hold all that the tables hold."""
    log = log_of(release)
    fresh = Database.to_write(f"sqlite:///{tmp_path / 'fresh.db'}")
    store(log, fresh)
    published = {(d["model"], d["version"], d["start"]) for d in documents(log, "windows")}
    assert len(contents(fresh)[0]) == len(published) > 0
    assert fresh.positions([TopicPartition("windows", 0)])
    fresh.close()
