"""Incidents of segments and of the whole that are about the same subject.

While the whole has an open incident about a subject, one of a segment about it is a part of it. The
whole names the segments that have one. Both follow from event time, so they do not depend on the
batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from monitor.decisions.incidents import Change, Incident
from monitor.identity import Key
from monitor.windows.findings import Findings, Transition
from monitor.windows.model_state import keys_of
from monitor.windows.state import State


def relate(state: State, findings: Findings) -> None:
    """Relate the transitions of ``findings``; ``state`` is that after them."""
    findings.transitions = [_related(state, findings, one) for one in findings.transitions]


def _related(state: State, findings: Findings, transition: Transition) -> Transition:
    key, subject, at_ms = transition.key, transition.incident.subject, transition.end_ms
    whole, *segments = keys_of(state, key.version_key)
    if key.segment:
        found = next(_open_at(state, findings, whole, subject, at_ms), None)
        part_of = None if found is None else found.primary or found.id
        return replace(transition, part_of=part_of)
    if not segments or transition.change is Change.RESOLVED:
        return transition
    named = (one for one in segments if any(_open_at(state, findings, one, subject, at_ms)))
    return replace(transition, segments=tuple(sorted(one.segment for one in named)))


def _open_at(
    state: State, findings: Findings, key: Key, subject: str, at_ms: int
) -> Iterator[Incident]:
    """The incident about a subject that was open at a time."""
    decisions = state.decisions.get(key)
    still = None if decisions is None else decisions.incidents.get(subject)
    if still is not None and still.opened_ms <= at_ms:
        yield still
    for incident, closed_ms in findings.closed.get(key, ()):
        if incident.subject == subject and incident.opened_ms <= at_ms < closed_ms:
            yield incident
