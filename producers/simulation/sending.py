"""Sends a replay to Kafka: paced, with a progress bar, and stopped cleanly by a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import click

from driftline.settings import Settings
from producers.kafka.publisher import Publisher
from producers.simulation.arrow_events import arrow_events, without_first
from producers.simulation.replay import (
    LABELS,
    PREDICTIONS,
    Event,
    Pace,
    Replay,
    as_fast_as_possible,
    at_rate,
    at_speed,
    send,
)


@dataclass(frozen=True, slots=True)
class Pacing:
    """The speed of a replay, its first record, and whether records that close all windows follow.

    A record is a prediction or a label; their order is the same in every run with the same format.
    """

    speed: float | None = None  # seconds of event time per second
    rate: float | None = None  # records per second
    finish_after_ms: int | None = None  # time of those records after all others; None: none
    resume: int = 0  # records that an earlier run has sent
    arrow: bool = False  # whether many records are sent in a message

    def pace(self, start_ms: int) -> Pace:
        """``start_ms``: the time of the first record."""
        if self.rate is not None:
            return at_rate(self.rate)
        if self.speed is not None:
            return at_speed(self.speed, start_ms)
        return as_fast_as_possible


def send_replay(settings: Settings, replay: Replay, pacing: Pacing) -> None:
    """Prints the number of confirmed records at the end, also after an error or a signal.

    If not all were sent, also the number of the record to go on with.
    """
    publisher = Publisher(settings)
    partitions = {topic: publisher.partitions(topic) for topic in (PREDICTIONS, LABELS)}
    complete = False
    try:
        with publisher, _stopped_by_signals() as stop:
            _send(replay, publisher, pacing, stop)
            if pacing.finish_after_ms is not None and not stop.is_set():
                finish = replay.finish(pacing.finish_after_ms, partitions)
                for event in islice(finish, max(0, pacing.resume - len(replay)), None):
                    publisher.send(event.topic, event.key, event.value, event.partition)
        complete = not stop.is_set()
    finally:
        sent, taken = publisher.delivered, pacing.resume + publisher.taken
        click.echo(f"sent {sent[PREDICTIONS]:,} predictions and {sent[LABELS]:,} labels")
        if not complete:
            click.echo(_how_to_go_on(taken, sent.total() - publisher.taken), err=True)


def _how_to_go_on(taken: int, behind: int) -> str:
    twice = f"; {behind:,} records behind it were taken, and will be sent twice" if behind else ""
    return f"to go on, repeat the command with --resume {taken}{twice}"


def _send(replay: Replay, publisher: Publisher, pacing: Pacing, stop: threading.Event) -> None:
    events = _events(replay, pacing)
    first = next(events, None)
    if first is None:
        return
    sending = send(
        chain([first], events),
        publisher,
        pace=pacing.pace(first.time_ms),
        seconds=time.monotonic,
        stop=stop,
    )
    # Drawing the bar takes longer than sending a record.
    left = len(replay) - pacing.resume
    with click.progressbar(length=left, label="sending", update_min_steps=500) as bar:
        for event in sending:
            bar.update(event.records)


def _events(replay: Replay, pacing: Pacing) -> Iterator[Event]:
    """Those that an earlier run has not sent. Raises ``BadInput`` if Arrow cannot hold them."""
    if not pacing.arrow:
        return islice(replay.events(), pacing.resume, None)
    pace = pacing.pace(int(replay.rows.predictions.time_ms[0]))
    return without_first(arrow_events(replay, pace), pacing.resume)


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
