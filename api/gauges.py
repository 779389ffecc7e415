"""What Prometheus is told: how roles fare, what is open, the newest window of each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from api.health import Health
from api.prometheus import Gauge, Sample
from api.queries import Version, newest_measured, newest_window, open_incidents, registered


def gauges(connection: Connection, now: Health) -> Iterator[Gauge]:
    newest = _newest_versions(connection)
    yield from _of_roles(now)
    yield Gauge(
        "driftline_open_incidents", "Incidents that are open.", list(_incidents(connection))
    )
    yield Gauge(
        "driftline_metric",
        "A metric in the newest final window.",
        [sample for of in newest for sample in _metrics(connection, of)],
    )
    yield Gauge(
        "driftline_ks_distance",
        "Kolmogorov-Smirnov distance of a feature in the newest window.",
        [sample for of in newest for sample in _distances(connection, of)],
    )
    yield Gauge(
        "driftline_window_end_timestamp_seconds",
        "Event time of the newest window's end.",
        [sample for of in newest for sample in _ends(connection, of)],
    )


def _of_roles(now: Health) -> Iterator[Gauge]:
    of = [({"role": role.role, "slot": str(role.slot)}, role) for role in now.roles]
    yield Gauge(
        "driftline_heartbeat_age_seconds",
        "Seconds since the last heartbeat of a worker.",
        [(labels, role.heartbeat_age_s) for labels, role in of],
    )
    yield Gauge(
        "driftline_progress_age_seconds",
        "Seconds since a worker last committed anything.",
        [(labels, role.progress_age_s) for labels, role in of],
    )
    yield Gauge(
        "driftline_lag_records",
        "Records that a worker has not read yet.",
        [(labels, role.lag) for labels, role in of],
    )
    yield Gauge(
        "driftline_records",
        "What became of the records of a topic that were read.",
        [sample for topic in ("predictions", "labels") for sample in _records(now, topic)],
    )


def _records(now: Health, topic: str) -> Iterator[Sample]:
    records = now.predictions if topic == "predictions" else now.labels
    yield {"topic": topic, "fate": "counted", "reason": ""}, records.counted
    yield {"topic": topic, "fate": "too_late", "reason": ""}, records.too_late
    for reason, count in records.dead.items():
        yield {"topic": topic, "fate": "dead", "reason": reason}, count


def _newest_versions(connection: Connection) -> Sequence[Version]:
    """One for each model."""
    newest: dict[str, Version] = {}
    for row in registered(connection):
        newest.setdefault(row.model, Version(row.model, row.version))
    return list(newest.values())


def _incidents(connection: Connection) -> Iterator[Sample]:
    for row in open_incidents(connection):
        yield (
            {name: text for name, text in row._mapping.items() if name != "incidents"},
            row.incidents,
        )


def _metrics(connection: Connection, of: Version) -> Iterator[Sample]:
    if row := newest_measured(connection, of, "final"):
        for name, metric in row.performance["metrics"].items():
            yield {**of._asdict(), "metric": name}, metric["value"]


def _distances(connection: Connection, of: Version) -> Iterator[Sample]:
    if row := newest_window(connection, of):
        for feature in row.data["features"]:
            yield {**of._asdict(), "feature": feature["name"]}, feature["statistic"]


def _ends(connection: Connection, of: Version) -> Iterator[Sample]:
    if row := newest_window(connection, of):
        yield of._asdict(), row.end_ms / 1000
