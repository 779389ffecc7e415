"""The role ``retrain``: tells in its log when the decision about a model version changes.

``detect`` decides (``monitor.windows.retraining_watch``). A single process follows the decisions
about all models, and keeps nothing. It does not train models. Because it is single, it also
collects the references of versions that are to be registered from their next rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from consumers.messages.decisions import RetrainingDecision, decode_decision
from consumers.messages.reading import MessageReader
from consumers.messages.records import Batch, CommittedOffset, Output, Record, TopicPartition
from consumers.roles.collector import Collector
from consumers.roles.set_aside import skipped_problem
from monitor.decisions.retraining import Outcome
from monitor.identity import VersionKey

log = logging.getLogger(__name__)


class Retrain:
    """Decisions in, one line for each that differs from the one before; no output."""

    reads = ("retraining",)

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._next: dict[TopicPartition, int] = {}
        self._outcomes: dict[VersionKey, str] = {}
        self._reader = MessageReader({"retraining": decode_decision})

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._next.update({one: at.next_offset for one, at in committed.items()})
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        """There is no cache."""

    def on_partitions_revoked(self, topic_partitions: Sequence[TopicPartition]) -> None:
        for topic_partition in topic_partitions:
            self._next.pop(topic_partition, None)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._next.update(next_offsets)

    def problem(self) -> str | None:
        skipped = skipped_problem(self._reader, self._next)
        return "; ".join(filter(None, (skipped, *self.collector.problems()))) or None

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {
                "offset": max(at, 0),
                "counts": self._reader.skipped(topic_partition),
            }
            for topic_partition, at in self._next.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        self.collector.step()
        if not batch.records:
            return None
        for record in batch.records:
            decision = self._reader.read_or_skip(record)
            if decision is not None:
                self._follow(decision)
        return Output([])

    def _follow(self, decision: RetrainingDecision) -> None:
        key = (decision.model, decision.version)
        before = self._outcomes.get(key, Outcome.NONE)
        self._outcomes[key] = decision.decision
        if decision.decision != before:
            log.info("%s", _line(decision))


def _line(decision: RetrainingDecision) -> str:
    reasons = (f"{one.condition} {one.actual} ({one.required})" for one in decision.reasons)
    return (
        f"{decision.model} {decision.version}: {decision.decision}"
        f" at {decision.decided_at}: {', '.join(reasons)}"
    )
