"""A worker whose process ends again and again is noticed by its next process."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.processes import restarts, worker
from consumers.processes.restarts import KILLED, MAX_REASON, PERIOD_MS, TOO_MANY, Restarts
from driftline.errors import Trouble
from driftline.settings import load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "workers" / "driftline" / "detect-0.json"


def end_with(file: Path, error: Exception) -> None:
    """A process that ends with an error; the next one has an object of its own."""
    with pytest.raises(type(error)), Restarts(file).recorded():
        raise error


def problem(file: Path) -> str | None:
    """What the process that runs now reports."""
    current = Restarts(file)
    with current.recorded():
        return current.problem()


def test_few_unplanned_ends_are_no_problem(file):
    for _ in range(TOO_MANY - 1):
        end_with(file, Trouble("the disk is full"))
    assert problem(file) is None


def test_many_unplanned_ends_are_a_problem_with_the_last_reason(file):
    for i in range(4):
        end_with(file, Trouble(f"message {i}\ncannot be read"))
    assert problem(file) == (
        "it ended 4 times in the last 10 minutes, last: message 3 cannot be read"
    )


def test_unexpected_error_is_reported_with_its_type_and_not_at_any_length(file):
    for _ in range(TOO_MANY):
        end_with(file, KeyError("x" * 1_000))
    found = problem(file) or ""
    assert "last: KeyError('xxx" in found
    assert len(found) < MAX_REASON + 60


def test_planned_ends_are_no_problem(file):
    assert [problem(file) for _ in range(10)] == [None] * 10


def test_a_problem_ends_when_the_worker_has_run_for_the_period(file, monkeypatch):
    now_ms = 0
    monkeypatch.setattr(restarts, "wall_clock_ms", lambda: now_ms)
    for _ in range(TOO_MANY):
        end_with(file, Trouble("the disk is full"))
    current = Restarts(file)
    with current.recorded():
        now_ms = PERIOD_MS
        assert current.problem() is not None
        now_ms = PERIOD_MS + 1
        assert current.problem() is None


def test_a_process_that_was_killed_is_noticed_by_the_next_one(file):
    program = (
        "import os, sys; from pathlib import Path;"
        " from consumers.processes.restarts import Restarts;"
        " context = Restarts(Path(sys.argv[1])).recorded(); context.__enter__(); os._exit(137)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for _ in range(TOO_MANY):
        process = subprocess.run(
            [sys.executable, "-c", program, str(file)], env=environment, check=False
        )
        assert process.returncode == 137
    assert problem(file) == f"it ended 3 times in the last 10 minutes, last: {KILLED}"


def test_a_damaged_file_is_replaced(file):
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\x00")
    assert problem(file) is None
    end_with(file, Trouble("the disk is full"))
    assert b"the disk is full" in file.read_bytes()


def test_a_worker_without_a_writable_directory_runs_and_logs_that(file, caplog):
    file.parent.parent.write_bytes(b"not a directory")
    with caplog.at_level(logging.WARNING):
        assert problem(file) is None
    assert "restarts of this worker are not noticed" in caplog.text


def test_a_worker_records_its_ends_in_the_state_directory_by_prefix_role_and_slot(
    tmp_path, monkeypatch
):
    def fail(*_: object) -> None:
        raise Trouble("the database is locked")

    monkeypatch.setattr(worker, "_run_store", fail)
    settings = load_settings(None, kafka={"prefix": "d"}, state={"directory": tmp_path})
    with pytest.raises(Trouble):
        worker.run_worker(settings, "store", 2, lambda: False)
    assert b"the database is locked" in (tmp_path / "workers" / "d" / "store-2.json").read_bytes()
