"""The reference profiles as the roles read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from driftline.errors import Trouble
from monitor.counts.profile import Profile
from producers.contract.version_info import VersionInfo


class Profiles(Protocol):
    """Every registered model version. Read without a consumer group."""

    def get(self, model: str, version: str) -> Profile | None: ...

    def all(self) -> Mapping[tuple[str, str], Profile]: ...

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

    def all(self) -> Mapping[tuple[str, str], Profile]: ...

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


def required(profiles: Profiles, model: str, version: str) -> Profile:
    """The profile of a version that rows were counted with. Raises ``MissingProfile``."""
    if profiles.get(model, version) is None:
        profiles.catch_up()
    profile = profiles.get(model, version)
    if profile is None:
        raise MissingProfile(
            f"the profile of {model}/{version} is gone from the topic 'profiles', although rows"
            " were counted with it: register the same profile again"
        )
    return profile
