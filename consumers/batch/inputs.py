"""The inputs of the batch pipeline: a reference, trained or saved, and the rows to be tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from consumers.messages.times import rfc3339
from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.counts.profile import Profile, ReferenceRows
from monitor.counts.summary import Part
from producers.example.evaluate import profile_path
from producers.example.examples import train_example
from producers.example.flights import TRAINING_MS
from producers.registration.columns import Columns
from producers.registration.profile_file import read_profile, write_profile
from producers.registration.reference_warnings import reference_warnings, row_warnings
from producers.registration.register import profile_of_file
from producers.registration.rows_file import FileRows, read_file
from producers.simulation.simulate import Simulation, scored_flights


@dataclass(frozen=True, slots=True, eq=False)
class PipelineInputs:
    profile: Profile
    rows: ReferenceRows  # at least one
    trained: dict[str, Any] | None  # source of the reference; None: a saved one was used
    warnings: Sequence[str] = ()


class LearnedReference(NamedTuple):
    """A reference, where it came from, and what the user should know about it."""

    profile: Profile
    source: dict[str, Any]
    warnings: Sequence[str] = ()


class TestedRows(NamedTuple):
    rows: ReferenceRows
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Flights:
    """The bundled flights, scored by the example model."""

    simulation: Simulation

    @property
    def name(self) -> tuple[str, str]:
        return self.simulation.model, self.simulation.version

    def learn(self, settings: Settings, output: Path) -> LearnedReference:
        model, version = self.name
        trained = train_example(settings, model, version, seed=0)
        (output / f"{model}-{version}.skops").write_bytes(trained.model_file)
        source = {
            "rows": trained.training_rows,
            "from": rfc3339(TRAINING_MS[0]),
            "until": rfc3339(TRAINING_MS[1]),
        }
        return LearnedReference(trained.profile, source)

    def rows(self, profile: Profile) -> TestedRows:
        return TestedRows(scored_flights(profile, self.simulation))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsFile:
    """A file of rows that a user's own model has scored."""

    path: Path
    columns: Columns
    name: tuple[str, str]  # model, version
    reference: Path | None = None  # None: the rows before ``from_ms``, or the older half
    from_ms: int | None = None
    until_ms: int | None = None

    def learn(self, settings: Settings, output: Path) -> LearnedReference:  # noqa: ARG002
        if self.reference is not None:
            file = read_file(self.reference, self.columns)
            source = {"file": self.reference.name}
        else:
            file, until_ms = self._older_rows(settings.plan(self.name[0]).windows.slide_ms)
            source = {"file": self.path.name, "until": rfc3339(until_ms)}
        profile = profile_of_file(settings, *self.name, file, with_segments=False)
        plan = settings.plan(self.name[0])
        return LearnedReference(profile, source, reference_warnings(file, profile, plan))

    def rows(self, profile: Profile) -> TestedRows:
        """Without ``from_ms`` and ``reference``, the rows after the reference."""
        from_ms = self.from_ms
        if from_ms is None and self.reference is None:
            from_ms = reference_span_ms(profile)[1]
        file = read_file(self.path, self.columns, profile.schema, may_lack_labels=True)
        rows = between(file.rows, from_ms, self.until_ms)
        if not len(rows.predictions):
            since = "" if from_ms is None else f" from {rfc3339(from_ms)} on"
            until = "" if self.until_ms is None else f" until {rfc3339(self.until_ms)}"
            raise BadInput(
                f"{self.path} has no rows{since}{until} to test (earlier rows are the reference):"
                " select others with --from and --until"
            )
        of_path = (f"{self.path}: {warning}" for warning in row_warnings(file))
        return TestedRows(rows, () if self.reference is None else tuple(of_path))

    def _older_rows(self, slide_ms: int) -> tuple[FileRows, int]:
        """The rows of ``path`` for the reference, and the time at which they end."""
        file, until_ms = read_file(self.path, self.columns), self.from_ms
        if until_ms is None:
            middle_ms = int(np.median(file.rows.predictions.time_ms))
            until_ms = middle_ms - middle_ms % slide_ms  # where a window starts
        older = between(file.rows, None, until_ms)
        if not len(older.predictions):
            raise BadInput(
                f"{self.path} has no rows before {rfc3339(until_ms)} for the reference: give a file"
                " of reference rows with --reference, or a later --from"
            )
        return replace(file, rows=older), until_ms


def prepared(
    settings: Settings, source: Flights | RowsFile, output: Path, *, skip_training: bool
) -> PipelineInputs:
    """Build the reference and save it in the directory ``output``, or read the one saved there.

    Raises ``BadInput``, ``InvalidReference`` or ``InvalidProfile``.
    """
    if skip_training:
        profile, trained, warnings = saved_before(output, *source.name), None, list[str]()
    else:
        profile, trained, of_reference = source.learn(settings, output)
        warnings = list(of_reference)
        write_profile(profile_path(output, *source.name), profile)
    tested = source.rows(profile)
    return PipelineInputs(profile, tested.rows, trained, [*warnings, *tested.warnings])


def saved_before(output: Path, model: str, version: str) -> Profile:
    """Raises ``BadInput`` if there is no saved reference."""
    path = profile_path(output, model, version)
    if not path.is_file():
        raise BadInput(
            f"there is no saved reference of model {model!r} version {version!r} in {output}: run"
            " the pipeline once without --skip-training"
        )
    return read_profile(path)


def between(rows: ReferenceRows, from_ms: int | None, until_ms: int | None) -> ReferenceRows:
    """The rows with ``from_ms <= time < until_ms``; ``rows`` are sorted by time."""
    time_ms = rows.predictions.time_ms
    first = 0 if from_ms is None else int(np.searchsorted(time_ms, from_ms))
    end = time_ms.size if until_ms is None else int(np.searchsorted(time_ms, until_ms))
    selected = slice(first, max(first, end))
    return ReferenceRows(
        rows.predictions.between(selected.start, selected.stop),
        None if rows.label is None else rows.label[selected],
        None if rows.label_time_ms is None else rows.label_time_ms[selected],
    )


def reference_span_ms(profile: Profile) -> tuple[int, int]:
    """Start of the first pane of the reference and end of the last one."""
    starts_ms = [summary.pane_ms for summary in profile.panes]
    return min(starts_ms), max(starts_ms) + profile.schema.pane_ms


def reference_rows(profile: Profile) -> int:
    return sum(s.cells["rows"].size for s in profile.panes if s.part is Part.ON_TIME)
