"""The rights on Kafka that each role needs, so that one that is missing is told at the start.

Otherwise a role would run into it with the first record that it cannot read, perhaps months later,
because only then it writes to ``dead-letters``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consumers.kafka.consumer_groups import groups_of
from consumers.kafka.topics import topics
from consumers.processes.collecting import collecting_keys, tables_of_version
from driftline.settings import Settings
from producers.kafka.rights import DESCRIBE_CONFIGS, GROUP, READ, TOPIC, WRITE, Right

_WRITES: Mapping[str, Sequence[str]] = {
    "ingest": ("predictions", "labels", "positions", "dead-letters", "alerts"),
    "pair": ("predictions", "labels", "positions", "dead-letters", "alerts"),
    "aggregate": ("joins", "summaries", "positions", "dead-letters", "alerts"),
    "join": ("summaries", "positions", "dead-letters"),
    "detect": ("windows", "alerts", "retraining", "positions", "detect-state", "versions"),
    "retrain": ("positions",),
}
_TABLES: Mapping[str, Sequence[str]] = {  # read whole, without a group
    "ingest": ("positions",),
    "pair": ("positions",),
    "aggregate": ("positions", "versions"),
    "join": ("positions",),
    "detect": ("positions", "detect-state", "versions"),
    "retrain": ("positions",),
}


def rights_of(settings: Settings, role: str, reads: Sequence[str]) -> list[Right]:
    """All that a role needs, but for its transactional ids, of which Kafka does not tell."""
    read = dict.fromkeys((*reads, "profiles", *_TABLES.get(role, ())))
    written = ("heartbeats", *_WRITES.get(role, ()))
    if role == "ingest" and settings.pairs():
        written = (*written, "halves")
    return [
        *(Right(READ, TOPIC, settings.topic(name)) for name in read),
        *(Right(WRITE, TOPIC, settings.topic(name)) for name in written),
        *(Right(READ, GROUP, settings.topic(group)) for group in groups_of(role, reads)),
        *(_of_collecting(settings) if role == "retrain" else ()),
    ]


def _of_collecting(settings: Settings) -> list[Right]:
    """To read the topics of versions that are collected, and to register them."""
    keys = collecting_keys(settings)
    tables = [one for key in keys for one in tables_of_version(settings.sources, key)]
    reads = dict.fromkeys(Right(READ, TOPIC, table.topic) for table in tables)
    return [*reads, *((Right(WRITE, TOPIC, settings.topic("profiles")),) if keys else ())]


def all_rights(settings: Settings, reads: Mapping[str, Sequence[str]]) -> list[Right]:
    """Those of all roles, and of what compares the configuration of topics."""
    of_roles = [right for role in reads for right in rights_of(settings, role, reads[role])]
    names = [topic.name for topic in topics(settings, settings.plan())]
    described = (Right(DESCRIBE_CONFIGS, TOPIC, name) for name in names)
    return list(dict.fromkeys((*of_roles, *described)))
