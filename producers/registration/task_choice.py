"""Which task the columns of a file are for, if the user does not say."""

from __future__ import annotations

from driftline.errors import BadInput
from monitor.counts.task import Task
from monitor.tasks.registry import TASKS


class InvalidTask(BadInput):
    """A task that does not exist, or columns that could belong to several. The message says so."""


def task_named(name: str) -> Task:
    """Raises ``InvalidTask``."""
    if name not in TASKS:
        raise InvalidTask(f"there is no task {name!r}: expected one of {', '.join(TASKS)}")
    return TASKS[name]()


def inferred_task(
    score: str | None, prediction: str | None, label: str | None, scores: str | None = None
) -> Task:
    """The task by the names of the columns of a file, where it is unambiguous.

    Raises ``InvalidTask``.
    """
    if scores is not None:
        return task_named("multiclass")
    if score is not None:
        return task_named("binary")
    if prediction is not None:
        return task_named("regression")
    if label is None:
        return task_named("features")
    raise InvalidTask(
        f"column {label!r} holds the labels of what? Give the column of scores with --score (a"
        " classifier), or the column of predicted numbers or classes with --prediction"
    )
