"""The supervisor: what dies is started again, later and later; what must not ends everything."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest

from consumers.processes import supervisor
from consumers.processes.supervisor import Job, JobEnded, Supervisor, role_jobs


class Process:
    """A process that ends when the test says so."""

    def __init__(self, world: World, command: Sequence[str], environment: Any) -> None:
        self.world, self.command, self.environment = world, command, environment
        self.returncode: int | None = None
        self.heeds = True

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.world.asked.append((self.command[0], "terminate"))
        if self.heeds:
            self.returncode = -signal.SIGTERM

    def kill(self) -> None:
        self.world.asked.append((self.command[0], "kill"))
        self.returncode = -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> None:
        if self.returncode is None:
            assert timeout is not None
            self.world.now_s += timeout
            raise subprocess.TimeoutExpired(self.command, timeout)


class World:
    """Stands in for the clock and for processes, and remembers what was asked of them."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.asked: list[tuple[str, str]] = []
        self.processes: list[Process] = []

    def start(self, command: Sequence[str], *, env: Any, start_new_session: bool) -> Process:
        assert start_new_session  # or Ctrl-C would reach the workers before their supervisor
        self.asked.append((command[0], "start"))
        self.processes.append(Process(self, command, env))
        return self.processes[-1]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(supervisor.subprocess, "Popen", made.start)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: made.now_s)
    return made


def waits(world: World, watched: Supervisor, lived_s: Sequence[float]) -> list[float]:
    """How long after each death, after a life of so long, the next start came."""
    found = []
    for life_s in lived_s:
        world.now_s += life_s
        world.processes[-1].returncode = 1
        watched.look()
        died_s, started = world.now_s, len(world.processes)
        while len(world.processes) == started:
            world.now_s += 0.25
            assert world.now_s - died_s < 100, "waited in vain for the next start"
            watched.look()
        found.append(world.now_s - died_s)
    return found


def test_a_job_that_dies_is_started_again_later_and_later(world):
    watched = Supervisor([Job("join-0", ["join"])])
    watched.look()
    assert waits(world, watched, [1.0] * 9) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_job_that_lived_for_a_minute_starts_over_with_the_shortest_wait(world):
    watched = Supervisor([Job("join-0", ["join"])])
    watched.look()
    assert waits(world, watched, [1.0, 1.0, 61.0, 1.0, 59.0]) == [0.5, 1, 0.5, 1, 2]


@pytest.mark.parametrize(
    ("code", "how"),
    [(1, "ended with code 1"), (-9, "killed by signal 9"), (0, "ended with code 0")],
)
def test_how_a_job_died_and_when_it_is_started_again_is_said(world, caplog, code, how):
    watched = Supervisor([Job("join-0", ["join"])])
    watched.look()
    world.now_s += 7
    world.processes[0].returncode = code
    with caplog.at_level(logging.WARNING):
        watched.look()
    assert caplog.messages == [f"join-0 {how} after 7 s; starting it again in 0.5 s"]


def test_the_death_of_one_job_leaves_the_others_alone(world):
    watched = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    watched.look()
    world.processes[0].returncode = 1
    watched.look()
    world.now_s += 1
    watched.look()
    assert world.asked == [("a", "start"), ("b", "start"), ("a", "start")]


def test_a_job_that_cannot_come_back_ends_everything(world):
    watched = Supervisor([Job("a", ["a"]), Job("broker", ["broker"], comes_back=False)])
    watched.look()
    world.processes[1].returncode = 3
    with pytest.raises(JobEnded, match="broker ended with code 3 after 0 s"):
        watched.run(lambda: False)
    assert world.asked[-1] == ("a", "terminate")


def test_all_are_asked_to_end_before_any_is_waited_for(world):
    watched = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    watched.look()
    watched.end()
    assert world.asked[2:] == [("a", "terminate"), ("b", "terminate")]


def test_whoever_does_not_heed_is_killed_and_all_of_it_takes_no_longer_than_the_patience(world):
    watched = Supervisor([Job(name, [name]) for name in "abc"], patience_s=3)
    watched.look()
    for process in world.processes:
        process.heeds = False
    began_s = world.now_s
    watched.end()
    assert world.asked[6:] == [("a", "kill"), ("b", "kill"), ("c", "kill")]
    assert 3 <= world.now_s - began_s <= 3.5


def test_what_is_dead_or_waits_for_its_start_is_not_asked_to_end(world):
    watched = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    watched.look()
    world.processes[0].returncode = 1
    watched.look()
    world.processes[1].returncode = 1
    watched.end()
    assert world.asked == [("a", "start"), ("b", "start")]


def test_everything_ends_with_it_whatever_ends_it(world):
    def interrupted() -> bool:
        raise KeyboardInterrupt

    watched = Supervisor([Job("a", ["a"])])
    watched.look()
    with pytest.raises(KeyboardInterrupt):
        watched.run(interrupted)
    assert world.asked == [("a", "start"), ("a", "terminate")]


def test_a_job_has_the_environment_of_its_supervisor_and_what_was_added(world, monkeypatch):
    monkeypatch.setenv("HERE", "1")
    Supervisor([Job("a", ["a"])], {"ADDED": "2"}).look()
    environment = world.processes[0].environment
    assert (environment["HERE"], environment["ADDED"]) == ("1", "2")


def test_real_processes_are_started_again_and_gone_in_the_end(monkeypatch):
    sleeps = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    command = [sys.executable, "-I", "-S", "-c", sleeps]
    jobs = [Job("stubborn", command), Job("brief", [sys.executable, "-c", "1/0"])]
    watched = Supervisor(jobs, patience_s=0.2)
    pids = set()
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.1)
    real = subprocess.Popen

    def remembered(*words: Any, **options: Any) -> Any:
        process = real(*words, stderr=subprocess.DEVNULL, **options)
        pids.add(process.pid)
        return process

    monkeypatch.setattr(supervisor.subprocess, "Popen", remembered)
    deadline_s = time.monotonic() + 20
    watched.run(lambda: len(pids) == 3 or time.monotonic() > deadline_s, every_s=0.05)
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_each_role_has_its_slots_and_only_one_process_decides_on_retraining():
    jobs = role_jobs(["join", "retrain"], 2, 4, ["--log-level", "INFO"])
    assert [job.name for job in jobs] == ["join-4", "join-5", "retrain-4"]
    assert jobs[1].command == [
        sys.executable,
        *("-m", "consumers", "join", "--slot", "5", "--log-level", "INFO"),
    ]
    assert all(job.comes_back for job in jobs)
    assert not any(job.comes_back for job in role_jobs(["join"], 1, 0, [], come_back=False))
