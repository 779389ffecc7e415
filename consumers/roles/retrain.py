"""The role ``retrain``: decides whether a model should be trained again, with the reasons.

It keeps nothing on disk: the labels of each window and the critical incidents are read again from
``windows`` and ``alerts`` at each start. A single process decides for all models, because a second
one would see only half of the partitions. It does not train models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from consumers.messages.alerts import AlertMessage, decode_alert
from consumers.messages.decisions import RetrainingDecision, retraining_decision
from consumers.messages.reading import MessageReader
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.windows import WindowMessage, decode_window
from monitor.decisions.incidents import Resolution
from monitor.decisions.retraining import Facts, decide
from monitor.identity import VersionKey
from monitor.plan import Plan
from monitor.statistics.drift_rule import Severity

NOT_RECOVERED = (Resolution.STALE, Resolution.RETIRED, Resolution.REBASED)


@dataclass(slots=True)
class ModelHistory:
    """The windows and critical incidents of one model version.

    Only incidents that are open or have recovered count. Those about the traffic do not: more
    training does not bring rows.
    """

    labels: dict[tuple[int, int], int] = field(default_factory=dict)  # by start and end of a window
    critical: dict[str, int | None] = field(default_factory=dict)  # incident: resolved at, or open
    now_ms: int = 0  # end of the newest window; 0 before the first one
    life: int = 0  # number of the life of the version, of which the windows are

    def add(self, message: WindowMessage | AlertMessage) -> None:
        if isinstance(message, WindowMessage):
            self._add_window(message)
        elif message.data.reason in NOT_RECOVERED:
            self.critical.pop(message.data.incident, None)
        elif message.data.severity == Severity.CRITICAL and message.data.kind != "traffic":
            self.critical[message.data.incident] = message.data.resolved_ms

    def _add_window(self, message: WindowMessage) -> None:
        if message.life > self.life:
            self.life, self.labels, self.now_ms = message.life, {}, 0
        if message.life == self.life:
            self.now_ms = max(self.now_ms, message.end_ms)
            self.labels[message.start_ms, message.end_ms] = message.performance.labels

    def decision(self, model: str, version: str, plan: Plan) -> RetrainingDecision:
        """An incident may resolve at the end of any pane, after ``now_ms``; it counts at once."""
        open_ms = [self.now_ms if at_ms is None else at_ms for at_ms in self.critical.values()]
        facts = Facts(self.now_ms, critical_open_ms=open_ms, fresh_labels=_disjoint(self.labels))
        return retraining_decision(model, version, decide(plan.retraining, facts), self.life)


class Retrain:
    """Windows and alerts in, decisions out."""

    reads = ("windows", "alerts")

    def __init__(self, plan_of: Callable[[str], Plan]) -> None:
        self._plan_of = plan_of
        self._histories: dict[VersionKey, ModelHistory] = {}
        self._published: dict[VersionKey, bytes] = {}
        self._next: dict[TopicPartition, int] = {}
        self._reader: MessageReader[WindowMessage | AlertMessage] = MessageReader(
            {"windows": decode_window, "alerts": decode_alert}
        )

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
        self._add(records)
        for key, history in self._histories.items():
            self._published[key] = self._decision(key, history)

    def on_partitions_revoked(self, topic_partitions: Sequence[TopicPartition]) -> None:
        for topic_partition in topic_partitions:
            self._next.pop(topic_partition, None)
        if not self._next:  # the next assignment reads everything again
            self._histories, self._published = {}, {}

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._next.update(next_offsets)

    def problem(self) -> str | None:
        return None

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(at, 0),
                "counts": {"foreign": self._reader.foreign(topic_partition)},
            }
            for topic_partition, at in self._next.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records:
            return None
        self._add(batch.records)
        return Output(list(self._changed_decisions()))

    def _add(self, records: Iterable[Record]) -> None:
        for record in records:
            message = self._reader.read(record)
            if message is not None:
                about = message.data if isinstance(message, AlertMessage) else message
                if about.model is None or about.version is None or about.segment:
                    continue  # about Driftline itself, or a segment: decisions are about the whole
                key = (about.model, about.version)
                self._histories.setdefault(key, ModelHistory()).add(message)

    def _changed_decisions(self) -> Iterable[Message]:
        for key, history in sorted(self._histories.items(), key=lambda item: item[0]):
            value = self._decision(key, history)
            if history.now_ms and value != self._published.get(key):
                self._published[key] = value
                yield Message("retraining", key[0].encode(), value)

    def _decision(self, key: VersionKey, history: ModelHistory) -> bytes:
        return msgspec.json.encode(history.decision(*key, self._plan_of(key[0])))


def _disjoint(labels: Mapping[tuple[int, int], int]) -> int:
    """The labels of windows that do not overlap, taken from the oldest on."""
    total, past_ms = 0, -1
    for (start_ms, end_ms), count in sorted(labels.items()):
        if start_ms >= past_ms:
            total, past_ms = total + count, end_ms
    return total
