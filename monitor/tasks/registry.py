"""The tasks by name. A further task is one file beside this one, and an entry here."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.counts.task import Task
from monitor.tasks.binary import Binary
from monitor.tasks.features import Features
from monitor.tasks.multiclass import Multiclass
from monitor.tasks.regression import Regression

DEFAULT = Binary.name  # of profiles that name no task
TASKS: Mapping[str, type[Task]] = {
    task.name: task for task in (Binary, Multiclass, Regression, Features)
}
