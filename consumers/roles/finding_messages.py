"""The messages of ``detect`` about windows, incidents and decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from consumers.kafka.configuration import MAX_MESSAGE_BYTES
from consumers.messages.alert_message import alert_message
from consumers.messages.alerts import HEADERS
from consumers.messages.decisions import retraining_decision
from consumers.messages.records import Message
from consumers.messages.window_message import window_message
from consumers.roles.profiles import Profiles
from driftline.errors import Trouble
from monitor.identity import Key
from monitor.plan import Plan
from monitor.windows.findings import (
    Findings,
    RetrainingFinding,
    Transition,
    WindowFinding,
)
from monitor.windows.lives import Lives

Finding = WindowFinding | Transition | RetrainingFinding

MAX_WINDOW_BYTES = MAX_MESSAGE_BYTES - 100_000  # with key and headers under the limit of Kafka


class WindowTooLarge(Trouble):
    """The message of a window exceeds the limit of Kafka's clients."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the message of a window has {size:,} bytes, the limit is {MAX_WINDOW_BYTES:,}:"
            " register the model with fewer features"
        )


class FindingMessages:
    """Makes messages from findings, with the info of model versions as of now."""

    def __init__(
        self, profiles: Profiles, plan_of: Callable[[str], Plan], plan_hash: str | None = None
    ) -> None:
        self._profiles, self._plan_of, self._plan_hash = profiles, plan_of, plan_hash

    def all(self, findings: Findings, lives: Lives) -> tuple[list[Message], dict[Key, Exception]]:
        """The messages about all findings, and the exceptions by key."""
        messages, failures = list[Message](), dict[Key, Exception]()
        if findings.transitions:
            self._profiles.refresh()  # owner, runbook and tags may have changed
        all_findings: list[Finding] = [*findings.windows, *findings.transitions]
        all_findings += findings.retraining
        for finding in all_findings:
            try:
                messages.append(self._message(finding, lives))
            except Exception as error:  # it must not stop the other keys
                failures.setdefault(finding.key, error)
        return messages, failures

    def alerts(self, transitions: Sequence[Transition], lives: Lives) -> list[Message]:
        return [self._alert(transition, lives) for transition in transitions]

    def _message(self, finding: Finding, lives: Lives) -> Message:
        if isinstance(finding, Transition):
            return self._alert(finding, lives)
        if isinstance(finding, RetrainingFinding):
            return _decision(finding)
        threshold = self._plan_of(finding.key.model).drift.p_value_threshold
        window = window_message(finding, threshold, self._plan_hash)
        value = msgspec.json.encode(window)
        if len(value) > MAX_WINDOW_BYTES:
            raise WindowTooLarge(len(value))
        return Message("windows", window.key, value)

    def _alert(self, transition: Transition, lives: Lives) -> Message:
        version = transition.key.version_key
        life, info = lives.get(version), self._profiles.info(*version)
        alert = alert_message(transition, info, None if life is None else life.state)
        key = transition.incident.id.encode()
        return Message("alerts", key, msgspec.json.encode(alert), headers=HEADERS)


def _decision(finding: RetrainingFinding) -> Message:
    model, version = finding.key.version_key
    decision = retraining_decision(model, version, finding.decision, finding.life)
    return Message("retraining", model.encode(), msgspec.json.encode(decision))
