"""How the roles fare and what became of every record, from the heartbeats. Pure.

A partition moves between workers, and the heartbeat of one that lost it stays: of all that was said
of a partition, what stands at the largest offset counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.answers import Answer
from api.times import milliseconds, moment

SILENT_MS = 30_000  # six heartbeats
NEEDED = ("aggregate", "join", "detect", "store")


class Role(Answer):
    """One worker."""

    role: str
    slot: int = Field(description="Which of the workers of its role.")
    status: Literal["ok", "problem", "silent", "replaced"] = Field(
        description="`silent`: no heartbeat for half a minute. `replaced`: silent, but others of"
        " its role have taken over all of its partitions."
    )
    problem: str | None = Field(description="What it says is wrong.")
    heartbeat_at: datetime = Field(description="Its last heartbeat, by its own clock.")
    heartbeat_age_s: float = Field(description="Seconds since then.")
    progress_at: datetime | None = Field(description="When it last committed anything.")
    progress_age_s: float | None = Field(description="Seconds since then.")
    lag: int = Field(description="Records of its partitions that it has not read.")
    watermark: datetime | None = Field(
        description="The oldest of its partitions' watermarks, event time."
    )
    partitions: dict[str, Any] = Field(description="By `topic/partition`, as in the heartbeat.")


class Records(Answer):
    """What became of records of a topic: `in` = `counted` + `too_late` + all of `dead`."""

    received: int = Field(description="Records read.")
    counted: int = Field(description="Taken into the statistics, late ones among them.")
    late: int = Field(description="Of the counted: behind their partition's watermark.")
    too_late: int = Field(description="Later than `accept_late`; not counted.")
    dead: dict[str, int] = Field(description="Set aside in `dead-letters`, by reason.")


class Joined(Answer):
    """What became of counted labels: `labels` is the sum of the five that follow it."""

    labels: int = Field(description="Labels that reached `join`.")
    matched: int = Field(description="Joined to their prediction.")
    waiting: int = Field(description="Whose prediction may still come.")
    expired: int = Field(description="Whose prediction did not come in time.")
    duplicates: int = Field(description="That said the same again.")
    superseded: int = Field(description="That a later label replaced.")
    predictions: int = Field(description="Counted predictions that reached `join`.")
    repeated_predictions: int = Field(
        description="Of them, with an id that was there already: the earliest by event time counts."
    )


class Health(Answer):
    """How the roles fare, and where every record went."""

    status: Literal["ok", "degraded", "no_data"] = Field(
        description="`degraded`: a role has a problem, is silent or was never heard of. `no_data`:"
        " none was ever heard of. Always with HTTP status 200; 503 means that nothing is known."
    )
    checked_at: datetime
    missing: list[str] = Field(description="Roles that the way needs and that never gave a sign.")
    roles: list[Role]
    predictions: Records
    labels: Records
    joins: Joined


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of a worker."""

    role: str
    slot: int
    at_ms: int
    document: Mapping[str, Any]

    @property
    def partitions(self) -> Mapping[str, Mapping[str, Any]]:
        return self.document.get("partitions") or {}


def assess(beats: Sequence[Beat], now_ms: int) -> Health:
    roles = [_role(beat, beats, now_ms) for beat in beats]
    missing = [role for role in NEEDED if role not in {beat.role for beat in beats}]
    well = not missing and all(role.status in ("ok", "replaced") for role in roles)
    return Health(
        status="no_data" if not beats else "ok" if well else "degraded",
        checked_at=moment(now_ms),
        missing=missing,
        roles=roles,
        predictions=_records(_counts(beats, "aggregate", "predictions")),
        labels=_records(_counts(beats, "aggregate", "labels")),
        joins=Joined(**_sums(_counts(beats, "join", "joins"), Joined.model_fields)),
    )


def _role(beat: Beat, beats: Sequence[Beat], now_ms: int) -> Role:
    progress = beat.document.get("progress_at")
    progress_ms = None if progress is None else milliseconds(progress)
    return Role(
        role=beat.role,
        slot=beat.slot,
        status=_status(beat, beats, now_ms),
        problem=beat.document.get("problem"),
        heartbeat_at=moment(beat.at_ms),
        heartbeat_age_s=_age_s(beat.at_ms, now_ms),
        progress_at=None if progress_ms is None else moment(progress_ms),
        progress_age_s=None if progress_ms is None else _age_s(progress_ms, now_ms),
        lag=sum(_lag(partition) for partition in beat.partitions.values()),
        watermark=_watermark(beat.partitions.values()),
        partitions=dict(beat.partitions),
    )


def _status(
    beat: Beat, beats: Sequence[Beat], now_ms: int
) -> Literal["ok", "problem", "silent", "replaced"]:
    if not _silent(beat, now_ms):
        return "problem" if beat.document.get("problem") else "ok"
    others = [b for b in beats if b.role == beat.role and not _silent(b, now_ms)]
    served = {partition for other in others for partition in other.partitions}
    return "replaced" if others and served >= set(beat.partitions) else "silent"


def _silent(beat: Beat, now_ms: int) -> bool:
    return now_ms - beat.at_ms > SILENT_MS


def _age_s(at_ms: int, now_ms: int) -> float:
    """Never negative: clocks of two machines may differ."""
    return max(0, now_ms - at_ms) / 1000


def _lag(partition: Mapping[str, Any]) -> int:
    offset, end = partition.get("offset"), partition.get("end")
    return 0 if offset is None or end is None else max(0, end - offset)


def _watermark(partitions: Iterable[Mapping[str, Any]]) -> datetime | None:
    known = [milliseconds(p["watermark"]) for p in partitions if p.get("watermark") is not None]
    return moment(min(known)) if known else None


def _counts(beats: Iterable[Beat], role: str, topic: str) -> list[Mapping[str, Any]]:
    """What is known of each partition of a topic, from whoever has come furthest in it."""
    furthest: dict[str, Mapping[str, Any]] = {}
    for beat in beats:
        for name, partition in beat.partitions.items():
            mine = beat.role == role and name.rpartition("/")[0] == topic
            if mine and _offset(partition) >= _offset(furthest.get(name, {})):
                furthest[name] = partition
    return [partition.get("counts") or {} for partition in furthest.values()]


def _offset(partition: Mapping[str, Any]) -> int:
    offset = partition.get("offset")
    return -1 if offset is None else int(offset)


def _sums(counts: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, int]:
    return {name: sum(int(of.get(name) or 0) for of in counts) for name in names}


def _records(counts: Sequence[Mapping[str, Any]]) -> Records:
    reasons = {reason for of in counts for reason in of.get("dead") or {}}
    dead = _sums([of.get("dead") or {} for of in counts], sorted(reasons))
    sums = _sums(counts, ("received", "counted", "late", "too_late"))
    return Records(received=sums.pop("received"), dead=dead, **sums)
