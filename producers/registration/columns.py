"""The meaning of the columns of a file of scored rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from monitor.counts.task import Task
from monitor.tasks.binary import BINARY
from producers.registration.file_table import InvalidFile

# Of ``time.earliest`` in the configuration.
DEFAULT_EARLIEST_MS = round(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The meaning of the columns of a file. Columns that are not named here are features."""

    time: str
    score: str | None = None
    prediction: str | None = None
    scores: str | None = None  # a column of structs, or names of columns with * for the class
    label: str | None = None
    label_time: str | None = None
    id: str | None = None
    numeric: tuple[str, ...] = ()  # whatever their values look like
    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # texts of a CSV file that mean a missing value
    positive: str | None = None  # the value of labels and predictions that means 1
    timezone: str | None = None  # of times without an offset
    threshold: float | None = None  # None: of the predictions, or 0.5
    label_delay_ms: int | None = None  # if no column has the time of the label
    earliest_ms: int = DEFAULT_EARLIEST_MS  # earlier times are refused
    latest_ms: int | None = None  # later times are refused
    task: Task = BINARY
    inferred: bool = False  # the task, by the names of the columns
    of_classes: Mapping[str, str] = field(default_factory=dict)  # columns of ``scores``

    def __post_init__(self) -> None:
        self._check_task()
        if self.label is None and self.label_time is not None:
            raise InvalidFile("--label-time needs --label, the column of the labels themselves")

    def _check_task(self) -> None:
        contract, name = self.task.contract, self.task.name
        for option in ("score", "prediction", "scores"):
            expected, given = getattr(contract, option), getattr(self, option) is not None
            if expected is None and given:
                raise InvalidFile(f"the task {name} does not use --{option}: leave it out")
            if expected is not None and expected.required and not given:
                raise InvalidFile(
                    f"--{option} is missing: the task {name} needs a column of it,"
                    f" {expected.expected}"
                )
        if self.label is not None and not self.task.metrics:
            raise InvalidFile(
                f"the task {name} does not use --label: leave the column out with --ignore, or name"
                " another task with --task"
            )

    def among(self, names: Sequence[str]) -> Columns:
        """With lists of columns resolved: a text that is no name itself is a list with commas.

        Raises ``InvalidFile`` if two options claim the same column.
        """
        found = replace(
            self,
            numeric=resolved(self.numeric, names),
            categorical=resolved(self.categorical, names),
            ignore=resolved(self.ignore, names),
        )
        for name in found.numeric:
            if name in found.categorical:
                raise InvalidFile(f"column {name!r} is in --numeric and in --categorical")
        return replace(found, of_classes=_columns_of_classes(found.scores, names))

    def without_labels(self) -> Columns:
        return replace(self, label=None, label_time=None)

    @property
    def named(self) -> list[str]:
        """Every column that must exist."""
        own = (self.time, self.score, self.prediction, self.label, self.label_time, self.id)
        scores = self.of_classes.values() or filter(None, [self.scores])
        return [*filter(None, own), *scores, *self.numeric, *self.categorical, *self.ignore]

    def features(self, names: Sequence[str]) -> list[str]:
        others = set(self.named) - set(self.categorical) - set(self.numeric)
        return [name for name in names if name not in others]


def _columns_of_classes(scores: str | None, names: Sequence[str]) -> Mapping[str, str]:
    """By class. Raises ``InvalidFile`` if no column fits the pattern."""
    if scores is None or scores in names:
        return {}
    if scores.count("*") != 1:
        raise InvalidFile(
            f"there is no column {scores!r}: --scores expects a column of structs, or the names of"
            " columns with one * for the class, such as 'p_*'"
        )
    before, after = scores.split("*")
    size = len(before) + len(after)
    fitting = [n for n in names if n.startswith(before) and n.endswith(after) and len(n) > size]
    if not fitting:
        raise InvalidFile(
            f"no column has a name like {scores!r}: the columns are {', '.join(names)}"
        )
    return {name[len(before) : len(name) - len(after)]: name for name in fitting}


def resolved(given: Sequence[str], names: Collection[str]) -> tuple[str, ...]:
    """Each text is the name of a column, or names with commas between them."""
    found: list[str] = []
    for text in given:
        if text in names:
            found.append(text)
        else:
            pieces = (piece if piece in names else piece.strip() for piece in text.split(","))
            found += [piece for piece in pieces if piece]
    return tuple(dict.fromkeys(found))
