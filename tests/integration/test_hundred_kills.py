"""Three models of different tempo, and workers that end a hundred times, at every fault point."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.consumers.in_memory import T0
from tests.integration.deployment import Deployment, Outcome, Sent
from tests.integration.faulty_workers import FAULTS, FaultyWorkers
from tests.integration.test_end_to_end import stored_as_published
from tests.integration.test_event_times import (
    PUBLISHED,
    SETTINGS,
    interleaved,
    key_of,
    registrations,
    rows,
)

pytestmark = [pytest.mark.kafka, pytest.mark.long]

FAST, BULK, SLOW = ("fast", "1"), ("bulk", "1"), ("slow", "1")
KEYS = (FAST, BULK, SLOW)
ROUNDS = {"aggregate": 3, "join": 3, "detect": 3, "store": 23}  # 100 faults
WITHIN_S = 3_000.0


def stream() -> list[Sent]:
    """The rows of one model come beside the others; those of half a day ago in the middle."""
    fast, slow = rows(FAST, T0, every_ms=50), rows(SLOW, T0, every_ms=500)
    both = interleaved(fast, slow)
    half = len(both) // 2
    return [*both[:half], *rows(BULK, T0 - 12 * 3_600_000), *both[half:]]


def outcome(deployment: Deployment) -> Outcome:
    """The results when the last window of each model is final."""

    def all_are_final() -> bool:
        final = Counter(map(key_of, deployment.windows().final))
        return final >= Counter(dict.fromkeys(KEYS, PUBLISHED))

    deployment.until(all_are_final, "the final windows of all models", WITHIN_S)
    time.sleep(4.0)  # for the last amendments, and for the database
    deployment.stop()
    return deployment.outcome()


@pytest.fixture(scope="module")
def undisturbed(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    directory = tmp_path_factory.mktemp("undisturbed")
    with Deployment(kafka, f"calm-{time.time_ns():x}", directory, SETTINGS) as deployment:
        deployment.send(registrations(KEYS))
        deployment.start()
        deployment.send(stream())
        return outcome(deployment)


def test_a_hundred_ends_at_all_fault_points_change_no_result(undisturbed, kafka, tmp_path, prefix):
    faults = {role: own * ROUNDS[role] for role, own in FAULTS.items()}
    assert sum(map(len, faults.values())) == 100
    records, began_s = stream(), time.monotonic()
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        deployment.send(registrations(KEYS))
        workers = FaultyWorkers(deployment, faults)
        while workers.restart():
            assert time.monotonic() - began_s < WITHIN_S, f"not reached: {workers.faults}"
            if workers.are_reading():  # on a busy machine each start takes long
                some = len(records) // 450 + 1  # fewer and fewer: they last for all faults
                deployment.send(records[:some])
                del records[:some]
            time.sleep(0.5)
        deployment.send(records)
        found = outcome(deployment)
        assert found.windows == undisturbed.windows
        assert found.alerts == undisturbed.alerts
        assert found.decisions == undisturbed.decisions
        assert found.counts == undisturbed.counts
        stored_as_published(deployment)
