"""Profiles of model versions as rows of the table ``models``."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from consumers.database.rows import Row
from producers.contract.profile_blobs import Head, NumericHead
from producers.contract.profile_overview import Overview
from producers.contract.version_info import VersionInfo


@dataclass(frozen=True, slots=True)
class Registration:
    """What is shown of a profile, with the metadata of its publication."""

    head: Head
    overview: Overview
    content_hash: str
    registered_ms: int  # wall clock; the newest version is the default of the API
    info: VersionInfo = field(default_factory=VersionInfo)


def model_row(registration: Registration) -> Row:
    head, overview = registration.head, registration.overview
    return {
        "model": head.model,
        "version": head.version,
        "registered_ms": registration.registered_ms,
        "content_hash": registration.content_hash,
        "document": {
            "features": _features(head),
            "threshold": head.threshold,
            "pane_ms": head.pane_ms,
            "rows": overview.rows,
            "task": head.task_name,
            "labelled": bool(head.all_errors),
            "label_delay_ms": dict(head.label_delay_ms),
            "reference": {"start_ms": overview.start_ms, "end_ms": overview.end_ms},
            **msgspec.to_builtins(registration.info),
            "baseline": msgspec.to_builtins(overview.baseline),
            **({"segments": list(head.segments)} if head.segments else {}),
        },
    }


def _features(head: Head) -> list[dict[str, str]]:
    return [
        {"name": name, "kind": "numeric" if isinstance(feature, NumericHead) else "categorical"}
        for name, feature in head.features.items()
    ]
