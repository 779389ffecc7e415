"""The example models, one for each task that has labels (``producers.example.names``).

They are trained on January and February; March is the reference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftline.settings import Settings
from monitor.counts.classes import class_index
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.counts.task import Task
from monitor.counts.values import Coded
from monitor.tasks.binary import BINARY, Binary
from monitor.tasks.multiclass import Multiclass
from monitor.tasks.regression import REGRESSION, Regression
from producers.example.flights import (
    CATEGORICAL,
    OUTCOMES,
    REFERENCE_MS,
    TRAINING_MS,
    load_arrivals,
    load_flights,
    load_outcomes,
)
from producers.example.history import History
from producers.example.model_file import save_model
from producers.example.training import Model, baseline, train, train_classes, train_regression

THRESHOLD = 0.5


class Example(ABC):
    """What a model is trained on, and how its outputs are sent."""

    task: Task

    @abstractmethod
    def load(self) -> History:
        """The flights of the year."""

    @abstractmethod
    def train(self, history: History, seed: int) -> Model: ...

    @abstractmethod
    def rows(self, history: History, score: NDArray[np.float64], threshold: float) -> ReferenceRows:
        """Flights with the outputs of a model."""

    def metrics(self, profile: Profile, rows: ReferenceRows) -> dict[str, float]:  # noqa: ARG002
        """On the reference, by name."""
        panes = [summary.cells for summary in profile.panes if summary.part is Part.FINAL]
        measured = profile.schema.measure_judged(panes)
        return {name: metric.value for name, metric in measured.items() if metric.value is not None}


class FlightDelay(Example):
    """Will a flight arrive more than 15 minutes late? Asked when it departs."""

    task = BINARY

    def load(self) -> History:
        return load_flights()

    def train(self, history: History, seed: int) -> Model:
        return train(history, CATEGORICAL, seed)

    def rows(self, history: History, score: NDArray[np.float64], threshold: float) -> ReferenceRows:
        return history.scored(score, threshold)

    def metrics(self, profile: Profile, rows: ReferenceRows) -> dict[str, float]:  # noqa: ARG002
        return baseline(rows)


class ArrivalDelay(Example):
    """How many minutes late will it arrive? Asked when it departs."""

    task = REGRESSION

    def load(self) -> History:
        return load_arrivals()

    def train(self, history: History, seed: int) -> Model:
        return train_regression(history, CATEGORICAL, seed)

    def rows(self, history: History, score: NDArray[np.float64], threshold: float) -> ReferenceRows:
        return history.predicted(*self.task.columns(score, score, threshold))


class FlightOutcome(Example):
    """Will it be early, on time, late or cancelled? Asked when it is due to depart."""

    task = Multiclass(OUTCOMES, scored=True)

    def load(self) -> History:
        return load_outcomes()

    def train(self, history: History, seed: int) -> Model:
        return train_classes(
            history, class_index(OUTCOMES).positions(history.label), CATEGORICAL, seed
        )

    def rows(
        self,
        history: History,
        score: NDArray[np.float64],
        threshold: float,  # noqa: ARG002
    ) -> ReferenceRows:
        likeliest = score.argmax(axis=1)
        return history.predicted(score, likeliest, Coded(OUTCOMES, likeliest))


EXAMPLES: Mapping[str, Example] = {
    Binary.name: FlightDelay(),
    Regression.name: ArrivalDelay(),
    Multiclass.name: FlightOutcome(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    profile: Profile  # of the flights of March; contains the model file
    model_file: bytes
    training_rows: int
    reference_rows: int
    metrics: dict[str, float]  # on the reference


def train_example(
    settings: Settings, model: str, version: str, seed: int, task: str = BINARY.name
) -> Trained:
    """The same seed gives the same model and the same profile."""
    example = EXAMPLES[task]
    flights = example.load()
    training, reference = flights.between(*TRAINING_MS), flights.between(*REFERENCE_MS)
    trained = example.train(training, seed)
    rows = example.rows(reference, trained.score(reference.features), THRESHOLD)
    model_file = save_model(trained)
    profile = build_profile(
        model,
        version,
        rows,
        pane_ms=settings.plan(model).windows.pane_ms,
        threshold=THRESHOLD,
        task=example.task,
        categorical=CATEGORICAL,
        seed=seed,
        model_file=model_file,
        segments=settings.segments(model),
    )
    metrics = example.metrics(profile, rows)
    return Trained(profile, model_file, len(training), len(reference), metrics)
