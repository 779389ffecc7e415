"""The role ``retrain``: decides whether a model should be trained again, and says why.

It keeps nothing on disk: what it needs of the past, a count of labels a window and the critical
incidents, is read again from ``windows`` and ``alerts`` when it starts. One process decides for
all; a second one would see only half of each model. Training itself is not done here yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from consumers.messages.internal import SCHEMA, rfc3339
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from monitor.decisions.retraining import Decision, Facts, decide
from monitor.plan import Plan

Key = tuple[str, str]  # model, version


@dataclass(slots=True)
class Known:
    """What is known of one model version."""

    labels: dict[tuple[int, int], int] = field(default_factory=dict)  # by start and end of a window
    critical: dict[str, int | None] = field(default_factory=dict)  # incident: resolved at, or open
    now_ms: int = 0
    published: bytes = b""


class Retrain:
    """Windows and alerts in, decisions out."""

    reads = ("windows", "alerts")

    def __init__(self, plan_of: Callable[[str], Plan]) -> None:
        self._plan_of = plan_of
        self._known: dict[Key, Known] = {}
        self._next: dict[TopicPartition, int] = {}

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._next.update(
            {topic_partition: at.next_offset for topic_partition, at in committed.items()}
        )
        return {
            topic_partition: 0 for topic_partition, at in committed.items() if at.next_offset > 0
        }

    def replay(self, records: Sequence[Record]) -> None:
        self._learn(records)
        for key, known in self._known.items():
            known.published = self._decision(key, known)

    def on_partitions_lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        for topic_partition in topic_partitions:
            self._next.pop(topic_partition, None)
        if not self._next:  # whoever comes next reads all of it again
            self._known = {}

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._next.update(next_offsets)

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {"offset": max(at, 0)}
            for topic_partition, at in self._next.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        self._learn(batch.records)
        return Output(list(self._news()))

    def _news(self) -> Iterable[Message]:
        for key, known in sorted(self._known.items()):
            value = self._decision(key, known)
            if known.now_ms and value != known.published:
                known.published = value
                yield Message("retraining", key[0].encode(), value)

    def _learn(self, records: Iterable[Record]) -> None:
        for record in records:
            document = msgspec.json.decode(record.value or b"{}")
            if record.topic == "windows":
                self._learn_window(document)
            else:
                self._learn_alert(document["data"])

    def _learn_window(self, document: Mapping[str, Any]) -> None:
        known = self._of(document)
        start_ms, end_ms = _ms(document["start"]), _ms(document["end"])
        known.now_ms = max(known.now_ms, end_ms)
        known.labels[start_ms, end_ms] = document["performance"]["labels"]

    def _learn_alert(self, data: Mapping[str, Any]) -> None:
        """Incidents change at the end of any pane, so often later than the newest window's end,
        which is what time it is here. Such a one counts at once.
        """
        known = self._of(data)
        if data["severity"] == "critical":
            resolved = data["resolved_at"]
            known.critical[data["incident"]] = None if resolved is None else _ms(resolved)

    def _of(self, document: Mapping[str, Any]) -> Known:
        return self._known.setdefault((document["model"], document["version"]), Known())

    def _decision(self, key: Key, known: Known) -> bytes:
        model, version = key
        facts = Facts(
            now_ms=known.now_ms,
            critical_open_ms=[
                known.now_ms if resolved_ms is None else resolved_ms
                for resolved_ms in known.critical.values()
            ],
            fresh_labels=_disjoint(known.labels),
        )
        decision = decide(self._plan_of(model).retraining, facts)
        return msgspec.json.encode(decision_document(model, version, decision))


def decision_document(model: str, version: str, decision: Decision) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": model,
        "version": version,
        "decision": decision.outcome.value,
        "reasons": [
            {
                "condition": condition.name,
                "required": condition.required,
                "actual": condition.actual,
                "met": condition.met,
            }
            for condition in decision.conditions
        ],
        "decided_at": rfc3339(decision.decided_ms),
    }


def _disjoint(labels: Mapping[tuple[int, int], int]) -> int:
    """Labels of windows that do not overlap: where they do, only every so many is counted."""
    total, past_ms = 0, -1
    for (start_ms, end_ms), count in sorted(labels.items()):
        if start_ms >= past_ms:
            total, past_ms = total + count, end_ms
    return total


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
