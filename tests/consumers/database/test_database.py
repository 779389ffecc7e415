"""Database: rows and offsets in one transaction, newest row wins, and nobody else's database."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text

from consumers.database.database import (
    Changes,
    Database,
    DatabaseUnavailable,
    Fenced,
    ForeignDatabase,
    InvalidDatabase,
    Step,
)
from consumers.database.message_to_rows import changes_of
from consumers.database.tables import incidents, transitions, windows
from tests.consumers.stored import NOW, address, alert, database, reader, record, window

P0, P1 = ("windows", 0), ("windows", 1)


def changes(*messages) -> Changes:
    return changes_of([record(topic, document) for topic, document in messages], NOW)


def rows(database: Database, table, *columns):
    with database.read() as connection:
        return connection.execute(
            select(*(table.c[c] for c in columns)).order_by(table.c[columns[0]])
        ).all()


# -- offsets -----------------------------------------------------------------------------------


def test_an_empty_database_knows_no_position(database):
    assert database.positions([P0]) == {}


def test_positions_are_where_the_last_batch_ended(database):
    database.apply(Changes(), {P0: Step(None, 10), P1: Step(None, 3)})
    database.apply(Changes(), {P0: Step(10, 25)})
    assert database.positions([P0, P1, ("alerts", 0)]) == {P0: 25, P1: 3}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(Step(9, 12), id="from before where it stands"),
        pytest.param(Step(11, 12), id="from beyond"),
        pytest.param(Step(None, 12), id="as if nothing had been written"),
    ],
)
def test_a_batch_that_does_not_begin_where_the_database_stands_is_refused_whole(database, step):
    database.apply(Changes(), {P0: Step(None, 10), P1: Step(None, 3)})
    with pytest.raises(Fenced, match=r"windows/0: expected the database to stand at"):
        database.apply(changes(window()), {P0: step, P1: Step(3, 4)})
    assert database.positions([P0, P1]) == {P0: 10, P1: 3}
    assert rows(database, windows, "start_ms") == []


def test_a_position_in_a_database_that_was_emptied_meanwhile_is_refused(database):
    with pytest.raises(Fenced, match="begin anew from its positions"):
        database.apply(Changes(), {P0: Step(10, 12)})


def test_of_two_workers_at_the_same_offset_exactly_one_writes(database, address):
    database.apply(Changes(), {P0: Step(None, 10)})
    start = threading.Barrier(4)

    def attempt(end: int) -> int | None:
        rival = Database.to_write(address)
        start.wait()
        try:
            rival.apply(changes(window()), {P0: Step(10, end)})
        except Fenced:
            return None
        finally:
            rival.close()
        return end

    with ThreadPoolExecutor(4) as pool:
        won = [end for end in pool.map(attempt, (11, 12, 13, 14)) if end is not None]
    assert database.positions([P0]) == {P0: won[0]}
    assert len(won) == 1


# -- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 2, 0)])
def test_the_highest_revision_of_a_window_stands_whatever_the_order(database, order):
    for revision in order:
        database.apply(changes(window(data_revision=revision, performance_revision=0)), {})
    assert rows(database, windows, "revision") == [(2,)]


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0)])
def test_the_highest_revision_stands_within_one_batch_too(database, order):
    batch = [window(data_revision=revision, performance_revision=0) for revision in order]
    database.apply(changes(*batch), {})
    assert rows(database, windows, "revision") == [(2,)]


def test_a_newer_revision_replaces_every_part(database):
    database.apply(changes(window(status="provisional")), {})
    database.apply(changes(window(status="final", performance_revision=2, concept=None)), {})
    found = rows(database, windows, "performance_status", "concept", "performance")
    assert [(status, concept, part["revision"]) for status, concept, part in found] == [
        ("final", None, 2)
    ]


def test_windows_of_other_times_and_versions_stand_beside_each_other(database):
    database.apply(changes(window(0), window(1), window(0, version="2")), {})
    assert len(rows(database, windows, "start_ms")) == 3


def test_an_incident_is_what_its_last_transition_left(database):
    database.apply(changes(alert("opened", day=0)), {})
    database.apply(changes(alert("escalated", day=1), alert("resolved", day=4)), {})
    assert rows(database, incidents, "id", "state") == [("91ab", "resolved")]
    assert rows(database, transitions, "sequence", "type") == [
        (1, "driftline.incident.opened"),
        (2, "driftline.incident.escalated"),
        (3, "driftline.incident.resolved"),
    ]


def test_a_transition_that_comes_again_changes_nothing(database):
    story = [alert("opened", day=0), alert("escalated", day=1), alert("resolved", day=4)]
    database.apply(changes(*story), {})
    database.apply(changes(story[0], story[1], story[1]), {})
    assert rows(database, incidents, "id", "state", "severity") == [("91ab", "resolved", "warning")]
    assert len(rows(database, transitions, "id")) == 3


def test_of_transitions_of_the_same_window_the_one_that_came_last_stands(database):
    """Known ones are told by their id: their time does not tell."""
    story = [alert("opened", day=0), alert("escalated", day=0)]
    database.apply(changes(*story), {})
    database.apply(changes(story[0]), {})
    assert rows(database, incidents, "id", "severity") == [("91ab", "critical")]


def test_a_transition_that_comes_late_does_not_set_its_incident_back(database):
    database.apply(changes(alert("resolved", day=4)), {})
    database.apply(changes(alert("escalated", day=1)), {})
    assert rows(database, incidents, "id", "state") == [("91ab", "resolved")]
    assert len(rows(database, transitions, "id")) == 2


def test_transitions_are_numbered_in_the_order_of_their_commits(database, address):
    """Whoever has seen number n has seen everything below it, also with two writers at once."""

    def write(name: str) -> None:
        rival = Database.to_write(address)
        for day in range(10):
            rival.apply(changes(alert("repeated", incident=name, day=day)), {})
        rival.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("a", "b")))
    assert [s for (s,) in rows(database, transitions, "sequence")] == list(range(1, 21))


def test_text_that_sql_might_mistake_comes_back_as_it_was(database):
    said = """it's "quoted"; DROP TABLE incidents; -- 漂移 %s :x \\"""
    database.apply(changes(alert(message=said, evidence={"value": "\x00 in a document"})), {})
    assert rows(database, incidents, "message", "evidence") == [
        (said, {"value": "\x00 in a document"})
    ]


