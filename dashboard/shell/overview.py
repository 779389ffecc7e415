"""What is open, how fresh it is and who lags: of all model versions that are watched. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.answers import Health, Incident, Model, Window, Worker
from dashboard import formats, incident_text
from driftline.exit_codes import DONE, FOUND, TROUBLE

_ORDER = ("critical", "warning", "unknown", "ok")
_WELL = ("ok", "replaced")  # statuses of workers


@dataclass(frozen=True, slots=True)
class VersionOverview:
    """A model version with its open incidents, the worst first."""

    model: Model
    incidents: Sequence[Incident]
    newest: Window | None
    labelled: Window | None  # the newest window that is fully labelled

    @property
    def level(self) -> str:
        """``unknown``: no window has closed yet."""
        severities = {incident.severity for incident in self.incidents}
        if severities:
            return "critical" if "critical" in severities else "warning"
        return "unknown" if self.newest is None else "ok"

    @property
    def name(self) -> str:
        return f"{self.model.model}/{self.model.version}"


@dataclass(frozen=True, slots=True)
class Overview:
    versions: Sequence[VersionOverview]
    health: Health

    @property
    def exit_code(self) -> int:
        if any(version.level == "critical" for version in self.versions):
            return FOUND
        return DONE if self.health.status == "ok" else TROUBLE


def document(overview: Overview) -> dict[str, Any]:
    """For scripts. Incidents are without their distributions."""
    return {
        "models": [_version_document(version) for version in overview.versions],
        "health": overview.health.model_dump(mode="json"),
    }


def _version_document(version: VersionOverview) -> dict[str, Any]:
    windows = {"newest_window": version.newest, "labelled_window": version.labelled}
    return {
        "model": version.model.model,
        "version": version.model.version,
        "state": version.model.state,
        "status": version.level,
        **{name: at and at.model_dump(mode="json") for name, at in windows.items()},
        "incidents": [_incident_document(incident) for incident in version.incidents],
    }


def _incident_document(incident: Incident) -> dict[str, Any]:
    found = incident.model_dump(mode="json")
    evidence = {name: value for name, value in found["evidence"].items() if name != "distribution"}
    return {**found, "evidence": evidence}


def lines(overview: Overview) -> Iterator[str]:
    """For people: the worst version first, then the workers."""
    for version in sorted(overview.versions, key=lambda one: _ORDER.index(one.level)):
        yield from _version_lines(version)
    for one in overview.health.collecting:
        yield f"{'':8}  {one.model}/{one.version} (collecting): {one.progress}"
    if not (overview.versions or overview.health.collecting):
        yield "no model is registered"
    yield from _health_lines(overview.health)


def _version_lines(version: VersionOverview) -> Iterator[str]:
    yield f"{version.level:8}  {version.name} ({version.model.state}): {_freshness(version)}"
    for incident in version.incidents:
        since = formats.instant(incident.opened_at)
        yield f"{'':8}  {incident.severity:8}  since {since}  {incident.message}"


def _freshness(version: VersionOverview) -> str:
    if version.newest is None:
        return "no window yet"
    newest = f"windows up to {formats.instant(version.newest.end)}"
    if version.labelled is None:
        return f"{newest}, none fully labelled"
    return f"{newest}, labelled up to {formats.instant(version.labelled.end)}"


def _health_lines(health: Health) -> Iterator[str]:
    ages = [one.progress_age_s for one in health.roles if one.progress_age_s is not None]
    lag = sum(worker.lag for worker in health.roles)
    yield (
        f"{health.status:8}  workers: last activity {formats.age(min(ages, default=None))},"
        f" {formats.quantity(lag, 'record')} behind"
    )
    for role in health.missing:
        yield f"{'':8}  {'missing':8}  {role}: no worker of this role has reported"
    for worker in sorted(health.roles, key=lambda one: (one.status in _WELL, -one.lag)):
        if worker.status not in _WELL or worker.lag:
            yield f"{'':8}  {worker.status:8}  {_worker(worker)}"
    for warning in health.warnings:
        yield f"{'':8}  {'warning':8}  {warning}"


def _worker(worker: Worker) -> str:
    facts = (
        f"last heartbeat {formats.age(worker.heartbeat_age_s)}",
        f"{formats.quantity(worker.lag, 'record')} behind",
        worker.problem or "",
    )
    return f"{worker.role}-{worker.slot}: {', '.join(filter(None, facts))}"


def worst_first(incidents: Sequence[Incident]) -> list[Incident]:
    return sorted(incidents, key=incident_text.order)
