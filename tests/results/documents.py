"""Documents that a change of the code's structure must not change: flights and seeded streams.

    python -m tests.results.documents FILE

writes all of them to a gzipped JSON file.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from click.testing import CliRunner

from benchmarks.quality import concept, detector, runs
from benchmarks.quality.detector import counted
from benchmarks.quality.flights import CHANGES as FLIGHT_CHANGES
from benchmarks.quality.streams import CHANGES, NULLS, OTHER_CHANGES, SCENARIOS, WITH_MEMORY
from driftline.__main__ import main
from monitor.calibration import backtest

WITHOUT_TRAFFIC = "[traffic]\nwatch = false\n"  # it did not have a share of the budget then
PIPELINE = (
    *("pipeline", "--until", "2013-04-15"),
    *("--scenario", "scale:feature=distance,by=1.5,from=2013-04-08"),
    *("--scenario", "missing:feature=temp,proportion=0.1,until=2013-04-05"),
    *("--scenario", "flip:proportion=0.5,from=2013-04-10"),
)
SLOW = ("features-200",)  # 13 seconds
SEED = 0


def pipeline() -> dict[str, Any]:
    """Every report of the batch pipeline on two weeks of disturbed flights, by its name."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        Path("driftline.toml").write_text(WITHOUT_TRAFFIC)
        try:
            done = CliRunner().invoke(main, PIPELINE)
        finally:
            os.chdir(here)
        assert done.exit_code == 3, done.output
        reports = Path(directory, "driftline-report").glob("*.json")
        return {path.stem: json.loads(path.read_text()) for path in sorted(reports)}


def _without_traffic() -> ExitStack:
    stack, plan = ExitStack(), partial(detector.plan, watch_traffic=False)
    for module in (runs, concept):
        stack.enter_context(patch.object(module, "plan", plan))
    return stack


def alarms(name: str) -> list[Any]:
    """Every alarm in 100 panes of a stream, healthy or with a change after 20 of them."""
    scenario, rng = SCENARIOS[name], np.random.default_rng(SEED)
    with _without_traffic():
        by = runs._evaluator(scenario.reference(rng), scenario.categorical)
    changes = (*CHANGES, *OTHER_CHANGES)
    live = scenario.live(rng, 100, 20) if scenario in changes else scenario.live(rng, 100)
    return [list(astuple(one)) for one in backtest.alarms(by, counted(by, live))]


def streams() -> Iterator[tuple[str, Any]]:
    for scenario in (*NULLS, *WITH_MEMORY[:1], *CHANGES, *OTHER_CHANGES):
        if scenario.name not in SLOW:
            yield scenario.name, alarms(scenario.name)
    with _without_traffic():
        yield "flip", concept.delay(SEED)
        for quarter in (1, 4):
            yield f"flights {quarter}", list(astuple(runs.healthy_flights(quarter, SEED)))
        for change in FLIGHT_CHANGES:
            yield change, runs.flights_delay(change, SEED)


def documents() -> dict[str, Any]:
    return {"pipeline": pipeline(), "streams": dict(streams())}


if __name__ == "__main__":
    text = json.dumps(documents(), separators=(",", ":"))
    Path(sys.argv[1]).write_bytes(gzip.compress(text.encode(), mtime=0))
