"""The state of ``detect``: read as it was written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.detect_state import (
    ClockEntry,
    DecisionsEntry,
    LostEntry,
    TimeEntry,
    UnreadEntry,
    clock_message,
    decisions_message,
    decode_state,
    ended_lost_message,
    ended_unread_message,
    lost_message,
    time_message,
    unread_message,
)
from consumers.messages.reading import ForeignMessage, MalformedMessage
from consumers.messages.records import Message, Record
from monitor.decisions.incidents import Incident
from monitor.decisions.retraining_history import (
    CriticalChange,
    CriticalState,
    RetrainingHistory,
)
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import Key
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.statistics.histograms import Distribution
from monitor.windows.clocks import AppendClock, Clock, JoinedTime, VersionTime
from monitor.windows.state import Decisions, ErrorHistory, WindowState

SEGMENT = Key("m", "1", "carrier=UA&origin=EWR")

times_ms = st.none() | st.integers(0, 2**53)
ms = st.integers(0, 2**53)
append_times = st.builds(
    AppendTimes, st.integers(0, 99), st.dictionaries(st.integers(0, 99), ms, max_size=5)
)
event_times = st.none() | st.builds(EventTime, ms, st.booleans(), times_ms)
figures = st.none() | st.floats(0, 1)
evidences = st.builds(
    Evidence,
    st.sampled_from(["ks", "kuiper", "recall"]),
    st.floats(0, 1),
    st.sampled_from(Severity),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    threshold=figures,
    allowance=figures,
    detail=st.none() | st.text(max_size=5),
    labels=st.none() | st.integers(0, 2**53),
)
incidents = st.builds(
    Incident,
    st.text(max_size=5),
    st.just("data/x"),
    st.sampled_from(Severity),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    evidences,
    st.integers(0, 2**53),
    st.none() | st.text(max_size=5),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
    st.none(),
    times_ms,
    st.integers(0, 2**53),
    times_ms,
    times_ms,
    times_ms,
    st.none() | st.floats(0, 99),
    st.booleans(),
)
decisions = st.builds(
    Decisions,
    st.just((1_000, 4_000, 4_000)),
    times_ms,
    times_ms,
    times_ms,
    times_ms,
    times_ms,
    st.integers(0, 9),
    st.dictionaries(
        st.integers(0, 2**53),
        st.builds(WindowState, st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans()),
        max_size=3,
    ),
    st.dictionaries(st.just("data/x"), incidents, max_size=1),
    st.dictionaries(st.just("data/x"), incidents, max_size=1),
    st.builds(
        ErrorHistory,
        st.dictionaries(st.integers(0, 2**53), st.floats(-99, 99), max_size=3),
        st.dictionaries(st.just("adwin"), st.tuples(st.integers(0, 2**53)), max_size=1),
        st.integers(0, 29),
        st.integers(0, 29),
    ),
    times_ms,
    retraining=st.none()
    | st.builds(
        RetrainingHistory,
        st.lists(ms, max_size=2).map(tuple),
        st.dictionaries(st.text(max_size=5), times_ms, max_size=2),
        ms,
        st.lists(
            st.builds(
                CriticalChange,
                ms,
                st.text(max_size=5),
                st.sampled_from(CriticalState),
                st.booleans(),
            ),
            max_size=2,
        ).map(tuple),
        st.dictionaries(ms, ms, max_size=2),
        times_ms,
    ),
)
clocks = st.builds(AppendClock, append_times, append_times)
times = st.builds(
    VersionTime,
    st.dictionaries(st.integers(0, 9), st.builds(Seen, ms, ms, ms, ms), max_size=3),
    st.dictionaries(st.integers(0, 9), st.builds(JoinedTime, event_times, event_times), max_size=3),
    st.builds(Clock, times_ms, times_ms, times_ms),
)


def record(message: Message) -> Record:
    return Record(message.topic, message.partition or 0, 0, message.key, message.value)


@given(clock=clocks, time=times, decided=decisions, offset=ms)
@settings(max_examples=40, deadline=None)
def test_the_state_of_detect_is_read_as_it_was_written(clock, time, decided, offset):
    unread = UnreadEntry("m", offset, clock)
    assert decode_state(record(unread_message(3, unread))) == unread
    lost = LostEntry(("m", "1"), offset)
    assert decode_state(record(lost_message(3, lost))) == lost
    assert decode_state(record(clock_message(3, clock))) == ClockEntry(clock)
    of_version = decode_state(record(time_message(3, ("m", "1"), time)))
    assert of_version == TimeEntry(("m", "1"), time)
    for key in (Key("flight-delay", "1"), SEGMENT):
        message = decisions_message(3, key, decided)
        assert decode_state(record(message)) == DecisionsEntry(key, decided)


def of_partition(number: int) -> list[Message]:
    return [
        clock_message(number, AppendClock()),
        time_message(number, ("m", "1"), VersionTime()),
        decisions_message(number, Key("m", "1"), Decisions((1, 2, 3))),
        decisions_message(number, SEGMENT, Decisions((1, 2, 3))),
        unread_message(number, UnreadEntry("m", 7, AppendClock())),
        lost_message(number, LostEntry(("m", "1"), 7)),
    ]


def test_the_state_of_a_partition_goes_to_the_partition_of_the_same_number():
    messages = of_partition(3)
    assert [message.partition for message in messages] == [3] * 6
    assert [message.key for message in messages] == [
        b"clock/3",
        b"time/m/1",
        b"model/m/1",
        b"model/m/1/carrier=UA&origin=EWR",
        b"unread/m",
        b"lost/m/1",
    ]
    ended = ended_unread_message(3, "m")
    assert (ended.key, ended.value, ended.partition) == (b"unread/m", None, 3)
    ended = ended_lost_message(3, ("m", "1"))
    assert (ended.key, ended.value, ended.partition) == (b"lost/m/1", None, 3)


def test_the_json_of_the_state_is_that_of_schema_1():
    """Once there is a release, a field that is renamed needs another schema."""
    evidence = Evidence("ks", 0.3, Severity.WARNING, 1, 2, 909)
    incident = Incident("91ab", "data/x", Severity.WARNING, 2, 2, evidence, 3)
    history = RetrainingHistory(later_changes=(CriticalChange(1, "a", CriticalState.OPEN, True),))
    decided = Decisions(
        (1, 2, 3),
        windows={4: WindowState()},
        incidents={"data/x": incident},
        retraining=history,
    )
    clock = json.loads(clock_message(0, AppendClock()).value or b"")["clock"]
    time = json.loads(time_message(0, ("m", "1"), VersionTime()).value or b"")["time"]
    state = json.loads(decisions_message(0, Key("m", "1"), decided).value or b"")["decisions"]
    assert list(clock) == ["predictions", "joins"]
    assert list(time) == ["seen", "joined", "floor"]
    assert list(time["floor"]) == ["data_ms", "joined_ms", "labels_ms"]
    assert list(state) == [
        *(
            "window_config",
            "first_pane_ms",
            "next_pane_ms",
            "final_pane_ms",
            "next_start_ms",
            "pruned_ms",
        ),
        *("empty_run", "windows", "incidents", "recent_incidents", "errors", "first_needed"),
        *("traffic", "unjudged"),
        *("uncounted_from", "retraining"),
    ]
    assert list(state["retraining"]) == [
        *("due", "critical", "labels", "later_changes", "later_labels", "noted_until_ms")
    ]
    assert list(state["retraining"]["later_changes"][0]) == [
        *("at_ms", "incident", "state", "of_labels")
    ]
    assert list(state["windows"]["4"]) == [
        *("data_revision", "performance_revision", "complete", "final")
    ]
    assert list(state["incidents"]["data/x"]) == [
        *("id", "subject", "severity", "opened_ms", "notified_ms", "evidence"),
        *("since_ms", "primary", "grouped", "told", "length_ms", "clear", "clear_from_ms"),
        *("begun_ms", "resolved_ms", "told_deviation", "is_known"),
    ]
    assert list(state["incidents"]["data/x"]["evidence"]) == [
        *("decided_by", "value", "severity", "start_ms", "end_ms", "rows", "threshold"),
        *("allowance", "persistent", "p_value", "detail", "low", "high", "baseline"),
        *("resolution", "labels", "coverage", "distribution", "segments"),
    ]


def test_what_people_were_told_is_read_as_it_was_written_and_older_states_have_none():
    drawn = Distribution((0.5, 0.5), (0.25, 0.75), (1.5,), (), 1.5, 1.0, 2.0)
    told = Evidence("ks", 0.3, Severity.WARNING, 1, 2, 909, distribution=drawn)
    incident = Incident("91ab", "data/x", Severity.WARNING, 2, 2, told, 3, told=told)
    message = decisions_message(
        0, Key("m", "1"), Decisions((1, 2, 3), incidents={"data/x": incident})
    )
    assert decode_state(record(message)).decisions.incidents["data/x"] == incident

    document = json.loads(message.value or b"")
    del document["decisions"]["incidents"]["data/x"]["told"]
    older = decode_state(replace(record(message), value=json.dumps(document).encode()))
    assert older.decisions.incidents["data/x"].told is None


def test_decisions_of_a_release_without_decisions_about_retraining_are_read():
    message = decisions_message(0, Key("m", "1"), Decisions((1, 2, 3), empty_run=7))
    document = json.loads(message.value or b"")
    del document["decisions"]["retraining"]
    older = replace(record(message), value=json.dumps(document).encode())
    found = decode_state(older)
    assert found == DecisionsEntry(Key("m", "1"), Decisions((1, 2, 3), empty_run=7))


def test_every_state_message_carries_its_schema():
    schemas = [json.loads(message.value or b"")["schema"] for message in of_partition(0)]
    assert schemas == [1] * 6


@pytest.mark.parametrize("key", [None, b"", b"clock", b"model/m", b"\xff/0", b"model/m/1/a=1/2"])
def test_state_with_another_key_is_foreign(key):
    with pytest.raises(ForeignMessage):
        decode_state(Record("detect-state", 0, 0, key, b'{"schema": 1}'))


@pytest.mark.parametrize("key", [b"clock/0", b"time/m/1", b"model/m/1", b"unread/m", b"lost/m/1"])
@pytest.mark.parametrize("value", [b'{"schema": 2}', b"{}", b'{"clock": {}, "decisions": {}}'])
def test_state_of_another_schema_or_without_one_is_refused(key, value):
    """Skipping it would forget what was decided."""
    with pytest.raises(MalformedMessage):
        decode_state(Record("detect-state", 0, 0, key, value))


@pytest.mark.parametrize("key", [b"clock/0", b"time/m/1", b"model/m/1", b"unread/m", b"lost/m/1"])
@pytest.mark.parametrize("value", [None, b"junk"])
def test_a_tombstone_or_junk_is_foreign_under_any_key(key, value):
    with pytest.raises(ForeignMessage):
        decode_state(Record("detect-state", 0, 0, key, value))
