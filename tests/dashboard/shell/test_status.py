"""``driftline status`` and ``top``: what is open, how fresh it is, who lags, and exit codes."""

from __future__ import annotations

import json
import socket
import time

from click.testing import CliRunner

import driftline.__main__
from dashboard.shell import commands, reading
from tests.dashboard.documents import COLLECTING, health, incident, model, role, window


def test_a_critical_incident_is_told_first_with_its_sentence_and_exit_code_3(api, run):
    api.incidents["loans"] = [
        incident("a", severity="warning", message="data/x: KS 0.1.\x1b[2J\x9b2J"),
        incident("b", message="data/temp: KS 0.4."),
    ]
    result = run("status")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[:3] == [
        "critical  loans/1 (live): no window yet",
        "          critical  since 2013-04-03  data/temp: KS 0.4.",
        "          warning   since 2013-04-03  data/x: KS 0.1.·[2J·2J",
    ]


def test_a_warning_is_no_reason_for_an_exit_code(api, run):
    api.incidents["loans"] = [incident(severity="warning")]
    assert run("status").exit_code == 0


def test_freshness_is_the_end_of_the_newest_and_of_the_newest_labelled_window(api, run):
    api.windows["flight-delay"] += [window(2, labels="provisional")]
    api.windows["loans"] = [window(3, labels="provisional", model="loans")]
    assert run("status").stdout.splitlines()[:2] == [
        "ok        flight-delay/1 (live): windows up to 2013-04-03, labelled up to 2013-04-02",
        "ok        loans/1 (live): windows up to 2013-04-04, none fully labelled",
    ]


def test_a_model_without_a_window_is_unknown_not_ok(run):
    assert "unknown   loans/1 (live): no window yet" in run("status").stdout


def test_a_version_that_is_collecting_is_told_with_how_far_it_is(api, run):
    api.health = health(collecting=[COLLECTING])
    assert "          new/1 (collecting): 7 of 9 rows" in run("status").stdout
    api.models = []
    assert "no model is registered" not in run("status").stdout


def test_workers_that_are_silent_or_behind_are_named_and_give_exit_code_1(api, run):
    api.health = health(
        role("join", status="silent", heartbeat_age_s=200.0, progress_age_s=210.0),
        role("aggregate", lag=1_200),
        role("detect"),
        status="degraded",
        missing=["store"],
    )
    result = run("status")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2:] == [
        "degraded  workers: last activity 3 s ago, 1,200 records behind",
        "          missing   store: no worker of this role has reported",
        "          silent    join-0: last heartbeat 3 min ago, 0 records behind",
        "          ok        aggregate-0: last heartbeat 2 s ago, 1,200 records behind",
    ]


def test_a_critical_incident_counts_before_a_worker_in_trouble(api, run):
    api.health, api.incidents["loans"] = health(status="degraded"), [incident()]
    assert run("status").exit_code == 3


def test_json_holds_the_same_without_distributions(api, run):
    evidence = {"decided_by": "ks", "value": 0.4, "distribution": {"edges": [1.0]}}
    api.incidents["flight-delay"] = [incident(evidence=evidence)]
    document = json.loads(run("status", "--json", "--model", "flight-delay").stdout)
    (found,) = document["models"]
    assert (found["model"], found["status"], found["state"]) == ("flight-delay", "critical", "live")
    assert found["newest_window"]["end"] == found["labelled_window"]["end"]
    assert found["incidents"][0]["evidence"] == {"decided_by": "ks", "value": 0.4}
    assert document["health"]["roles"][0]["lag"] == 0


def test_retired_versions_are_left_out_unless_they_are_named(api, run):
    api.models.append({**model("loans"), "version": "0", "state": "retired"})
    assert "loans/0" not in run("status").stdout
    assert "loans/0 (retired)" in run("status", "--model", "loans", "--version", "0").stdout


def test_an_unknown_model_is_refused_with_the_known_ones(run):
    result = run("status", "--model", "flight")
    assert result.exit_code == 2
    assert "flight/* is not registered; registered: flight-delay/1, loans/1" in result.stderr


def test_a_wrong_address_is_told_within_five_seconds(monkeypatch):
    """One where somebody listens and says nothing is the slowest."""
    assert reading.TIMEOUT_S < 5
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, start_s = f"http://127.0.0.1:{silent.getsockname()[1]}", time.monotonic()
        result = CliRunner().invoke(driftline.__main__.main, ["status", "--api", address])
        assert time.monotonic() - start_s < 3
    assert result.exit_code == 1
    assert f"The API at {address} did not answer in time" in result.stderr


def test_top_shows_the_status_until_it_is_ended_and_outlives_an_api_that_is_away(
    api, run, monkeypatch
):
    def sleep(_):
        if api.down:
            raise KeyboardInterrupt
        api.down = True

    monkeypatch.setattr(commands.time, "sleep", sleep)
    result = run("top")
    assert result.exit_code == 0
    assert "flight-delay/1 (live)" in result.stdout
    assert "is not reachable" in result.stdout
