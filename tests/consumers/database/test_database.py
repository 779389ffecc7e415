"""Database: rows and offsets in one transaction, the newest row wins, and one owner."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from string import ascii_letters

import pytest
from sqlalchemy import event, make_url, select, text

from consumers.database.database import (
    Database,
    DatabaseUnavailable,
    Fenced,
    ForeignDatabase,
    InvalidDatabase,
)
from consumers.database.message_to_rows import distributions_of, row_batch, store_reader
from consumers.database.rows import OffsetRange, RowBatch
from consumers.database.tables import incidents, transitions, windows
from consumers.messages.records import TopicPartition
from monitor.identity import MAX_SEGMENT
from tests.consumers.stored import NOW, address, alert, database, reader, record, window

P0, P1 = TopicPartition("windows", 0), TopicPartition("windows", 1)


def batch(*messages) -> RowBatch:
    read = [record(topic, document) for topic, document in messages]
    return row_batch(read, NOW, store_reader())


def rows(database: Database, table, *columns):
    with database.read() as connection:
        return connection.execute(
            select(*(table.c[c] for c in columns)).order_by(table.c[columns[0]])
        ).all()


# -- offsets -----------------------------------------------------------------------------------


def test_an_empty_database_has_no_positions(database):
    assert database.positions([P0]) == {}


def test_positions_are_the_end_offsets_of_the_last_batch(database):
    database.apply(RowBatch(), {P0: OffsetRange(None, 10), P1: OffsetRange(None, 3)})
    database.apply(RowBatch(), {P0: OffsetRange(10, 25)})
    assert database.positions([P0, P1, TopicPartition("alerts", 0)]) == {P0: 25, P1: 3}


@pytest.mark.parametrize(
    "offsets_read",
    [
        pytest.param(OffsetRange(9, 12), id="start before the position"),
        pytest.param(OffsetRange(11, 12), id="start after the position"),
        pytest.param(OffsetRange(None, 12), id="no start"),
    ],
)
def test_a_batch_that_does_not_start_at_the_position_is_fenced_and_writes_nothing(
    database, offsets_read
):
    database.apply(RowBatch(), {P0: OffsetRange(None, 10), P1: OffsetRange(None, 3)})
    with pytest.raises(Fenced, match=r"windows/0: expected the database to be at"):
        database.apply(batch(window()), {P0: offsets_read, P1: OffsetRange(3, 4)})
    assert database.positions([P0, P1]) == {P0: 10, P1: 3}
    assert rows(database, windows, "start_ms") == []


def test_a_batch_is_fenced_if_the_database_was_emptied_meanwhile(database):
    with pytest.raises(Fenced, match="restart from its positions"):
        database.apply(RowBatch(), {P0: OffsetRange(10, 12)})


def test_of_several_workers_at_the_same_offset_exactly_one_writes(database, address):
    database.apply(RowBatch(), {P0: OffsetRange(None, 10)})
    start = threading.Barrier(4)

    def attempt(end: int) -> int | None:
        rival = Database.to_write(address)
        start.wait()
        try:
            rival.apply(batch(window()), {P0: OffsetRange(10, end)})
        except Fenced:
            return None
        finally:
            rival.close()
        return end

    with ThreadPoolExecutor(4) as pool:
        written = [end for end in pool.map(attempt, (11, 12, 13, 14)) if end is not None]
    assert database.positions([P0]) == {P0: written[0]}
    assert len(written) == 1


# -- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 2, 0)])
def test_the_highest_revision_of_a_window_is_kept_in_any_order(database, order):
    for revision in order:
        database.apply(batch(window(data_revision=revision, performance_revision=0)), {})
    assert rows(database, windows, "revision") == [(2,)]


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0)])
def test_the_highest_revision_of_a_window_is_kept_within_one_batch(database, order):
    messages = [window(data_revision=revision, performance_revision=0) for revision in order]
    database.apply(batch(*messages), {})
    assert rows(database, windows, "revision") == [(2,)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("in_one_batch", [False, True])
def test_a_window_of_a_later_life_is_kept_whatever_its_revision(database, order, in_one_batch):
    """A version that was reset judges the same time again, from revision 0 on."""
    messages = [window(data_revision=5), window(data_revision=0, life=1)]
    ordered = [messages[number] for number in order]
    for group in [ordered] if in_one_batch else [[message] for message in ordered]:
        database.apply(batch(*group), {})
    assert rows(database, windows, "life", "revision") == [(1, 1)]


def test_a_newer_revision_of_a_window_replaces_all_columns(database):
    database.apply(batch(window(status="provisional")), {})
    _, newer = window(status="final", performance_revision=2)
    newer["concept"]["errors"] = None
    database.apply(batch(("windows", newer)), {})
    found = rows(database, windows, "performance_status", "concept", "performance")
    distributions_of(newer)
    assert found == [("final", newer["concept"], newer["performance"])]


def test_windows_of_different_times_versions_and_segments_are_separate_rows(database):
    others = window(1), window(0, version="2"), window(0, segment="carrier=UA")
    database.apply(batch(window(0), *others), {})
    assert len(rows(database, windows, "start_ms")) == 4


def test_segment_of_the_greatest_length_is_stored(database):
    """PostgreSQL limits the keys of an index to 2,704 bytes, after compression."""
    values = ["".join(Random(seed).choices(ascii_letters, k=MAX_SEGMENT - 2)) for seed in "ab"]
    segments = sorted(f"a={value}" for value in values)
    messages = [window(0, segment=segment) for segment in segments]
    alerts = [alert(incident=segment[:9], segment=segment) for segment in segments]
    database.apply(batch(*messages, *alerts), {})
    for table in (windows, incidents):
        assert [segment for (segment,) in rows(database, table, "segment")] == segments


def test_an_incident_has_the_state_of_its_last_transition(database):
    database.apply(batch(alert("opened", day=0)), {})
    database.apply(batch(alert("escalated", day=1), alert("resolved", day=4)), {})
    assert rows(database, incidents, "id", "state") == [("91ab", "resolved")]
    assert rows(database, transitions, "sequence", "type") == [
        (1, "driftline.incident.opened"),
        (2, "driftline.incident.escalated"),
        (3, "driftline.incident.resolved"),
    ]


def test_a_transition_that_is_written_twice_changes_nothing(database):
    story = [alert("opened", day=0), alert("escalated", day=1), alert("resolved", day=4)]
    database.apply(batch(*story), {})
    database.apply(batch(story[0], story[1], story[1]), {})
    assert rows(database, incidents, "id", "state", "severity") == [("91ab", "resolved", "warning")]
    assert len(rows(database, transitions, "id")) == 3


def test_the_last_of_several_transitions_of_one_window_sets_the_incident(database):
    """Known transitions are recognised by id: both have the same time."""
    story = [alert("opened", day=0), alert("escalated", day=0)]
    database.apply(batch(*story), {})
    database.apply(batch(story[0]), {})
    assert rows(database, incidents, "id", "severity") == [("91ab", "critical")]


def test_an_older_transition_does_not_set_its_incident_back(database):
    database.apply(batch(alert("resolved", day=4)), {})
    database.apply(batch(alert("escalated", day=1)), {})
    assert rows(database, incidents, "id", "state") == [("91ab", "resolved")]
    assert len(rows(database, transitions, "id")) == 2


def test_transitions_are_numbered_in_the_order_of_commits(database, address):
    """A reader that has seen number n has seen all below it, also with two concurrent writers."""

    def write(name: str) -> None:
        rival = Database.to_write(address)
        for day in range(10):
            rival.apply(batch(alert("repeated", incident=name, day=day)), {})
        rival.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("a", "b")))
    assert [s for (s,) in rows(database, transitions, "sequence")] == list(range(1, 21))


def test_text_with_sql_syntax_is_stored_unchanged(database):
    message = """it's "quoted"; DROP TABLE incidents; -- 漂移 %s :x \\"""
    evidence = {"decided_by": "\x00 in a document", "severity": "warning"}
    database.apply(batch(alert(message=message, evidence=evidence)), {})
    assert rows(database, incidents, "message", "evidence") == [(message, evidence)]


