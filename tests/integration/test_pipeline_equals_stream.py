"""The batch pipeline and the stream give identical numbers for the same rows.

The stream judges another model beside it, with a sentinel in its reference.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from producers.example.examples import Trained
from producers.registration.profile_file import write_profile
from tests.integration.deployment import Deployment, Windows
from tests.integration.test_user_stories import loans
from tests.monitor.doubles import LARGEST

pytestmark = pytest.mark.kafka

MODEL = "flight-delay"
UNTIL = "2013-04-05"
LAST_END = f"{UNTIL}T00:00:00Z"
SCENARIOS = (
    "scale:feature=distance,by=1.5,from=2013-04-03",
    "missing:feature=temp,proportion=0.1,until=2013-04-02",
    "flip:proportion=0.5,from=2013-04-04",
)
# Past the labels' time, and not so far that a window of the next day would close.
ENOUGH = ("--finish", "--finish-after", "12h")
# The far-ahead records and the flights lie in 2013 all the same. Only in the stream, half a day
# without rows comes after the last flight.
SETTINGS = {"DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off", "DRIFTLINE_TRAFFIC__WATCH": "false"}


def test_pipeline_and_stream_publish_identical_numbers(kafka, prefix, tmp_path, trained):
    disturbed = [word for scenario in SCENARIOS for word in ("--scenario", scenario)]
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        save(trained, tmp_path / "reports")
        deployment.publish(trained.profile)
        deployment.start()
        replay_sentinel(deployment, tmp_path)
        deployment.cli("simulate", "--until", UNTIL, *disturbed, *ENOUGH)
        reports = piped(deployment, tmp_path / "reports", "--until", UNTIL, *disturbed)
        deployment.await_final(LAST_END, model=MODEL)

        windows = deployment.windows()
        of_flights = {n: found for n, found in windows.last.items() if n.startswith(f"{MODEL}/")}
        assert len(of_flights) == 4
        for step, part in (
            ("data-drift", "data"),
            ("concept-drift", "concept"),
            ("performance", "performance"),
        ):
            batch = {key(reports[step], w): bare(w) for w in reports[step]["windows"]}
            assert batch == {name: found[part] for name, found in of_flights.items()}
        alerts = [event for event in deployment.alerts() if event["data"]["model"] == MODEL]
        for event in alerts:  # a file has no live version
            assert event["data"].pop("version_state") == "live"
        for event in reports["alerts"]["events"]:
            assert event["data"].pop("version_state") is None
        assert by_id(reports["alerts"]["events"]) == by_id(alerts)
        assert {"data/distance", "performance/accuracy"} <= {
            event["subject"] for event in reports["alerts"]["events"]
        }
        decided = [one for one in deployment.decisions() if one["model"] == MODEL]
        assert decided[-1] == reports["retraining"]
        assert_sentinel_is_judged(windows)


def save(trained: Trained, directory: Path) -> None:
    """As ``driftline train`` does."""
    directory.mkdir()
    (directory / f"{MODEL}-1.skops").write_bytes(trained.model_file)
    write_profile(directory / f"{MODEL}-1.profile", trained.profile)


def replay_sentinel(deployment: Deployment, directory: Path) -> None:
    """A model whose rows end before the flights begin. One income in its reference is huge."""
    reference, live = loans(1, 20, "2013-03-01"), loans(2, 4, "2013-03-26")
    reference.loc[77, "income"] = LARGEST
    reference.to_csv(directory / "reference.csv", index=False)
    live.to_csv(directory / "live.csv", index=False)
    columns = ["--model", "sentinel", "--version", "1", "--time", "asked_at", "--label", "outcome"]
    columns += ["--score", "p_default", "--positive", "defaulted", "--id", "application"]
    deployment.cli("register", "--reference", str(directory / "reference.csv"), *columns)
    deployment.cli("replay", str(directory / "live.csv"), *columns, "--label-delay", "3h", *ENOUGH)


def assert_sentinel_is_judged(windows: Windows) -> None:
    found = [of for name, of in windows.last.items() if name.startswith("sentinel/")]
    with_rows = [of for of in found if of["data"]["rows"]]
    incomes = [f for of in with_rows for f in of["data"]["features"] if f["name"] == "income"]
    assert [income["verdict"] for income in incomes] == ["ok"] * 4


def piped(deployment: Deployment, output: Path, *words: str) -> dict[str, Any]:
    """The reports of the pipeline, with the model of the stream. It must find drift."""
    command = [sys.executable, "-m", "driftline", "pipeline", "--skip-training"]
    done = subprocess.run(
        [*command, "--output", str(output), *words],
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in output.glob("*.json")}


def key(report: dict[str, Any], window: dict[str, Any]) -> str:
    return "/".join((report["model"], report["version"], window["start"], window["end"]))


def bare(window: dict[str, Any]) -> dict[str, Any]:
    """Without ids, and without the number of revisions, which depends on timing."""
    return {k: v for k, v in window.items() if k not in ("start", "end", "revision")}


def by_id(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {event["id"]: event for event in events}
