"""The incidents of one key during one batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from monitor.budget import own_length
from monitor.counts.subjects import TRAFFIC, subject_of
from monitor.decisions.incident_groups import apply_signals
from monitor.decisions.incidents import Change, Incident, Resolution
from monitor.decisions.signals import SubjectSignal, WindowVerdict, most_severe
from monitor.identity import Key
from monitor.plan import Plan
from monitor.windows.evidence_drawing import Tell
from monitor.windows.findings import FeatureFinding, Transition
from monitor.windows.scale_scanner import window_verdict


class IncidentTracker:
    """The open incidents by subject, and the verdicts that have not been applied to them yet."""

    def __init__(
        self,
        plan: Plan,
        key: Key,
        open_incidents: Mapping[str, Incident],
        tell: Tell,
        life: int = 0,
    ) -> None:
        self.open = dict(open_incidents)
        self.transitions: list[Transition] = []
        self._plan, self._key, self._tell = plan, key, tell
        # A version that began afresh may open the same incidents as before, with other ids.
        self._scope = f"{key.name}\x1f{life}" if life else key.name
        self._verdicts: dict[str, list[WindowVerdict]] = {}

    def add(self, subject: str, verdict: WindowVerdict) -> None:
        self._verdicts.setdefault(subject, []).append(verdict)

    def add_feature(self, feature: FeatureFinding, start_ms: int) -> None:
        """Add the drift of a feature, and of its data quality, in an own window."""
        length, windows = own_length(self._plan), self._plan.windows
        if feature.severity is not None:
            verdict = window_verdict(feature.most_severe, start_ms, length, windows)
            self.add(subject_of(feature.cells), verdict)
        if feature.quality is not None and feature.quality.severity is not None:
            verdict = window_verdict(feature.quality, start_ms, length, windows)
            self.add(f"quality/{feature.name}", verdict)

    def apply_verdicts(self, end_ms: int) -> None:
        """Open, continue or resolve incidents by all verdicts added since the last call.

        They are those of the windows that end with the pane that ends at ``end_ms``.
        """
        pane_ms = self._plan.windows.pane_ms
        signals = {
            subject: most_severe(verdicts, end_ms, pane_ms)
            for subject, verdicts in self._verdicts.items()
        }
        self._verdicts = {}
        self.apply(signals, end_ms - pane_ms, end_ms)

    def discard_verdicts(self) -> None:
        """Forget the verdicts added since the last call of ``apply_verdicts``."""
        self._verdicts = {}

    def end_stale(self, kinds: Collection[str], start_ms: int, end_ms: int) -> None:
        """End the incidents of some kinds: without rows in a time, none can recover.

        They refer to the open incident about the traffic, if there is one.
        """
        traffic = self.open.get(TRAFFIC)
        for subject, incident in list(self.open.items()):
            if incident.kind not in kinds:
                continue
            del self.open[subject]
            if incident.primary is None:
                ended = Transition(
                    self._key,
                    Change.RESOLVED,
                    incident,
                    start_ms,
                    end_ms,
                    Resolution.STALE,
                    None if traffic is None else traffic.id,
                )
                self.transitions.append(ended)

    def apply(
        self, signals: Mapping[str, SubjectSignal], healthy_from_ms: int, end_ms: int
    ) -> None:
        """Open, continue or resolve incidents by one signal for each subject.

        A resolved incident is reported with the window ``[healthy_from_ms, end_ms)``, any other
        with the window of its evidence.
        """
        self.open, events = apply_signals(
            self.open, signals, scope=self._scope, plan=self._plan.incidents
        )
        for event in events:
            change, incident, start_ms = event.change, event.incident, healthy_from_ms
            if change is not Change.RESOLVED:
                evidence = self._tell(incident)
                incident, start_ms = replace(incident, told=evidence), evidence.start_ms
                self.open[incident.subject] = replace(self.open[incident.subject], told=evidence)
            self.transitions.append(Transition(self._key, change, incident, start_ms, end_ms))
