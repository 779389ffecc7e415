"""The message of the topic ``alerts``: a change of an incident, as a CloudEvent.

Described in ``docs/messages.md``; made from transitions by ``consumers.messages.alert_message``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from consumers.messages.names import Enumerated, Name, Segment
from consumers.messages.reading import decode_json
from consumers.messages.records import Record
from consumers.messages.times import milliseconds
from consumers.messages.windows import DistributionBins
from producers.contract.version_info import VersionInfo

TYPE_PREFIX = "driftline.incident."
HEADERS = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


class AlertWindow(Struct, frozen=True, kw_only=True):
    start: str
    end: str


class AlertSegment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A segment that explains a fall of a metric, or has an incident about the same subject."""

    segment: Segment
    share: float | None = None  # of the fall: ``within`` and ``mix``
    within: float | None = None
    mix: float | None = None
    incident: bool = False  # whether it has an open incident about the same subject


class AlertEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the decision rests on; what does not belong to this kind of evidence is absent."""

    decided_by: str  # the test or the metric
    value: float | None = None
    threshold: float | None = None
    allowance: float | None = None
    persistent: float | None = None
    p_value: float | None = None
    detail: str | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    resolution: float | None = None
    rows: int | None = None
    labels: int | None = None
    coverage: float | None = None
    severity: Enumerated  # Severity
    grouped: list[str] | None = None  # other subjects that the incident stands for
    window: AlertWindow | None = None  # of the evidence; None: of an older release
    distribution: DistributionBins | None = None  # in this window, and of the reference
    segments: list[AlertSegment] | None = None  # of an incident of the whole
    part_of: str | None = None  # of one of a segment: the incident of the whole about the subject


class IncidentData(Struct, frozen=True, kw_only=True):
    """The incident after the change."""

    schema: Literal[1]
    incident: str
    model: Name | None  # None: it is about Driftline itself
    version: Name | None
    segment: Segment = ""  # the whole
    kind: str
    severity: Enumerated  # Severity
    state: Enumerated  # open or resolved
    reason: Enumerated | None = None  # Resolution; None while it is open
    caused_by: str | None = None  # the incident about the traffic that made this one stale
    opened_at: str
    resolved_at: str | None
    window: AlertWindow
    evidence: AlertEvidence
    message: str
    version_info: VersionInfo = VersionInfo()
    version_state: Enumerated | None = None  # VersionState

    def __post_init__(self) -> None:
        for time in (self.opened_at, self.resolved_at):
            if time is not None:
                milliseconds(time)

    @property
    def opened_ms(self) -> int:
        return milliseconds(self.opened_at)

    @property
    def resolved_ms(self) -> int | None:
        return None if self.resolved_at is None else milliseconds(self.resolved_at)


class AlertMessage(Struct, frozen=True, kw_only=True):
    """CloudEvents 1.0, structured JSON."""

    specversion: str = "1.0"
    id: str
    type: str
    source: str
    subject: str
    time: str  # end of the window that changed the incident
    datacontenttype: str = "application/json"
    data: IncidentData

    def __post_init__(self) -> None:
        milliseconds(self.time)

    @property
    def time_ms(self) -> int:
        return milliseconds(self.time)

    @property
    def change(self) -> str:
        """``opened``, ``reopened``, ``escalated``, ``repeated`` or ``resolved``."""
        return self.type.removeprefix(TYPE_PREFIX)

    @property
    def sentence(self) -> str:
        """The message without the subject, for a table that has a column for it."""
        return self.data.message.removeprefix(f"{self.subject}: ")


class _Marker(Struct):
    """What only an alert of Driftline has."""

    class _Data(Struct):
        schema: int

    data: _Data


def decode_alert(record: Record) -> AlertMessage:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(record.value, AlertMessage, _Marker)
