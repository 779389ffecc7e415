"""Alerts as lines on a terminal, and the selection of those to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from consumers.messages.alerts import AlertMessage
from driftline.terminal import printable
from monitor.identity import Key


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to show; an empty condition matches all."""

    severities: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    since_ms: int | None = None  # event time: the end of the window that decided

    def matches(self, alert: AlertMessage) -> bool:
        data = alert.data
        return (
            (not self.severities or data.severity in self.severities)
            and (not self.kinds or data.kind in self.kinds)
            and (not self.models or data.model in self.models)
            and (not self.changes or alert.change in self.changes)
            and (not self.subjects or alert.subject in self.subjects)
            and (self.since_ms is None or alert.time_ms >= self.since_ms)
        )

    def unknown(self, alerts: Iterable[AlertMessage]) -> str | None:
        """The first subject that no alert of this model is about, with those that have one."""
        seen = Counter(a.subject for a in alerts if not self.models or a.data.model in self.models)
        missing = sorted(self.subjects - set(seen))
        if not missing:
            return None
        return f"no alert is about {missing[0]!r}; there are alerts about {_names(seen)}"


def _names(seen: Counter[str]) -> str:
    """The most frequent ones."""
    return ", ".join(name for name, _ in seen.most_common(20)) or "nothing"


def alert_line(alert: AlertMessage) -> str:
    """Time, severity, change, model, subject and sentence, without control characters."""
    data = alert.data
    about = "Driftline"
    if data.model is not None and data.version is not None:
        about = Key(data.model, data.version, data.segment).name
    return printable(
        f"{alert.time}  {data.severity:8}  {alert.change:9}"
        f"  {about}  {alert.subject}: {alert.sentence}"
    )
