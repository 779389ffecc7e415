"""The bundled flights as a service would send them, disturbed as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.profile import Profile, ReferenceRows
from producers.errors import BadInput
from producers.flights import PRODUCTION_MS, load_flights
from producers.kafka import read_profiles
from producers.model_file import load_model
from producers.replay import Replay
from producers.scenarios import Scenario, apply_scenarios
from producers.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Which flights are replayed, and what is done to them."""

    model: str = "flight-delay"
    version: str = "1"
    from_ms: int = PRODUCTION_MS[0]
    until_ms: int = PRODUCTION_MS[1]
    scenarios: Sequence[Scenario] = ()
    seed: int = 0
    limit: int | None = None  # of predictions


def simulated(settings: Settings, simulation: Simulation) -> Replay:
    """Scored by the published model, after the disturbance, as a service would.

    Raises ``BadInput`` if no such model was trained, or there are no such flights.
    """
    model, version = simulation.model, simulation.version
    profile, _ = read_profiles(settings).get((model, version), (None, None))
    if profile is None:
        raise BadInput(f"model {model!r} version {version!r} is not published: `driftline train`")
    return Replay(model, version, scored_flights(profile, simulation))


def scored_flights(profile: Profile, simulation: Simulation) -> ReferenceRows:
    """The same without Kafka, by a profile that carries its model's file. Raises ``BadInput``."""
    if profile.model_file is None:
        raise BadInput(
            f"model {profile.model!r} version {profile.version!r} was registered without its model"
            " file, so nothing can be scored: send its rows with `driftline replay`"
        )
    flights = apply_scenarios(load_flights(), simulation.scenarios, simulation.seed)
    chosen = flights.between(simulation.from_ms, simulation.until_ms)
    rows = chosen.rows(slice(simulation.limit))
    if not len(rows):
        raise BadInput("there are no flights in that time: they are of 2013")
    score = load_model(profile.model_file).score(rows.features)
    return rows.scored(score, profile.schema.threshold)
