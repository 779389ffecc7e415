"""All of Driftline for some minutes at a steady rate, while its world breaks.

    python -m benchmarks.soak --minutes 60 --rate 40

A Kafka and a PostgreSQL of its own, three models that drift for a while (``soak_records.py``), and
one worker of each role; a second one of each joins and leaves again. Every few seconds a worker is
killed and started again. After a third of the time the broker is killed, after two thirds the
database is stopped, each for fifteen seconds. Printed every minute: rows in and out, and the memory
of each process. At the end the same records go through roles that nobody disturbs. Ends with 1 if
windows, alerts, decisions or counts differ or there are none, or the database holds something else.
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

from benchmarks.soak_records import MODELS, records
from tests.conftest import _private_postgres
from tests.integration.broker import LocalKafka
from tests.integration.deployment import ROLES, Deployment, Outcome, Sent, Windows
from tests.integration.test_event_times import SETTINGS, key_of, registrations

WITHIN_S = 3_600.0  # the last windows are final
QUIET_S = 5.0


@dataclass(frozen=True)
class Conditions:
    """What the roles have to bear."""

    minutes: float
    rate: float  # predictions and labels a second, without those that are sent twice
    kill_every_s: float
    outage_s: float = 15.0
    pace: float = 1.0  # seconds of event time in a second
    with_second_workers: bool = True

    def records(self) -> list[Sent]:
        return records(int(self.minutes * 60 * self.rate / 2), 2_000 / self.rate * self.pace)


@dataclass
class Soak:
    """One run, and what has happened in it."""

    conditions: Conditions
    say: Callable[[str], None]
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    kills: int = 0
    sent: int = 0

    def run(self, broker: LocalKafka, server: Any, directory: Path) -> bool:
        """Whether there are results of each kind, and none differs."""
        records = self.conditions.records()
        settings = {**SETTINGS, "DRIFTLINE_STORE__URL": server.get_uri()}
        with Deployment(broker.bootstrap_servers, "soak", directory, settings) as deployment:
            deployment.send(registrations(MODELS))
            deployment.start()
            self._disturb(deployment, broker, server, records)
            await_results(
                deployment,
                len(records),
                lambda: _stored(server.get_uri()) == _published(deployment),
            )
            found = deployment.outcome()
            self._say_outcome(deployment, found)
            published, stored = _published(deployment), _stored(server.get_uri())
        expected = undisturbed(broker, directory, records)
        self.say("compared with an undisturbed run:")
        compared = [
            ("windows", found.windows, expected.windows, len(found.windows.last)),
            ("alerts", found.alerts, expected.alerts, len(found.alerts)),
            ("decisions", found.decisions, expected.decisions, len(found.decisions)),
            ("topics with counts", found.counts, expected.counts, len(found.counts)),
            ("revisions in the database", stored, published, stored),
        ]
        equal = [self._is_equal(*of) for of in compared]
        return all(equal)

    def _say_outcome(self, deployment: Deployment, found: Outcome) -> None:
        self.say(f"{self.sent:,} records, {self.kills} kills survived, one outage of each system")
        types = Counter(event["type"].rpartition(".")[2] for event in deployment.alerts())
        self.say(f"incidents: {dict(sorted(types.items()))}, counts: {found.counts}")

    def _is_equal(self, name: str, found: object, expected: object, number: int) -> bool:
        is_equal = found == expected
        self.say(f"  {number:,} {name}: {'equal' if is_equal else 'NOT EQUAL'}")
        if not is_equal:
            self.say(f"    {str(expected)[:1_000]} expected, {str(found)[:1_000]} found")
        return is_equal and number > 0

    def _disturb(
        self, deployment: Deployment, broker: LocalKafka, server: Any, records: list[Sent]
    ) -> None:
        """Send all records at the rate, and break things meanwhile."""
        began_s = time.monotonic()
        rate = len(records) / (self.conditions.minutes * 60)
        troubles = iter(self._troubles(deployment, broker, server))
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
            due = min(len(records), int(rate * (time.monotonic() - began_s)) + 1)
            if due > self.sent:
                deployment.send(records[self.sent : due])
                self.sent = due
            time.sleep(0.2)

    def _troubles(
        self, deployment: Deployment, broker: LocalKafka, server: Any
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """When each begins, in order."""
        total_s, kill_every_s = self.conditions.minutes * 60, self.conditions.kill_every_s
        found: list[tuple[float, Callable[[], None]]] = [
            ((number + 1) * kill_every_s, lambda: self._kill(deployment))
            for number in range(int(total_s / kill_every_s))
        ]
        found += [
            (total_s / 3, lambda: self._outage("Kafka", broker.kill, broker.start)),
            (2 * total_s / 3, lambda: self._outage("the database", server.stop, server.start)),
        ]
        if self.conditions.with_second_workers:
            found += [
                (total_s / 6, lambda: deployment.start(slot=1)),
                (total_s / 2, lambda: deployment.stop(*(f"{role}-1" for role in ROLES))),
            ]
        yield from sorted(found, key=lambda one: one[0])
        yield float("inf"), lambda: None

    def _kill(self, deployment: Deployment) -> None:
        """Kill a worker that is at work: on a busy machine a start takes longer than the rest."""
        deployment.until(lambda: bool(deployment.at_work()), "a worker to kill", WITHIN_S)
        name = self.rng.choice(sorted(deployment.at_work()))
        deployment.kill(name)
        role, slot = name.split("-")
        deployment.start(role, slot=int(slot))
        self.kills += 1

    def _outage(self, name: str, stop: Callable[[], Any], start: Callable[[], Any]) -> None:
        self.say(f"{name} is away for {self.conditions.outage_s:.0f} s")
        stop()
        time.sleep(self.conditions.outage_s)
        start()

    def _say_state(self, deployment: Deployment, passed_s: float) -> None:
        ended = [name for name, of in deployment.processes.items() if of.poll() is not None]
        assert not ended, f"{ended} ended\n{deployment.logs()}"
        memory = "  ".join(
            f"{name} {resident_mib(process.pid):.0f} MiB"
            for name, process in sorted(deployment.processes.items())
        )
        windows = sum(1 for _ in deployment.read("windows"))
        self.say(f"{passed_s / 60:5.1f} min  {self.sent:,} in, {windows:,} out  {memory}")


def undisturbed(broker: LocalKafka, directory: Path, records: list[Sent]) -> Outcome:
    own = directory / "calm"
    own.mkdir()
    with Deployment(broker.bootstrap_servers, "calm", own, SETTINGS) as deployment:
        deployment.send(registrations(MODELS))
        deployment.start("aggregate", "join", "detect")
        deployment.send(records)
        await_results(deployment, len(records))
        return deployment.outcome()


def await_results(
    deployment: Deployment, sent: int, is_stored: Callable[[], bool] = lambda: True
) -> None:
    """Until all records are counted, the last windows are final, and nothing changes; then stop."""
    counted = -1

    def are_complete() -> bool:
        nonlocal counted
        time.sleep(QUIET_S)
        before, counted = counted, sum(1 for _ in deployment.read("windows"))
        is_quiet = counted == before and _received(deployment) == sent and _is_read(deployment)
        return is_quiet and _ended(deployment.windows()) == set(MODELS) and is_stored()

    deployment.until(are_complete, "the end of the results", WITHIN_S)
    deployment.stop()


def _received(deployment: Deployment) -> int:
    return sum(deployment.total(topic).get("received", 0) for topic in ("predictions", "labels"))


def _is_read(deployment: Deployment) -> bool:
    """Whether each worker has told that it has read its partitions to their ends."""
    beats = deployment.newest_heartbeats(deployment.processes).values()
    partitions = [partition for beat in beats for partition in beat["partitions"].values()]
    return all(partition["offset"] == partition["end"] for partition in partitions)


def _ended(windows: Windows) -> set[tuple[str, str]]:
    """The models of which a window without rows, behind those with rows, is final."""
    return {key_of(name) for name in windows.final if windows.last[name]["data"]["rows"] == 0}


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


def soak(conditions: Conditions, say: Callable[[str], None]) -> bool:
    """Whether the results are those of an undisturbed run."""
    with ExitStack() as ending:
        broker = ending.enter_context(LocalKafka())
        options = {"prefix": "driftline-soak-", "ignore_cleanup_errors": True}
        files = ending.enter_context(tempfile.TemporaryDirectory(**options))  # type: ignore[arg-type]
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory(**options)))  # type: ignore[arg-type]
        server = _private_postgres(files)
        ending.callback(server.cleanup)
        return Soak(conditions, say).run(broker, server, directory)


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--rate", default=40.0, show_default=True, help="Records a second.")
@click.option("--kill-every", default=20.0, show_default=True, help="Seconds.")
@click.option("--pace", default=1.0, show_default=True, help="Seconds of event time in a second.")
def main(minutes: float, rate: float, kill_every: float, pace: float) -> None:
    """Run all of Driftline while its world breaks."""
    click.echo(" ".join(["python -m benchmarks.soak", *sys.argv[1:]]))
    sys.exit(not soak(Conditions(minutes, rate, kill_every, pace=pace), click.echo))


if __name__ == "__main__":
    main()
