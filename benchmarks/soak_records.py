"""What the soak sends: three models, each with a drift, in the disorder of real logs.

Of the predictions and labels 2% are sent twice, 5% come out of order but in time, and 1% of the
predictions come late or too late. One label in five comes before its prediction.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.consumers.in_memory import T0, label, prediction
from tests.integration.deployment import Sent
from tests.integration.test_event_times import row

MODELS = [("fast", "1"), ("fast", "2"), ("slow", "1")]
PARTITIONS = 4
BEHIND_MS = 60_000  # the last rows of each model, which close all windows before them
# Parts of the stream in which something is wrong: with the values of a version, or its labels.
SHIFTED = {("fast", "1"): (0.2, 0.4), ("fast", "2"): (0.6, 1.0)}
MISLABELLED = {("slow", "1"): (0.3, 0.5)}

Arrival = tuple[float, Sent]  # when it is sent, in event time


def records(rows: int, step_ms: float) -> list[Sent]:
    """Predictions and labels of ``rows`` rows, one each ``step_ms``, in the order of sending."""
    rng = random.Random(0)
    arrivals = [
        arrival
        for number in range(rows)
        for arrival in _of_row(rng, number, T0 + round(number * step_ms), number / rows)
    ]
    arrivals.sort(key=lambda arrival: arrival[0])
    return [record for _, record in arrivals] + _last(T0 + round(rows * step_ms) + BEHIND_MS)


def _of_row(rng: random.Random, number: int, at_ms: int, part: float) -> Iterator[Arrival]:
    key, partition = MODELS[number % len(MODELS)], number % PARTITIONS
    own = {"id": f"{number}", "model": key[0]}
    score = round(rng.random(), 2)
    x = 9.0 if _is_within(SHIFTED.get(key), part) else round(rng.gauss(0, 1), 1)
    features = {"x": x, "c": rng.choice("ab")}
    sent = prediction(**own, time=at_ms, version=key[1], features=features, score=score)
    is_bad = (rng.random() < score) != _is_within(MISLABELLED.get(key), part)
    known_ms = at_ms + rng.randrange(1_000)
    known = label(**own, time=known_ms, label=int(is_bad))
    label_ms = at_ms - 300 if rng.random() < 0.2 else known_ms + _disorder_ms(rng)
    arrivals = [
        (at_ms + _delay_ms(rng), Sent("predictions", partition, None, sent)),
        (label_ms, Sent("labels", partition, None, known)),
    ]
    yield from arrivals
    yield from ((ms + rng.uniform(0, 400), one) for ms, one in arrivals if rng.random() < 0.02)


def _is_within(limits: tuple[float, float] | None, part: float) -> bool:
    return limits is not None and limits[0] <= part < limits[1]


def _delay_ms(rng: random.Random) -> float:
    return rng.uniform(700, 5_000) if rng.random() < 0.01 else _disorder_ms(rng)


def _disorder_ms(rng: random.Random) -> float:
    return rng.uniform(0, 400) if rng.random() < 0.05 else 0.0


def _last(end_ms: int) -> list[Sent]:
    return [
        record
        for number, key in enumerate(MODELS)
        for partition in range(PARTITIONS)
        for record in row(*key, -1 - PARTITIONS * number - partition, end_ms, partition)
    ]
