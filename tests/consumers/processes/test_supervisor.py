"""The supervisor: restarts with increasing delays; jobs that cannot be restarted; stopping all."""

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
    """A process that ends when the test sets its return code."""

    def __init__(self, world: World, command: Sequence[str], environment: Any) -> None:
        self.world, self.command, self.environment = world, command, environment
        self.returncode: int | None = None
        self.ends_on_request = True

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.world.calls.append((self.command[0], "terminate"))
        if self.ends_on_request:
            self.returncode = -signal.SIGTERM

    def kill(self) -> None:
        self.world.calls.append((self.command[0], "kill"))
        self.returncode = -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> None:
        if self.returncode is None:
            assert timeout is not None
            self.world.now_s += timeout
            raise subprocess.TimeoutExpired(self.command, timeout)


class World:
    """Stands in for the clock and for processes, and records the calls."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.calls: list[tuple[str, str]] = []
        self.processes: list[Process] = []

    def start(self, command: Sequence[str], *, env: Any, start_new_session: bool) -> Process:
        assert start_new_session  # otherwise Ctrl-C would reach the workers before their supervisor
        self.calls.append((command[0], "start"))
        self.processes.append(Process(self, command, env))
        return self.processes[-1]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(supervisor.subprocess, "Popen", made.start)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: made.now_s)
    return made


def delays(world: World, supervised: Supervisor, runs_s: Sequence[float]) -> list[float]:
    """The delay of the restart after each run of a given length."""
    found = []
    for run_s in runs_s:
        world.now_s += run_s
        world.processes[-1].returncode = 1
        supervised.tick()
        ended_s, started = world.now_s, len(world.processes)
        while len(world.processes) == started:
            world.now_s += 0.25
            assert world.now_s - ended_s < 100, "waited in vain for the next start"
            supervised.tick()
        found.append(world.now_s - ended_s)
    return found


def test_a_job_that_ends_is_restarted_with_increasing_delays(world):
    supervised = Supervisor([Job("join-0", ["join"])])
    supervised.tick()
    assert delays(world, supervised, [1.0] * 9) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_job_that_ran_for_a_minute_is_restarted_with_the_shortest_delay(world):
    supervised = Supervisor([Job("join-0", ["join"])])
    supervised.tick()
    assert delays(world, supervised, [1.0, 1.0, 61.0, 1.0, 59.0]) == [0.5, 1, 0.5, 1, 2]


@pytest.mark.parametrize(
    ("code", "exit_"),
    [(1, "ended with code 1"), (-9, "killed by signal 9"), (0, "ended with code 0")],
)
def test_the_exit_of_a_job_and_its_restart_are_logged(world, caplog, code, exit_):
    supervised = Supervisor([Job("join-0", ["join"])])
    supervised.tick()
    world.now_s += 7
    world.processes[0].returncode = code
    with caplog.at_level(logging.WARNING):
        supervised.tick()
    assert caplog.messages == [f"join-0 {exit_} after 7 s; restarting it in 0.5 s"]


def test_the_exit_of_one_job_does_not_affect_the_others(world):
    supervised = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    supervised.tick()
    world.processes[0].returncode = 1
    supervised.tick()
    world.now_s += 1
    supervised.tick()
    assert world.calls == [("a", "start"), ("b", "start"), ("a", "start")]


def test_the_exit_of_a_job_that_cannot_be_restarted_stops_all_jobs(world):
    supervised = Supervisor([Job("a", ["a"]), Job("broker", ["broker"], restart=False)])
    supervised.tick()
    world.processes[1].returncode = 3
    with pytest.raises(JobEnded, match="broker ended with code 3 after 0 s"):
        supervised.run(lambda: False)
    assert world.calls[-1] == ("a", "terminate")


def test_all_jobs_are_terminated_before_any_is_waited_for(world):
    supervised = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    supervised.tick()
    supervised.end()
    assert world.calls[2:] == [("a", "terminate"), ("b", "terminate")]


def test_jobs_that_do_not_end_within_the_timeout_are_killed_together(world):
    supervised = Supervisor([Job(name, [name]) for name in "abc"], timeout_s=3)
    supervised.tick()
    for process in world.processes:
        process.ends_on_request = False
    began_s = world.now_s
    supervised.end()
    assert world.calls[6:] == [("a", "kill"), ("b", "kill"), ("c", "kill")]
    assert 3 <= world.now_s - began_s <= 3.5


def test_jobs_that_have_ended_are_not_terminated(world):
    supervised = Supervisor([Job("a", ["a"]), Job("b", ["b"])])
    supervised.tick()
    world.processes[0].returncode = 1
    supervised.tick()
    world.processes[1].returncode = 1
    supervised.end()
    assert world.calls == [("a", "start"), ("b", "start")]


def test_all_jobs_end_with_the_supervisor_also_after_an_exception(world):
    def interrupted() -> bool:
        raise KeyboardInterrupt

    supervised = Supervisor([Job("a", ["a"])])
    supervised.tick()
    with pytest.raises(KeyboardInterrupt):
        supervised.run(interrupted)
    assert world.calls == [("a", "start"), ("a", "terminate")]


def test_a_job_has_the_environment_of_its_supervisor_and_additions(world, monkeypatch):
    monkeypatch.setenv("HERE", "1")
    Supervisor([Job("a", ["a"])], {"ADDED": "2"}).tick()
    environment = world.processes[0].environment
    assert (environment["HERE"], environment["ADDED"]) == ("1", "2")


def test_real_processes_are_restarted_and_gone_at_the_end(monkeypatch):
    sleeps = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    command = [sys.executable, "-I", "-S", "-c", sleeps]
    jobs = [Job("unresponsive", command), Job("brief", [sys.executable, "-c", "1/0"])]
    supervised = Supervisor(jobs, timeout_s=0.2)
    pids = set()
    monkeypatch.setattr(supervisor, "FIRST_DELAY_S", 0.1)
    real = subprocess.Popen

    def recorded(*words: Any, **options: Any) -> Any:
        process = real(*words, stderr=subprocess.DEVNULL, **options)
        pids.add(process.pid)
        return process

    monkeypatch.setattr(supervisor.subprocess, "Popen", recorded)
    deadline_s = time.monotonic() + 20
    supervised.run(lambda: len(pids) == 3 or time.monotonic() > deadline_s, every_s=0.05)
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_each_role_has_a_job_per_slot_but_retrain_has_one():
    jobs = role_jobs(["join", "retrain"], 2, 4, ["--log-level", "INFO"])
    assert [job.name for job in jobs] == ["join-4", "join-5", "retrain-4"]
    assert jobs[1].command == [
        sys.executable,
        *("-m", "consumers", "join", "--slot", "5", "--log-level", "INFO"),
    ]
    assert all(job.restart for job in jobs)
    assert not any(job.restart for job in role_jobs(["join"], 1, 0, [], restart=False))
