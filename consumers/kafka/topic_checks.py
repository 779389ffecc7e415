"""Compares a running installation with what its configuration and this release need.

Each check is a line with what was found, and the command or sentence that mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from consumers.kafka.consumer_groups import groups_of
from consumers.kafka.outage import sentence
from consumers.kafka.partition_counts import FIXED
from consumers.kafka.topic_configuration import Unfit, unfit_topics
from consumers.kafka.topic_reader import TopicReader
from consumers.kafka.topics import Topic, topics
from consumers.messages.detect_state import decode_state
from consumers.messages.positions import decode_position
from consumers.messages.reading import MessageReader, UnreadableMessage
from driftline.settings import Settings
from producers.kafka.rights import MissingRight, Right, not_given, principal

STATE = {"positions": decode_position, "detect-state": decode_state}


class Check(NamedTuple):
    """What was checked, and what is wrong with it; None if nothing is."""

    name: str
    wrong: str | None = None


def right_checks(settings: Settings, rights: Sequence[Right]) -> Iterator[Check]:
    """One for each right that Kafka denies, or one for all."""
    missing = not_given(settings, rights)
    for right in missing:
        yield Check(str(right), str(MissingRight(settings, right)))
    if not missing:
        yield Check(f"rights of {principal(settings)}")


def topic_checks(settings: Settings, existing: Mapping[str, Any]) -> Iterator[Check]:
    """One for each topic: it exists, with the right partitions, retention and policies.

    ``existing`` has the metadata of topics by their full names.
    """
    counts = {name: len(found.partitions) for name, found in existing.items()}
    try:
        unfit = {one.topic: one for one in unfit_topics(settings, settings.plan(), counts)}
    except (KafkaException, MissingRight) as error:
        yield Check("configuration of topics", f"it cannot be read: {sentence(error)}")
        unfit = {}
    for topic in topics(settings, settings.plan()):
        yield Check(topic.name, _wrong(settings, topic, counts, unfit.get(topic.name)))


def _wrong(
    settings: Settings, topic: Topic, counts: Mapping[str, int], unfit: Unfit | None
) -> str | None:
    count = counts.get(topic.name)
    if count is None:
        return "it does not exist, or may not be seen: driftline topics create"
    fixed = {settings.topic(name): counts.get(settings.topic(name)) for name in FIXED}
    if topic.name in fixed and len({*fixed.values()} - {None}) > 1:
        numbers = ", ".join(f"{name} has {number}" for name, number in fixed.items())
        return (
            f"its number of partitions must be that of the others ({numbers}), because state does"
            " not move between partitions: use new topics, with another kafka.prefix"
        )
    if topic.partitions == 1 and count > 1:
        return f"it has {count} partitions, and needs one: delete it, and driftline topics create"
    return None if unfit is None else unfit.sentence.removeprefix(f"{topic.name}: ")


def state_checks(settings: Settings, existing: Mapping[str, Any]) -> Iterator[Check]:
    """Whether this release can read the state that the roles have written."""
    for topic, decode in STATE.items():
        if settings.topic(topic) in existing:
            yield Check(f"state on {settings.topic(topic)}", _unreadable(settings, topic, decode))


def _unreadable(settings: Settings, topic: str, decode: Callable[..., Any]) -> str | None:
    reader = MessageReader({topic: decode})
    with TopicReader(settings, topic) as log:
        try:
            for record in log.records():
                reader.read(record)
        except UnreadableMessage as error:
            return f"{error}: run the release that wrote it, or use another kafka.prefix"
    return None


def group_checks(
    settings: Settings, reads: Mapping[str, Sequence[str]], existing: Mapping[str, Any]
) -> Iterator[Check]:
    """Whether the records at the position of each group are still there."""
    for role, all_topics in reads.items():
        for group, its_topics in groups_of(role, all_topics).items():
            for topic in its_topics:
                if settings.topic(topic) in existing:
                    lost = _lost(settings, group, topic)
                    yield Check(f"{settings.topic(group)} on {settings.topic(topic)}", lost)


def _lost(settings: Settings, group: str, topic: str) -> str | None:
    with TopicReader(settings, topic) as log:
        committed, first = log.committed_offsets(group), log.first_offsets()
    behind = [at for at, offset in committed.items() if 0 < offset < first[at]]
    if not behind:
        return None
    lost = sum(first[at] - committed[at] for at in behind)
    names = ", ".join(at.name for at in behind)
    return (
        f"retention has deleted {lost} records of {names} before they were read: start the role,"
        " add workers to it, or raise retention.ms"
    )
