"""The task of a model: what a score, a prediction and a label are, and all that follows from it.

Everything else asks the task of the schema, and nothing else asks which task it is. A task is one
file in ``monitor.tasks`` and an entry in ``monitor.tasks.registry``.

Rows are columns of shape (n,). ``score`` is the number that the model gave, or one of each class:
then its shape is (n, classes). ``predicted`` is the class that it predicted (0 if the task has no
classes), ``label`` the class or the number that was true, NaN where it is not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical
from monitor.counts.counts import Cells
from monitor.counts.measured import Expectation, Metric
from monitor.counts.values import Coded, taken

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]

NO_LABEL = float("nan")
INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record that holds a number, or the name of a class."""

    expected: str  # in words
    low: float = -INFINITE
    high: float = INFINITE
    whole: bool = False
    required: bool = True
    rounding: float = 0.0  # so far outside, a number is a rounding error of the nearest inside
    names: bool = False  # it holds the name of a class: as numbers, see ``monitor.counts.classes``

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number that may be sent."""
        return self.low - self.rounding, self.high + self.rounding

    def holds(self, values: Floats) -> Bools:
        """Whether each number may stand in the field; NaN: it was not sent."""
        low, high = self.limits
        with np.errstate(invalid="ignore"):  # a NaN that signals
            held = (values >= low) & (values <= high) & np.isfinite(values)
            if self.whole:
                held &= values == np.floor(values)
        return held if self.required else held | np.isnan(values)

    def rounded(self, values: Floats) -> Floats:
        """Numbers without their rounding errors."""
        return np.clip(values, self.low, self.high) if self.rounding else values


@dataclass(frozen=True, slots=True)
class Contract:
    """The fields of predictions and labels. A field that is None is not read."""

    score: Field | None
    prediction: Field | None
    label: Field
    scores: Field | None = None  # of each class, by its name


ANY_NUMBER = Field("a number", required=False)
ANY_CLASS = Field("a number or a class", required=False, names=True)
ANY_CONTRACT = Contract(ANY_NUMBER, ANY_CLASS, Field("a number or a class", names=True))


class Sent(NamedTuple):
    """The fields of predictions; NaN and None: not sent."""

    score: Floats
    prediction: Floats
    classes: Coded | None = None  # the predictions, if they are names of classes
    scores: Objects | None = None  # each a mapping of classes to numbers, or None

    def take(self, rows: Ints) -> Sent:
        scores = None if self.scores is None else self.scores[rows]
        return Sent(self.score[rows], self.prediction[rows], taken(self.classes, rows), scores)


class Labelled(NamedTuple):
    """Labelled rows."""

    score: Floats
    predicted: Ints
    label: Floats


class Weighted(NamedTuple):
    """Cells of labelled rows: row ``i`` adds ``weight[i, j]`` to the cell ``cell[i, j]``."""

    cell: Ints  # shape (n, c), or (c,) if it is the same for all rows
    weight: Ints  # shape (n, c)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The mean error of a row, and its variance between independent rows."""

    mean: float
    variance: float

    @classmethod
    def of_accuracy(cls, accuracy: float | None, rows: int) -> Self | None:
        """The error rate, at least half an error in a sample of so many rows."""
        if accuracy is None:
            return None
        least = 0.5 / rows
        rate = min(max(1 - accuracy, least), 1 - least)
        return cls(rate, rate * (1 - rate))


class LabelledReference(NamedTuple):
    """What an expectation is learned from."""

    panes: Mapping[int, Cells]  # the labelled rows, by the start of their pane
    length_ms: int  # of the windows
    samples: Mapping[str, Sample]  # of the outputs
    threshold: float  # of the schema


class Ratio(NamedTuple):
    """A metric as a ratio of counts: what one row of each outcome adds to either sum."""

    above: tuple[int, ...]
    below: tuple[int, ...]


