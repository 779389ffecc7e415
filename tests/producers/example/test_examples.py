"""The examples of the other tasks: minutes of delay, and outcomes; trained with few trees here."""

import dataclasses

import numpy as np
import pytest

from driftline.errors import BadInput
from driftline.settings import load_settings
from monitor.counts.classes import class_numbers
from monitor.tasks.features import FEATURES
from producers.contract.records import decode_label, decode_prediction
from producers.contract.times import parse_time_ms
from producers.example import training
from producers.example.evaluate import evaluated
from producers.example.examples import EXAMPLES, train_example
from producers.example.flights import OUTCOMES, load_arrivals, load_flights, load_outcomes
from producers.simulation import simulate
from producers.simulation.replay import LABELS, PREDICTIONS
from producers.simulation.scenario_text import parse_scenario
from producers.simulation.scenarios import InvalidScenario
from producers.simulation.simulate import Simulation, scored_flights, simulated

DAY = Simulation(until_ms=parse_time_ms("2013-04-02"))


@pytest.fixture(scope="module")
def examples():
    """By task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "ROUNDS", 30)
        patch.setattr(training, "ROUNDS_OF_CLASSES", 10)
        return {
            task: train_example(load_settings(), "m", "1", 0, task)
            for task in ("regression", "multiclass")
        }


def test_arrivals_are_the_flights_with_the_minutes_that_make_them_late():
    flights, arrivals = load_flights(), load_arrivals()
    assert (arrivals.ids == flights.ids).all()
    assert ((arrivals.label > 15) == flights.label).all()


def test_outcomes_hold_the_cancelled_flights_too_in_the_order_in_which_they_were_due():
    flights = load_outcomes()
    assert (np.diff(flights.time_ms) >= 0).all()
    assert len(set(flights.ids)) == len(flights) == 327_346 + 8_255
    counts = [int((flights.label == number).sum()) for number in class_numbers(OUTCOMES)]
    assert sum(counts) == len(flights)
    assert counts[2:] == [int(load_flights().label.sum()), 8_255]
    assert "dep_delay" not in flights.features
    row = list(flights.ids).index("2013-01-01/UA1545/EWR")  # due at 05:15 in New York
    assert flights.time_ms[row] == parse_time_ms("2013-01-01T10:15:00Z")
    assert flights.label[row] == class_numbers(["on time"])


def test_the_examples_predict_better_than_a_constant(examples):
    late = load_arrivals().between(*march()).label
    assert examples["regression"].metrics["mae"] < 0.7 * np.abs(late - np.median(late)).mean()
    outcomes = load_outcomes().between(*march()).label
    early = (outcomes == class_numbers(["early"])).mean()
    assert examples["multiclass"].metrics["accuracy"] >= early


def march():
    return parse_time_ms("2013-03-01"), parse_time_ms("2013-04-01")


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_metrics_of_an_example_are_those_of_its_task_and_no_others(examples, task):
    profile = examples[task].profile
    evaluation = evaluated(profile, scored_flights(profile, DAY))
    assert set(evaluation.metrics) == set(profile.schema.task.metrics)
    judged = profile.schema.task.judged
    assert all(evaluation.metrics[name].value is not None for name in judged)


@pytest.fixture
def sent(monkeypatch, examples):
    """The decoded records of a day."""

    def records(task):
        monkeypatch.setattr(simulate, "published_profile", lambda *_: examples[task].profile)
        events = list(simulated(load_settings(), DAY).events())
        of = {t: [e.value for e in events if e.topic == t] for t in (PREDICTIONS, LABELS)}
        contract = EXAMPLES[task].task.contract
        predictions = [decode_prediction(value, contract) for value in of[PREDICTIONS]]
        return predictions, [decode_label(value, contract) for value in of[LABELS]]

    return records


def test_simulated_regression_sends_minutes(sent):
    predictions, labels = sent("regression")
    assert all(isinstance(p.prediction, float) and p.score is None for p in predictions)
    day = load_arrivals().between(DAY.from_ms, DAY.until_ms)
    assert sorted(record.label for record in labels) == sorted(day.label.tolist())


def test_simulated_outcomes_are_sent_with_the_probability_of_each(sent):
    predictions, labels = sent("multiclass")
    for record in predictions:
        assert set(record.scores) == set(OUTCOMES)
        assert record.prediction == max(record.scores, key=record.scores.get)
    assert {record.label for record in labels} == set(OUTCOMES)


def test_labels_that_are_not_0_or_1_cannot_be_flipped(examples):
    flip = Simulation(scenarios=[parse_scenario("flip:proportion=0.5")])
    with pytest.raises(InvalidScenario, match="labels that are 0 or 1"):
        scored_flights(examples["regression"].profile, flip)


def test_flights_are_no_example_of_a_task_without_labels(trained):
    schema = dataclasses.replace(trained.profile.schema, task=FEATURES)
    with pytest.raises(BadInput, match="the task features, and the flights are examples of binary"):
        scored_flights(dataclasses.replace(trained.profile, schema=schema), DAY)
    assert FEATURES.name not in EXAMPLES
