import pytest

from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.plan import Time
from monitor.windows.clocks import AppendClock, JoinedTime, VersionTime

SEEN = Seen(newest_ms=50, newest_append_ms=60, first_append_ms=60, last_append_ms=60)
RUNNING = JoinedTime(EventTime(50, True, 60), None)


@pytest.mark.parametrize(
    ("partitions", "joined", "looked_at"),
    [
        pytest.param(1, {}, False, id="seen in all partitions"),
        pytest.param(2, {}, True, id="held by a partition in which it was never seen"),
        pytest.param(1, {0: RUNNING}, True, id="joined time that goes on with append time"),
    ],
)
def test_version_that_is_never_idle_is_looked_at_only_if_append_time_can_move_it(
    partitions, joined, looked_at
):
    clock = AppendClock(AppendTimes(partitions, dict.fromkeys(range(partitions), 99)))
    wake_ms = VersionTime({0: SEEN}, joined).wake_ms(clock, Time(idle_after_ms=None), 0)
    assert (wake_ms is not None) == looked_at


def test_version_that_is_not_idle_yet_is_looked_at_with_every_append_time():
    clock = AppendClock(AppendTimes(1, {0: 99}))
    wake_ms = VersionTime({0: SEEN}).wake_ms(clock, Time(idle_after_ms=1_000), 0)
    assert wake_ms is not None
    assert wake_ms < 99
