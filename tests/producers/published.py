"""What was published to ``profiles``."""

from driftline.settings import Settings
from monitor.counts.profile import Profile
from producers.kafka.profile_table import ProfileTable


def read_profiles(settings: Settings) -> dict[tuple[str, str], tuple[Profile, str]]:
    """Every profile with the hash of its content, in the order of registration."""
    with ProfileTable(settings) as table:
        table.catch_up()
        found = {key: (table.get(*key), table.content(*key)) for key in table.versions()}
    return {key: (profile, content) for key, (profile, content) in found.items() if profile}
