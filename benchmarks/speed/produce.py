"""How fast ``replay`` publishes to a real Kafka, as JSON and as Arrow.

    python -m benchmarks.speed produce [--rows 200000] [--runs 3]

Predictions of twenty features, and a label for each, as fast as possible, to topics of a Kafka that
is started for it (or that of --servers). The references are the making of the same messages without
Kafka, and the client library with the same messages made before. Prints records per second of wall
time and CPU time per record, the medians of interleaved runs.
"""

from __future__ import annotations

import contextlib
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from uuid import uuid4

import click
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.speed.aggregate import some_rows
from driftline.settings import Settings, load_settings
from producers.kafka.publisher import Publisher
from producers.simulation.arrow_events import arrow_events
from producers.simulation.replay import (
    LABELS,
    PREDICTIONS,
    Event,
    Replay,
    as_fast_as_possible,
    send,
)
from tests.integration.broker import LocalKafka

PARTITIONS = 3
SPAN_MS = 86_400_000  # of event time


@click.command("produce")
@click.option("--rows", default=200_000, show_default=True, help="Predictions, with a label each.")
@click.option("--runs", default=3, show_default=True, help="The medians are printed.")
@click.option("--servers", help="A Kafka to use.")
def main(rows: int, runs: int, servers: str | None) -> None:
    """Publish, and print how fast."""
    replay = Replay("m", "1", some_rows(rows, SPAN_MS, 0, labelled=True))
    click.echo(f"{len(replay):,} records, {platform.machine()}, Python {platform.python_version()}")
    with contextlib.ExitStack() as stack:
        if servers is None:
            servers = stack.enter_context(LocalKafka()).bootstrap_servers
        costs: dict[str, list[tuple[float, float]]] = {}
        for _ in range(runs):
            for name, run in _work(replay, _with_topics(servers)).items():
                costs.setdefault(name, []).append(_timed(run))
    for name, found in costs.items():
        wall_s, cpu_s = (median(values) for values in zip(*found, strict=True))
        click.echo(
            f"{name:26} {len(replay) / wall_s:10,.0f} records/s"
            f" {cpu_s / len(replay) * 1e6:6.2f} us of CPU a record"
        )


def _with_topics(servers: str) -> Settings:
    """Settings with topics of their own."""
    settings = load_settings(None, kafka={"bootstrap_servers": servers, "prefix": uuid4().hex})
    names = [settings.topic(topic) for topic in (PREDICTIONS, LABELS)]
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        made.result()
    return settings


def _work(replay: Replay, settings: Settings) -> Mapping[str, Callable[[], None]]:
    found: dict[str, Callable[[], None]] = {}
    for name, made in (("JSON", _json), ("Arrow", _arrow)):
        ready = list(made(replay))
        found[f"making, {name}"] = lambda made=made: _exhaust(made(replay))
        found[f"client library, {name}"] = lambda ready=ready: _client(settings, ready)
        found[f"replay, {name}"] = lambda made=made: _publish(settings, made(replay))
    return found


def _json(replay: Replay) -> Iterable[Event]:
    return replay.events()


def _arrow(replay: Replay) -> Iterable[Event]:
    return arrow_events(replay, as_fast_as_possible)


def _exhaust(events: Iterable[Event]) -> None:
    for _ in events:
        pass


def _client(settings: Settings, events: Sequence[Event]) -> None:
    servers = settings.kafka.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20, "enable.idempotence": True})
    for event in events:
        topic = settings.topic(event.topic)
        while True:
            try:
                producer.produce(topic, event.value, event.key, headers=list(event.headers))
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def _publish(settings: Settings, events: Iterable[Event]) -> None:
    """As ``replay`` does, without its progress bar."""
    with Publisher(settings) as publisher:
        sending = send(
            events,
            publisher,
            pace=as_fast_as_possible,
            seconds=time.monotonic,
            stop=threading.Event(),
        )
        for _ in sending:
            pass


def _timed(run: Callable[[], None]) -> tuple[float, float]:
    """Seconds of wall time and of CPU time of this process."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - began_s, time.process_time() - began_cpu_s


if __name__ == "__main__":
    main()
