"""Alerts on a terminal: one line each, and only those that were asked for."""

from typing import Any

import msgspec
import pytest

from consumers.messages.alert_terminal import AlertFilter, alert_line
from consumers.messages.alerts import AlertMessage
from tests.consumers import stored

END_MS = stored.APRIL + stored.DAY


def alert(subject: str = "data/income", **fields: Any) -> AlertMessage:
    data = {"model": "loans", "version": "2", "kind": "data", "severity": "critical"}
    message = {"message": f"{subject}: it moved."}
    _, document = stored.alert(**{**data, **message, **fields})
    return msgspec.convert({**document, "subject": subject}, AlertMessage)


def test_a_line_has_time_severity_change_model_subject_and_sentence():
    assert alert_line(alert()) == (
        "2013-04-02T00:00:00Z  critical  opened     loans/2  data/income: it moved."
    )


def test_a_line_names_the_segment():
    assert "  loans/2/carrier=UA  data/income: " in alert_line(alert(segment="carrier=UA"))


def test_an_alert_about_no_model_is_about_driftline():
    line = alert_line(alert("driftline/store", model=None, version=None, severity="notice"))
    assert line == (
        "2013-04-02T00:00:00Z  notice    opened     Driftline  driftline/store: it moved."
    )
    assert not AlertFilter(models=frozenset({"m"})).matches(alert(model=None, version=None))


def test_a_message_that_does_not_begin_with_the_subject_is_kept_whole():
    assert alert_line(alert(message="It moved.")).endswith("data/income: It moved.")


def test_control_characters_of_a_name_do_not_reach_the_terminal():
    line = alert_line(alert("data/a\x1b[2Jb\x9b"))
    assert line.endswith("data/a·[2Jb·: it moved.")


def test_the_change_of_an_alert_is_the_end_of_its_type():
    assert alert().change == "opened"


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (AlertFilter(), True),
        (AlertFilter(severities=frozenset({"critical"})), True),
        (AlertFilter(severities=frozenset({"warning"})), False),
        (AlertFilter(severities=frozenset({"warning", "critical"})), True),
        (AlertFilter(kinds=frozenset({"performance"})), False),
        (AlertFilter(models=frozenset({"loans"})), True),
        (AlertFilter(models=frozenset({"other"})), False),
        (AlertFilter(severities=frozenset({"critical"}), kinds=frozenset({"performance"})), False),
        (AlertFilter(since_ms=END_MS), True),
        (AlertFilter(since_ms=END_MS + 1), False),
    ],
)
def test_an_alert_matches_if_every_condition_holds(wanted, matches):
    assert wanted.matches(alert()) is matches