# -- owner of the database ---------------------------------------------------------------------


def test_a_database_belongs_to_the_cluster_that_claimed_it_first(database):
    database.claim("cluster-a", "driftline")
    database.claim("cluster-a", "driftline")
    with pytest.raises(
        ForeignDatabase, match=r"driftline\.\* on Kafka cluster 'cluster-a'.* empty this one"
    ):
        database.claim("cluster-b", "driftline")


def test_a_database_cannot_be_claimed_for_another_topic_prefix(database):
    database.claim("cluster-a", "driftline")
    with pytest.raises(ForeignDatabase, match=r"not of staging\.\*"):
        database.claim("cluster-a", "staging")


def test_tables_of_another_application_are_refused(address, database):
    with database.write() as connection:
        connection.execute(text("DROP TABLE meta"))
    with pytest.raises(ForeignDatabase, match="not Driftline's"):
        Database.to_write(address)


def test_tables_of_another_schema_version_are_refused_by_writers_and_readers(
    address, database, reader
):
    with database.write() as connection:
        connection.execute(text("UPDATE meta SET value = '0' WHERE key = 'schema_version'"))
    with pytest.raises(ForeignDatabase, match="schema version 0, this release needs 6"):
        Database.to_write(address)
    with pytest.raises(ForeignDatabase, match="schema version 0"), reader.read():
        pass


