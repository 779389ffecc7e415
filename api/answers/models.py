"""Registered model versions."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.answers.fields import Answer, Kind, PassThrough
from monitor.windows.lives import VersionState

# Without a version, the live one answers, or else the newest that is not retired.
_PREFERENCE: dict[str | None, int] = {VersionState.LIVE: 0, VersionState.RETIRED: 2}


def preference(state: str | None) -> int:
    """Sorts the versions of a model, newest first before, by which of them answers."""
    return _PREFERENCE.get(state, 1)


class FeatureKind(PassThrough):
    name: str
    kind: Kind


class Model(Answer):
    """A registered model version."""

    model: str
    version: str
    registered_at: datetime = Field(description="Wall-clock time of the registration.")
    state: str = Field(
        description="`registered` (no row yet), `live` (answers when no version is named), `shadow`"
        " or `retired`. Others may be added."
    )
    state_since: datetime | None = Field(None, description="Since when, by the broker's clock.")
    state_by: str | None = Field(None, description="Who changed it; `driftline`: it was automatic.")
    state_why: str | None = Field(None, description="Why it was changed.")
    task: str = Field(
        "binary",
        description="`binary`, `multiclass`, `regression` or `features`. Others may be added.",
    )
    features: list[FeatureKind]
    threshold: float = Field(
        description="Of a binary model: a score at or above it predicts the positive class."
    )
    pane_ms: int = Field(description="Length of a pane; windows consist of whole panes.")
    rows: int = Field(description="Rows of the reference.")
    labelled: bool = Field(description="Whether the reference has labels.")
    reference_start: datetime = Field(
        description="Start of the first pane of the reference, event time."
    )
    reference_end: datetime = Field(
        description="End of the last pane of the reference, event time, exclusive."
    )
    owner: str | None = Field(None, description="Who is responsible for the model.")
    description: str | None = Field(None, description="What the model does.")
    runbook: str | None = Field(
        None, description="Link to a page that says what to do about alerts."
    )
    tags: dict[str, str] = Field({}, description="Tags of the registration, by name.")
    segments: list[str] = Field(
        [], description="The segments that are watched beside the whole, see `/segments`."
    )
    label_delay_ms: dict[str, int] = Field(
        description="Quantiles (`p50`, `p90`, `p99`) of the time from prediction to label in the"
        " reference."
    )
