"""How far the versions are whose reference is collected, from the heartbeats."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from consumers.kafka.topic_reader import TopicReader
from consumers.messages.heartbeats import decode_heartbeat
from consumers.messages.reading import ForeignMessage, MalformedMessage
from driftline.settings import Settings
from monitor.identity import VersionKey
from producers.kafka.profile_table import registered_versions

LAST = 2_000  # heartbeats: those of a few minutes
NOT_BEGUN = "not begun: restart driftline consume"


def collecting_progress(settings: Settings) -> Mapping[VersionKey, str]:
    """A sentence for each version of ``[[sources]]`` that is to be collected."""
    keys = {source.version_key for source in settings.sources if source.collect is not None}
    missing = {key for key in keys if key is not None}
    if missing:
        missing -= set(registered_versions(settings))
    if not missing:
        return {}
    return dict.fromkeys(missing, NOT_BEGUN) | {
        key: text for key, text in _newest(settings).items() if key in missing
    }


def _newest(settings: Settings) -> Mapping[VersionKey, str]:
    found: dict[VersionKey, str] = {}
    with TopicReader(settings, "heartbeats", LAST) as reader:
        for record in reader.records():
            with suppress(ForeignMessage, MalformedMessage):
                own = decode_heartbeat(record).collecting
                found |= {(one.model, one.version): one.progress for one in own}
    return found
