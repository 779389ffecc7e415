"""The reference profiles as the roles read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from driftline.errors import Trouble
from monitor.counts.profile import Profile
from monitor.counts.schema import Schema
from monitor.identity import Key
from producers.contract.profile_blobs import Head
from producers.contract.profile_overview import Overview
from producers.contract.version_info import VersionInfo


class Profiles(Protocol):
    """Every registered model version. Read without a consumer group.

    Only the heads are in memory. A schema or a profile is read when it is first asked for.
    """

    def versions(self) -> Mapping[tuple[str, str], Head]: ...

    def schema(self, model: str, version: str) -> Schema | None: ...

    def get(self, model: str, version: str) -> Profile | None: ...

    def learned(self, model: str, version: str, segment: str = "") -> bytes | None:
        """What was learned from the reference at the registration, for the windows of then."""
        ...

    def refresh(self) -> None:
        """Read what has arrived, without waiting for more."""
        ...

    def catch_up(self) -> None:
        """Read everything that was published before this call."""
        ...

    def info(self, model: str, version: str) -> VersionInfo:
        """Owner, description, runbook and tags; empty if the version is not published."""
        ...


class PublishedProfiles(Protocol):
    """Registered model versions with the metadata of their publication."""

    def versions(self) -> Mapping[tuple[str, str], Head]: ...

    def overview(self, model: str, version: str) -> Overview | None: ...

    def refresh(self) -> None:
        """Read what has arrived, without waiting for more."""
        ...

    def content(self, model: str, version: str) -> str:
        """The hash of the published content."""
        ...

    def info(self, model: str, version: str) -> VersionInfo:
        """Owner, description, runbook and tags; empty if the version is not published."""
        ...

    def registered_ms(self, model: str, version: str) -> int:
        """The broker's clock at the publication."""
        ...


class MissingProfile(Trouble):
    """A profile that rows were counted with does not exist any more."""


def required(profiles: Profiles, key: Key) -> Profile:
    """The profile that rows of a version or a segment were counted with.

    Raises ``MissingProfile``.
    """
    found = _of_key(profiles, key)
    if found is None:
        profiles.catch_up()
        found = _of_key(profiles, key)
    if found is None:
        raise MissingProfile(
            f"the profile of {key.name} is gone from the topic 'profiles', although rows"
            " were counted with it: register the same profile again"
        )
    return found


def _of_key(profiles: Profiles, key: Key) -> Profile | None:
    whole = profiles.get(*key.version_key)
    return whole if whole is None or not key.segment else whole.segments.get(key.segment)
