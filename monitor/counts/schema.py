"""The schema of a model version: its features with their bins, its score and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.counts.columns import Categorical, Numeric, Reference
from monitor.counts.task import BINARY, Task

SCORE, ERROR = "score", "error"


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    model: str
    version: str
    pane_ms: int
    threshold: float  # scores at or above it predict the positive class
    features: Mapping[str, Reference]
    score: Numeric
    errors: Numeric | None  # None: the reference had no labels
    task: Task = BINARY

    @property
    def numeric(self) -> Iterator[tuple[str, Numeric]]:
        for name, reference in self.features.items():
            if isinstance(reference, Numeric):
                yield name, reference

    @property
    def categorical(self) -> Iterator[tuple[str, Categorical]]:
        for name, reference in self.features.items():
            if isinstance(reference, Categorical):
                yield name, reference
