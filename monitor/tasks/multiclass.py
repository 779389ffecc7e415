"""Several classes: a prediction and a label are the name of one; there may be probabilities.

===================  ==========================================================================
``class``            output: the predicted class, as a category
``score``            output: the largest probability
``errors``           error: 1 minus the probability of the label; without probabilities 1 for a
                     wrong prediction, 0 for a right one
``outcomes``, …      see ``monitor.performance.class_cells``
===================  ==========================================================================

``score`` has the probability of each class of ``classes``, in their order. Accuracy, balanced
accuracy and log loss are judged. Metrics of a single class are not: there are many, of few rows.

Without labels, accuracy is estimated by the calibration of the largest probability on the reference
(``monitor.performance.expected_accuracy``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from monitor.counts.bins import Sample
from monitor.counts.category_text import category_of, spelled_plainly
from monitor.counts.classes import class_index, class_numbers
from monitor.counts.columns import Categorical
from monitor.counts.counts import Cells
from monitor.counts.measured import Expectation, Metric
from monitor.counts.task import (
    Contract,
    ErrorRate,
    Field,
    Floats,
    Ints,
    Labelled,
    LabelledReference,
    Objects,
    Sent,
    Task,
    Weighted,
)
from monitor.counts.values import Coded
from monitor.performance.cbpe import PerformanceEstimator
from monitor.performance.class_cells import (
    ClassRows,
    has_probabilities,
    listed_classes,
    outcome_cells,
    score_cells,
)
from monitor.performance.class_metrics import LOSSES, Tally, measure, metric_names
from monitor.performance.expected_accuracy import METRIC, OUTPUT, ExpectedAccuracy

CLASS = "class"
MOST_CLASSES = 1_000
PROBABILITIES = "an object of classes and numbers from 0 to 1"
A_CLASS = "a class: a text, a number or a boolean"


@dataclass(frozen=True, slots=True)
class Multiclass(Task):
    classes: tuple[str, ...] = ()  # of the reference, the most frequent first
    scored: bool = False  # whether the reference has probabilities
    further: tuple[str, ...] = field(default=(), compare=False)  # other names in a file

    name = "multiclass"
    contract = Contract(
        score=None,
        prediction=Field(A_CLASS, names=True),
        label=Field(A_CLASS, names=True),
        scores=Field(PROBABILITIES, 0.0, 1.0, required=False, rounding=1e-4),
    )
    lower_is_better = LOSSES
    estimated = (METRIC,)
    error_metric = METRIC

    @property
    def listed(self) -> tuple[str, ...]:
        """The classes with metrics of their own; all others are pooled."""
        return self.classes[: listed_classes(len(self.classes))]

    @property
    def metrics(self) -> tuple[str, ...]:
        return metric_names(self.listed, scored=self.scored)

    @property
    def judged(self) -> tuple[str, ...]:
        return ("accuracy", "balanced_accuracy", *(("log_loss",) if self.scored else ()))

    # -- rows ----------------------------------------------------------------------------------

    def knowing(self, values: Iterable[Any], *, scored: bool) -> Multiclass:
        """The task with the classes among ``values``; with further ones if it has classes."""
        texts = Counter(spelled_plainly(t) for t in map(category_of, values) if t is not None)
        ranked = tuple(sorted(texts, key=lambda text: (-texts[text], text)))
        if not self.classes:
            return replace(self, classes=ranked, scored=scored)
        known = class_index(self.classes).positions(class_numbers(ranked)) < len(self.classes)
        further = (text for text, is_known in zip(ranked, known, strict=True) if not is_known)
        return replace(self, further=tuple(further))

    @property
    def score_names(self) -> Sequence[str]:
        return self.classes

    def names(self, numbers: Floats) -> list[str | None]:
        """The names of classes by their numbers; None for a number that no known class has."""
        texts = (*self.classes, *self.further)
        by_number = dict(zip(class_numbers(texts).tolist(), texts, strict=True))
        return [by_number.get(number) for number in numbers.tolist()]

    def read(self, sent: Sent, threshold: float) -> tuple[Floats, Ints]:
        score = sent.score
        if self.scored:
            score = self._matrix(sent.scores, len(score))
        return self.columns(score, sent.prediction, threshold)

    def columns(self, score: Floats, prediction: Floats, threshold: float) -> tuple[Floats, Ints]:
        return score, class_index(self.classes).positions(prediction)

    def _matrix(self, scores: Objects | None, rows: int) -> Floats:
        """The probability of each class; 0 if a row has others alone, NaN if it has none."""
        found = np.full((rows, len(self.classes)), np.nan)
        index, last = class_index(self.classes), len(self.classes)
        at: dict[str, int] = {}
        for row, own in enumerate([] if scores is None else scores.tolist()):
            if own is None:
                continue
            found[row] = 0.0
            for name, probability in own.items():
                if name not in at:
                    at[name] = min(int(index.positions(class_numbers([name]))[0]), last)
                if at[name] < last:
                    found[row, at[name]] = probability
        return np.asarray(np.clip(found, 0.0, 1.0))

    def sent(self, score: Floats, predicted: Ints) -> tuple[Floats, Floats]:
        return score, class_numbers(self.classes)[predicted]

    def check_reference(self, score: Floats, label: Floats | None) -> None:
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(
                f"there are {len(self.classes):,} classes, such as {self.classes[-1]!r}, and at"
                f" most {MOST_CLASSES:,} are possible: is it the right column?"
            )
        known = np.empty(0) if label is None else label[~np.isnan(label)]
        if label is not None and np.unique(known).size < 2:
            found = "all labels are missing" if not known.size else "the labels hold only one class"
            raise ValueError(f"{found}: a reference needs at least two")

    def parameters(self) -> Mapping[str, Any]:
        return {"classes": list(self.classes), "scored": self.scored}

    @classmethod
    def decoded(cls, parameters: Mapping[str, Any]) -> Multiclass:
        return cls(tuple(map(str, parameters["classes"])), bool(parameters["scored"]))

    # -- what is counted -----------------------------------------------------------------------

    def outputs(self, score: Floats) -> Mapping[str, Floats]:
        if not self.scored:
            return {}
        return {OUTPUT: self._probability(score).max(axis=1)}

    def classes_of(self, classes: Coded | None) -> Mapping[str, Coded]:
        return {} if classes is None else {CLASS: classes}

    def categories(self, classes: Coded | None) -> Mapping[str, Categorical]:
        if classes is None:
            return {}
        at = class_index(self.classes).positions(class_numbers(classes.values))[classes.code]
        counts = np.bincount(np.minimum(at, len(self.classes)), minlength=len(self.classes) + 1)
        return {CLASS: Categorical(self.classes, counts)}

    def errors(self, rows: Labelled) -> Mapping[str, Floats]:
        of_classes = self._rows(rows)
        if not self.scored:
            return {"errors": (of_classes.predicted != of_classes.label).astype(np.float64)}
        probability, label = of_classes.probability, of_classes.label
        seen = label < len(self.classes)
        own = probability[np.arange(label.size), np.where(seen, label, 0)]
        unseen = np.where(has_probabilities(probability), 0.0, np.nan)
        return {"errors": 1 - np.where(seen, own, unseen)}

    def label_cells(self, rows: Labelled) -> Mapping[str, Ints | Weighted]:
        of_classes, listed = self._rows(rows), len(self.listed)
        outcomes: dict[str, Ints | Weighted] = {"outcomes": outcome_cells(of_classes, listed)}
        return {**outcomes, **score_cells(of_classes, listed)} if self.scored else outcomes

    def _rows(self, rows: Labelled) -> ClassRows:
        label = class_index(self.classes).positions(np.ascontiguousarray(rows.label))
        return ClassRows(self._probability(rows.score), rows.predicted, label)

    def _probability(self, score: Floats) -> Floats:
        """Unknown if it is that of other classes: the version was registered anew."""
        shape = (len(score), len(self.classes))
        return score if score.shape == shape else np.full(shape, np.nan)

    # -- what follows from the counts ----------------------------------------------------------

    def measure(self, panes: Sequence[Cells], errors: Mapping[str, Sample]) -> dict[str, Metric]:
        return measure(panes, self.listed, scored=self.scored)

    def expectation(self, reference: LabelledReference) -> ExpectedAccuracy | None:
        return ExpectedAccuracy.fit(reference)

    def saved(self, expectation: Expectation) -> Mapping[str, Any]:
        assert isinstance(expectation, ExpectedAccuracy)
        estimator = expectation.estimator
        return {name: getattr(estimator, name) for name in PerformanceEstimator.__slots__}

    def restored(self, saved: Mapping[str, Any]) -> ExpectedAccuracy:
        return ExpectedAccuracy(PerformanceEstimator(**saved))

    def error_rate(self, baseline: Mapping[str, Metric], rows: int) -> ErrorRate | None:
        return ErrorRate.of_accuracy(baseline[METRIC].value, rows)

    def pane_errors(self, cells: Cells) -> int:
        """The rows that were predicted wrongly."""
        if not cells.get("outcomes"):
            return 0
        total = Tally.of([cells], len(self.listed)).total
        return int(total.labels.sum() - total.hits.sum())


MULTICLASS = Multiclass()
