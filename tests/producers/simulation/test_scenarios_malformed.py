"""A service that breaks the contract in some of its predictions: which, how, and nothing else."""

import numpy as np
import pytest

from driftline.settings import load_settings
from producers.contract.records import (
    ContractViolation,
    Undecodable,
    decode_label,
    decode_prediction,
)
from producers.example.flights import PRODUCTION_MS, load_flights
from producers.simulation import simulate
from producers.simulation.replay import LABELS, PREDICTIONS
from producers.simulation.scenario_text import parse_scenario
from producers.simulation.scenarios import malformed_ids
from producers.simulation.simulate import Simulation, malformed_value, scored_flights, simulated

DAY_MS = 86_400_000
SCENARIO = parse_scenario("malformed:proportion=0.2,from=2013-04-01T12:00:00Z")


def simulation(*scenarios):
    return Simulation(until_ms=PRODUCTION_MS[0] + DAY_MS, scenarios=scenarios)


@pytest.fixture
def events(monkeypatch, trained):
    """What a day of them sends, by topic."""
    profiles = {("flight-delay", "1"): trained.profile}
    monkeypatch.setattr(simulate, "published_profile", lambda _, *key: profiles.get(key))

    def sent(*scenarios):
        replay = simulated(load_settings(), simulation(*scenarios))
        met = list(replay.events())
        assert len(met) == len(replay)
        return {t: [e for e in met if e.topic == t] for t in (PREDICTIONS, LABELS)}

    return sent


def broken(event) -> bool:
    try:
        decode_prediction(event.value)
    except (ContractViolation, Undecodable):
        return True
    return False


def test_malformed_scenario_breaks_a_proportion_of_predictions_and_nothing_else(events):
    calm, careless = events(), events(SCENARIO)
    assert careless[LABELS] == calm[LABELS]
    assert all(decode_label(event.value) for event in careless[LABELS])
    named = malformed_ids(load_flights(), [SCENARIO], 0)
    for before, after in zip(calm[PREDICTIONS], careless[PREDICTIONS], strict=True):
        assert (before.key, before.time_ms) == (after.key, after.time_ms)
        assert broken(after) == (after.key.decode() in named)
        assert broken(after) or before == after
    hit = sum(map(broken, careless[PREDICTIONS]))
    assert 0.05 < hit / len(careless[PREDICTIONS]) < 0.2


def test_malformed_records_have_every_kind_of_mistake():
    value = (
        b'{"schema":1,"id":"x","time":"2013-04-01T00:00:00Z","model":"m","version":"1",'
        b'"features":{},"score":0.5}'
    )
    said = set()
    for number in range(40):
        try:
            decode_prediction(malformed_value(b"%d" % number, value))
        except (ContractViolation, Undecodable) as error:
            said.add(str(error).split(" is wrong")[0].split(":")[0])
    assert said == {"'score'", "'id'", "a value of 'features'", "not JSON"}


def test_malformed_predictions_are_left_out_of_the_batch_pipeline(trained):
    calm, careless = (
        scored_flights(trained.profile, simulation(*scenarios)) for scenarios in ((), (SCENARIO,))
    )
    named = malformed_ids(load_flights(), [SCENARIO], 0)
    assert careless.predictions.ids == [i for i in calm.predictions.ids if i not in named]
    whole = np.array([i not in named for i in calm.predictions.ids])
    assert (careless.predictions.score == calm.predictions.score[whole]).all()
    assert 0 < len(careless.predictions) < len(calm.predictions)