def test_opening_a_database_again_keeps_its_rows(address, database):
    database.apply(batch(window()), {P0: OffsetRange(None, 1)})
    again = Database.to_write(address)
    assert again.positions([P0]) == {P0: 1}
    again.close()


def test_several_writers_can_create_the_tables_at_the_same_time(address):
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(Database.to_write, [address] * 4):
            opened.close()


# -- concurrent reads, and errors --------------------------------------------


def test_a_read_transaction_sees_one_snapshot_during_writes(database, reader):
    database.apply(batch(window(0)), {})
    with reader.read() as snapshot:
        before = snapshot.execute(select(windows.c.start_ms)).all()
        database.apply(batch(window(1)), {})
        assert snapshot.execute(select(windows.c.start_ms)).all() == before
    assert len(rows(reader, windows, "start_ms")) == 2


def test_many_readers_run_beside_one_writer(database, address):
    def read(_: int) -> int:
        mine = Database.to_read(address)
        seen = [len(rows(mine, windows, "start_ms")) for _ in range(20)]
        mine.close()
        assert seen == sorted(seen)
        return seen[-1]

    with ThreadPoolExecutor(2) as pool:
        results = pool.map(read, range(2))
        for day in range(20):
            database.apply(batch(window(day)), {})
        assert all(0 <= count <= 20 for count in results)


@pytest.mark.usefixtures("database")
def test_a_reader_cannot_write(reader):
    refused = pytest.raises(Exception, match=r"(?i)read.?only")
    with refused, reader.read() as connection:
        connection.execute(text("DELETE FROM offsets"))


def test_reading_a_database_without_tables_reports_it_as_empty(address, reader):
    if address.startswith("sqlite"):
        Path(address.removeprefix("sqlite:///")).touch()
    empty = pytest.raises(DatabaseUnavailable, match=r"is empty: start `driftline consume store`")
    with empty, reader.read():
        pass


def test_reading_an_absent_file_fails_and_creates_none(tmp_path):
    file = tmp_path / "absent.db"
    absent = Database.to_read(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnavailable, match="there is no database"), absent.read():
        pass
    assert not file.exists()


def test_a_reader_sees_the_rows_of_a_rebuilt_file(tmp_path):
    file = tmp_path / "driftline.db"
    reader, day = Database.to_read(f"sqlite:///{file}"), 0
    for day in (0, 1):
        for part in tmp_path.glob("driftline.db*"):
            part.unlink()
        database = Database.to_write(f"sqlite:///{file}")
        database.apply(batch(*(window(d) for d in range(day + 1))), {})
        database.close()
        assert len(rows(reader, windows, "start_ms")) == day + 1


