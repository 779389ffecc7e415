"""The batch pipeline and the stream give identical numbers for the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.deployment import Deployment

pytestmark = pytest.mark.kafka

UNTIL = "2013-04-05"
LAST_END = f"{UNTIL}T00:00:00Z"
SCENARIOS = (
    "scale:feature=distance,by=1.5,from=2013-04-03",
    "missing:feature=temp,proportion=0.1,until=2013-04-02",
    "flip:proportion=0.5,from=2013-04-04",
)
# Past the labels' time, and not so far that a window of the next day would close.
ENOUGH = ("--finish", "--finish-after", "12h")
# The far-ahead records and the flights lie in 2013 all the same.
SETTINGS = {"DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off"}


def test_pipeline_and_stream_publish_identical_numbers(kafka, prefix, tmp_path):
    disturbed = [word for scenario in SCENARIOS for word in ("--scenario", scenario)]
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        deployment.cli("train", "--output", str(tmp_path / "reports"))
        deployment.start()
        deployment.start("retrain")
        deployment.cli("simulate", "--until", UNTIL, *disturbed, *ENOUGH)
        reports = piped(deployment, tmp_path / "reports", "--until", UNTIL, *disturbed)
        deployment.await_final(LAST_END)

        windows = deployment.windows()
        assert len(windows.last) == 4
        for step, part in (
            ("data-drift", "data"),
            ("concept-drift", "concept"),
            ("performance", "performance"),
        ):
            batch = {key(reports[step], w): bare(w) for w in reports[step]["windows"]}
            assert batch == {name: found[part] for name, found in windows.last.items()}
        assert by_id(reports["alerts"]["events"]) == by_id(deployment.alerts())
        assert {"data/distance", "performance/accuracy"} <= {
            event["subject"] for event in reports["alerts"]["events"]
        }
        deployment.until(
            lambda: decisions(deployment)[-1:] == [reports["retraining"]],
            f"the stream to decide like {reports['retraining']}, not {decisions(deployment)[-1:]}",
            timeout_s=60,
        )


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


def decisions(deployment: Deployment) -> list[dict[str, Any]]:
    return [json.loads(value or b"") for _, _, value, _ in deployment.read("retraining")]
