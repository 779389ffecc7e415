"""How many partitions topics have, cached for a while.

The partition of a message on ``joins`` and ``summaries`` follows from their partition count, and
the state of a model version or prediction is in the partition of its messages. So these counts
must not change.
"""

from __future__ import annotations

import time

from consumers.kafka.configuration import TIMEOUT_S
from consumers.kafka.member import Member
from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.errors import MissingTopic
from producers.kafka.rights import DESCRIBE, TOPIC, Right, refusal

REFRESH_S = 30.0
FIXED = ("joins", "summaries", "detect-state")  # created with the same count


class PartitionsChanged(Trouble):
    """The partition count of a topic whose count must not change has changed."""


class PartitionCounts:
    """The partition count of each topic, looked up again after 30 s."""

    def __init__(self, settings: Settings, member: Member) -> None:
        self._settings, self._member = settings, member
        self._counts: dict[str, tuple[float, int]] = {}  # by topic: when it was looked up, count

    def count(self, topic: str) -> int:
        """Raises ``MissingTopic``, ``MissingRight`` or ``PartitionsChanged``.

        A count never shrinks: a broker may not know a topic yet.
        """
        looked_up_s, last = self._counts.get(topic, (float("-inf"), 0))
        if time.monotonic() - looked_up_s < REFRESH_S:
            return last
        count = max(self._look_up(topic), last)
        if count == 0:
            name = self._settings.topic(topic)
            raise MissingTopic(f"there is no topic {name!r}: run `driftline topics create` first")
        if topic in FIXED:
            self._require_unchanged(topic, count, last)
        self._counts[topic] = (time.monotonic(), count)
        return count

    def _require_unchanged(self, topic: str, count: int, last: int) -> None:
        """Compare with the other topics as well: this process may have started after the change."""
        others = {other: self._look_up(other) for other in FIXED if other != topic}
        known = {topic: last, **others}
        changed = {other: number for other, number in known.items() if number not in (0, count)}
        for other, number in changed.items():
            before = "had" if other == topic else f"{self._settings.topic(other)} has"
            raise PartitionsChanged(
                f"{self._settings.topic(topic)} has {count} partitions and {before} {number}: their"
                " number must not change, because state does not move between partitions; use new"
                " topics, with another kafka.prefix"
            )

    def _look_up(self, topic: str) -> int:
        name = self._settings.topic(topic)
        metadata = self._member.consumer.list_topics(name, timeout=TIMEOUT_S).topics.get(name)
        if metadata is None or metadata.error is None:
            return 0 if metadata is None else len(metadata.partitions)
        refused = refusal(self._settings, metadata.error, Right(DESCRIBE, TOPIC, name))
        if refused is not None:
            raise refused
        return 0
