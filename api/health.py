"""Assesses the health of the workers from their newest heartbeats. Pure.

A partition moves between workers, and the heartbeat of a worker that lost it remains in the table.
If several heartbeats contain a partition, the one with the largest offset counts.

Ages are measured with the clock of ``store`` (``received_ms``), because the clock of a worker may
be wrong. Only the difference between two times of the same worker uses the worker's clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.answers import Collecting, Health, LabelCounts, RecordCounts, Worker
from api.answers.health import WorkerState
from consumers.messages.times import milliseconds, utc_datetime
from driftline.settings import Settings

DIFFERENT = (
    "its settings differ from those of most workers: give all of them the same driftline.toml and"
    " variables"
)
SILENT_MS = 30_000  # six heartbeats
MOST_EXPIRED = 0.1  # of all labels, without a warning
MIN_EXPIRED = 100
REQUIRED_ROLES = ("aggregate", "join", "detect", "store")

PartitionStatus = Mapping[str, Any]
Counts = Mapping[str, Any]  # as in the heartbeat: integers, and ``dead`` with integers by reason


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat:
    """The newest heartbeat of a worker."""

    role: str
    slot: int
    at_ms: int  # the worker's clock
    received_ms: int  # the clock of ``store``
    document: Mapping[str, Any]

    @property
    def partitions(self) -> Mapping[str, PartitionStatus]:
        return self.document.get("partitions") or {}

    @property
    def collecting(self) -> Sequence[Mapping[str, Any]]:
        return self.document.get("collecting") or ()

    @property
    def problem(self) -> str | None:
        return self.document.get("problem")

    @property
    def plan(self) -> str | None:
        return self.document.get("plan")

    @property
    def progress_ms(self) -> int | None:
        """Time of the newest commit, converted to the clock of ``store``."""
        progress_at = self.document.get("progress_at")
        if progress_at is None:
            return None
        return self.received_ms - (self.at_ms - milliseconds(progress_at))

    def is_silent(self, now_ms: int) -> bool:
        return now_ms - self.received_ms > SILENT_MS


def required_roles(settings: Settings) -> tuple[str, ...]:
    """``ingest`` is one if there are ``[[sources]]``, ``pair`` if there are pairs among them, and
    ``retrain`` if one of them collects.
    """
    ingest = ("ingest",) if settings.sources else ()
    pair = ("pair",) if settings.pairs() else ()
    collects = any(source.collect is not None for source in settings.sources)
    return (*ingest, *pair, *REQUIRED_ROLES, *(("retrain",) if collects else ()))


def assess(
    heartbeats: Sequence[WorkerHeartbeat],
    now_ms: int,
    required: Sequence[str] = REQUIRED_ROLES,
) -> Health:
    plan = _usual_plan(heartbeats, now_ms)
    workers = [_worker(heartbeat, heartbeats, now_ms, plan) for heartbeat in heartbeats]
    present = {worker.role for worker in workers}
    missing = [role for role in required if role not in present]
    healthy = not missing and all(worker.status in ("ok", "replaced") for worker in workers)
    joins = _label_counts(partition_counts(heartbeats, "join", "joins"))
    sources = {
        topic: _record_counts(partition_counts(heartbeats, "aggregate", topic))
        for topic in ("predictions", "labels")
    }
    return Health(
        status="no_data" if not workers else "ok" if healthy else "degraded",
        checked_at=utc_datetime(now_ms),
        missing=missing,
        roles=workers,
        predictions=sources["predictions"],
        labels=sources["labels"],
        joins=joins,
        collecting=[Collecting(**one) for at in heartbeats for one in at.collecting],
        warnings=[*_lost(sources), *_warnings(joins)],
    )


def _lost(sources: Mapping[str, RecordCounts]) -> Iterator[str]:
    for topic, counts in sources.items():
        if counts.lost:
            yield (
                f"retention has deleted {counts.lost:,} records of {topic} before they were read:"
                " add workers to aggregate, or raise retention.ms of the topic"
            )


def _warnings(joins: LabelCounts) -> Iterator[str]:
    if joins.expired >= max(MIN_EXPIRED, MOST_EXPIRED * joins.labels):
        yield (
            f"{joins.expired:,} of {joins.labels:,} labels ({joins.expired / joins.labels:.0%})"
            " found no prediction in time, and do not count: labels that come later than"
            " time.label_horizon after their prediction need a longer one; others have an id that"
            " no prediction has"
        )


def partition_counts(
    heartbeats: Iterable[WorkerHeartbeat], role: str, topic: str
) -> dict[int, Counts]:
    """The counts of each partition of a topic, from the heartbeat with the largest offset."""
    newest: dict[int, PartitionStatus] = {}
    for heartbeat in heartbeats:
        if heartbeat.role != role:
            continue
        for name, status in heartbeat.partitions.items():
            name_topic, _, partition = name.rpartition("/")
            if name_topic == topic and _offset(status) >= _offset(newest.get(int(partition), {})):
                newest[int(partition)] = status
    return {partition: newest[partition].get("counts") or {} for partition in sorted(newest)}


def _usual_plan(heartbeats: Sequence[WorkerHeartbeat], now_ms: int) -> str | None:
    """The settings of most workers that are not silent."""
    plans = Counter(at.plan for at in heartbeats if at.plan and not at.is_silent(now_ms))
    return max(plans, key=lambda plan: (plans[plan], plan), default=None)


def _problem(heartbeat: WorkerHeartbeat, usual_plan: str | None) -> str | None:
    differs = heartbeat.plan is not None and heartbeat.plan != usual_plan
    problems = (heartbeat.problem, DIFFERENT if differs else None)
    return "; ".join(filter(None, problems)) or None


def _worker(
    heartbeat: WorkerHeartbeat,
    heartbeats: Sequence[WorkerHeartbeat],
    now_ms: int,
    usual_plan: str | None,
) -> Worker:
    progress_ms = heartbeat.progress_ms
    problem = _problem(heartbeat, usual_plan)
    return Worker(
        role=heartbeat.role,
        slot=heartbeat.slot,
        status=_state(heartbeat, heartbeats, now_ms, problem),
        problem=problem,
        heartbeat_at=utc_datetime(heartbeat.received_ms),
        heartbeat_age_s=_age_s(heartbeat.received_ms, now_ms),
        progress_at=None if progress_ms is None else utc_datetime(progress_ms),
        progress_age_s=None if progress_ms is None else _age_s(progress_ms, now_ms),
        lag=sum(_lag(status) for status in heartbeat.partitions.values()),
        watermark=_watermark(heartbeat.partitions.values()),
        foreign=sum(_foreign(status) for status in heartbeat.partitions.values()),
        plan=heartbeat.plan,
        partitions=dict(heartbeat.partitions),
    )


def _state(
    heartbeat: WorkerHeartbeat,
    heartbeats: Sequence[WorkerHeartbeat],
    now_ms: int,
    problem: str | None,
) -> WorkerState:
    if not heartbeat.is_silent(now_ms):
        return "problem" if problem else "ok"
    others = [
        other
        for other in heartbeats
        if other.role == heartbeat.role and not other.is_silent(now_ms)
    ]
    assigned = {partition for other in others for partition in other.partitions}
    return "replaced" if others and assigned >= set(heartbeat.partitions) else "silent"


def _age_s(time_ms: int, now_ms: int) -> float:
    """Never negative: the clocks of API and store may differ."""
    return max(0, now_ms - time_ms) / 1000


def _lag(status: PartitionStatus) -> int:
    offset, end = status.get("offset"), status.get("end")
    return 0 if offset is None or end is None else max(0, end - offset)


def _foreign(status: PartitionStatus) -> int:
    return int((status.get("counts") or {}).get("foreign") or 0)


def _watermark(partitions: Iterable[PartitionStatus]) -> datetime | None:
    watermarks = [status["watermark"] for status in partitions if status.get("watermark")]
    return utc_datetime(min(map(milliseconds, watermarks))) if watermarks else None


def _offset(status: PartitionStatus) -> int:
    offset = status.get("offset")
    return -1 if offset is None else int(offset)


def _record_counts(partitions: Mapping[int, Counts]) -> RecordCounts:
    dead = [counts.get("dead") or {} for counts in partitions.values()]
    reasons = sorted({reason for by_reason in dead for reason in by_reason})
    names = [name for name in RecordCounts.model_fields if name != "dead"]
    return RecordCounts(**_sums(partitions.values(), names), dead=_sums(dead, reasons))


def _label_counts(partitions: Mapping[int, Counts]) -> LabelCounts:
    return LabelCounts(**_sums(partitions.values(), LabelCounts.model_fields))


def _sums(counts: Iterable[Counts], names: Iterable[str]) -> dict[str, int]:
    rows = list(counts)
    return {name: sum(int(row.get(name) or 0) for row in rows) for name in names}
