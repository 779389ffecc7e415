"""What the roles ask of the table of reference profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from driftline.errors import Trouble
from monitor.counts.profile import Profile


class Profiles(Protocol):
    """Every registered model version. Read outside any group, and kept up with."""

    def get(self, model: str, version: str) -> Profile | None: ...

    def all(self) -> Mapping[tuple[str, str], Profile]: ...

    def catch_up(self) -> None:
        """Read on to what is the end of the table now."""
        ...


class MissingProfile(Trouble):
    """A profile that rows were counted against is gone from the table."""


def required(profiles: Profiles, model: str, version: str) -> Profile:
    """The profile of a version that others have counted by. Raises ``MissingProfile``."""
    if profiles.get(model, version) is None:
        profiles.catch_up()
    profile = profiles.get(model, version)
    if profile is None:
        raise MissingProfile(
            f"the profile of {model}/{version} is gone from the topic 'profiles', although rows"
            " were counted with it: register the same profile again"
        )
    return profile
