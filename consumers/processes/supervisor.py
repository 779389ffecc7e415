"""Keeps processes running: one that dies is started again in its slot, later and later.

How each of them died is said; why, it has said itself.
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

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
STEADY_S = 60.0  # a process that lived so long starts over with the shortest wait
PATIENCE_S = 8.0  # for a process that was asked to end


@dataclass(frozen=True, slots=True)
class Job:
    """A process to keep alive; or, if it cannot come back, to end everything with."""

    name: str
    command: Sequence[str]
    comes_back: bool = True


class JobEnded(Trouble):
    """A process ended that cannot be started again."""


@dataclass(slots=True)
class _Kept:
    job: Job
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    wait_s: float = FIRST_WAIT_S
    again_s: float = 0.0


class Supervisor:
    """Starts jobs, restarts those that die, and ends all of them with it."""

    def __init__(
        self,
        jobs: Sequence[Job],
        environment: Mapping[str, str] | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._kept, self._patience_s = [_Kept(job) for job in jobs], patience_s
        self._environment = environment or {}

    def run(self, stopped: Callable[[], bool], *, every_s: float = 0.2) -> None:
        try:
            while not stopped():
                self.look()
                time.sleep(every_s)
        finally:
            self.end()

    def look(self) -> None:
        """Start what is not running and due. Raises ``JobEnded``."""
        for kept in self._kept:
            if kept.process is None:
                if time.monotonic() >= kept.again_s:
                    self._start(kept)
            elif kept.process.poll() is not None:
                self._mourn(kept, kept.process.returncode)

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """Those that were started last in their slots; some of them may have ended."""
        return [kept.process for kept in self._kept if kept.process]

    def end(self) -> None:
        """Ask every process to end, and insist where one does not."""
        end_processes(self.processes, self._patience_s)

    def _start(self, kept: _Kept) -> None:
        kept.process = start(kept.job.command, self._environment)
        kept.started_s = time.monotonic()

    def _mourn(self, kept: _Kept, code: int) -> None:
        lived_s = time.monotonic() - kept.started_s
        kept.wait_s = FIRST_WAIT_S if lived_s > STEADY_S else kept.wait_s
        kept.again_s, kept.process = time.monotonic() + kept.wait_s, None
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if not kept.job.comes_back:
            raise JobEnded(f"{kept.job.name} {how} after {lived_s:.0f} s")
        log.warning(
            "%s %s after %.0f s; starting it again in %.1f s",
            kept.job.name,
            how,
            lived_s,
            kept.wait_s,
        )
        kept.wait_s = min(2 * kept.wait_s, LONGEST_WAIT_S)


def start(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl-C reaches this process alone, which then ends the others."""
    return subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, start_new_session=True
    )


def end_processes(processes: Sequence[subprocess.Popen[bytes]], patience_s: float) -> None:
    """Ask all of them to end before any is waited for; kill who has not within ``patience_s``."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    deadline_s = time.monotonic() + patience_s
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
    come_back: bool = True,
) -> list[Job]:
    return [
        Job(
            f"{role}-{slot}",
            [sys.executable, "-m", "consumers", role, "--slot", str(slot), *options],
            come_back,
        )
        for role in roles
        for slot in range(first_slot, first_slot + (1 if role == "retrain" else workers))
    ]
