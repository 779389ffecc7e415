"""The reference profile of a user's model, built from a file of rows that the model scored."""

from __future__ import annotations

from pathlib import Path

from driftline.settings import Settings
from monitor.counts.profile import Profile, build_profile
from producers.registration.rows_file import Columns, read_rows


def profile_of_file(
    settings: Settings, model: str, version: str, path: Path, columns: Columns
) -> Profile:
    """Raises ``InvalidFile``, ``InvalidTime`` or ``InvalidReference``."""
    return build_profile(
        model,
        version,
        read_rows(path, columns),
        pane_ms=settings.plan(model).windows.pane_ms,
        threshold=columns.threshold,
        categorical=columns.categorical,
    )
