"""The consumer groups of each role.

Kafka balances the partitions of a group by their total. In one group, one of two workers of
``aggregate`` would own all partitions of ``predictions``, and the other all of ``labels``. A group
for each topic spreads the partitions of each topic evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

_OTHER_GROUPS = {("aggregate", "labels"): "aggregate-labels"}  # by role and topic


def groups_of(role: str, topics: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The topics of each group of a role, by its name without the prefix.

    The group of a topic has the name of the role, with few exceptions.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for topic in topics:
        groups[_OTHER_GROUPS.get((role, topic), role)].append(topic)
    return groups
