"""GET /metrics: counters and gauges that Prometheus can parse."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.consumers.stored import NOW, alert, heartbeat, window

HEALTHY = [heartbeat(role) for role in ("join", "detect", "store")]
COUNTERS = {
    "driftline_records",
    "driftline_late_records",
    "driftline_lost_records",
    "driftline_dead_letters",
}
MODEL = {"model": "flight-delay", "version": "1", "segment": ""}


def partition(offset: int, *, end: int | None = None, **counts):
    return {"offset": offset, "end": offset if end is None else end, "counts": counts}


@pytest.fixture
def metrics(client, watched):
    """Scrapes /metrics: its metric families by name."""
    counts = {"received": 9, "counted": 5, "late": 2, "too_late": 1, "dead": {"contract": 3}}
    feed = watched
    feed(
        *HEALTHY,
        heartbeat("aggregate", partitions={"predictions/0": partition(9, end=14, **counts)}),
        window(0),
        window(1, status="provisional"),
        alert(),
    )

    def scrape():
        answer = client.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    return scrape


def value(families, name: str, **labels: str) -> float:
    """The value of the only sample with exactly these labels."""
    family = families[name.removesuffix("_total")]
    (found,) = [s.value for s in family.samples if s.name == name and s.labels == labels]
    return found


def test_counts_of_records_are_counters_and_everything_else_is_a_gauge(metrics):
    families = metrics()
    kinds = {name: family.type for name, family in families.items()}
    assert {name for name, kind in kinds.items() if kind == "counter"} == COUNTERS
    assert {kind for name, kind in kinds.items() if name not in COUNTERS} == {"gauge"}
    assert all(
        sample.name == (f"{name}_total" if name in COUNTERS else name)
        for name, family in families.items()
        for sample in family.samples
    )


def test_every_metric_has_a_help_text_and_samples(metrics):
    families = metrics()
    assert [name for name, family in families.items() if not family.documentation] == []
    empty = [name for name, family in families.items() if not family.samples]
    assert empty == ["driftline_left_out_samples"]


def test_documentation_lists_every_metric_with_its_type(metrics):
    page = Path(__file__).parents[2] / "docs/deployment.md"
    rows = re.findall(r"^\| `(driftline_\w+)` \| (\w+) \|", page.read_text(), re.MULTILINE)
    assert dict(rows) == {
        f"{name}_total" if name in COUNTERS else name: family.type
        for name, family in metrics().items()
    }


def test_help_of_each_counter_explains_its_reset(metrics):
    families = metrics()
    assert all("a counter reset" in families[name].documentation for name in COUNTERS)


def test_counters_of_a_partition_by_outcome_and_reason(metrics):
    families, labels = metrics(), {"topic": "predictions", "partition": "0"}
    outcomes = {"counted": 5, "too_late": 1, "dead_letter": 3}
    for outcome, count in outcomes.items():
        assert value(families, "driftline_records_total", **labels, outcome=outcome) == count
    assert value(families, "driftline_late_records_total", **labels) == 2
    assert value(families, "driftline_dead_letters_total", **labels, reason="contract") == 3
    assert sum(sample.value for sample in families["driftline_records"].samples) == 9


def test_counters_follow_a_partition_that_moves_to_another_worker(metrics, feed):
    moved = partition(12, received=12, counted=12, late=0, too_late=0, dead={})
    feed(heartbeat("aggregate", 1, partitions={"predictions/0": moved}))
    labels = {"topic": "predictions", "partition": "0", "outcome": "counted"}
    assert value(metrics(), "driftline_records_total", **labels) == 12


def test_workers_have_times_of_heartbeat_and_commit_and_lag(metrics):
    families, prefix = metrics(), "driftline_worker"
    join, aggregate = {"role": "join", "slot": "0"}, {"role": "aggregate", "slot": "0"}
    assert value(families, f"{prefix}_last_heartbeat_timestamp_seconds", **join) == NOW / 1000
    assert value(families, f"{prefix}_last_commit_timestamp_seconds", **join) == NOW / 1000
    assert value(families, f"{prefix}_lag_records", **aggregate) == 5


def test_worker_without_a_commit_has_no_commit_time(metrics, feed):
    feed(heartbeat("join", progress_at=None))
    times = metrics()["driftline_worker_last_commit_timestamp_seconds"].samples
    assert "join" not in {sample.labels["role"] for sample in times}


def test_newest_window_open_incidents_and_final_metrics_of_a_model(metrics):
    families = metrics()
    end_s = 1_364_947_200
    assert value(families, "driftline_window_end_timestamp_seconds", **MODEL) == end_s
    assert value(families, "driftline_feature_distance", **MODEL, feature="temp") == 0.21
    assert value(families, "driftline_performance_metric", **MODEL, metric="accuracy") == 0.91
    open_data = {**MODEL, "kind": "data", "severity": "warning"}
    assert value(families, "driftline_open_incidents", **open_data) == 1


def test_undefined_metric_has_no_sample(metrics):
    samples = metrics()["driftline_performance_metric"].samples
    assert [sample.labels["metric"] for sample in samples] == ["accuracy"]


def test_label_values_with_quotes_and_line_breaks_are_escaped(metrics, feed):
    feature = 'a"b\\c\nd'
    _, message = window(2)
    message["data"]["features"][0]["name"] = feature
    feed(("windows", message))
    assert value(metrics(), "driftline_feature_distance", **MODEL, feature=feature) == 0.21


@pytest.mark.usefixtures("database")
def test_metrics_of_an_empty_database_parse(client):
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    assert {family.name for family in families} >= COUNTERS
    samples = [sample.name for family in families for sample in family.samples]
    assert samples == ["driftline_build_info"]


def test_threshold_of_a_feature_stands_beside_its_distance(metrics):
    families, labels = metrics(), {**MODEL, "feature": "temp"}
    assert value(families, "driftline_feature_distance", **labels) == 0.21
    assert value(families, "driftline_feature_threshold", **labels) == 0.09


def test_release_is_a_label_of_the_build(metrics):
    (sample,) = metrics()["driftline_build_info"].samples
    assert (sample.labels["version"], sample.value) == (version("driftline"), 1)


def test_metric_has_a_bounded_number_of_samples_and_the_rest_is_counted(metrics, monkeypatch):
    monkeypatch.setattr("api.prometheus.MAX_SAMPLES", 3)
    families = metrics()
    for name, family in families.items():
        assert len(family.samples) <= 3 or name == "driftline_left_out_samples"
    cut = value(families, "driftline_left_out_samples", metric="driftline_records")
    assert cut == 1  # outcomes: counted, too late, retired, dead letter
    named = {sample.labels["metric"] for sample in families["driftline_left_out_samples"].samples}
    assert "driftline_open_incidents" not in named
