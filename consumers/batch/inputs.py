"""The inputs of the batch pipeline: a reference, trained or saved, and the rows to be tested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from consumers.messages.times import rfc3339
from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from producers.example.evaluate import profile_path
from producers.example.flight_delay import train_flight_delay
from producers.example.flights import TRAINING_MS
from producers.registration.profile_file import read_profile, write_profile
from producers.registration.register import profile_of_file
from producers.registration.rows_file import Columns, read_rows
from producers.simulation.simulate import Simulation, scored_flights


@dataclass(frozen=True, slots=True, eq=False)
class PipelineInputs:
    profile: Profile
    rows: ReferenceRows  # at least one
    trained: dict[str, Any] | None  # source of the reference; None: a saved one was used


@dataclass(frozen=True, slots=True)
class Flights:
    """The bundled flights, scored by the example model."""

    simulation: Simulation

    @property
    def name(self) -> tuple[str, str]:
        return self.simulation.model, self.simulation.version

    def learn(self, settings: Settings, output: Path) -> tuple[Profile, dict[str, Any]]:
        model, version = self.name
        trained = train_flight_delay(settings, model, version, seed=0)
        (output / f"{model}-{version}.skops").write_bytes(trained.model_file)
        source = {
            "rows": trained.training_rows,
            "from": rfc3339(TRAINING_MS[0]),
            "until": rfc3339(TRAINING_MS[1]),
        }
        return trained.profile, source

    def rows(self, profile: Profile) -> ReferenceRows:
        return scored_flights(profile, self.simulation)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsFile:
    """A file of rows that a user's own model has scored."""

    path: Path
    columns: Columns
    name: tuple[str, str]  # model, version
    reference: Path | None = None  # None: the rows before ``from_ms``, or the older half
    from_ms: int | None = None
    until_ms: int | None = None

    def learn(self, settings: Settings, output: Path) -> tuple[Profile, dict[str, Any]]:  # noqa: ARG002
        if self.reference is not None:
            profile = profile_of_file(settings, *self.name, self.reference, self.columns)
            return profile, {"file": self.reference.name}
        windows = settings.plan(self.name[0]).windows
        rows, until_ms = self._older_rows(windows.slide_ms)
        profile = build_profile(
            *self.name,
            rows,
            pane_ms=windows.pane_ms,
            threshold=self.columns.threshold,
            categorical=self.columns.categorical,
        )
        return profile, {"file": self.path.name, "until": rfc3339(until_ms)}

    def rows(self, profile: Profile) -> ReferenceRows:
        """Without ``from_ms`` and ``reference``, the rows after the reference."""
        from_ms = self.from_ms
        if from_ms is None and self.reference is None:
            from_ms = reference_span_ms(profile)[1]
        rows = between(read_rows(self.path, self.columns), from_ms, self.until_ms)
        if not len(rows.predictions):
            since = "" if from_ms is None else f" from {rfc3339(from_ms)} on"
            until = "" if self.until_ms is None else f" until {rfc3339(self.until_ms)}"
            raise BadInput(
                f"{self.path} has no rows{since}{until} to test (earlier rows are the reference):"
                " select others with --from and --until"
            )
        return rows

    def _older_rows(self, slide_ms: int) -> tuple[ReferenceRows, int]:
        """The rows of ``path`` for the reference, and the time at which they end."""
        rows, until_ms = read_rows(self.path, self.columns), self.from_ms
        if until_ms is None:
            middle_ms = int(np.median(rows.predictions.time_ms))
            until_ms = middle_ms - middle_ms % slide_ms  # where a window starts
        older = between(rows, None, until_ms)
        if not len(older.predictions):
            raise BadInput(
                f"{self.path} has no rows before {rfc3339(until_ms)} for the reference: give a file"
                " of reference rows with --reference, or a later --from"
            )
        return older, until_ms


def prepared(
    settings: Settings, source: Flights | RowsFile, output: Path, *, skip_training: bool
) -> PipelineInputs:
    """Build the reference and save it in the directory ``output``, or read the one saved there.

    Raises ``BadInput``, ``InvalidReference`` or ``InvalidProfile``.
    """
    if skip_training:
        profile, trained = saved_before(output, *source.name), None
    else:
        profile, trained = source.learn(settings, output)
        write_profile(profile_path(output, *source.name), profile)
    return PipelineInputs(profile, source.rows(profile), trained)


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
        _selected_predictions(rows.predictions, selected),
        None if rows.label is None else rows.label[selected],
        None if rows.label_time_ms is None else rows.label_time_ms[selected],
    )


def _selected_predictions(predictions: Predictions, selected: slice) -> Predictions:
    return replace(
        predictions,
        ids=predictions.ids[selected],
        time_ms=predictions.time_ms[selected],
        score=predictions.score[selected],
        predicted=predictions.predicted[selected],
        features={name: values[selected] for name, values in predictions.features.items()},
    )


def reference_span_ms(profile: Profile) -> tuple[int, int]:
    """Start of the first pane of the reference and end of the last one."""
    starts_ms = [summary.pane_ms for summary in profile.panes]
    return min(starts_ms), max(starts_ms) + profile.schema.pane_ms


def reference_rows(profile: Profile) -> int:
    return sum(s.cells["rows"].size for s in profile.panes if s.part is Part.ON_TIME)
