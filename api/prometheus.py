"""Metrics for Prometheus: workers, records, open incidents, the newest window of each model.

A custom collector reads everything from the database when Prometheus scrapes. Names follow the
conventions of Prometheus: base units, times as Unix timestamps, ``_total`` for counters. The label
``segment`` is empty for the whole, which Prometheus takes for a label that is absent.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Row

from api.answers import Worker
from api.health import WorkerHeartbeat, partition_counts
from api.queries import (
    model_keys,
    newest_performance,
    newest_window,
    open_incident_counts,
)
from monitor.identity import Key

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # every Prometheus reads it
MAX_SAMPLES = 5_000  # of each metric: thousands of features or segments would fill Prometheus
Sample = tuple[Sequence[str], float | None]  # values of the labels, and the value

_RESETS = "Restarts at zero when the role `aggregate` rebuilds its state (a counter reset)."


def exposition(collector: Collector) -> bytes:
    """In the text format of Prometheus, version 0.0.4."""
    return generate_latest(collector)


class FindingsCollector(Collector):
    """The metrics of one scrape, from one snapshot of the database."""

    def __init__(
        self,
        connection: Connection,
        workers: Sequence[Worker],
        heartbeats: Sequence[WorkerHeartbeat],
    ) -> None:
        self._connection, self._workers, self._heartbeats = connection, workers, heartbeats

    def collect(self) -> Iterator[Metric]:
        yield _build_info()
        metrics = [
            *_worker_metrics(self._workers),
            *_record_metrics(self._heartbeats),
            _open_incidents(self._connection),
            *_window_metrics(self._connection, _default_versions(self._connection)),
        ]
        yield from (*metrics, _bounded(metrics))


def _build_info() -> Metric:
    labels = {"version": version("driftline"), "python": platform.python_version()}
    return InfoMetricFamily("driftline_build", "The release of the API.", value=labels)


def _bounded(metrics: Sequence[Metric]) -> Metric:
    """Cuts each metric to ``MAX_SAMPLES``, and tells how many samples were left out."""
    left_out = [((metric.name,), len(metric.samples) - MAX_SAMPLES) for metric in metrics]
    for metric in metrics:
        del metric.samples[MAX_SAMPLES:]
    text = f"Samples that were left out: a metric has at most {MAX_SAMPLES:,}."
    return _gauge(
        "driftline_left_out_samples", text, ("metric",), [one for one in left_out if one[1] > 0]
    )


def _worker_metrics(workers: Sequence[Worker]) -> Iterator[Metric]:
    labels = ("role", "slot")
    by_worker = [((worker.role, str(worker.slot)), worker) for worker in workers]
    yield _gauge(
        "driftline_worker_last_heartbeat_timestamp_seconds",
        "Unix time at which the newest heartbeat of a worker was received.",
        labels,
        [(names, worker.heartbeat_at.timestamp()) for names, worker in by_worker],
    )
    yield _gauge(
        "driftline_worker_last_commit_timestamp_seconds",
        "Unix time of the newest commit of a worker.",
        labels,
        [
            (names, worker.progress_at.timestamp() if worker.progress_at else None)
            for names, worker in by_worker
        ],
    )
    yield _gauge(
        "driftline_worker_lag_records",
        "Records of the partitions of a worker that it has not read yet.",
        labels,
        [(names, worker.lag) for names, worker in by_worker],
    )


def _record_metrics(heartbeats: Sequence[WorkerHeartbeat]) -> Iterator[Metric]:
    """By partition, so that a partition that starts again resets its own counters only."""
    records = _counter("driftline_records", f"Records read, by outcome. {_RESETS}", "outcome")
    late = _counter(
        "driftline_late_records",
        f"Records counted although they were behind the watermark of their partition. {_RESETS}",
    )
    lost = _counter(
        "driftline_lost_records", f"Records that retention deleted before they were read. {_RESETS}"
    )
    dead = _counter("driftline_dead_letters", f"Dead letters, by reason. {_RESETS}", "reason")
    for topic in ("predictions", "labels"):
        for number, counts in partition_counts(heartbeats, "aggregate", topic).items():
            partition = [topic, str(number)]
            reasons: dict[str, int] = counts.get("dead") or {}
            records.add_metric([*partition, "counted"], counts.get("counted", 0))
            records.add_metric([*partition, "too_late"], counts.get("too_late", 0))
            records.add_metric([*partition, "retired"], counts.get("retired", 0))
            records.add_metric([*partition, "dead_letter"], sum(reasons.values()))
            late.add_metric(partition, counts.get("late", 0))
            lost.add_metric(partition, counts.get("lost", 0))
            for reason, count in reasons.items():
                dead.add_metric([*partition, reason], count)
    yield from (records, late, lost, dead)


def _open_incidents(connection: Connection) -> Metric:
    labels = (*Key._fields, "kind", "severity")
    return _gauge(
        "driftline_open_incidents",
        "Incidents that are open.",
        labels,
        [
            ([getattr(row, label) or "" for label in labels], row.incidents)
            for row in open_incident_counts(connection)
        ],
    )


def _window_metrics(connection: Connection, keys: Sequence[Key]) -> Iterator[Metric]:
    windows = [(key, newest_window(connection, key)) for key in keys]
    performances = [(key, newest_performance(connection, key, "final")) for key in keys]
    yield _gauge(
        "driftline_window_end_timestamp_seconds",
        "End of the newest window, event time.",
        Key._fields,
        [(key, row.end_ms / 1000) for key, row in windows if row],
    )
    yield _gauge(
        "driftline_feature_distance",
        "Distance of a feature from the reference in the newest window, 0 to 1: Kolmogorov-Smirnov,"
        " or for categories the largest difference of a proportion.",
        (*Key._fields, "feature"),
        [sample for key, row in windows if row for sample in _of_features(key, row, "statistic")],
    )
    yield _gauge(
        "driftline_feature_threshold",
        "The distance of a feature that sampling noise alone exceeds no more often than the budget"
        " of false alarms allows.",
        (*Key._fields, "feature"),
        [sample for key, row in windows if row for sample in _of_features(key, row, "threshold")],
    )
    yield _gauge(
        "driftline_performance_metric",
        "A performance metric in the newest final window.",
        (*Key._fields, "metric"),
        [sample for key, row in performances if row for sample in _metrics(key, row)],
    )


def _of_features(key: Key, row: Row[Any], field: str) -> Iterator[Sample]:
    for feature in row.data["features"]:
        yield (*key, feature["name"]), feature.get(field)


def _metrics(key: Key, row: Row[Any]) -> Iterator[Sample]:
    for name, metric in row.performance["metrics"].items():
        yield (*key, name), metric["value"]


def _default_versions(connection: Connection) -> Sequence[Key]:
    """The whole of the version of each model that answers when none is named."""
    chosen: dict[str, Key] = {}
    for row in model_keys(connection):
        chosen.setdefault(row.model, Key(row.model, row.version))
    return sorted(chosen.values())


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    """A sample without a value is left out."""
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            gauge.add_metric(values, value)
    return gauge


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    """A counter of records by topic and partition; its samples are named ``{name}_total``."""
    return CounterMetricFamily(name, text, labels=("topic", "partition", *labels))
