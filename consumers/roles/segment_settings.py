"""Whether model versions have the segments that the settings ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable

from consumers.roles.set_aside import listed
from monitor.counts.profile import Profile
from monitor.counts.segmentation import Segments

log = logging.getLogger(__name__)


class SegmentSettings:
    """Compares profiles with the settings. Profiles decide; a difference is a problem to report.

    The values of segments come from the reference, so they are taken when it is registered.
    """

    def __init__(self, segments_of: Callable[[str], Segments]) -> None:
        self._segments_of = segments_of
        self._missing: dict[str, str] = {}  # by name of the version

    def check(self, profile: Profile) -> None:
        """Note which segments the profile of a version lacks."""
        found = {index.segmentation for index in profile.schema.segmentations}
        missing = [str(one) for one in self._segments_of(profile.model).by if one not in found]
        name = f"{profile.model}/{profile.version}"
        if not missing:
            self._missing.pop(name, None)
        elif name not in self._missing:
            self._missing[name] = (
                f"its profile was taken without the segments by {', '.join(missing)}, so only the"
                " whole is watched: register a new version from the file of the reference"
            )
            log.warning("%s: %s", name, self._missing[name])

    @property
    def problem(self) -> str | None:
        """For the heartbeat; None if no segments are missing."""
        return f"segments are missing: {listed(self._missing)}" if self._missing else None
