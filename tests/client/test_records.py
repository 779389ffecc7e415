"""Predictions and labels of the client follow the contract, and reach Kafka."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from driftline_client import DriftlineError
from driftline_client.kafka import Label, Prediction, Sender
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.kafka.embedded import EmbeddedBroker
from monitor.counts.task import ANY_CONTRACT
from producers.contract.records import (
    ContractViolation,
    Undecodable,
    decode_label,
    decode_prediction,
)

LOAN = {"model": "loans", "version": "1", "id": "loan-0", "features": {}}
values = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text()
classes = st.booleans() | st.integers(-(2**63), 2**63) | st.text()
names = st.text("ab.-_é /", min_size=0, max_size=4)
times = st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
nearly_probabilities = st.floats(0, 1) | st.sampled_from([-1e-4, -2e-4, 1.0001, 1.0002])
ids = st.text(max_size=9) | st.sampled_from(["a" * 200, "é" * 201])


@settings(max_examples=80)
@given(
    id=ids,
    model=names,
    time=times,
    features=st.dictionaries(st.text(), values),
    score=st.none() | nearly_probabilities,
    prediction=st.none() | classes,
    scores=st.none() | st.dictionaries(st.text(), nearly_probabilities),
)
def test_prediction_is_refused_here_or_accepted_with_the_same_values(**fields):
    try:
        sent = Prediction(**fields, version="1")
    except ValueError:
        assert not accepted(fields)
        return
    read = decode_prediction(sent.value, ANY_CONTRACT)
    assert (read.id, read.model) == (sent.id, sent.model)
    assert read.time_ms == int(sent.time.timestamp() * 1000 // 1)
    assert set(read.features) == set(sent.features)
    for name, value in read.features.items():
        assert value == sent.features[name] or not np.isfinite(sent.features[name])
    assert read.prediction == sent.prediction
    assert json.loads(sent.value).get("scores") == sent.scores


def accepted(fields) -> bool:
    """Whether the contract takes the same record, written by somebody else."""
    score = fields["score"]
    known = [*([] if score is None else [score]), *(fields["scores"] or {}).values()]
    if any(not -1e-4 <= one <= 1 + 1e-4 for one in known):
        return False
    plain = {**fields, "version": "1", "time": fields["time"].isoformat()}
    with contextlib.suppress(ContractViolation, Undecodable):
        decode_prediction(json.dumps(plain).encode(), ANY_CONTRACT)
        return True
    return False


@settings(max_examples=80)
@given(id=ids, model=names, time=times, label=classes | st.floats())
def test_label_is_refused_here_or_accepted_with_the_same_values(**fields):
    try:
        sent = Label(**fields)
    except ValueError:
        plain = {**fields, "time": fields["time"].isoformat()}
        with pytest.raises((ContractViolation, Undecodable)):
            decode_label(json.dumps(plain).encode(), ANY_CONTRACT)
        return
    read = decode_label(sent.value, ANY_CONTRACT)
    assert (read.id, read.model, read.label) == (sent.id, sent.model, sent.label)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float32(0.1), 0.1),
        (np.float64(0.1), 0.1),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("UA"), "UA"),
        (np.nan, None),
        (-np.inf, None),
        (np.float32("nan"), None),
    ],
)
def test_value_of_numpy_is_written_with_the_same_digits(value, written):
    sent = json.loads(Prediction(**{**LOAN, "features": {"x": value}}, score=0.5).value)
    assert sent["features"] == {"x": written}
    assert type(sent["features"]["x"]) is type(written)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"model": "my loans"}, r"model 'my loans': expected 1 to 100 letters"),
        ({"version": 1}, r"version 1: expected a text"),
        ({"id": ""}, r"id '': expected 1 to 200 characters"),
        ({"time": "2024-01-01T00:00:00"}, r"has no time zone"),
        ({"time": "1969-12-31"}, r"expected one of the years 1970 to 9998"),
        ({"features": {"x": [1]}}, r"feature 'x' is of list: expected a number"),
        ({"features": {"x": np.zeros(2)}}, r"feature 'x' is of ndarray"),
        ({"features": {1: 2}}, r"a name of a feature 1: expected a text"),
        ({"score": 31.5}, r"score 31.5: expected a number from 0 to 1; what a regression"),
        ({"score": float("nan")}, r"score nan"),
        ({"score": True}, r"score True"),
        ({"prediction": float("inf")}, r"inf: expected a finite number or a class"),
        ({"scores": {"a": 2}}, r"score 2"),
    ],
)
def test_sentence_says_what_was_wrong_and_what_was_expected(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Prediction(**{**LOAN, **wrong})


def test_label_has_to_be_known():
    with pytest.raises(ValueError, match="label is None"):
        Label(model="loans", id="loan-0", label=None)


@pytest.fixture(scope="module")
def servers():
    broker = EmbeddedBroker()
    yield broker.bootstrap_servers
    del broker


def messages(servers, topic, count):
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "t"})
    consumer.assign([TopicPartition(topic, n, 0) for n in range(4)])
    found = consumer.consume(count, timeout=10)
    consumer.close()
    return found


def test_what_was_sent_is_in_kafka_under_its_id_after_the_block(servers):
    with Sender(servers, prefix="here") as sender:
        sender.send(Prediction(**LOAN, score=0.25), Label(model="loans", id="loan-0", label=1))
    (prediction,) = messages(servers, "here.predictions", 1)
    (label,) = messages(servers, "here.labels", 1)
    assert prediction.key() == label.key() == b"loan-0"
    assert decode_prediction(prediction.value()).score == 0.25
    assert decode_label(label.value()).label == 1


def test_full_buffer_is_waited_for(servers):
    with Sender(servers, prefix="full", settings={"queue.buffering.max.messages": 2}) as sender:
        sender.send(*(Label(model="loans", id=f"loan-{n}", label=n) for n in range(20)))
    assert len(messages(servers, "full.labels", 20)) == 20


def test_record_that_kafka_refuses_is_told_and_the_others_are_sent(servers):
    huge = Prediction(**{**LOAN, "features": {"x": "a" * 2_000_000}})
    sender = Sender(servers, prefix="large")
    with pytest.raises(DriftlineError, match=r"1 records were not delivered.*'loan-0'"):
        sender.send(huge, Label(model="loans", id="loan-1", label=1))
    sender.flush()
    assert len(messages(servers, "large.labels", 1)) == 1


def test_undelivered_records_are_told_in_time():
    sender = Sender("127.0.0.1:9", settings={"message.timeout.ms": 5000, "log_level": 0})
    sender.send(Label(model="loans", id="loan-0", label=1))
    with pytest.raises(DriftlineError, match=r"1 records are not delivered after 0\.01 s"):
        sender.flush(0.01)


def test_records_that_were_given_up_are_told_by_the_next_call():
    settings = {"message.timeout.ms": 300, "enable.idempotence": False, "log_level": 0}
    sender = Sender("127.0.0.1:9", settings=settings)
    sender.send(Label(model="loans", id="loan-0", label=1))
    with pytest.raises(DriftlineError, match=r"'loan-0': .*timed out"):
        sender.flush(10)
    sender.flush(0)
