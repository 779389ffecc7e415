"""The life of incidents, decided from what is open and the newest windows. Nobody is told here.

Theory of operation
-------------------
Each subject is open or calm by itself (``step``). But one cause has many subjects: a front moves
temperature and pressure, a feed that falls silent leaves six features without values, a model that
fails lowers accuracy, recall and F1. So among the subjects of one kind (``GROUPED``) that open
within one window of each other one *leads*, the others *follow*, and people hear of the leader
alone, until all of them are calm (``settle``)::

    quality/temp  opened ──── repeated: wind too ─────── calm ──── resolved
    quality/dewp     follows ───────────────────────────────────── calm
    quality/wind               follows ──── opened: it became graver than its leader
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from monitor.plan import Incidents
from monitor.statistics.drift_rule import Comparison, Evidence, Severity, evidence

GROUPED = ("data", "quality", "performance")  # kinds whose subjects have causes in common


class Change(StrEnum):
    OPENED = "opened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """One open matter of one model version. Times are ends of windows, in event time."""

    id: str
    subject: str
    severity: Severity
    opened_ms: int
    notified_ms: int
    evidence: Evidence  # the newest
    due_ms: int  # calm event time that is still missing to resolve it
    since_ms: int = 0  # start of the window that opened it
    primary: str | None = None  # the id of the incident that people hear of in its place
    grouped: tuple[str, ...] = ()  # where it is told: other open subjects it stands for

    @property
    def kind(self) -> str:
        return self.subject.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the windows that end at ``end_ms`` say of a subject, if any could decide."""

    end_ms: int
    span_ms: int  # event time since the subject was heard last: what a calm one is worth
    evidence: Evidence | None = None  # None: calm
    slide_ms: int = 0  # of the windows that raised it


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """What one window says of a subject: the gravest of its tests, or calm (None)."""

    tested: Comparison | None
    start_ms: int
    end_ms: int
    slide_ms: int


def most_severe(said: Sequence[WindowVerdict], end_ms: int, span_ms: int) -> Heard:
    """Of all windows that end together; of equals, the shortest is the evidence.

    The longest that raised it decides how much calm resolves it.
    """
    raised = [(one.tested, one) for one in said if one.tested is not None]
    if not raised:
        return Heard(end_ms, span_ms)
    tested, worst = max(raised, key=lambda pair: (pair[0].severity_order, pair[1].start_ms))
    found = evidence(tested, worst.start_ms, worst.end_ms)
    return Heard(end_ms, span_ms, found, max(one.slide_ms for _, one in raised))


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """What one window says of a metric: the evidence of its fall, or calm (None)."""

    evidence: Evidence | None
    slide_ms: int


def worst(judged: Sequence[MetricVerdict], end_ms: int) -> Heard:
    """The same of the windows that a metric was judged in, of at least one.

    The shortest of them says what a calm one is worth.
    """
    span_ms = min(one.slide_ms for one in judged)
    raised = [(one.evidence, one.slide_ms) for one in judged if one.evidence is not None]
    if not raised:
        return Heard(end_ms, span_ms)
    found = max(
        (evidence for evidence, _ in raised),
        key=lambda of: (of.severity is Severity.CRITICAL, of.start_ms),
    )
    return Heard(end_ms, span_ms, found, max(slide_ms for _, slide_ms in raised))


def step(
    incident: Incident | None, heard: Heard, *, scope: str, subject: str, plan: Incidents
) -> tuple[Incident | None, Change | None, Incident | None]:
    """What stays open, what changed, and the incident that the change is about.

    An incident resolves after ``resolve_after`` calm windows in a row of the kind that raised it,
    told in event time, because windows of all lengths speak of one subject. ``scope`` names the
    model version, so that ids of incidents differ between versions.
    """
    if incident is None:
        if heard.evidence is None:
            return None, None, None
        opened = _opened(heard, heard.evidence, scope, subject, plan)
        return opened, Change.OPENED, opened
    if heard.evidence is None:
        return _calmed(replace(incident, due_ms=incident.due_ms - heard.span_ms))
    return _lasting(incident, heard, heard.evidence, plan)


@dataclass(frozen=True, slots=True)
class Told:
    """A change that people are to hear of, at the end of a window."""

    change: Change
    incident: Incident


def settle(
    incidents: Mapping[str, Incident], heard: Mapping[str, Heard], *, scope: str, plan: Incidents
) -> tuple[dict[str, Incident], list[Told]]:
    """What is open, by subject, after all that was heard of windows that end together.

    And the changes that people are to hear of.
    """
    stay = dict(incidents)
    changes = list(_stepped(stay, heard, scope, plan))
    told = [one for one in changes if one.incident.kind not in GROUPED]
    for kind in GROUPED:
        mine = [one for one in changes if one.incident.kind == kind]
        if mine:
            end_ms = max(one.end_ms for one in heard.values())
            told += _Group(stay, kind, end_ms, plan.repeat_after_ms).told(mine)
    return stay, told


def _stepped(
    stay: dict[str, Incident], heard: Mapping[str, Heard], scope: str, plan: Incidents
) -> Iterator[Told]:
    """What changes of each subject by itself, and so in ``stay``."""
    for subject, one in heard.items():
        before = stay.pop(subject, None)
        stays, change, about = step(before, one, scope=scope, subject=subject, plan=plan)
        if stays is not None:
            stay[subject] = stays
        if change is not None and about is not None:
            yield Told(change, about)


