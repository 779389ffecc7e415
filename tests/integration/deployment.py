"""Driftline as a user runs it: roles as processes, records in, windows and alerts out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

import driftline.__main__
from driftline.settings import load_settings
from monitor.counts.profile import Profile
from producers.kafka.profile_publication import publish_profile

ROLES = ("aggregate", "join", "detect", "store")
TIMEOUT_S = 240.0


class Sent(NamedTuple):
    """A record to produce."""

    topic: str  # short name
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Outcome:
    windows: Windows
    alerts: list[str]  # ids
    decisions: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]


@dataclass
class Deployment:
    """One prefix on a real Kafka, with its own database and state directory."""

    servers: str
    prefix: str
    directory: Path
    settings: dict[str, str] = field(default_factory=dict)  # DRIFTLINE_ variables
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    on_host: dict[str, list[str]] = field(default_factory=dict)  # what begins a worker's command
    started_s: dict[str, float] = field(default_factory=dict)  # the last start of each

    def __enter__(self) -> Self:
        self.cli("topics", "create")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "DRIFTLINE_KAFKA__PREFIX": self.prefix,
            "DRIFTLINE_KAFKA__COMMIT_INTERVAL": "300ms",
            "DRIFTLINE_STATE__DIRECTORY": str(self.directory / "state"),
            "DRIFTLINE_STORE__URL": self.database,
            # Runs that are compared must not depend on the clock.
            "DRIFTLINE_TIME__IDLE_AFTER": "off",
            **self.settings,
        }

    @property
    def database(self) -> str:
        return f"sqlite:///{self.directory / 'driftline.db'}"

    def cli(self, *words: str) -> str:
        """Run a command of the CLI to its end, in this process. Returns its standard output."""
        done = CliRunner().invoke(driftline.__main__.main, words, env=self.environment)
        assert done.exit_code == 0, f"{' '.join(words)}: {done.output}{done.exception!r}"
        return done.stdout

    def publish(self, profile: Profile) -> None:
        """Publish the profile of a model that was trained elsewhere."""
        own = {"bootstrap_servers": self.servers, "prefix": self.prefix}
        assert publish_profile(load_settings(None, kafka=own), profile)

    def start(
        self, *roles: str, slot: int = 0, fault: str | None = None, module: str = "consumers"
    ) -> None:
        """Start workers. ``fault``: POINT:COUNT, where they end; see CONTRIBUTING.md."""
        for role in roles or ROLES:
            name = f"{role}-{slot}"
            worker = [sys.executable, "-m", module, role, "--slot", str(slot)]
            command = [*self.on_host.get(name, ()), *worker]
            faults = {} if fault is None else {"DRIFTLINE_FAULT": f"{role}:{fault}"}
            with (self.directory / f"{name}.log").open("ab") as log:
                self.started_s[name] = time.time()
                self.processes[name] = subprocess.Popen(
                    command, env={**self.environment, **faults}, stdout=log, stderr=log
                )

    def stop(self, *names: str) -> None:
        """Stop these workers, or all of them, at the same time."""
        ending = [self.processes.pop(name) for name in names or list(self.processes)]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, name: str) -> None:
        """As the out-of-memory killer: without any warning."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def at_work(self) -> set[str]:
        """The workers that have committed something since their start, by their heartbeats."""
        found = set()
        for name, beat in self.newest_heartbeats(self.processes).items():
            at = beat["progress_at"]
            at_s = datetime.fromisoformat(at).timestamp() if at else 0.0
            if at_s > self.started_s[name]:
                found.add(name)
        return found

    def newest_heartbeats(self, workers: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Of those of these workers that have sent one."""
        newest = {key: value for _, key, value, _ in self.read("heartbeats")}
        found = {name: newest.get(name.encode()) for name in workers}
        return {name: json.loads(value) for name, value in found.items() if value is not None}

    def logs(self) -> str:
        return "\n".join(p.read_text()[-3000:] for p in sorted(self.directory.glob("*.log")))

    def send(self, records: Iterable[Sent]) -> int:
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "enable.idempotence": True,  # the order of sending, also if a topic is not ready
                "linger.ms": 20,
                "message.max.bytes": 1_100_000,
            }
        )
        count = 0
        for record in records:
            options = {} if record.partition < 0 else {"partition": record.partition}
            while True:
                try:
                    producer.produce(
                        f"{self.prefix}.{record.topic}",
                        key=record.key,
                        value=record.value,
                        headers=list(record.headers),
                        **options,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
        assert producer.flush(60) == 0
        return count

    def read(
        self, topic: str
    ) -> Iterator[tuple[int, bytes | None, bytes | None, dict[str, bytes]]]:
        """The committed records of a topic in order: partition, key, value, headers."""
        name = f"{self.prefix}.{topic}"
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"{self.prefix}.reader",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        partitions = consumer.list_topics(name, timeout=30).topics[name].partitions
        consumer.assign([TopicPartition(name, number, 0) for number in partitions])
        unfinished = set(partitions)  # a partition that goes on has more than one end
        while unfinished:
            for message in consumer.consume(1_000, timeout=1.0):
                if message.error():
                    unfinished.discard(message.partition())
                    continue
                headers = dict(message.headers() or [])
                yield message.partition(), message.key(), message.value(), headers
        consumer.close()

    def windows(self) -> Windows:
        return Windows.from_documents(
            json.loads(value or b"") for _, _, value, _ in self.read("windows")
        )

    def alerts(self) -> list[dict[str, Any]]:
        """All events, ordered by subject, time and id."""
        events = [json.loads(value or b"") for _, _, value, _ in self.read("alerts")]
        return sorted(events, key=lambda event: (event["subject"], event["time"], event["id"]))

    def decisions(self) -> list[dict[str, Any]]:
        """All decisions about retraining, ordered by version and time."""
        found = [json.loads(value or b"") for _, _, value, _ in self.read("retraining")]
        return sorted(found, key=lambda one: (one["model"], one["version"], one["decided_at"]))

    def counts(self) -> dict[str, dict[str, Any]]:
        """The newest counts that a role reported for each partition, by its name."""
        newest: dict[str, tuple[int, dict[str, Any]]] = {}
        for _, _, value, _ in self.read("heartbeats"):
            for name, status in json.loads(value or b"")["partitions"].items():
                offset = status.get("offset") or 0  # null while a topic waits
                if "counts" in status and offset >= newest.get(name, (-1, {}))[0]:
                    newest[name] = (offset, status["counts"])
        return {name: counts for name, (_, counts) in newest.items()}

    def outcome(self) -> Outcome:
        """What runs are compared by."""
        topics = ("predictions", "labels", "joins")
        return Outcome(
            self.windows(),
            [event["id"] for event in self.alerts()],
            self.decisions(),
            {topic: self.total(topic) for topic in topics},
        )

    def total(self, topic: str) -> dict[str, int]:
        """The sum of these counts over the partitions of a topic; dead letters by reason."""
        totals: dict[str, int] = defaultdict(int)
        for name, counts in self.counts().items():
            if name.startswith(f"{topic}/"):
                for key, count in counts.items():
                    if isinstance(count, dict):
                        for reason, n in count.items():
                            totals[f"{key}:{reason}"] += n
                    else:
                        totals[key] += count
        return dict(totals)

    def await_final(self, last_end: str, *, model: str = "%", quiet_s: float = 4.0) -> None:
        """Wait until the window that ends at ``last_end`` is final, and nothing changes.

        ``model``: as a pattern of SQL.
        """
        self.until(lambda: self.is_final(last_end, model), f"the window to {last_end} to be final")
        last_count, since_s = -1, time.monotonic()
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() - since_s < quiet_s and time.monotonic() < deadline_s:
            count = self._stored_revisions()
            if count != last_count:
                last_count, since_s = count, time.monotonic()
            time.sleep(0.3)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            ended = [name for name, p in self.processes.items() if p.poll() is not None]
            assert not ended, f"{ended} ended while waiting for {what}\n{self.logs()}"
            assert time.monotonic() < deadline_s, f"no {what} in time\n{self.logs()}"
            time.sleep(0.3)

    def is_final(self, last_end: str, model: str = "%") -> bool:
        """Whether a window that ends then has its final performance, in the database."""
        count = self._query(
            "select count(*) from windows where performance_status = 'final' and end_ms ="
            " cast(strftime('%s', :at) as integer) * 1000 and model like :model",
            at=last_end,
            model=model,
        )
        return count > 0

    def _stored_revisions(self) -> int:
        return self._query("select coalesce(sum(revision + 1), 0) from windows")

    def _query(self, sql: str, **values: object) -> int:
        if not (self.directory / "driftline.db").exists():
            return 0
        engine = create_engine(self.database)
        try:
            with engine.connect() as connection:
                return int(connection.execute(text(sql), values).scalar() or 0)
        except OperationalError:  # store has not created its tables yet, or is creating them
            return 0
        finally:
            engine.dispose()


@dataclass(frozen=True)
class Windows:
    """What two runs over the same records must have in common, by window."""

    first: Mapping[str, dict[str, Any]]  # revision 0 of the data part, and of prediction drift
    final: Mapping[str, dict[str, Any]]  # the final performance
    last: Mapping[str, dict[str, Any]]  # the newest of everything

    @classmethod
    def from_documents(cls, documents: Iterable[dict[str, Any]]) -> Windows:
        revisions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for document in documents:
            key = "/".join(document[k] for k in ("model", "version", "start", "end"))
            revisions[key].append(document)
        ordered = {k: sorted(v, key=lambda d: d["revision"]) for k, v in revisions.items()}
        return cls(
            {k: _first(v) for k, v in ordered.items()},
            {k: final for k, v in ordered.items() if (final := _final(v)) is not None},
            {k: _last(v[-1]) for k, v in ordered.items()},
        )


def _first(revisions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = next(d for d in revisions if d["data"]["revision"] == 0)
    return {"data": found["data"], "prediction": found["concept"]["prediction"]}


def _final(revisions: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    final = (d["performance"] for d in revisions if d["performance"]["status"] == "final")
    found = next(final, None)
    return None if found is None else _without_revision(found)


def _last(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": _without_revision(document["data"]),
        "concept": document["concept"],
        "performance": _without_revision(document["performance"]),
    }


def _without_revision(part: dict[str, Any]) -> dict[str, Any]:
    """The number of revisions depends on timing; their result does not."""
    return {key: value for key, value in part.items() if key != "revision"}
