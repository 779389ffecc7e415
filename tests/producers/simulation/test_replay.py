"""Rows as a stream: predictions and labels in one order, paced, ended early, closed at the end.

seconds      0    1    2    3    4
predictions  a    b    c
labels            a         c          (b never has one)
"""

import itertools
import threading

import numpy as np
import pytest

from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.task import NO_LABEL
from producers.contract.records import decode_label, decode_prediction
from producers.simulation.replay import (
    Replay,
    as_fast_as_possible,
    at_rate,
    at_speed,
    send,
)

PREDICTIONS = Predictions(
    ["a", "b", "c"],
    np.array([0, 1_000, 2_000]),
    np.array([0.1, 0.9, 0.5]),
    np.array([0, 1, 1]),
    {"x": np.array([1.5, np.nan, 3.0]), "c": np.array(["u", None, True], dtype=object)},
)
LABEL, KNOWN_AT_MS = np.array([0, NO_LABEL, 1]), np.array([1_000, 0, 3_000])


def replay(label=LABEL, known_at_ms=KNOWN_AT_MS) -> Replay:
    return Replay("m", "7", ReferenceRows(PREDICTIONS, label, known_at_ms))


def order(of: Replay) -> list[str]:
    return [f"{event.topic[0]}:{event.key.decode()}" for event in of.events()]


class World:
    """A clock that only waiting moves, and a publisher that remembers."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.now_s, self.sent, self.stop_after = 100.0, [], stop_after

    def seconds(self) -> float:
        return self.now_s

    def wait(self, timeout: float) -> bool:
        self.now_s += timeout
        return self.is_set()

    def is_set(self) -> bool:
        return self.stop_after is not None and len(self.sent) >= self.stop_after

    def send(self, topic, key, *_) -> None:
        self.sent.append((round(self.now_s - 100, 3), topic[0] + ":" + key.decode()))

    def run(self, pace, of: Replay) -> list[tuple[float, str]]:
        for _ in send(of.events(), self, pace=pace, seconds=self.seconds, stop=self):
            pass
        return self.sent


def test_label_is_sent_when_it_becomes_known_after_predictions_of_the_same_time():
    assert order(replay()) == ["p:a", "p:b", "l:a", "p:c", "l:c"]
    assert len(replay()) == 5


def test_labels_are_sent_in_the_order_in_which_they_become_known():
    slow_first = replay(np.array([0, 1, 1]), np.array([9_000, 1_500, 2_000]))
    assert order(slow_first) == ["p:a", "p:b", "l:b", "p:c", "l:c", "l:a"]


def test_label_without_a_time_is_sent_with_its_prediction():
    assert order(replay(known_at_ms=None)) == ["p:a", "l:a", "p:b", "p:c", "l:c"]


def test_replay_of_unlabelled_rows_has_only_predictions():
    assert order(replay(None, None)) == ["p:a", "p:b", "p:c"]


def test_replayed_records_follow_the_contract():
    first, second, label, third, _ = [event.value for event in replay().events()]
    assert decode_prediction(first).features == {"x": 1.5, "c": "u"}
    assert decode_prediction(second).features == {"x": None, "c": None}
    assert decode_prediction(third).features == {"x": 3.0, "c": True}
    record = decode_prediction(second)
    assert (record.id, record.time_ms, record.model, record.version) == ("b", 1_000, "m", "7")
    assert (record.score, record.prediction) == (0.9, 1)
    assert decode_label(label).time_ms == 1_000
    assert decode_label(label).label == 0


def test_replay_of_a_model_without_features():
    bare = Predictions(
        PREDICTIONS.ids, PREDICTIONS.time_ms, PREDICTIONS.score, PREDICTIONS.predicted, {}
    )
    events = Replay("m", "7", ReferenceRows(bare)).events()
    assert [decode_prediction(event.value).features for event in events] == [{}, {}, {}]


def test_limit_of_a_replay_counts_predictions_and_keeps_their_labels():
    assert order(replay().first(2)) == ["p:a", "p:b", "l:a"]
    assert order(replay().first(None)) == order(replay())


def test_replay_of_more_rows_than_a_chunk_is_complete_and_in_order():
    n = 25_000
    rows = Predictions(
        [str(i) for i in range(n)],
        np.arange(n),
        np.full(n, 0.5),
        np.ones(n, dtype=int),
        {"x": np.arange(n) * 1.0},
    )
    events = Replay("m", "1", ReferenceRows(rows)).events()
    assert [decode_prediction(e.value).features["x"] for e in events] == list(range(n))


def test_rate_sends_records_in_equal_intervals():
    assert [at for at, _ in World().run(at_rate(2), replay())] == [0, 0.5, 1, 1.5, 2]


def test_speed_scales_event_time():
    sent = World().run(at_speed(10, 0), replay())
    assert sent == [(0, "p:a"), (0.1, "p:b"), (0.1, "l:a"), (0.2, "p:c"), (0.3, "l:c")]


def test_replay_without_pacing_does_not_wait():
    assert {at for at, _ in World().run(as_fast_as_possible, replay())} == {0}


@pytest.mark.parametrize("pace", [as_fast_as_possible, at_rate(1)])
def test_stop_ends_the_replay_between_two_records(pace):
    assert len(World(stop_after=2).run(pace, replay())) == 2


def test_stop_does_not_wait_for_the_next_record():
    stop = threading.Event()
    stop.set()
    sending = send(
        replay().events(),
        World(),
        pace=lambda *_: 3_600.0,
        seconds=itertools.repeat(0.0).__next__,
        stop=stop,
    )
    assert list(sending) == []


def test_finish_sends_a_later_record_to_every_partition():
    day_ms = 86_400_000
    events = list(replay().finish(day_ms, {"predictions": 3, "labels": 2}))
    assert [(e.topic, e.partition) for e in events] == [
        ("predictions", 0),
        ("predictions", 1),
        ("predictions", 2),
        ("labels", 0),
        ("labels", 1),
    ]
    assert {e.time_ms for e in events} == {3_000 + day_ms}
    record = decode_prediction(events[1].value)
    assert (record.id, record.model, record.version) == ("finish/1", "m", "7")
    assert record.features == {"x": 3.0, "c": True}
    assert decode_label(events[4].value).id == "finish/1"
