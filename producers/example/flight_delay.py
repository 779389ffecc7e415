"""The example model: predicts whether a flight arrives more than 15 minutes late.

It is trained on January and February; March is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from driftline.settings import Settings
from monitor.counts.profile import Profile, build_profile
from monitor.tasks.binary import BINARY
from producers.example.flights import CATEGORICAL, REFERENCE_MS, TRAINING_MS, load_flights
from producers.example.model_file import save_model
from producers.example.training import baseline, train

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    profile: Profile  # of the flights of March; contains the model file
    model_file: bytes
    training_rows: int
    reference_rows: int
    metrics: dict[str, float]  # on the reference


def train_flight_delay(settings: Settings, model: str, version: str, seed: int) -> Trained:
    """The same seed gives the same model and the same profile."""
    flights = load_flights()
    training, reference = flights.between(*TRAINING_MS), flights.between(*REFERENCE_MS)
    trained = train(training, CATEGORICAL, seed)
    rows = reference.scored(trained.score(reference.features), THRESHOLD)
    model_file = save_model(trained)
    profile = build_profile(
        model,
        version,
        rows,
        pane_ms=settings.plan(model).windows.pane_ms,
        threshold=THRESHOLD,
        task=BINARY,
        categorical=CATEGORICAL,
        seed=seed,
        model_file=model_file,
        segments=settings.segments(model),
    )
    return Trained(profile, model_file, len(training), len(reference), baseline(rows))