def test_a_reader_keeps_its_connection_and_drops_it_when_the_file_is_gone(tmp_path):
    file = tmp_path / "driftline.db"
    Database.to_write(f"sqlite:///{file}").close()
    reader, connected = Database.to_read(f"sqlite:///{file}"), list[object]()
    event.listen(reader.engine, "connect", lambda *arguments: connected.append(arguments))
    for _ in range(3):
        assert rows(reader, windows, "start_ms") == []
    assert len(connected) == 1
    file.unlink()
    with pytest.raises(DatabaseUnavailable, match="there is no database"), reader.read():
        pass
    reader.close()


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, by any means" * 100)
    with pytest.raises(ForeignDatabase, match="not a database"):
        Database.to_write(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_writing_to_a_locked_database_reports_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.database.engines.TIMEOUT_S", 0.1)
    database = Database.to_write(f"sqlite:///{tmp_path / 'driftline.db'}")
    with sqlite3.connect(tmp_path / "driftline.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match="another program keeps it locked"):
            database.apply(RowBatch(), {P0: OffsetRange(None, 1)})
        other.execute("ROLLBACK")
    other.close()
    database.close()


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://u:s3cret@h/d", "'mysql' is not supported: give sqlite:///FILE or"),
        ("s3cret is no address", "not an address"),
        ("postgresql://u:s3cret@h:port/d", "not an address"),
        ("sqlite://", "cannot be shared by processes"),
        ("sqlite:///:memory:", "cannot be shared by processes"),
    ],
)
def test_an_invalid_address_is_refused_without_printing_its_secrets(address, message):
    with pytest.raises(InvalidDatabase, match=message) as refused:
        Database.to_write(address)
    assert "s3cret" not in str(refused.value)


def test_a_password_is_not_printed_when_the_server_does_not_answer():
    pytest.importorskip("psycopg", reason="pip install 'psycopg[binary]' to test PostgreSQL")
    with pytest.raises(DatabaseUnavailable, match=r"postgresql\+psycopg://u:\*\*\*@127") as refused:
        Database.to_write("postgresql://u:s3cret@127.0.0.1:1/d?password=s3cret")
    assert "s3cret" not in str(refused.value)


# -- a database that somebody deletes while it is written to -------------------------------------


def test_a_deleted_file_is_noticed_by_the_next_write_and_made_again(tmp_path):
    """SQLite would go on writing into the deleted file."""
    address, file = f"sqlite:///{tmp_path}/driftline.db", tmp_path / "driftline.db"
    database = Database.to_write(address)
    database.apply(RowBatch(), {P0: OffsetRange(None, 10)})
    file.unlink()
    with pytest.raises(DatabaseUnavailable, match="the file was deleted"):
        database.apply(RowBatch(), {P0: OffsetRange(10, 12)})
    database.close()
    again = Database.to_write(address)
    assert again.positions([P0]) == {}
    again.apply(RowBatch(), {P0: OffsetRange(None, 3)})
    again.close()


def test_a_file_that_was_replaced_is_not_written_to(tmp_path):
    address, file = f"sqlite:///{tmp_path}/driftline.db", tmp_path / "driftline.db"
    database = Database.to_write(address)
    file.unlink()
    other = Database.to_write(address)
    with pytest.raises(DatabaseUnavailable, match="the file was deleted"):
        database.positions([P0])
    assert other.positions([P0]) == {}
    other.close()
    database.close()


def test_a_dropped_schema_is_one_sentence_and_is_made_again(postgres):
    url = make_url(postgres).update_query_dict({"options": "-csearch_path=dropped"})
    address = url.render_as_string(hide_password=False)
    database = Database.to_write(address)  # creates the schema
    database.apply(RowBatch(), {P0: OffsetRange(None, 10)})
    with database.write() as connection:
        connection.execute(text("DROP SCHEMA dropped CASCADE"))
    with pytest.raises(DatabaseUnavailable, match="its tables are gone"):
        database.apply(RowBatch(), {P0: OffsetRange(10, 12)})
    database.close()
    again = Database.to_write(address)
    assert again.positions([P0]) == {}
    again.close()
