"""The ACLs that our user needs, as commands of Kafka's tools.

Read, Write and Describe of Kafka: who may read or write a topic may describe it as well, and who
may write a topic may write it idempotently.
"""

from __future__ import annotations

from driftline.settings import Settings
from producers.kafka.rights import (
    DESCRIBE_CONFIGS,
    GROUP,
    READ,
    TOPIC,
    TRANSACTIONAL_ID,
    WRITE,
    acl_command,
)

FOR_REPLAYS = "# only for `driftline dead-letters replay`, which sends records again:"


def acl_commands(settings: Settings) -> list[str]:
    """One command for each kind of resource, and those for replays behind a comment."""
    sources = sorted({topic for source in settings.sources for topic in source.topics})
    replays = [acl_command(settings, [WRITE], f"--{TOPIC} {name}") for name in sources]
    return [
        *(acl_command(settings, [READ], f"--{TOPIC} {name}") for name in sources),
        _of_prefix(settings, [READ, WRITE, DESCRIBE_CONFIGS], TOPIC),
        _of_prefix(settings, [READ], GROUP),
        _of_prefix(settings, [WRITE], TRANSACTIONAL_ID),
        *((FOR_REPLAYS, *replays) if replays else ()),
    ]


def _of_prefix(settings: Settings, operations: list[str], resource: str) -> str:
    name = f"{settings.kafka.prefix}."
    return acl_command(
        settings, operations, f"--resource-pattern-type prefixed --{resource} {name}"
    )
