"""The batch pipeline and the stream on the same rows: the same numbers, to the last digit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.way import Way

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


def test_every_number_that_both_publish_is_the_same(kafka, prefix, tmp_path):
    disturbed = [word for scenario in SCENARIOS for word in ("--scenario", scenario)]
    with Way(kafka, prefix, tmp_path, SETTINGS) as way:
        way.cli("train", "--output", str(tmp_path / "reports"))
        way.start()
        way.start("retrain")
        way.cli("simulate", "--until", UNTIL, *disturbed, *ENOUGH)
        reports = piped(way, tmp_path / "reports", "--until", UNTIL, *disturbed)
        way.await_final(LAST_END)

        windows = way.windows()
        assert len(windows.last) == 4
        for step, part in (
            ("data-drift", "data"),
            ("concept-drift", "concept"),
            ("performance", "performance"),
        ):
            batch = {key(reports[step], w): bare(w) for w in reports[step]["windows"]}
            assert batch == {name: found[part] for name, found in windows.last.items()}
        assert by_id(reports["alerts"]["events"]) == by_id(way.alerts())
        assert {"data/distance", "performance/accuracy"} <= {
            event["subject"] for event in reports["alerts"]["events"]
        }
        way.until(
            lambda: decisions(way)[-1:] == [reports["retraining"]],
            f"the stream to decide like {reports['retraining']}, not {decisions(way)[-1:]}",
            patience_s=60,
        )


def piped(way: Way, output: Path, *words: str) -> dict[str, Any]:
    """The reports of the pipeline, with the model that the stream has; it must find drift."""
    command = [sys.executable, "-m", "driftline", "pipeline", "--skip-training"]
    done = subprocess.run(
        [*command, "--output", str(output), *words],
        env=way.environment,
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
    """Without what only names it; how many revisions it took depends on timing."""
    return {k: v for k, v in window.items() if k not in ("start", "end", "revision")}


def by_id(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {event["id"]: event for event in events}


def decisions(way: Way) -> list[dict[str, Any]]:
    return [json.loads(value or b"") for _, _, value, _ in way.read("retraining")]
