"""All of Driftline for some minutes at a steady rate, while its world breaks.

    python -m benchmarks.soak --minutes 60 --rate 40

A Kafka and a PostgreSQL of its own, one worker of each role, three models. Every few seconds a
worker is killed and started again. After a third of the time the broker is killed, after two thirds
the database is stopped, each for fifteen seconds. Printed every minute: rows in and out, and the
memory of each process. At the end the same records go through roles that nobody disturbs. Ends
with 1 if windows, alerts, decisions or counts differ, or the database holds something else.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from sqlalchemy import create_engine, text

from tests.conftest import _private_postgres
from tests.consumers.in_memory import T0
from tests.integration.broker import LocalKafka
from tests.integration.deployment import ROLES, Deployment, Outcome, Sent
from tests.integration.test_event_times import SETTINGS, key_of, registrations, row

MODELS = [("fast", "1"), ("fast", "2"), ("slow", "1")]
OUTAGE_S = 15.0
BEHIND_MS = 60_000  # the last rows of each model, which close all windows before them
WITHIN_S = 600.0  # the last windows are final


@dataclass
class Soak:
    """One run, and what has happened in it."""

    minutes: float
    rate: float  # rows and labels a second
    kill_every_s: float
    say: Callable[[str], None]
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    kills: int = 0
    sent: int = 0
    memory_mib: dict[str, list[float]] = field(default_factory=dict)

    def run(self, broker: LocalKafka, server: Any, directory: Path) -> bool:
        """Whether nothing differs."""
        settings = {**SETTINGS, "DRIFTLINE_STORE__URL": server.get_uri()}
        with Deployment(broker.bootstrap_servers, "soak", directory, settings) as deployment:
            deployment.send(registrations(MODELS))
            deployment.start()
            self._disturb(deployment, broker, server)
            found = outcome(deployment)
            published, stored = _published(deployment), _stored(server.get_uri())
        self.say(f"{self.sent:,} records, {self.kills} kills survived, one outage of each system")
        expected = undisturbed(broker, directory, self._records())
        equal = {
            "windows": found.windows == expected.windows,
            "alerts": found.alerts == expected.alerts,
            "decisions": found.decisions == expected.decisions,
            "counts": found.counts == expected.counts,
            "database": stored == published,
        }
        number, events = len(found.windows.last), len(found.alerts)
        self.say(f"{number} windows and {events} alerts, compared with an undisturbed run:")
        for name, is_equal in equal.items():
            self.say(f"  {name}: {'equal' if is_equal else 'NOT EQUAL'}")
        return all(equal.values())

    def _records(self) -> list[Sent]:
        """In the order of their event times, which pass as fast as the clock."""
        rows = int(self.minutes * 60 * self.rate / 2)
        step_ms = round(2_000 / self.rate)
        found = [
            record
            for number in range(rows)
            for record in row(*MODELS[number % len(MODELS)], number, T0 + number * step_ms)
        ]
        end_ms = T0 + rows * step_ms + BEHIND_MS
        for number, key in enumerate(MODELS):
            for partition in range(4):
                found += row(*key, -1 - 4 * number - partition, end_ms, partition)
        return found

    def _disturb(self, deployment: Deployment, broker: LocalKafka, server: Any) -> None:
        """Send all records at the rate, and break things meanwhile."""
        began_s, records = time.monotonic(), self._records()
        total_s = self.minutes * 60
        troubles = iter(self._troubles(deployment, broker, server, total_s))
        at_s, trouble = next(troubles)
        next_minute_s = 0.0
        while self.sent < len(records) or at_s < float("inf"):
            passed_s = time.monotonic() - began_s
            if passed_s >= at_s:
                trouble()
                at_s, trouble = next(troubles)
            if passed_s >= next_minute_s:
                self._say_state(deployment, passed_s)
                next_minute_s += 60
            due = min(len(records), int(self.rate * (time.monotonic() - began_s)) + 1)
            if due > self.sent:
                deployment.send(records[self.sent : due])
                self.sent = due
            time.sleep(0.2)

    def _troubles(
        self, deployment: Deployment, broker: LocalKafka, server: Any, total_s: float
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """When each begins, in order."""
        kills = int(total_s / self.kill_every_s)
        found: list[tuple[float, Callable[[], None]]] = [
            ((number + 1) * self.kill_every_s, lambda: self._kill(deployment))
            for number in range(kills)
        ]
        found.append((total_s / 3, lambda: self._outage("Kafka", broker.kill, broker.start)))
        found.append(
            (2 * total_s / 3, lambda: self._outage("the database", server.stop, server.start))
        )
        yield from sorted(found, key=lambda one: one[0])
        yield float("inf"), lambda: None

    def _kill(self, deployment: Deployment) -> None:
        role = self.rng.choice(ROLES)
        deployment.kill(f"{role}-0")
        deployment.start(role)
        self.kills += 1

    def _outage(self, name: str, stop: Callable[[], Any], start: Callable[[], Any]) -> None:
        self.say(f"{name} is away for {OUTAGE_S:.0f} s")
        stop()
        time.sleep(OUTAGE_S)
        start()

    def _say_state(self, deployment: Deployment, passed_s: float) -> None:
        ended = [name for name, of in deployment.processes.items() if of.poll() is not None]
        assert not ended, f"{ended} ended\n{deployment.logs()}"
        for name, process in deployment.processes.items():
            self.memory_mib.setdefault(name, []).append(resident_mib(process.pid))
        memory = "  ".join(f"{name} {of[-1]:.0f} MiB" for name, of in self.memory_mib.items())
        windows = sum(1 for _ in deployment.read("windows"))
        self.say(f"{passed_s / 60:5.1f} min  {self.sent:,} in, {windows:,} out  {memory}")


def undisturbed(broker: LocalKafka, directory: Path, records: list[Sent]) -> Outcome:
    own = directory / "calm"
    own.mkdir()
    with Deployment(broker.bootstrap_servers, "calm", own, SETTINGS) as deployment:
        deployment.send(registrations(MODELS))
        deployment.start()
        deployment.send(records)
        return outcome(deployment)


def outcome(deployment: Deployment) -> Outcome:
    """The results, once the last window with rows of each model is final and nothing changes."""
    deadline_s, before, quiet = time.monotonic() + WITHIN_S, -1, 0
    while quiet < 5:
        assert time.monotonic() < deadline_s, f"no end in time\n{deployment.logs()}"
        windows = deployment.windows()
        final = Counter(map(key_of, windows.final))
        number = sum(1 for _ in deployment.read("windows"))
        quiet = quiet + 1 if number == before and set(final) == set(MODELS) else 0
        before = number
        time.sleep(1.0)
    deployment.stop()
    return deployment.outcome()


def _published(deployment: Deployment) -> int:
    """The sum of the newest revisions."""
    newest: dict[bytes | None, int] = {}
    for _, key, value, _ in deployment.read("windows"):
        revision = int((value or b"").partition(b'"revision":')[2].partition(b",")[0])
        newest[key] = max(revision, newest.get(key, 0))
    return sum(newest.values())


def _stored(address: str) -> int:
    engine = create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = connection.execute(text("select sum(revision) from windows")).scalar()
    engine.dispose()
    return int(found or 0)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def soak(minutes: float, rate: float, kill_every_s: float, say: Callable[[str], None]) -> bool:
    """Whether the results are those of an undisturbed run."""
    with ExitStack() as ending:
        broker = ending.enter_context(LocalKafka())
        options = {"prefix": "driftline-soak-", "ignore_cleanup_errors": True}
        files = ending.enter_context(tempfile.TemporaryDirectory(**options))  # type: ignore[arg-type]
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory(**options)))  # type: ignore[arg-type]
        server = _private_postgres(files)
        ending.callback(server.cleanup)
        return Soak(minutes, rate, kill_every_s, say).run(broker, server, directory)


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--rate", default=40.0, show_default=True, help="Records a second.")
@click.option("--kill-every", default=20.0, show_default=True, help="Seconds.")
def main(minutes: float, rate: float, kill_every: float) -> None:
    """Run all of Driftline while its world breaks."""
    sys.exit(not soak(minutes, rate, kill_every, click.echo))


if __name__ == "__main__":
    main()
