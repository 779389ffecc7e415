"""``driftline models`` without Kafka: what is shown, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

import consumers.commands.models
import producers.kafka.life_requests
from consumers.commands.models import models
from consumers.messages.versions import VersionMessage
from driftline.errors import BadInput
from driftline.settings import Settings

LIVE = VersionMessage(
    schema=1,
    model="loans",
    version="2",
    state="live",
    since="2026-01-01T00:00:00Z",
    by="ada",
    why="its first row\x1b[2J",
    after_offset=-1,
)
RETIRED = msgspec.structs.replace(LIVE, version="0", state="retired")
STATES = {("loans", "0"): RETIRED, ("loans", "1"): None, ("loans", "2"): LIVE, ("churn", "1"): None}

COLLECTING: dict[tuple[str, str], str] = {}


@pytest.fixture(autouse=True)
def _states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers.commands.models, "_states", lambda _: STATES)
    monkeypatch.setattr(consumers.commands.models, "_collecting", lambda _: COLLECTING)


def run(*words: str) -> Any:
    return CliRunner().invoke(models, words, obj=Settings(), catch_exceptions=True)


def test_list_shows_each_version_with_its_state_without_control_characters():
    lines = run("list").output.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["MODEL", "VERSION", "STATE"],
        ["churn", "1", "registered"],
        ["loans", "0", "retired"],
        ["loans", "1", "registered"],
        ["loans", "2", "live"],
    ]
    assert "\x1b" not in run("list").output


def test_list_of_one_model_refuses_one_that_is_not_registered():
    assert run("list", "--model", "loans").output.count("loans") == 3
    refused = run("list", "--model", "fraud").exception
    assert str(refused) == "model 'fraud' is not registered; registered: churn, loans"


def test_json_has_a_document_for_each_version_with_null_for_what_is_not_yet():
    found = json.loads(run("list", "--json").stdout)
    assert [(one["model"], one["version"], one["state"]) for one in found] == [
        ("churn", "1", "registered"),
        ("loans", "0", "retired"),
        ("loans", "1", "registered"),
        ("loans", "2", "live"),
    ]
    assert (found[0]["since"], found[3]["why"]) == (None, "its first row\x1b[2J")
    assert json.loads(run("show", "loans", "2", "--json").stdout) == found[3]
    assert "\x1b" not in run("list", "--json").stdout


def test_a_version_that_is_collecting_is_shown_with_how_far_it_is(monkeypatch):
    found = {("new", "1"): "7 of 9 rows; 1 were refused: \x1b"}
    monkeypatch.setattr(consumers.commands.models, "_collecting", lambda _: found)
    (line,) = (one for one in run("list").output.splitlines() if one.startswith("new"))
    assert line.split()[:5] == ["new", "1", "collecting", "-", "-"]
    assert line.endswith(" 7 of 9 rows; 1 were refused: ·")
    document = json.loads(run("show", "new", "1", "--json").stdout)
    assert (document["state"], document["why"]) == ("collecting", found["new", "1"])
    assert str(run("retire", "new", "1").exception) == (
        "new/1 is collecting: retire does not apply; to give it up, delete its [[sources]] from the"
        " configuration, and restart driftline consume"
    )


def test_show_has_who_changed_the_state_when_and_why():
    shown = run("show", "loans", "2").output
    for text in ("live", "2026-01-01T00:00:00Z", "ada", "its first row"):
        assert text in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ("retire", "loans", "3"),
            "loans/3 is not registered; registered: churn/1, loans/0, loans/1, loans/2",
            id="unknown version",
        ),
        pytest.param(
            ("promote", "loans", "2"), "loans/2 is live: promote does not apply", id="live already"
        ),
        pytest.param(
            ("restore", "loans", "1"),
            "loans/1 is registered: restore does not apply",
            id="not retired",
        ),
        pytest.param(
            ("reset", "loans", "1"), "loans/1 is registered: reset does not apply", id="no row yet"
        ),
        pytest.param(
            ("promote", "loans", "0"),
            "loans/0 is retired: promote does not apply; restore it first:"
            " driftline models restore loans 0",
            id="retired",
        ),
        pytest.param(
            ("retire", "loans", "0"),
            "loans/0 is retired: retire does not apply",
            id="retired already",
        ),
    ],
)
def test_request_that_does_not_fit_is_refused(words, sentence):
    refused = run(*words).exception
    assert isinstance(refused, BadInput)
    assert str(refused) == sentence


def test_request_that_takes_long_says_what_it_waits_for(monkeypatch):
    """Detect may not run, or the model is set aside: then a request waits as its rows do."""
    monkeypatch.setattr(producers.kafka.life_requests, "send_request", lambda *_: None)
    monkeypatch.setattr(consumers.commands.models, "_changed", lambda *_: None)
    done = run("reset", "loans", "2")
    assert done.exit_code == 0
    assert done.output == (
        "requested; it takes effect when detect has come to it (waited 15 s)."
        " /health says whether detect runs, and names models that are set aside\n"
    )
