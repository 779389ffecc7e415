"""Sends a replay to Kafka: paced, with a progress bar, and stopped cleanly by a signal."""

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
    """The speed of a replay, and whether records that close every window are sent at its end."""

    speed: float | None = None  # seconds of event time per second
    rate: float | None = None  # records per second
    finish_after_ms: int | None = None  # time of those records after all others; None: none

    def pace(self, replay: Replay) -> Pace:
        if self.rate is not None:
            return at_rate(self.rate)
        if self.speed is not None:
            return at_speed(self.speed, int(replay.rows.predictions.time_ms[0]))
        return as_fast_as_possible


def send_replay(settings: Settings, replay: Replay, pacing: Pacing) -> None:
    """Prints the number of confirmed records at the end, also after an error or a signal."""
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
        replay.events(), publisher, pace=pacing.pace(replay), seconds=time.monotonic, stop=stop
    )
    # Drawing the bar takes longer than sending a record.
    with click.progressbar(sending, len(replay), "sending", update_min_steps=500) as bar:
        for _ in bar:
            pass


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. A second signal has its usual effect."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def restore() -> None:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

    def request_stop(*_: object) -> None:
        restore()
        stop.set()

    for number in numbers:
        signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        restore()
