"""The bundled flights as a service would send them, disturbed as asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.counts.profile import Profile, ReferenceRows
from producers.example.flights import PRODUCTION_MS, load_flights
from producers.example.history import History
from producers.example.model_file import load_model
from producers.kafka.profile_table import read_profiles
from producers.simulation.replay import PREDICTIONS, Event, Replay
from producers.simulation.scenarios import Scenario, apply_scenarios, kept, malformed_ids


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


@dataclass(frozen=True, slots=True, eq=False)
class CarelessReplay(Replay):
    """A replay by a service that breaks the contract in some of its predictions."""

    broken: frozenset[str]  # their ids

    def events(self) -> Iterator[Event]:
        for event in Replay.events(self):
            if event.topic == PREDICTIONS and event.key.decode() in self.broken:
                event = event._replace(value=broken_value(event.key, event.value))
            yield event


def simulated(settings: Settings, simulation: Simulation) -> Replay:
    """Scored by the published model, after the disturbance, as a service would.

    Raises ``BadInput`` if no such model was trained, or there are no such flights.
    """
    model, version = simulation.model, simulation.version
    profile, _ = read_profiles(settings).get((model, version), (None, None))
    if profile is None:
        raise BadInput(f"model {model!r} version {version!r} is not published: `driftline train`")
    flights, broken = _chosen(simulation)
    rows = _scored(profile, flights)
    if broken:
        return CarelessReplay(model, version, rows, broken)
    return Replay(model, version, rows)


def scored_flights(profile: Profile, simulation: Simulation) -> ReferenceRows:
    """What arrives of them, without Kafka, by a profile that carries its model's file.

    Raises ``BadInput``.
    """
    flights, broken = _chosen(simulation)
    whole = np.array([name not in broken for name in flights.ids], dtype=bool)
    return _scored(profile, kept(flights, whole))


def broken_value(key: bytes, value: bytes) -> bytes:
    """A prediction as it must not be: cut off, or wrong in one field; which, its key decides."""
    kind = zlib.crc32(key) % (len(_MISTAKES) + 1)
    if kind == len(_MISTAKES):
        return value[: len(value) // 2]
    return msgspec.json.encode({**msgspec.json.decode(value), **_MISTAKES[kind]})


_MISTAKES: Sequence[Mapping[str, object]] = (
    {"score": "high"},
    {"id": None},
    {"features": {"weather": {"temp": 50.0}}},
)


def _chosen(simulation: Simulation) -> tuple[History, frozenset[str]]:
    """The flights, disturbed, and the ids of those whose predictions are to be broken."""
    flights, scenarios, seed = load_flights(), simulation.scenarios, simulation.seed
    disturbed = apply_scenarios(flights, scenarios, seed)
    chosen = disturbed.between(simulation.from_ms, simulation.until_ms)
    if not len(chosen):
        raise BadInput("there are no flights in that time: they are of 2013")
    return chosen.rows(slice(simulation.limit)), malformed_ids(flights, scenarios, seed)


def _scored(profile: Profile, flights: History) -> ReferenceRows:
    if profile.model_file is None:
        raise BadInput(
            f"model {profile.model!r} version {profile.version!r} was registered without its model"
            " file, so nothing can be scored: send its rows with `driftline replay`"
        )
    score = load_model(profile.model_file).score(flights.features)
    return flights.scored(score, profile.schema.threshold)
