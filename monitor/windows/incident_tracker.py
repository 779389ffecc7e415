"""The incidents of one key during one batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from monitor.counts.subjects import TRAFFIC, subject_of
from monitor.decisions.incident_groups import KnownIncidents, apply_verdicts
from monitor.decisions.incidents import Change, Incident, Resolution
from monitor.decisions.signals import WindowVerdict
from monitor.identity import Key
from monitor.plan import Plan
from monitor.statistics.drift_rule import is_clear
from monitor.windows.evidence_drawing import Tell
from monitor.windows.findings import Closed, FeatureFinding, Transition


class IncidentTracker:
    """The open incidents by subject, and the verdicts that have not been applied to them yet."""

    def __init__(
        self,
        plan: Plan,
        key: Key,
        known: KnownIncidents,
        tell: Tell,
        life: int = 0,
    ) -> None:
        self.known = known
        self.transitions: list[Transition] = []
        self.closed: list[Closed] = []
        self._plan, self._key, self._tell = plan, key, tell
        # A version that began afresh may open the same incidents as before, with other ids.
        self._scope = f"{key.name}\x1f{life}" if life else key.name
        self._verdicts: dict[str, list[WindowVerdict]] = {}

    @property
    def open(self) -> Mapping[str, Incident]:
        """By subject."""
        return self.known.open

    def add(self, subject: str, verdict: WindowVerdict) -> None:
        self._verdicts.setdefault(subject, []).append(verdict)

    def add_feature(self, feature: FeatureFinding, start_ms: int) -> None:
        """Add the drift of a feature, and of its data quality, in an own window."""
        end_ms = start_ms + self._plan.windows.length_ms
        if feature.tests:
            tested, clear = feature.most_severe, is_clear(feature.tests)
            verdict = WindowVerdict.of_test(tested, start_ms, end_ms, is_clear=clear)
            self.add(subject_of(feature.cells), verdict)
        if (quality := feature.quality) is not None:
            clear = is_clear([quality])
            verdict = WindowVerdict.of_test(quality, start_ms, end_ms, is_clear=clear)
            self.add(f"quality/{feature.name}", verdict)

    def apply_verdicts(self, end_ms: int) -> None:
        """Open, continue or resolve incidents by all verdicts added since the last call.

        They are those of the windows that end with the pane that ends at ``end_ms``.
        """
        verdicts, self._verdicts = self._verdicts, {}
        self.apply(verdicts, end_ms - self._plan.windows.pane_ms, end_ms)

    def discard_verdicts(self) -> None:
        """Forget the verdicts added since the last call of ``apply_verdicts``."""
        self._verdicts = {}

    def end_stale(self, kinds: Collection[str], start_ms: int, end_ms: int) -> None:
        """End the incidents of some kinds: without rows in a time, none can recover.

        They refer to the open incident about the traffic, if there is one.
        """
        traffic = self.open.get(TRAFFIC)
        ended = [one for one in self.open.values() if one.kind in kinds]
        still_open = {name: one for name, one in self.open.items() if one.kind not in kinds}
        self.known = replace(self.known, open=still_open)
        for incident in ended:
            self.closed.append((incident, end_ms))
            if incident.primary is None:
                cause = None if traffic is None else traffic.id
                at = (Change.RESOLVED, incident, start_ms, end_ms, Resolution.STALE, cause)
                self.transitions.append(Transition(self._key, *at))

    def apply(
        self, verdicts: Mapping[str, Sequence[WindowVerdict]], healthy_from_ms: int, end_ms: int
    ) -> None:
        """Open, continue or resolve incidents by the verdicts of windows that end together.

        A resolved incident is reported with the window ``[healthy_from_ms, end_ms)``, any other
        with the window of its evidence.
        """
        plan = self._plan.incidents
        kept_ms = max(plan.reopen_within_ms, self._plan.windows.longest_ms)
        known, events = apply_verdicts(
            self.known.without_older(end_ms - kept_ms),
            verdicts,
            end_ms,
            scope=self._scope,
            plan=plan,
        )
        still = known.open
        self.closed += [(one, end_ms) for name, one in self.open.items() if name not in still]
        told = dict(known.open)
        for event in events:
            change, incident, start_ms = event.change, event.incident, healthy_from_ms
            if change is not Change.RESOLVED:
                evidence = self._tell(incident)
                incident, start_ms = replace(incident, told=evidence), evidence.start_ms
                told[incident.subject] = replace(told[incident.subject], told=evidence)
            self.transitions.append(Transition(self._key, change, incident, start_ms, end_ms))
        self.known = replace(known, open=told)
