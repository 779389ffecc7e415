"""The keys that a role cannot process at the moment. The others are not affected."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from consumers.messages.reading import MessageReader
from consumers.messages.records import TopicPartition
from consumers.roles.profiles import Profiles
from driftline.errors import Trouble
from monitor.counts.profile import Profile
from monitor.identity import Key

log = logging.getLogger(__name__)

MAX_LISTED = 3  # keys in the heartbeat; their number is always complete
MAX_REASON = 300  # characters


class SetAside:
    """Keys with the reason why each is set aside, for the log and the heartbeat.

    A key is tried again with the next assignment of partitions, and once its version begins afresh
    or the profile of its version is published or replaced.
    """

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._reasons: dict[Key, str] = {}
        self._tried: dict[Key, Profile | None] = {}  # the profile that did not work
        self._logged: dict[Key, str] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._reasons

    def add(self, key: Key, error: Exception) -> None:
        """Set a key aside. Logs its reason unless it is the one that was logged last."""
        reason = sentence(error)
        self._reasons[key], self._tried[key] = reason, self._profile(key)
        if self._logged.get(key) != reason:
            self._logged[key] = reason
            trace = None if isinstance(error, Trouble) else error
            log.error("%s is set aside: %s", key.name, reason, exc_info=trace)

    def changed_profiles(self) -> list[Key]:
        """The keys whose profile has changed since; they are not set aside any more."""
        if not self._reasons:
            return []
        self._profiles.refresh()
        changed = [key for key, tried in self._tried.items() if self._profile(key) is not tried]
        for key in changed:
            del self._reasons[key], self._tried[key]
        return changed

    def forget(self, keys: Iterable[Key]) -> None:
        """Try keys again, which have begun afresh, or do so no more, which are retired."""
        for key in keys:
            self._reasons.pop(key, None)
            self._tried.pop(key, None)

    def clear(self) -> None:
        """Try all keys again."""
        self._reasons, self._tried = {}, {}

    @property
    def problem(self) -> str | None:
        """The problem to report in the heartbeat; None if no key is set aside."""
        count = len(self._reasons)
        if count == 0:
            return None
        subject = "1 model version is" if count == 1 else f"{count} model versions are"
        reasons = {key.name: self._reasons[key] for key in sorted(self._reasons)}
        return f"{subject} set aside: {listed(reasons)}"

    def _profile(self, key: Key) -> Profile | None:
        return self._profiles.get(*key.version_key)


def skipped_problem(reader: MessageReader[Any], partitions: Iterable[TopicPartition]) -> str | None:
    """That messages were skipped, with the first one, for the heartbeat."""
    first = reader.first_skipped(partitions)
    return None if first is None else f"messages were skipped, first: {sentence(first)}"


def listed(reasons: Mapping[str, str]) -> str:
    """The first names with their reasons, and how many more there are."""
    shown = [f"{name}: {reason}" for name, reason in islice(reasons.items(), MAX_LISTED)]
    if len(reasons) > MAX_LISTED:
        shown.append(f"and {len(reasons) - MAX_LISTED} more, see the log")
    return "; ".join(shown)


def sentence(error: Exception) -> str:
    """The message of an error that is meant for people; the type as well, of any other."""
    text = (
        str(error) if isinstance(error, ValueError | RuntimeError) and str(error) else repr(error)
    )
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"
