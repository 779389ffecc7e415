"""The reference profile of a user's model, built from a file of rows that the model scored."""

from __future__ import annotations

from driftline.settings import Settings
from monitor.counts.profile import NO_SEGMENTS, Profile, build_profile
from producers.registration.rows_file import FileRows


def profile_of_file(
    settings: Settings, model: str, version: str, file: FileRows, *, with_segments: bool = True
) -> Profile:
    """With the segments that the settings ask for. Raises ``InvalidReference``."""
    return build_profile(
        model,
        version,
        file.rows,
        pane_ms=settings.plan(model).windows.pane_ms,
        threshold=file.threshold.value,
        task=file.columns.task,
        categorical=file.categorical,
        numeric=file.numeric,
        segments=settings.segments(model) if with_segments else NO_SEGMENTS,
    )
