"""The same file replayed as JSON and as Arrow: the same windows, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producers.contract.arrow_columns import ARROW, CONTENT_TYPE
from tests.integration.deployment import Deployment
from tests.integration.test_user_stories import loans

pytestmark = pytest.mark.kafka

FORMATS = ("json", "arrow")
PARTITIONS = 4  # of each topic; --finish sends a record to each
LAST_END = "2013-03-30T00:00:00Z"
SETTINGS = {"DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off", "DRIFTLINE_TRAFFIC__WATCH": "false"}


def test_both_formats_give_the_same_windows(kafka, prefix, tmp_path):
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        loans(1, 20, "2013-03-01").to_csv(tmp_path / "reference.csv", index=False)
        live = loans(2, 4, "2013-03-26")
        live.loc[live.index[40:60], "income"] = None
        live.to_csv(tmp_path / "live.csv", index=False)
        deployment.start()
        printed = [replayed(deployment, tmp_path, model) for model in FORMATS]
        for model in FORMATS:
            deployment.await_final(LAST_END, model=model)

        windows = deployment.windows()
        for found in (windows.last, windows.final):
            json, arrow = (of_model(found, model) for model in FORMATS)
            assert len(json) >= 4
            assert arrow == json
        assert printed[0] == printed[1]
        assert deployment.total("predictions")["counted"] == 2 * (len(live) + PARTITIONS)
        sent = [headers.get(CONTENT_TYPE) for *_, headers in deployment.read("predictions")]
        messages = sent.count(ARROW)
        assert 0 < messages < len(live) / 50


def replayed(deployment: Deployment, directory: Path, model: str) -> str:
    """What the command printed."""
    columns = ["--model", model, "--version", "1", "--time", "asked_at", "--label", "outcome"]
    columns += ["--score", "p_default", "--positive", "defaulted", "--id", "application"]
    deployment.cli("register", "--reference", str(directory / "reference.csv"), *columns)
    options = ["--label-delay", "3h", "--finish", "--format", model]
    return deployment.cli("replay", str(directory / "live.csv"), *columns, *options)


def of_model(windows: Any, model: str) -> dict[str, Any]:
    """By start and end."""
    parts = ((name.split("/"), found) for name, found in windows.items())
    return {"/".join(name[2:]): found for name, found in parts if name[0] == model}