# -- whose database ----------------------------------------------------------------------------


def test_a_database_stays_with_the_cluster_that_claimed_it_first(database):
    database.claim("cluster-a", "driftline")
    database.claim("cluster-a", "driftline")
    with pytest.raises(
        ForeignDatabase, match=r"driftline\.\* on Kafka cluster 'cluster-a'.* empty this one"
    ):
        database.claim("cluster-b", "driftline")


def test_another_topic_prefix_is_another_owner(database):
    database.claim("cluster-a", "driftline")
    with pytest.raises(ForeignDatabase, match=r"not of staging\.\*"):
        database.claim("cluster-a", "staging")


def test_tables_of_another_application_are_left_alone(address, database):
    with database.write() as connection:
        connection.execute(text("DROP TABLE meta"))
    with pytest.raises(ForeignDatabase, match="not Driftline's"):
        Database.to_write(address)


def test_tables_of_another_shape_are_refused_by_writers_and_readers(address, database, reader):
    with database.write() as connection:
        connection.execute(text("UPDATE meta SET value = '0' WHERE key = 'shape'"))
    with pytest.raises(ForeignDatabase, match="shape 0, this version needs 1"):
        Database.to_write(address)
    with pytest.raises(ForeignDatabase, match="shape 0"), reader.read():
        pass