@dataclass(slots=True)
class _Group:
    """The subjects of one kind, and who of them leads. Changes ``stay``."""

    stay: dict[str, Incident]
    kind: str
    end_ms: int
    repeat_after_ms: int

    def told(self, changes: Sequence[Told]) -> list[Told]:
        """What people are to hear of ``changes``, all of this kind and not empty."""
        for one in changes:
            if one.change is Change.RESOLVED and one.incident.primary is None:
                self.stay[one.incident.subject] = one.incident  # until its followers are calm, too
        opening = [one.incident for one in changes if self._opens(one)]
        waiting = {incident.subject for incident in opening}
        said: dict[str, Change] = {}
        for one in changes:
            if one.incident.subject not in waiting and one.change is not Change.RESOLVED:
                self._say(one, said)
        for incident in sorted(opening, key=_gravity):
            self._place(incident, waiting, said)
        spoken = [
            Told(change, replace(of := self.stay[subject], grouped=self._grouped(of)))
            for subject, change in sorted(said.items())
        ]
        return [*spoken, *self._resolved()]

    def _opens(self, one: Told) -> bool:
        """Whether it is new, or has become graver than its leader."""
        primary = self._primary(one.incident)
        return one.change is Change.OPENED or (
            primary is not None and _graver(one.incident, primary)
        )

    def _say(self, one: Told, said: dict[str, Change]) -> None:
        """Of a leader what has changed; of a follower that its leader is still open, when due."""
        primary = self._primary(one.incident)
        if primary is None:
            said[one.incident.subject] = one.change
        elif self.end_ms - primary.notified_ms >= self.repeat_after_ms:
            self._repeat(primary, said)

    def _place(self, incident: Incident, waiting: set[str], said: dict[str, Change]) -> None:
        """Behind the oldest leader that it may follow, or in front."""
        waiting.discard(incident.subject)
        able = [
            of
            for of in self._primaries()
            if of.subject not in waiting | {incident.subject} and _may_group(incident, of)
        ]
        primary = min(able, key=lambda of: (of.opened_ms, of.subject), default=None)
        if primary is None:
            self.stay[incident.subject] = replace(incident, primary=None, notified_ms=self.end_ms)
            said[incident.subject] = Change.OPENED
        else:
            self.stay[incident.subject] = replace(incident, primary=primary.id)
            self._repeat(primary, said)

    def _repeat(self, primary: Incident, said: dict[str, Change]) -> None:
        self.stay[primary.subject] = replace(primary, notified_ms=self.end_ms)
        said.setdefault(primary.subject, Change.REPEATED)

    def _resolved(self) -> list[Told]:
        """Leaders that are calm, as all their followers are."""
        calm = [of for of in self._primaries() if of.due_ms <= 0 and not self._grouped(of)]
        return [Told(Change.RESOLVED, self.stay.pop(of.subject)) for of in calm]

    def _primaries(self) -> list[Incident]:
        return [of for of in self.stay.values() if of.kind == self.kind and of.primary is None]

    def _primary(self, incident: Incident) -> Incident | None:
        return next((of for of in self._primaries() if of.id == incident.primary), None)

    def _grouped(self, primary: Incident) -> tuple[str, ...]:
        return tuple(sorted(of.subject for of in self.stay.values() if of.primary == primary.id))


def _may_group(incident: Incident, primary: Incident) -> bool:
    """Whether it is no graver, and opened no further away than the shorter of their windows."""
    window_ms = min(one.opened_ms - one.since_ms for one in (incident, primary))
    near = abs(incident.opened_ms - primary.opened_ms) < window_ms
    return near and not _graver(incident, primary)


def _graver(incident: Incident, primary: Incident) -> bool:
    return (incident.severity, primary.severity) == (Severity.CRITICAL, Severity.WARNING)


def _gravity(incident: Incident) -> tuple[bool, float, str]:
    """To sort the gravest first."""
    persistent = incident.evidence.persistent or 0.0
    return incident.severity is not Severity.CRITICAL, -persistent, incident.subject


def _opened(
    heard: Heard, evidence: Evidence, scope: str, subject: str, plan: Incidents
) -> Incident:
    return Incident(
        _identity(scope, subject, heard.end_ms),
        subject,
        evidence.severity,
        heard.end_ms,
        heard.end_ms,
        evidence,
        plan.resolve_after * heard.slide_ms,
        evidence.start_ms,
    )


def _calmed(incident: Incident) -> tuple[Incident | None, Change | None, Incident]:
    if incident.due_ms <= 0:
        return None, Change.RESOLVED, incident
    return incident, None, incident


def _lasting(
    incident: Incident, heard: Heard, evidence: Evidence, plan: Incidents
) -> tuple[Incident, Change | None, Incident]:
    """A shorter window does not cut short what a longer one wants to see calm."""
    due_ms = max(incident.due_ms, plan.resolve_after * heard.slide_ms)
    lasting = replace(incident, evidence=evidence, due_ms=due_ms)
    if evidence.severity is Severity.CRITICAL and incident.severity is Severity.WARNING:
        grown = replace(lasting, severity=evidence.severity, notified_ms=heard.end_ms)
        return grown, Change.ESCALATED, grown
    if heard.end_ms - incident.notified_ms >= plan.repeat_after_ms:
        repeated = replace(lasting, notified_ms=heard.end_ms)
        return repeated, Change.REPEATED, repeated
    return lasting, None, lasting


def _identity(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
