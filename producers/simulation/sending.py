"""A replay on its way to Kafka: paced, with a progress bar, and ended in good order by a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from driftline.settings import Settings
from producers.kafka.publisher import Publisher
from producers.simulation.replay import (
    LABELS,
    PREDICTIONS,
    Pace,
    Replay,
    as_fast_as_possible,
    at_rate,
    at_speed,
    send,
)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How fast, and how far ahead the records lie that close every window, if any are sent."""

    speed: float | None = None  # seconds of event time per second
    rate: float | None = None  # records per second
    finish_after_ms: int | None = None

    def of(self, replay: Replay) -> Pace:
        if self.rate is not None:
            return at_rate(self.rate)
        if self.speed is not None:
            return at_speed(self.speed, int(replay.rows.predictions.time_ms[0]))
        return as_fast_as_possible


def send_replay(settings: Settings, replay: Replay, pacing: Pacing) -> None:
    """Says at the end what Kafka has confirmed, whether it came to the end or not."""
    publisher = Publisher(settings)
    partitions = {topic: publisher.partitions(topic) for topic in (PREDICTIONS, LABELS)}
    try:
        with publisher, _stopped_by_signals() as stop:
            _send(replay, publisher, pacing, stop)
            if pacing.finish_after_ms is not None and not stop.is_set():
                for event in replay.finish(pacing.finish_after_ms, partitions):
                    publisher.send(event.topic, event.key, event.value, event.partition)
    finally:
        sent = publisher.delivered
        click.echo(f"sent {sent[PREDICTIONS]:,} predictions and {sent[LABELS]:,} labels")


def _send(replay: Replay, publisher: Publisher, pacing: Pacing, stop: threading.Event) -> None:
    sending = send(
        replay.events(), publisher, pace=pacing.of(replay), seconds=time.monotonic, stop=stop
    )
    # Drawing the bar costs more than sending a record.
    with click.progressbar(sending, len(replay), "sending", update_min_steps=500) as bar:
        for _ in bar:
            pass


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set by Ctrl-C and SIGTERM; a second one acts as it would have without this."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def restore() -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    def ask(*_: object) -> None:
        restore()
        stop.set()

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
