"""The schema of a model version: its task, and its features, outputs and errors with their bins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.counts.columns import Categorical, Numeric, Reference
from monitor.counts.counts import Cells
from monitor.counts.measured import Metric
from monitor.counts.segments import SegmentIndex
from monitor.counts.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    model: str
    version: str
    pane_ms: int
    threshold: float  # scores at or above it predict the positive class
    features: Mapping[str, Reference]
    outputs: Mapping[str, Reference]  # of the model, by cells: a score, a predicted number or class
    errors: Mapping[str, Numeric]  # by cells; empty: the reference had no labels
    task: Task
    segment: str = ""  # the whole
    segmentations: tuple[SegmentIndex, ...] = ()  # of the whole
    segments: Mapping[str, Schema] = field(default_factory=dict)  # likewise, by text
    within: tuple[SegmentIndex, ...] = ()  # of a segment: the segmentations of the whole

    def measure(self, panes: Sequence[Cells]) -> dict[str, Metric]:
        """The metrics of the task over the labelled rows of ``panes``."""
        samples = {name: reference.sample for name, reference in self.errors.items()}
        return self.task.measure(panes, samples)

    def measure_judged(self, panes: Sequence[Cells]) -> dict[str, Metric]:
        """Those of them that may open an incident."""
        samples = {name: reference.sample for name, reference in self.errors.items()}
        return self.task.measure_judged(panes, samples)

    @property
    def numeric(self) -> Iterator[tuple[str, Numeric]]:
        for name, reference in self.features.items():
            if isinstance(reference, Numeric):
                yield name, reference

    @property
    def numeric_outputs(self) -> Mapping[str, Numeric]:
        return {name: one for name, one in self.outputs.items() if isinstance(one, Numeric)}

    @property
    def class_outputs(self) -> Mapping[str, Categorical]:
        return {name: one for name, one in self.outputs.items() if isinstance(one, Categorical)}

    @property
    def categories(self) -> Mapping[str, Categorical]:
        """Of the categorical features and outputs, by cells."""
        features = {f"categories/{name}": reference for name, reference in self.categorical}
        return {**features, **self.class_outputs}

    @property
    def categorical(self) -> Iterator[tuple[str, Categorical]]:
        for name, reference in self.features.items():
            if isinstance(reference, Categorical):
                yield name, reference