class Task(ABC):
    """An instance may hold parameters that were learned from the reference."""

    name: ClassVar[str]
    contract: ClassVar[Contract]
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    estimated: ClassVar[tuple[str, ...]] = ()  # metrics that are estimated without labels
    error_metric: ClassVar[str] = ""  # whose variation between windows the errors of panes have

    # Metrics whose change is explained by segments, and how many outcomes a row can have.
    ratios: ClassVar[Mapping[str, Ratio]] = {}
    outcomes: ClassVar[int] = 0

    @property
    def metrics(self) -> tuple[str, ...]:
        return ()

    @property
    def judged(self) -> tuple[str, ...]:
        """The metrics that may open an incident."""
        return ()

    # -- rows ----------------------------------------------------------------------------------

    def knowing(self, values: Iterable[Any], *, scored: bool) -> Self:
        """The task that knows the classes among values of a file; see ``Multiclass``."""
        return self

    @property
    def score_names(self) -> Sequence[str]:
        """The classes of the columns of ``score``."""
        return ()

    def names(self, numbers: Floats) -> list[str | None]:
        """The names of classes by their numbers."""
        return [None] * len(numbers)

    def read(self, sent: Sent, threshold: float) -> tuple[Floats, Ints]:
        """``score`` and ``predicted``."""
        return self.columns(sent.score, sent.prediction, threshold)

    @abstractmethod
    def columns(self, score: Floats, prediction: Floats, threshold: float) -> tuple[Floats, Ints]:
        """``score`` and ``predicted``, from the fields of predictions; NaN: it was not sent."""

    @abstractmethod
    def sent(self, score: Floats, predicted: Ints) -> tuple[Floats, Floats]:
        """The fields ``score`` and ``prediction`` of rows: the inverse of ``columns``.

        Of a field that the contract does not have, anything.
        """

    @abstractmethod
    def check_reference(self, score: Floats, label: Floats | None) -> None:
        """Raises ``ValueError`` if these cannot be the scores and labels of a reference."""

    def can_learn(self, score: Floats, label: Floats | None) -> bool:
        """Whether rows with these labels can be a reference."""
        try:
            self.check_reference(score, label)
        except ValueError:
            return False
        return True

    # -- the reference -------------------------------------------------------------------------

    def learned(self, score: Floats, label: Floats) -> Self:
        """The task with its parameters, from the labelled rows of a reference (at least one)."""
        return self

    @classmethod
    def decoded(cls, parameters: Mapping[str, Any]) -> Self:
        """The inverse of ``parameters``. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        return cls(**parameters)

    def parameters(self) -> Mapping[str, Any]:
        """What the task was created with, to be published with the profile."""
        return {}

    # -- what is counted -----------------------------------------------------------------------

    @abstractmethod
    def outputs(self, score: Floats) -> Mapping[str, Floats]:
        """The numbers a model puts out, by the name of their cells: compared with the reference.

        Rows with NaN are left out.
        """

    def classes_of(self, classes: Coded | None) -> Mapping[str, Coded]:
        """The classes that it puts out, likewise; ``classes`` are the predicted ones as sent."""
        return {}

    def categories(self, classes: Coded | None) -> Mapping[str, Categorical]:
        """Of a reference: what ``classes_of`` is compared with."""
        return {}

    @abstractmethod
    def errors(self, rows: Labelled) -> Mapping[str, Floats]:
        """The errors of labelled rows, by the name of their cells, one of ``ERROR_CELLS``.

        Rows with NaN are left out.
        """

    def row_cells(self, predicted: Ints) -> Mapping[str, tuple[Ints, int]]:
        """Further cells of each row, shape (n,), and how many there are."""
        return {}

    @abstractmethod
    def label_cells(self, rows: Labelled) -> Mapping[str, Ints | Weighted]:
        """The cells of labelled rows, besides those of ``errors``.

        ``outcomes`` holds one cell of each labelled row.
        """

    def ratio_cells(self, rows: Labelled) -> Ints | None:
        """The outcome of each labelled row that ``ratios`` are of; None if there are none."""
        return None

    # -- what follows from the counts ----------------------------------------------------------

    @abstractmethod
    def measure(self, panes: Sequence[Cells], errors: Mapping[str, Sample]) -> dict[str, Metric]:
        """Each of ``metrics`` over the labelled rows of ``panes``.

        ``errors`` are the samples that cut the reference's errors into bins.
        """

    def measure_judged(
        self, panes: Sequence[Cells], errors: Mapping[str, Sample]
    ) -> dict[str, Metric]:
        """Those of ``measure`` that may open an incident."""
        found = self.measure(panes, errors)
        return {name: metric for name, metric in found.items() if name in self.judged}

    def expectation(self, reference: LabelledReference) -> Expectation | None:
        """None if the panes are too few, or nothing can be expected without labels."""
        return None

    def saved(self, expectation: Expectation) -> Mapping[str, Any]:
        """An expectation as arrays, numbers, and overdispersions by metric, by name."""
        raise NotImplementedError

    def restored(self, saved: Mapping[str, Any]) -> Expectation:
        """The inverse of ``saved``. Raises ``TypeError`` for what another release has saved."""
        raise NotImplementedError

    def error_rate(self, baseline: Mapping[str, Metric], rows: int) -> ErrorRate | None:
        """The errors of ``pane_errors`` to expect; None if the reference has none.

        ``rows`` is the size of the sample of the reference's errors.
        """
        return None

    def pane_errors(self, cells: Cells) -> int:
        """The sum of the errors of the labelled rows, in the unit of ``error_rate``."""
        return 0
