"""From the transition of an incident to its message."""

from __future__ import annotations

import hashlib

from consumers.messages.alert_sentences import alert_sentence
from consumers.messages.alerts import (
    TYPE_PREFIX,
    AlertEvidence,
    AlertMessage,
    AlertSegment,
    AlertWindow,
    IncidentData,
)
from consumers.messages.reading import SCHEMA
from consumers.messages.times import rfc3339
from consumers.messages.window_message import distribution_bins, finite
from monitor.decisions.incidents import Change
from monitor.windows.findings import Transition
from producers.contract.version_info import VersionInfo


def alert_message(
    transition: Transition, info: VersionInfo | None = None, state: str | None = None
) -> AlertMessage:
    """The id is derived from what has changed and when, so a replay repeats it.

    ``info`` and ``state`` are those of the model version.
    """
    incident, change = transition.incident, transition.change
    content = f"{incident.id}\x1f{change}\x1f{transition.end_ms}"
    return AlertMessage(
        id=hashlib.sha256(content.encode()).hexdigest()[:32],
        type=f"{TYPE_PREFIX}{change}",
        source=f"/models/{transition.key.model}",
        subject=incident.subject,
        time=rfc3339(transition.end_ms),
        data=_data(transition, info or VersionInfo(), state),
    )


def _data(transition: Transition, info: VersionInfo, state: str | None) -> IncidentData:
    incident = transition.incident
    resolved = transition.change is Change.RESOLVED
    window = AlertWindow(start=rfc3339(transition.start_ms), end=rfc3339(transition.window_end_ms))
    return IncidentData(
        schema=SCHEMA,
        incident=incident.id,
        model=transition.key.model,
        version=transition.key.version,
        segment=transition.key.segment,
        kind=incident.kind,
        severity=incident.severity,
        state="resolved" if resolved else "open",
        reason=transition.resolution if resolved else None,
        caused_by=transition.cause,
        opened_at=rfc3339(incident.opened_ms),
        resolved_at=rfc3339(transition.end_ms) if resolved else None,
        window=window,
        evidence=_evidence(transition),
        message=alert_sentence(transition),
        version_info=info,
        version_state=state,
    )


def _segments(transition: Transition) -> list[AlertSegment] | None:
    """First those that explain most, then others with an incident of their own."""
    shares, own = transition.evidence.segments, transition.segments
    found = [
        AlertSegment(
            segment=one.segment,
            share=one.share,
            within=one.within,
            mix=one.mix,
            incident=one.segment in own,
        )
        for one in shares
    ]
    named = {one.segment for one in shares}
    found += [AlertSegment(segment=one, incident=True) for one in own if one not in named]
    return found or None


def _evidence(transition: Transition) -> AlertEvidence:
    evidence, grouped = transition.evidence, transition.incident.grouped
    return AlertEvidence(
        decided_by=evidence.decided_by,
        value=finite(evidence.value),
        threshold=finite(evidence.threshold),
        allowance=evidence.allowance,
        persistent=evidence.persistent,
        p_value=evidence.p_value,
        detail=evidence.detail,
        low=finite(evidence.low),
        high=finite(evidence.high),
        baseline=finite(evidence.baseline),
        resolution=evidence.resolution,
        rows=evidence.rows,
        labels=evidence.labels,
        coverage=evidence.coverage,
        severity=evidence.severity,
        grouped=list(grouped) or None,
        window=AlertWindow(start=rfc3339(evidence.start_ms), end=rfc3339(evidence.end_ms)),
        distribution=distribution_bins(evidence.distribution),
        segments=_segments(transition),
        part_of=transition.part_of,
    )
