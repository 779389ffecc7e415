"""The rules and the dashboard of ``deploy/`` are valid, and ask for what the API exports."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.client.conftest import address, application, client, database, feed, reader, watched
from tests.conftest import lacking
from tests.consumers.stored import alert, heartbeat, window
from tests.test_docs import anchors_of

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
TESTS = RULES.with_name("tests.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "driftline.json"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
PANELS = json.loads(DASHBOARD.read_text())["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + QUERIES


@pytest.fixture(scope="module")
def promtool() -> Callable[..., None]:
    """Runs promtool; it has to succeed."""
    if shutil.which("promtool") is None:
        lacking("promtool", "install Debian's package prometheus")

    def run(*words: object) -> None:
        command = ["promtool", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


@pytest.fixture
def exported(client, watched) -> Mapping[str, set[str]]:
    """The labels of each metric that the API exports."""
    counts = {"received": 9, "counted": 5, "late": 2, "too_late": 1, "dead": {"contract": 3}}
    partitions = {"predictions/0": {"offset": 9, "end": 9, "counts": counts}}
    watched(window(0), alert(), heartbeat("aggregate", partitions=partitions))
    labels: dict[str, set[str]] = {"driftline_left_out_samples": {"metric"}}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_every_metric_that_is_asked_for_is_exported_and_every_exported_one_is_shown(exported):
    asked = {name for query in EXPRESSIONS for name in re.findall(r"\bdriftline_\w+", query)}
    assert asked <= set(exported)
    assert set(exported) <= {name for query in QUERIES for name in re.findall(r"\w+", query)}


def test_every_label_that_is_asked_for_is_one_of_its_metric(exported):
    for query in EXPRESSIONS:
        for name, selector in re.findall(r"\b(driftline_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)=", selector)) <= exported[name], query
        for grouping in re.findall(r"by \(([^)]*)\) \(", query):
            found = set(re.findall(r"\bdriftline_\w+", query))
            assert set(grouping.split(", ")) <= set.union(*(exported[one] for one in found)), query


def test_rules_are_valid_and_fire_only_where_they_should(promtool):
    promtool("check", "rules", RULES)
    promtool("test", "rules", TESTS)


def test_every_alert_is_tested_where_it_fires_and_where_it_does_not():
    names = {rule["alert"] for rule in ALERTS}
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alert_says_what_to_read(rule):
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert not anchor or anchor in anchors_of(ROOT / page)
    assert (ROOT / page).is_file()
    assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_every_query_of_the_dashboard_is_valid(promtool, tmp_path):
    rules = [
        {"record": f"q:{number}", "expr": query.replace("$model", ".*")}
        for number, query in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", path)


def test_panels_have_their_own_places_and_the_chosen_data_source():
    places = set()
    for panel in PANELS:
        at = panel["gridPos"]
        columns = range(at["x"], at["x"] + at["w"])
        cells = {(x, at["y"] + y) for x in columns for y in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not places & cells, panel["title"]
        places |= cells
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_ci_installs_promtool_and_does_not_skip_without_it():
    script = (ROOT / ".ci/run").read_text()
    assert "command -v promtool >/dev/null || absent+=(prometheus)" in script
    assert re.search(r"DRIFTLINE_REQUIRE=\S*\bpromtool\b", script)
