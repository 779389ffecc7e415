"""Alerts as people read them, and which of them somebody wants to see. No Kafka here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TYPE_PREFIX = "driftline.incident."

Event = Mapping[str, Any]  # a CloudEvent of the topic alerts, as docs/messages.md has it


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an alert must be like; whatever is empty asks for nothing."""

    severities: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    since_ms: int | None = None  # event time: the end of the window that decided

    def matches(self, event: Event) -> bool:
        data = event["data"]
        return (
            (not self.severities or data["severity"] in self.severities)
            and (not self.kinds or data["kind"] in self.kinds)
            and (not self.models or data["model"] in self.models)
            and (self.since_ms is None or event_ms(event) >= self.since_ms)
        )


def event_ms(event: Event) -> int:
    return round(datetime.fromisoformat(event["time"]).timestamp() * 1000)


def change_of(event: Event) -> str:
    """``opened``, ``escalated``, ``repeated`` or ``resolved``."""
    return str(event["type"]).removeprefix(TYPE_PREFIX)


def alert_line(event: Event) -> str:
    """Time, severity, change, model, subject, and what was found."""
    data, subject = event["data"], event["subject"]
    return (
        f"{event['time']}  {data['severity']:8}  {change_of(event):9}"
        f"  {data['model']}/{data['version']}  {subject}: {said(event)}"
    )


def said(event: Event) -> str:
    """The sentence of an alert without its subject, where a column names that already."""
    return str(event["data"]["message"]).removeprefix(f"{event['subject']}: ")
