"""Versions whose summaries retention has deleted before ``detect`` could rebuild its sums.

They are set aside. Each is told once, in an incident about Driftline itself that is over when the
version begins afresh, is retired, or is complete again on another disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consumers.messages.detect_state import LostEntry, ended_lost_message, lost_message
from consumers.messages.own_incidents import OwnIncident
from consumers.messages.records import Message
from monitor.decisions.incidents import Change
from monitor.identity import Key, VersionKey

SUBJECT = "driftline/summaries"


def lost_summaries(
    partition: int, incomplete: Iterable[Key], told: dict[VersionKey, LostEntry], at_ms: int
) -> Iterator[Message]:
    """The alerts, and what is to be remembered of them in ``told``, which is updated.

    ``incomplete`` are the keys whose summaries are lost now; ``at_ms`` is the broker's clock.
    """
    lost = dict.fromkeys(key.version_key for key in incomplete)
    for version in [one for one in lost if one not in told]:
        told[version] = LostEntry(version, at_ms)
        yield lost_message(partition, told[version])
        yield _incident(told[version]).message(Change.OPENED, at_ms)
    for version in [one for one in told if one not in lost]:
        yield ended_lost_message(partition, version)
        yield _incident(told.pop(version)).message(Change.RESOLVED, at_ms)


def _incident(entry: LostEntry) -> OwnIncident:
    model, version = entry.key
    sentence = (
        f"retention has deleted summaries that the windows of {model} {version} still need, before"
        " detect could read them again: the version is not judged until `driftline models reset"
        f" {model} {version}`"
    )
    about = (model, version, str(entry.opened_ms))
    return OwnIncident(SUBJECT, about, entry.opened_ms, f"{model}/{version}", sentence)
