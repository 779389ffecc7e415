"""The bundled flights as a stream of predictions and labels, with scenarios applied."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.counts.profile import Profile, ReferenceRows
from producers.example.examples import EXAMPLES, Example
from producers.example.flights import PRODUCTION_MS
from producers.example.history import History
from producers.example.model_file import load_model
from producers.kafka.profile_table import published_profile
from producers.simulation.replay import PREDICTIONS, Event, Replay
from producers.simulation.scenarios import Scenario, apply_scenarios, malformed_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The flights that are replayed, and the scenarios that change them."""

    model: str = "flight-delay"
    version: str = "1"
    from_ms: int = PRODUCTION_MS[0]
    until_ms: int = PRODUCTION_MS[1]
    scenarios: Sequence[Scenario] = ()
    seed: int = 0
    limit: int | None = None  # of predictions


@dataclass(frozen=True, slots=True, eq=False)
class ReplayWithMalformedRecords(Replay):
    """A replay in which some predictions violate the contract."""

    malformed: frozenset[str] = frozenset()  # their ids

    @property
    def json_only(self) -> str | None:
        return "scenario malformed breaks JSON records"

    def events(self) -> Iterator[Event]:
        for event in Replay.events(self):
            if event.topic == PREDICTIONS and event.key.decode() in self.malformed:
                event = event._replace(value=malformed_value(event.key, event.value))
            yield event


def simulated(settings: Settings, simulation: Simulation) -> Replay:
    """The flights after the scenarios, scored by the published model.

    Raises ``BadInput`` if the model is not published or there are no flights in that time.
    """
    model, version = simulation.model, simulation.version
    profile = published_profile(settings, model, version)
    if profile is None:
        raise BadInput(
            f"model {model!r} version {version!r} is not published: run `driftline train` first"
        )
    flights, malformed = _selected(profile, simulation)
    rows, task = _scored(profile, flights), profile.schema.task
    if malformed:
        return ReplayWithMalformedRecords(model, version, rows, task, malformed)
    return Replay(model, version, rows, task)


def scored_flights(profile: Profile, simulation: Simulation) -> ReferenceRows:
    """The flights after the scenarios, without malformed ones; no Kafka is needed.

    The profile must contain the model. Raises ``BadInput``.
    """
    flights, malformed = _selected(profile, simulation)
    valid = np.array([name not in malformed for name in flights.ids], dtype=bool)
    return _scored(profile, flights.rows(valid))


def malformed_value(key: bytes, value: bytes) -> bytes:
    """The prediction ``value`` truncated or with one wrong field; the key decides which."""
    kind = zlib.crc32(key) % (len(_MISTAKES) + 1)
    if kind == len(_MISTAKES):
        return value[: len(value) // 2]
    return msgspec.json.encode({**msgspec.json.decode(value), **_MISTAKES[kind]})


_MISTAKES: Sequence[Mapping[str, object]] = (
    {"score": "high"},
    {"id": None},
    {"features": {"weather": {"temp": 50.0}}},
)


def _selected(profile: Profile, simulation: Simulation) -> tuple[History, frozenset[str]]:
    """The flights after the scenarios, and the ids whose predictions are sent malformed."""
    flights = _example(profile).load()
    scenarios, seed = simulation.scenarios, simulation.seed
    changed = apply_scenarios(flights, scenarios, seed)
    selected = changed.between(simulation.from_ms, simulation.until_ms)
    if not len(selected):
        raise BadInput("there are no flights in that time: the data are of 2013")
    return selected.rows(slice(simulation.limit)), malformed_ids(flights, scenarios, seed)


def _scored(profile: Profile, flights: History) -> ReferenceRows:
    if profile.model_file is None:
        raise BadInput(
            f"model {profile.model!r} version {profile.version!r} was registered without its model"
            " file, so rows cannot be scored with it: publish scored rows with `driftline replay`"
        )
    score = load_model(profile.model_file).score(flights.features)
    return _example(profile).rows(flights, score, profile.schema.threshold)


def _example(profile: Profile) -> Example:
    """Raises ``BadInput``."""
    task = profile.schema.task.name
    if task not in EXAMPLES:
        raise BadInput(
            f"model {profile.model!r} version {profile.version!r} has the task {task}, and the"
            f" flights are examples of {', '.join(EXAMPLES)}: publish scored rows with `driftline"
            " replay`"
        )
    return EXAMPLES[task]
