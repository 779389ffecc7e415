"""A short form of ``benchmarks/soak.py``: kills, an outage of Kafka and one of the database."""

from __future__ import annotations

import pytest

from benchmarks.soak import Conditions, soak

pytestmark = pytest.mark.kafka

SHORT = Conditions(
    minutes=0.15, rate=300.0, kill_every_s=4.0, outage_s=3.0, pace=8.0, with_second_workers=False
)
STEADY = Conditions(minutes=20.0, rate=40.0, kill_every_s=7.0)
MILLION = Conditions(minutes=14.0, rate=1_200.0, kill_every_s=8.0, pace=0.5)  # 105 kills


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(SHORT, id="nine seconds"),
        pytest.param(STEADY, marks=pytest.mark.long, id="twenty minutes"),
        pytest.param(MILLION, marks=pytest.mark.long, id="a million records"),
    ],
)
def test_kills_and_outages_at_a_steady_rate_change_no_result(conditions):
    lines: list[str] = []
    equal = soak(conditions, lines.append)
    print("\n".join(lines))  # noqa: T201 - `make guarantee` keeps it
    assert equal, "\n".join(lines)
