"""A replay as Arrow: the records of the JSON replay, in messages that end early enough."""

from __future__ import annotations

import io
from collections import defaultdict

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.sources.arrow_documents import documents
from consumers.sources.arrow_stream import read_table
from driftline.errors import BadInput
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.task import NO_LABEL
from producers.contract.arrow_columns import ARROW_HEADER, LABEL, PREDICTION
from producers.contract.records import decode_label, decode_prediction
from producers.simulation import arrow_events as module
from producers.simulation.arrow_events import WAIT_S, arrow_events, without_first
from producers.simulation.replay import Event, Replay, as_fast_as_possible, at_rate, at_speed

T0 = 1_364_774_400_000


def replay(n: int, features: dict | None = None, spread_ms: int = 10_000) -> Replay:
    rng = np.random.default_rng(n)
    time_ms = T0 + np.sort(rng.integers(0, spread_ms, n))
    plain = {
        "x": np.where(np.arange(n) % 5 == 0, np.nan, rng.normal(size=n)),
        "whole": rng.integers(0, 9, n),
        "c": np.array(["a", "b", None], dtype=object)[rng.integers(0, 3, n)],
        "name": np.array([f"name {i}" for i in range(n)], dtype=object),
        "flag": rng.random(n) < 0.5,
    }
    score = rng.random(n)
    rows = Predictions(
        [f"r{i}" for i in range(n)],
        time_ms,
        score,
        (score >= 0.5).astype(np.int64),
        plain if features is None else features,
    )
    label = rng.choice([NO_LABEL, 0.0, 1.0], n)
    return Replay("m", "7", ReferenceRows(rows, label, time_ms + rng.integers(0, 5_000, n)))


def rows_of(event: Event) -> list[bytes]:
    names = PREDICTION if event.topic == "predictions" else LABEL
    table = read_table(event.value, names)
    assert len(table) == event.records
    return documents(table, np.arange(len(table)), names)


@given(st.integers(1, 60), st.sampled_from([None, 0.5, 3.0]), st.integers(1, 20))
def test_the_messages_of_a_topic_hold_the_records_of_the_json_replay_in_their_order(n, speed, most):
    of = replay(n)
    pace = as_fast_as_possible if speed is None else at_speed(speed, T0)
    found, expected = defaultdict(list), defaultdict(list)
    before, module.USUAL_ROWS = module.USUAL_ROWS, most
    try:
        events = list(arrow_events(of, pace))
    finally:
        module.USUAL_ROWS = before
    for event in events:
        decode = decode_prediction if event.topic == "predictions" else decode_label
        rows = [decode(row) for row in rows_of(event)]
        assert (event.headers, len(rows) <= most) == ((ARROW_HEADER,), True)
        assert event.time_ms == rows[-1].time_ms
        assert event.key == rows[0].id.encode()
        found[event.topic] += rows
    for event in of.events():
        decode = decode_prediction if event.topic == "predictions" else decode_label
        expected[event.topic].append(decode(event.value))
    assert found == expected
    assert [event.time_ms for event in events] == sorted(event.time_ms for event in events)


@pytest.mark.parametrize("pace", [at_speed(2.0, T0), at_rate(20.0)], ids=["speed", "rate"])
def test_a_record_waits_for_others_at_most_a_second(pace):
    of = replay(300)
    due_s = {
        (event.topic, event.key.decode()): pace(number, event.time_ms)
        for number, event in enumerate(of.events())
    }
    messages = list(arrow_events(of, pace))
    assert max(event.records for event in messages) > 5
    for event in messages:
        ids = [msgspec.json.decode(row)["id"] for row in rows_of(event)]
        waited_s = [due_s[event.topic, ids[-1]] - due_s[event.topic, one] for one in ids]
        assert max(waited_s) <= WAIT_S + 1e-9


def test_rows_of_many_features_make_smaller_messages():
    features = {f"f{i}": np.zeros(2_000) for i in range(500)}
    sizes = [
        len(event.value) for event in arrow_events(replay(2_000, features), as_fast_as_possible)
    ]
    assert max(sizes) < 1_000_000


def test_texts_of_which_there_are_many_are_not_sent_with_every_message():
    of = replay(3_000)
    first = next(event for event in arrow_events(of, as_fast_as_possible))
    schema = pa.ipc.open_stream(io.BytesIO(first.value)).schema
    assert pa.types.is_dictionary(schema.field("c").type)
    assert pa.types.is_string(schema.field("name").type)


def test_a_run_that_goes_on_sends_the_messages_that_are_left():
    events = list(arrow_events(replay(3_000), as_fast_as_possible))
    sent = events[0].records + events[1].records
    assert list(without_first(iter(events), sent)) == events[2:]
    assert list(without_first(iter(events), 0)) == events


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        pytest.param({"score": np.zeros(3)}, "a feature named 'score'", id="a name of a column"),
        pytest.param(
            {"c": np.array(["a", True, 1.5], dtype=object)},
            "'c' has values of several types",
            id="mixed",
        ),
    ],
)
def test_features_that_do_not_fit_are_refused_before_the_first_message(features, sentence):
    with pytest.raises(BadInput, match=sentence):
        next(arrow_events(replay(3, features), as_fast_as_possible))
