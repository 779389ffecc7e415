"""Progress: what ``aggregate`` and ``join`` write is what ``join`` and ``detect`` read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.joins import decode_join_message
from consumers.messages.progress import (
    JoinProgress,
    LabelsSeen,
    SourceProgress,
    VersionJoined,
    VersionSeen,
    join_progress_messages,
    source_progress_messages,
)
from consumers.messages.reading import MalformedMessage
from consumers.messages.records import Message, Record
from consumers.messages.summaries import decode_summary_message
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.windows.clocks import JoinedTime, Progress
from producers.contract.partitions import model_partition
from producers.contract.records import END_MS

times_ms = st.integers(0, END_MS - 1)
numbers = st.integers(0, 99)
append_times = st.builds(AppendTimes, numbers, st.dictionaries(numbers, times_ms, max_size=5))
seens = st.builds(Seen, times_ms, times_ms, times_ms, times_ms)
event_times = st.none() | st.builds(EventTime, times_ms, st.booleans(), st.none() | times_ms)
lives = st.none() | st.integers(0, 9)
names = {"model": st.just("m"), "version": st.sampled_from(["1", "2"]), "partition": numbers}


def record(message: Message) -> Record:
    return Record(
        message.topic, message.partition or 0, 0, message.key, message.value, message.headers
    )


def written(progress: SourceProgress, **partitions: int) -> list[Message]:
    counts = {"joins": 1, "summaries": 1, **partitions}
    return list(source_progress_messages(progress, **counts, has_append_times=True))


@given(
    predictions=append_times,
    labels=append_times,
    version=st.builds(
        VersionSeen,
        **names,
        seen=seens,
        life=lives,
        reset_ms=lives,
    ),
    of_labels=st.builds(LabelsSeen, model=st.just("m"), partition=numbers, seen=seens),
)
@settings(max_examples=40, deadline=None)
def test_source_progress_is_read_by_join_and_detect_as_it_was_written(
    predictions, labels, version, of_labels
):
    progress = SourceProgress(
        schema=1,
        predictions=predictions,
        labels=labels,
        versions=[version],
        label_models=[of_labels],
    )
    to_joins, to_summaries = written(progress)
    assert decode_join_message(record(to_joins)) == progress
    seen = {("m", version.version): {version.partition: version.seen}}
    assert decode_summary_message(record(to_summaries)) == Progress(predictions, seen)


@given(joins=append_times, joined=st.builds(JoinedTime, event_times, event_times, lives))
@settings(max_examples=40, deadline=None)
def test_join_progress_is_read_by_detect_as_it_was_written(joins, joined):
    version = VersionJoined(
        model="m",
        version="1",
        partition=3,
        predictions=joined.predictions,
        labels=joined.labels,
        life=joined.life,
    )
    progress = JoinProgress(schema=1, joins=joins, versions=[version])
    (message,) = join_progress_messages(progress, 1, has_append_times=True)
    expected = Progress(joins=joins, joined={("m", "1"): {3: joined}})
    assert decode_summary_message(record(message)) == expected


def seen_of(model: str) -> VersionSeen:
    seen = Seen(7, 9, 8, 9)
    return VersionSeen(model=model, version="1", partition=0, seen=seen, life=1, reset_ms=5)


def models(messages: Iterable[Message]) -> dict[int, set[str]]:
    """The models named in each partition of ``summaries``."""
    return {
        message.partition or 0: {model for model, _ in decode_summary_message(record(message)).seen}
        for message in messages
        if message.topic == "summaries"
    }


def test_progress_of_a_version_goes_to_the_partition_of_its_model_and_append_times_to_all():
    both = SourceProgress(
        schema=1,
        predictions=AppendTimes(),
        labels=AppendTimes(),
        versions=[seen_of("m"), seen_of("k")],
    )
    own = {model: model_partition(model, 3) for model in ("m", "k")}
    to_all = models(source_progress_messages(both, joins=1, summaries=3, has_append_times=True))
    assert to_all == {n: {model for model in own if own[model] == n} for n in range(3)}
    changed = models(source_progress_messages(both, joins=1, summaries=3, has_append_times=False))
    assert changed == {n: named for n, named in to_all.items() if named}


def test_every_partition_of_joins_gets_all_progress():
    progress = SourceProgress(
        schema=1, predictions=AppendTimes(), labels=AppendTimes(), versions=[seen_of("m")]
    )
    to_joins = [message for message in written(progress, joins=3) if message.topic == "joins"]
    assert [message.partition for message in to_joins] == [0, 1, 2]
    assert len({message.value for message in to_joins}) == 1


SEEN = ("versions", 0, "seen")
EVERY_INTEGER = [
    *(("versions", 0, name) for name in ("partition", "life", "reset_ms")),
    *((*SEEN, name) for name in ("newest_ms", "newest_append_ms", "last_append_ms")),
    *(("label_models", 0, *path) for path in (["partition"], ["seen", "first_append_ms"])),
    *(("predictions", *path) for path in (["total"], ["reached_ms", "0"])),
]


@pytest.mark.parametrize("value", [-1, 2**63 - 1, 10**30])
@pytest.mark.parametrize("path", EVERY_INTEGER, ids=lambda path: "/".join(map(str, path)))
def test_progress_with_a_number_that_nothing_can_have_is_refused(path, value):
    """The state of ``join`` has 64 bits for each, and adds them."""
    progress = SourceProgress(
        schema=1,
        predictions=AppendTimes(2, {0: 9}),
        labels=AppendTimes(1),
        versions=[seen_of("m")],
        label_models=[LabelsSeen(model="m", partition=0, seen=Seen(7, 9, 8, 9))],
    )
    to_joins = written(progress)[0]
    document = json.loads(to_joins.value or b"")
    within: Any = document
    for key in path[:-1]:
        within = within[key]
    within[path[-1]] = value
    changed = replace(record(to_joins), value=json.dumps(document).encode())
    with pytest.raises(MalformedMessage):
        decode_join_message(changed)


def test_the_json_of_progress_is_that_of_schema_1():
    """A field that is renamed needs another schema."""
    sources = SourceProgress(
        schema=1,
        predictions=AppendTimes(2, {0: 9}),
        labels=AppendTimes(1),
        versions=[seen_of("m")],
        label_models=[LabelsSeen(model="m", partition=0, seen=Seen(7, 9, 8, 9))],
    )
    seen = {"newest_ms": 7, "newest_append_ms": 9, "first_append_ms": 8, "last_append_ms": 9}
    of_version = {"model": "m", "version": "1", "partition": 0}
    assert json.loads(written(sources)[0].value or b"") == {
        "type": "sources",
        "schema": 1,
        "predictions": {"total": 2, "reached_ms": {"0": 9}},
        "labels": {"total": 1, "reached_ms": {}},
        "versions": [{**of_version, "seen": seen, "life": 1, "reset_ms": 5}],
        "label_models": [{"model": "m", "partition": 0, "seen": seen}],
    }
    joins = JoinProgress(
        schema=1,
        joins=AppendTimes(1, {0: 9}),
        versions=[
            VersionJoined(
                model="m",
                version="1",
                partition=0,
                predictions=EventTime(7, True, 9),
                labels=None,
                life=1,
            )
        ],
    )
    (message,) = join_progress_messages(joins, 1, has_append_times=True)
    assert json.loads(message.value or b"") == {
        "type": "joins",
        "schema": 1,
        "joins": {"total": 1, "reached_ms": {"0": 9}},
        "versions": [
            {
                **{"model": "m", "version": "1", "partition": 0, "labels": None, "life": 1},
                "predictions": {"ms": 7, "idle": True, "runs_from_ms": 9},
            }
        ],
    }
