"""Profiles of model versions as rows of the table ``models``."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from consumers.database.rows import Row
from monitor.counts.columns import Numeric
from monitor.counts.profile import Profile
from monitor.performance.metrics import Metric
from monitor.windows.evaluator_builder import baseline
from producers.contract.version_info import VersionInfo


@dataclass(frozen=True, slots=True)
class Registration:
    """A profile with the metadata of its publication."""

    profile: Profile
    content_hash: str
    registered_ms: int  # wall clock; the newest version is the default of the API
    info: VersionInfo = field(default_factory=VersionInfo)


def model_row(registration: Registration) -> Row:
    profile = registration.profile
    return {
        "model": profile.model,
        "version": profile.version,
        "registered_ms": registration.registered_ms,
        "content_hash": registration.content_hash,
        "document": {
            "features": _features(profile),
            "threshold": profile.schema.threshold,
            "pane_ms": profile.schema.pane_ms,
            "rows": sum(pane.cells["rows"].size for pane in profile.panes if "rows" in pane.cells),
            "labelled": profile.labelled,
            "label_delay_ms": dict(profile.label_delay_ms),
            "reference": _reference_span(profile),
            **msgspec.to_builtins(registration.info),
            "baseline": {name: _metric(metric) for name, metric in baseline(profile).items()},
        },
    }


def _features(profile: Profile) -> list[dict[str, str]]:
    return [
        {"name": name, "kind": "numeric" if isinstance(reference, Numeric) else "categorical"}
        for name, reference in profile.schema.features.items()
    ]


def _reference_span(profile: Profile) -> dict[str, int]:
    starts = [pane.pane_ms for pane in profile.panes]
    return {"start_ms": min(starts), "end_ms": max(starts) + profile.schema.pane_ms}


def _metric(metric: Metric) -> dict[str, float | None]:
    low, high = metric.interval()
    return {"value": metric.value, "low": low, "high": high, "resolution": metric.resolution}
