"""The example model: will a flight land more than 15 minutes late? Winter teaches, March judges."""

from __future__ import annotations

from dataclasses import dataclass

from driftline.settings import Settings
from monitor.counts.profile import Profile, build_profile
from producers.example.flights import CATEGORICAL, REFERENCE_MS, TRAINING_MS, load_flights
from producers.example.model_file import save_model
from producers.example.training import baseline, train

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    profile: Profile  # of the flights of March; carries the model's file
    model_file: bytes
    training_rows: int
    reference_rows: int
    metrics: dict[str, float]  # on the reference


def train_flight_delay(settings: Settings, model: str, version: str, seed: int) -> Trained:
    """The same seed gives the same model and the same profile."""
    flights = load_flights()
    learned, reference = flights.between(*TRAINING_MS), flights.between(*REFERENCE_MS)
    trained = train(learned, CATEGORICAL, seed)
    rows = reference.scored(trained.score(reference.features), THRESHOLD)
    model_file = save_model(trained)
    profile = build_profile(
        model,
        version,
        rows,
        pane_ms=settings.plan(model).windows.pane_ms,
        threshold=THRESHOLD,
        categorical=CATEGORICAL,
        seed=seed,
        model_file=model_file,
    )
    return Trained(profile, model_file, len(learned), len(reference), baseline(rows))
