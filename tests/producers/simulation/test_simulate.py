"""The flights of a simulation: the published model scores them as they are, disturbed or not."""

import dataclasses

import numpy as np
import pytest

from driftline.errors import BadInput
from driftline.settings import load_settings
from producers.contract.times import parse_time_ms
from producers.example.flights import load_flights
from producers.example.model_file import load_model
from producers.simulation import simulate
from producers.simulation.scenario_text import parse_scenario
from producers.simulation.simulate import Simulation, simulated

pytestmark = pytest.mark.usefixtures("published")
DAYS = {day: parse_time_ms(f"2013-04-0{day}") for day in range(1, 5)}


@pytest.fixture
def published(monkeypatch, trained):
    """What Kafka would answer."""
    profiles = {("flight-delay", "1"): trained.profile}
    monkeypatch.setattr(simulate, "published_profile", lambda _, *key: profiles.get(key))
    return profiles


def rows(from_day: int, until_day: int, *scenarios: str, **options: object):
    simulation = Simulation(
        from_ms=DAYS[from_day],
        until_ms=DAYS[until_day],
        scenarios=[parse_scenario(text) for text in scenarios],
        **options,
    )
    return simulated(load_settings(), simulation).rows


def test_simulation_replays_the_flights_of_its_time_range_with_labels():
    replayed, flights = rows(1, 3), load_flights().between(DAYS[1], DAYS[3])
    assert replayed.predictions.ids == flights.ids.tolist()
    assert (replayed.label == flights.label).all()
    assert (replayed.label_time_ms == flights.label_time_ms).all()


def test_simulation_scores_the_changed_features(trained):
    calm, shifted = rows(1, 3), rows(1, 3, "shift:feature=dep_delay,by=20,from=2013-04-02")
    second = calm.predictions.time_ms >= DAYS[2]
    assert (shifted.predictions.score[~second] == calm.predictions.score[~second]).all()
    features = dict(load_flights().between(DAYS[2], DAYS[3]).features)
    features["dep_delay"] = features["dep_delay"] + 20
    expected = load_model(trained.model_file).score(features)
    assert (shifted.predictions.score[second] == expected).all()
    assert expected.mean() > calm.predictions.score[second].mean() + 0.1


def test_simulated_class_is_from_the_threshold_of_the_profile():
    predictions = rows(1, 2).predictions
    assert (predictions.predicted == (predictions.score >= 0.5)).all()


def test_random_draws_do_not_depend_on_the_replayed_time_range():
    long, short = rows(1, 4, "flip:proportion=0.5"), rows(2, 3, "flip:proportion=0.5")
    time_ms = long.predictions.time_ms
    assert (long.label[(time_ms >= DAYS[2]) & (time_ms < DAYS[3])] == short.label).all()
    assert np.abs(long.label - load_flights().between(DAYS[1], DAYS[4]).label).any()


def test_limit_of_a_simulation_takes_the_first_flights():
    assert rows(1, 4, limit=7).predictions.ids == rows(1, 4).predictions.ids[:7]


def test_simulation_of_an_unpublished_model_is_refused():
    with pytest.raises(BadInput, match="version '2' is not published: run `driftline train` first"):
        rows(1, 2, version="2")


def test_simulation_of_a_model_without_model_file_is_refused(published, trained):
    bare = dataclasses.replace(trained.profile, model_file=None)
    published["flight-delay", "1"] = bare
    with pytest.raises(BadInput, match=r"registered without its model file.*driftline replay"):
        rows(1, 2)


def test_simulation_of_a_time_without_flights_is_refused():
    with pytest.raises(BadInput, match="no flights in that time"):
        rows(2, 2)