def test_opening_it_again_keeps_what_it_holds(address, database):
    database.apply(changes(window()), {P0: Step(None, 1)})
    again = Database.to_write(address)
    assert again.positions([P0]) == {P0: 1}
    again.close()


def test_several_may_create_the_tables_at_the_same_moment(address):
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(Database.to_write, [address] * 4):
            opened.close()


# -- reading while it is written, and when it cannot be --------------------------------------------


def test_a_reader_sees_one_state_while_the_store_writes_on(database, reader):
    database.apply(changes(window(0)), {})
    with reader.read() as snapshot:
        before = snapshot.execute(select(windows.c.start_ms)).all()
        database.apply(changes(window(1)), {})
        assert snapshot.execute(select(windows.c.start_ms)).all() == before
    assert len(rows(reader, windows, "start_ms")) == 2


def test_many_read_while_one_writes(database, address):
    def read(_: int) -> int:
        mine = Database.to_read(address)
        seen = [len(rows(mine, windows, "start_ms")) for _ in range(20)]
        mine.close()
        assert seen == sorted(seen)
        return seen[-1]

    with ThreadPoolExecutor(2) as pool:
        results = pool.map(read, range(2))
        for day in range(20):
            database.apply(changes(window(day)), {})
        assert all(0 <= count <= 20 for count in results)


@pytest.mark.usefixtures("database")
def test_a_reader_cannot_write(reader):
    refused = pytest.raises(Exception, match=r"(?i)read.?only")
    with refused, reader.read() as connection:
        connection.execute(text("DELETE FROM offsets"))


def test_a_database_without_tables_is_said_to_be_empty(address, reader):
    if address.startswith("sqlite"):
        Path(address.removeprefix("sqlite:///")).touch()
    empty = pytest.raises(DatabaseUnavailable, match=r"is empty: start `driftline consume store`")
    with empty, reader.read():
        pass


def test_reading_an_absent_file_says_so_and_creates_none(tmp_path):
    file = tmp_path / "absent.db"
    absent = Database.to_read(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnavailable, match="there is no database"), absent.read():
        pass
    assert not file.exists()


def test_a_reader_notices_that_the_file_was_built_anew(tmp_path):
    file = tmp_path / "driftline.db"
    reader, day = Database.to_read(f"sqlite:///{file}"), 0
    for day in (0, 1):
        for part in tmp_path.glob("driftline.db*"):
            part.unlink()
        database = Database.to_write(f"sqlite:///{file}")
        database.apply(changes(*(window(d) for d in range(day + 1))), {})
        database.close()
        assert len(rows(reader, windows, "start_ms")) == day + 1


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, by any means" * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        Database.to_write(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_a_locked_database_is_said_to_be_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.database.engines.PATIENCE_S", 0.1)
    database = Database.to_write(f"sqlite:///{tmp_path / 'driftline.db'}")
    with sqlite3.connect(tmp_path / "driftline.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match="another program keeps it locked"):
            database.apply(Changes(), {P0: Step(None, 1)})
        other.execute("ROLLBACK")
    other.close()
    database.close()


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://u:s3cret@h/d", "'mysql' is not taken: give sqlite:///FILE or"),
        ("s3cret is no address", "not an address"),
        ("postgresql://u:s3cret@h:port/d", "not an address"),
        ("sqlite://", "cannot be shared by processes"),
        ("sqlite:///:memory:", "cannot be shared by processes"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_its_secrets(address, said):
    with pytest.raises(InvalidDatabase, match=said) as refused:
        Database.to_write(address)
    assert "s3cret" not in str(refused.value)


def test_a_password_is_not_told_when_the_server_does_not_answer():
    pytest.importorskip("psycopg", reason="pip install 'psycopg[binary]' to test PostgreSQL")
    with pytest.raises(DatabaseUnavailable, match=r"postgresql\+psycopg://u:\*\*\*@127") as refused:
        Database.to_write("postgresql://u:s3cret@127.0.0.1:1/d?password=s3cret")
    assert "s3cret" not in str(refused.value)
