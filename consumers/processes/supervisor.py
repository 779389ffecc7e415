"""Keeps processes running: restarts a process that ends, with increasing delays.

It logs how a process ended; the process itself logs why.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from driftline.errors import Trouble

log = logging.getLogger(__name__)

FIRST_DELAY_S, MAX_DELAY_S = 0.5, 30.0
STABLE_S = 60.0  # a process that ran so long is restarted with the shortest delay
TIMEOUT_S = 8.0  # for a process that was asked to end


@dataclass(frozen=True, slots=True)
class Job:
    """A process to keep running. If it cannot be restarted, its end stops all processes."""

    name: str
    command: Sequence[str]
    restart: bool = True


class JobEnded(Trouble):
    """A process ended that cannot be restarted."""


@dataclass(slots=True)
class _Slot:
    """The process of a job, or the time of its next start."""

    job: Job
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    delay_s: float = FIRST_DELAY_S
    start_at_s: float = 0.0


class Supervisor:
    """Starts jobs, restarts those that end, and stops all of them with itself."""

    def __init__(
        self,
        jobs: Sequence[Job],
        environment: Mapping[str, str] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._slots, self._timeout_s = [_Slot(job) for job in jobs], timeout_s
        self._environment = environment or {}

    def run(self, stopped: Callable[[], bool], *, every_s: float = 0.2) -> None:
        """Supervise until ``stopped``. Raises ``JobEnded``."""
        try:
            while not stopped():
                self.tick()
                time.sleep(every_s)
        finally:
            self.end()

    def tick(self) -> None:
        """Start every job that is not running and due. Raises ``JobEnded``."""
        for slot in self._slots:
            if slot.process is None:
                if time.monotonic() >= slot.start_at_s:
                    self._start(slot)
            elif slot.process.poll() is not None:
                self._on_exit(slot, slot.process.returncode)

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """The last process of each slot, running or ended."""
        return [slot.process for slot in self._slots if slot.process]

    def end(self) -> None:
        """Ask all processes to end; kill those that do not."""
        end_processes(self.processes, self._timeout_s)

    def _start(self, slot: _Slot) -> None:
        slot.process = start(slot.job.command, self._environment)
        slot.started_s = time.monotonic()

    def _on_exit(self, slot: _Slot, code: int) -> None:
        ran_s = time.monotonic() - slot.started_s
        exit_ = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if not slot.job.restart:
            raise JobEnded(f"{slot.job.name} {exit_} after {ran_s:.0f} s")
        delay_s = FIRST_DELAY_S if ran_s > STABLE_S else slot.delay_s
        log.warning(
            "%s %s after %.0f s; restarting it in %.1f s", slot.job.name, exit_, ran_s, delay_s
        )
        slot.process, slot.start_at_s = None, time.monotonic() + delay_s
        slot.delay_s = min(2 * delay_s, MAX_DELAY_S)


def start(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in its own session: Ctrl-C reaches only the supervisor, which stops it."""
    return subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, start_new_session=True
    )


def end_processes(processes: Sequence[subprocess.Popen[bytes]], timeout_s: float) -> None:
    """Ask all processes to end, then wait; kill those that run after ``timeout_s``."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    deadline_s = time.monotonic() + timeout_s
    for process in running:
        try:
            process.wait(max(0.1, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def role_jobs(
    roles: Sequence[str],
    workers: int,
    first_slot: int,
    options: Sequence[str],
    *,
    restart: bool = True,
) -> list[Job]:
    """A job for each worker of each role; ``retrain`` has one."""
    return [
        Job(
            f"{role}-{slot}",
            [sys.executable, "-m", "consumers", role, "--slot", str(slot), *options],
            restart,
        )
        for role in roles
        for slot in range(first_slot, first_slot + (1 if role == "retrain" else workers))
    ]
