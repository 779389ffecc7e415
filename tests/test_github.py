"""The workflow and the templates for reports say what exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.checks import invocations, parse

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
TEMPLATES = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def runs(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_checks_are_those_of_everybody_on_every_supported_python():
    checks = WORKFLOW["jobs"]["checks"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert checks["strategy"]["matrix"]["python"] == supported
    assert runs("checks") == [".ci/run"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_wheel_and_image_are_built_and_the_image_is_started():
    wheel, image, started = runs("packages")
    assert "pip wheel --no-deps" in wheel
    assert image == "docker build --tag driftline ."
    assert parse(invocations(started)[0][4:])


def test_the_workflow_may_write_nothing():
    assert WORKFLOW["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_unique_fields_and_commands_that_exist(path):
    template = yaml.safe_load(path.read_text())
    assert template["name"]
    assert template["description"]
    ids = [field["id"] for field in template["body"]]
    assert len(ids) == len(set(ids))
    for command in re.findall(r"`(driftline [^`]+)`", path.read_text()):
        assert parse(command.split(), whole=False)


def test_a_report_needs_the_output_of_doctor():
    template = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text())
    needed = [
        field["attributes"]["label"]
        for field in template["body"]
        if field.get("validations", {}).get("required")
    ]
    assert "Output of `driftline doctor`" in needed
