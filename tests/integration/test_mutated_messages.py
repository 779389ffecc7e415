"""Mutated messages on every topic that a role reads, on a real Kafka: no process ends.

What becomes of each, and of damaged state, is in ``tests/consumers/roles/test_mutated_messages.py``
with the roles in memory.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import pytest

from consumers.database import message_to_rows
from consumers.messages.records import Record
from tests.consumers.in_memory import profile
from tests.consumers.mutated_messages import mutated
from tests.consumers.roles.test_mutated_messages import DECODERS, TOPICS, originals, outcome
from tests.integration.deployment import Deployment, Sent
from tests.integration.test_event_times import SETTINGS

pytestmark = [pytest.mark.kafka, pytest.mark.long]

MESSAGES = 200_000  # on all topics together
WITHIN_S = 3_000.0
MAX_BYTES = 1_000_000  # the topics take little more
COMPACTED = {"heartbeats", "versions"}  # without a key, Kafka refuses a message
ONE_PARTITION = {"DRIFTLINE_TOPICS__PARTITIONS": "1"}
READ_AS_STATE = ("detect", "versions")  # counted with the partition of summaries
PROFILES = [profile(), profile(version="2", threshold=0.8), profile("n")]


def messages() -> Iterator[Record]:
    """One in ten is as a role wrote it."""
    rng = random.Random(0)
    topics = sorted({topic for own in TOPICS.values() for topic in own})
    while True:
        topic = rng.choice(topics)
        one = rng.choice(originals((topic,))[topic])
        found = one if rng.random() < 0.1 else mutated(rng, [one], 0)
        is_refused = topic in COMPACTED and found.key is None
        if len(found.value or b"") <= MAX_BYTES and not is_refused:
            yield found


def test_mutated_messages_on_every_topic_are_accounted_for_and_end_no_process(
    kafka, prefix, tmp_path
):
    sent = list(islice(messages(), MESSAGES))
    with Deployment(kafka, prefix, tmp_path, {**SETTINGS, **ONE_PARTITION}) as deployment:
        for one in PROFILES:
            deployment.publish(one)
        send(deployment, [one for one in sent if one.topic == "versions"])  # read at the start
        deployment.start(*TOPICS)
        send(deployment, [one for one in sent if one.topic != "versions"])
        since_s = time.time() + 30.0
        for role in TOPICS:
            deployment.until(lambda of=role: has_read_all(deployment, of, since_s), role, WITHIN_S)
        deployment.stop()
        found = {role: newest_heartbeat(deployment, role)["partitions"] for role in TOPICS}
        print(f"{MESSAGES:,} messages: {Counter(one.topic for one in sent)}\n{found}")  # noqa: T201 - `make guarantee` keeps it
        assert "Traceback" not in deployment.logs()
    for role, topics in TOPICS.items():
        own = [one for one in sent if one.topic in topics or (role, one.topic) == READ_AS_STATE]
        assert_accounted_for(role, found[role], own)


def send(deployment: Deployment, records: Sequence[Record]) -> None:
    deployment.send(Sent(one.topic, 0, one.key, one.value, tuple(one.headers)) for one in records)


def has_read_all(deployment: Deployment, role: str, since_s: float) -> bool:
    """Whether a role has told since then that it has come to the end of each partition."""
    time.sleep(2.0)
    beat = newest_heartbeat(deployment, role)
    at_s = datetime.fromisoformat(beat["at"]).timestamp() if beat else 0.0
    partitions = beat.get("partitions", {})  # none of a role that has not begun
    are_read = [status["offset"] == status["end"] for status in partitions.values()]
    return at_s > since_s and bool(are_read) and all(are_read)


def newest_heartbeat(deployment: Deployment, role: str) -> dict[str, Any]:
    """Of a worker: those among the mutated messages have other keys."""
    worker = f"{role}-0"
    return deployment.newest_heartbeats([worker]).get(worker, {})


def assert_accounted_for(role: str, found: dict[str, Any], sent: Sequence[Record]) -> None:
    """Each has an outcome: records of the sources are counted in it, others if they are skipped."""
    counts = [status["counts"] for status in found.values()]
    if role == "aggregate":
        assert sum(of["received"] for of in counts) == len(sent)
        for of in counts:
            others = (of.get(name, 0) for name in ("counted", "too_late", "retired"))
            assert of["received"] == sum(of["dead"].values()) + sum(others)
        return
    decoders = message_to_rows._DECODERS if role == "store" else DECODERS
    expected = Counter(outcome(one, decoders) for one in sent)
    assert sum(of["foreign"] for of in counts) == expected["foreign"]
    if role == "detect":  # of a model that it has set aside it reads no more
        assert sum(of["unreadable"] for of in counts) <= expected["unreadable"]
    else:
        assert sum(of["unreadable"] for of in counts) == expected["unreadable"]
