"""A reference profile as one file: a zip archive of the parts that are published to Kafka."""

from __future__ import annotations

import zipfile
from pathlib import Path

from monitor.counts.profile import Profile
from producers.contract.profile_index import InvalidProfile
from producers.contract.profiles import ProfileReader, encode_profile

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same profile gives the same file


def write_profile(path: Path, profile: Profile) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in encode_profile(profile):
            archive.writestr(zipfile.ZipInfo(key.decode(), _FIXED_DATE), value)


def read_profile(path: Path) -> Profile:
    """Raises ``InvalidProfile``."""
    reader = ProfileReader()
    try:
        with zipfile.ZipFile(path) as archive:
            for key in archive.namelist():
                if profile := reader.add(key.encode(), archive.read(key)):
                    return profile
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidProfile(f"{path} does not contain a profile: {error}") from error
    raise InvalidProfile(f"{path} does not contain a complete profile: parts are missing")
