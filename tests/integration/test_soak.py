"""A short form of ``benchmarks/soak.py``: kills, an outage of Kafka and one of the database."""

from __future__ import annotations

import pytest

from benchmarks.soak import Conditions, soak

pytestmark = pytest.mark.kafka

SHORT = Conditions(
    minutes=0.15, rate=300.0, kill_every_s=4.0, outage_s=3.0, pace=8.0, with_second_workers=False
)
HOUR = Conditions(minutes=60.0, rate=280.0, kill_every_s=30.0, pace=0.5)  # a million records


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(SHORT, id="nine seconds"),
        pytest.param(HOUR, marks=pytest.mark.long, id="an hour"),
    ],
)
def test_kills_and_outages_at_a_steady_rate_change_no_result(conditions):
    lines: list[str] = []
    equal = soak(conditions, lines.append)
    print("\n".join(lines))  # noqa: T201 - `make guarantee` keeps it
    assert equal, "\n".join(lines)
