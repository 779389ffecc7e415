"""``driftline alerts`` over a topic in memory: order, filters, and what reaches a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

import driftline.__main__
from consumers.commands.alerts import KINDS
from consumers.messages.records import Record
from tests.consumers import stored


def published(*alerts: tuple[str, dict[str, Any]]) -> list[Record]:
    return [stored.record(topic, document, offset=n) for n, (topic, document) in enumerate(alerts)]


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The records of the topic, in the order of their append."""
    records = published(
        stored.alert("opened", incident="late", day=3, severity="critical"),
        stored.alert("opened", incident="early", day=0, subject="quality/temp", kind="quality"),
        stored.alert("resolved", incident="early", day=1, subject="quality/temp", kind="quality"),
    )

    class Reader:
        def __init__(self, *_: object) -> None:
            self.records_by_time, self.follow = lambda: records, lambda: iter(())

        def __enter__(self) -> Reader:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("consumers.kafka.topic_reader.TopicReader", Reader)
    versions = {("flight-delay", "1"): None, ("loans", "2"): None}
    monkeypatch.setattr("producers.kafka.profile_table.registered_versions", lambda _: versions)
    return records


def run(*words: str) -> Any:
    return CliRunner().invoke(driftline.__main__.main, ["alerts", *words])


def incidents(*words: str) -> list[str]:
    result = run("--json", *words)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    return [event["id"].rpartition("-")[0] for event in events]


@pytest.mark.usefixtures("topic")
def test_alerts_are_in_order_of_event_time_whatever_the_order_of_their_append():
    assert incidents() == ["early-opened", "early-resolved", "late-opened"]


@pytest.mark.usefixtures("topic")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--change", "resolved"], ["early-resolved"]),
        (["--change", "opened", "--change", "resolved", "--severity", "critical"], ["late-opened"]),
        (["--subject", "data/distance"], ["late-opened"]),
        (["--kind", "quality", "--since", "2013-04-03"], ["early-resolved"]),
        (["--model", "loans"], []),
    ],
)
def test_options_select_alerts(words, found):
    assert incidents(*words) == found


@pytest.mark.usefixtures("topic")
@pytest.mark.parametrize(
    ("words", "possible"),
    [
        (["--change", "recovered"], "'opened', 'reopened', 'escalated', 'repeated', 'resolved'"),
        (["--kind", "feature"], ", ".join(repr(kind) for kind in KINDS)),
        (["--severity", "info"], "'warning', 'critical'"),
        (["--model", "loan"], "model 'loan' is not registered; registered: flight-delay, loans"),
        (["--since", "spring"], "expected 2013-04-01"),
    ],
)
def test_an_unknown_value_of_a_filter_is_refused_with_the_possible_ones(words, possible):
    result = run(*words)
    assert result.exit_code == 2
    assert possible in " ".join(result.stderr.split())


@pytest.mark.usefixtures("topic")
def test_a_subject_without_alerts_is_told_with_those_that_have_some():
    result = run("--subject", "data/temp")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "no alert is about 'data/temp'; there are alerts about quality/temp, data/distance\n"
    )


def test_json_is_one_line_without_control_characters_that_means_what_was_published(topic):
    topic[:] = published(stored.alert(message="data/x: \x1b[2J \x9b2J \x7f \x85."))
    indented = json.dumps(json.loads(topic[0].value), ensure_ascii=False, indent=1)
    topic[:] = [stored.record("alerts", indented.encode())]
    output = run("--json").stdout
    assert not [character for character in output[:-1] if not character.isprintable()]
    assert json.loads(output) == json.loads(indented)


def test_a_record_that_is_no_alert_is_named_and_the_others_are_shown(topic):
    topic[0] = stored.record("alerts", b"{}", offset=7)
    result = run()
    assert len(result.stdout.splitlines()) == 2
    assert "not an alert, at offset 7" in result.stderr
