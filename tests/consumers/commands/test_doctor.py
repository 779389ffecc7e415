"""``driftline doctor`` without Kafka: what it prints, as text and as JSON, and its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

import consumers.commands.doctor
import driftline.__main__
from consumers.kafka.topic_checks import Check

RIGHT, WRONG = Check("topic labels", None), Check("database", "it is empty\x1b[2J: start store")


def run(*words: str) -> Any:
    return CliRunner().invoke(driftline.__main__.main, ["doctor", *words])


@pytest.mark.parametrize(("checks", "code"), [([RIGHT], 0), ([RIGHT, WRONG], 1)])
def test_json_has_each_check_and_the_exit_code_is_that_of_the_text(monkeypatch, checks, code):
    monkeypatch.setattr(consumers.commands.doctor, "_checks", lambda _: iter(checks))
    printed = run("--json")
    document = json.loads(printed.stdout)
    assert [(one["check"], one["wrong"]) for one in document["checks"]] == [*map(tuple, checks)]
    assert document["wrong"] == code
    assert printed.exit_code == run().exit_code == code
    assert "\x1b" not in printed.stdout + run().stdout
