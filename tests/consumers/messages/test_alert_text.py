"""Alerts for people: one line each, and only those that were asked for."""

from typing import Any

import pytest

from consumers.messages.alert_text import Wanted, alert_line, change_of, event_ms


def event(**changes: Any) -> dict[str, Any]:
    data = {
        "model": "loans",
        "version": "2",
        "kind": "data",
        "severity": "critical",
        "message": "data/income: it moved.",
    }
    return {
        "type": "driftline.incident.opened",
        "time": "2013-05-02T00:00:00Z",
        "subject": "data/income",
        "data": {**data, **changes},
    }


def test_a_line_says_when_how_bad_what_of_whom_and_why():
    assert alert_line(event()) == (
        "2013-05-02T00:00:00Z  critical  opened     loans/2  data/income: it moved."
    )


def test_a_message_that_does_not_begin_with_the_subject_is_kept_whole():
    assert alert_line(event(message="It moved.")).endswith("data/income: It moved.")


def test_the_change_is_the_end_of_the_type():
    assert change_of(event()) == "opened"


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Wanted(), True),
        (Wanted(severities=frozenset({"critical"})), True),
        (Wanted(severities=frozenset({"warning"})), False),
        (Wanted(severities=frozenset({"warning", "critical"})), True),
        (Wanted(kinds=frozenset({"performance"})), False),
        (Wanted(models=frozenset({"loans"})), True),
        (Wanted(models=frozenset({"other"})), False),
        (Wanted(severities=frozenset({"critical"}), kinds=frozenset({"performance"})), False),
        (Wanted(since_ms=event_ms(event())), True),
        (Wanted(since_ms=event_ms(event()) + 1), False),
    ],
)
def test_every_condition_must_hold_and_any_of_its_values(wanted, matches):
    assert wanted.matches(event()) is matches
