"""Runs a worker again in the same process after what it needs was away: nothing ends meanwhile.

Theory of operation
-------------------
An error that says that Kafka, the database or room on the disk is missing ends the *run* of a
worker, which releases everything as at the end of its process. The process waits until the system
answers, and begins a new run, which goes on from Kafka as after any restart. A run also begins
again after it has found a cache of its own to be unusable, and has removed it (``BeginAgain``), and
once after Kafka has shut the worker out: a broker that was restarted may take the second attempt of
a member to join for another process. If it is one, the worker is shut out again, and ends.
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
        self._shut_out_s = float("-inf")  # when Kafka has shut the worker out last

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
        elif isinstance(error, SlotTaken) and not self._is_shut_out_again():
            log.warning("%s; beginning again once, in case there is none", error)
            self._restarts.note(error)
        elif (missing := self._missing(error)) is not None:
            self._wait(missing)
        else:
            raise error

    def _is_shut_out_again(self) -> bool:
        """Whether the worker was shut out a short time ago, too."""
        before_s, self._shut_out_s = self._shut_out_s, time.monotonic()
        return self._shut_out_s - before_s < RELAPSE_S

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
        until_s = time.monotonic() + failures.delay_s
        failures.delay_s = min(2 * failures.delay_s, MAX_DELAY_S)
        while not self._stopped() and time.monotonic() < until_s:
            self._beat(f"{name} is away: {missing.why}")
            time.sleep(STEP_S)
