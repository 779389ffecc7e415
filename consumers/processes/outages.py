"""Runs a worker again in the same process after what it needs was away: nothing ends meanwhile.

Theory of operation
-------------------
An error that says that Kafka, the database or room on the disk is missing ends the *run* of a
worker, which releases everything as at the end of its process. The process waits until the system
answers, and begins a new run, which goes on from Kafka as after any restart. A run also begins
again after it has found a cache of its own to be unusable, and has removed it (``BeginAgain``), and
after Kafka has shut the worker out: a broker that was restarted may take the second attempt of a
member to join for another process, several times while it is busy. If it is one, the worker is shut
out again, and ends: at the second time in a minute, or at the sixth if Kafka was away just before.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from consumers.kafka.errors import SlotTaken
from consumers.kafka.outage import RELAPSE_S, Outage
from consumers.processes.restarts import Restarts
from driftline.errors import BeginAgain, Trouble

log = logging.getLogger(__name__)

FIRST_DELAY_S, MAX_DELAY_S = 0.5, 5.0
STEP_S = 0.2  # how soon a signal to stop is noticed
AFTER_OUTAGE_S = 300.0
MOST_SHUT_OUTS, MOST_AFTER_OUTAGE = 1, 5  # within ``RELAPSE_S``


class Missing(NamedTuple):
    """What an error says is missing."""

    outage: Outage
    why: str
    is_back: Callable[[], bool]


class StillAway(Trouble):
    """The patience with a system has ended."""


@dataclass(slots=True)
class _Failures:
    """The failures of one system that belong together."""

    since_s: float
    delay_s: float = FIRST_DELAY_S
    ended_s: float = float("inf")


class Outages:
    """Runs work until it returns, through outages no longer than ``patience_s`` each."""

    def __init__(
        self,
        missing: Callable[[Exception], Missing | None],
        patience_s: float,
        restarts: Restarts,
        beat: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._missing, self._patience_s, self._restarts = missing, patience_s, restarts
        self._beat, self._stopped = beat, stopped
        self._failures: dict[str, _Failures] = {}  # by system
        self._shut_outs_s: list[float] = []  # when Kafka has shut the worker out lately

    def run(self, work: Callable[[], None]) -> None:
        """Raises what ``work`` raises, unless it is to begin again, or ``StillAway``."""
        while not self._stopped():
            try:
                return work()
            except Exception as error:
                self._recover(error)
            gc.collect()  # the clients and stores of the run, which cycles may hold

    def _recover(self, error: Exception) -> None:
        """Returns when work may begin again. Raises ``error`` if that would not help."""
        if isinstance(error, BeginAgain):
            log.warning("%s", error)
            self._restarts.note(error)
        elif isinstance(error, SlotTaken) and not self._is_slot_taken():
            log.warning("%s; beginning again, in case there is none", error)
            self._restarts.note(error)
            self._pause(min(2.0 ** (len(self._shut_outs_s) - 1), MAX_DELAY_S), str(error))
        elif (missing := self._missing(error)) is not None:
            self._wait(missing)
        else:
            raise error

    def _is_slot_taken(self) -> bool:
        """Whether the worker was shut out too often for a broker that errs."""
        now_s = time.monotonic()
        lately_s = [at_s for at_s in self._shut_outs_s if now_s - at_s < RELAPSE_S]
        self._shut_outs_s = [*lately_s, now_s]
        ended_s = [failures.ended_s for failures in self._failures.values()]
        was_away = any(now_s - at_s < AFTER_OUTAGE_S for at_s in ended_s)
        return len(self._shut_outs_s) > (MOST_AFTER_OUTAGE if was_away else MOST_SHUT_OUTS)

    def _wait(self, missing: Missing) -> None:
        """Returns when the system is back, or the worker is to stop. Raises ``StillAway``."""
        failures = self._failures_of(missing.outage)
        if missing.outage.seconds == 0 and missing.is_back():
            log.warning("%s; beginning again", missing.why)
            self._restarts.note(Trouble(missing.why))
            self._sleep(missing, failures)
        else:
            missing.outage.began(missing.why)
            self._sleep(missing, failures)
            while not self._stopped() and not missing.is_back():
                self._sleep(missing, failures)
            missing.outage.ended()
        failures.ended_s = time.monotonic()

    def _failures_of(self, outage: Outage) -> _Failures:
        """Those before, if the last one was a short time ago."""
        now_s = time.monotonic()
        found = self._failures.get(outage.name)
        if found is None or now_s - found.ended_s > RELAPSE_S:
            found = self._failures[outage.name] = _Failures(now_s - outage.seconds)
        return found

    def _sleep(self, missing: Missing, failures: _Failures) -> None:
        """Longer each time. Raises ``StillAway``."""
        name, away_s = missing.outage.name, time.monotonic() - failures.since_s
        if away_s > self._patience_s:
            raise StillAway(f"{name} was away for {away_s:.0f} s: {missing.why}")
        delay_s, failures.delay_s = failures.delay_s, min(2 * failures.delay_s, MAX_DELAY_S)
        self._pause(delay_s, f"{name} is away: {missing.why}")

    def _pause(self, delay_s: float, problem: str) -> None:
        until_s = time.monotonic() + delay_s
        while not self._stopped() and time.monotonic() < until_s:
            self._beat(problem)
            time.sleep(STEP_S)
