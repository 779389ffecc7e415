"""A short form of ``benchmarks/soak.py``: kills, an outage of Kafka and one of the database."""

from __future__ import annotations

import pytest

from benchmarks.soak import soak

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("minutes", [0.8, pytest.param(20.0, marks=pytest.mark.long)])
def test_kills_and_outages_at_a_steady_rate_change_no_result(minutes):
    lines: list[str] = []
    equal = soak(minutes, rate=30.0, kill_every_s=7.0, say=lines.append)
    print("\n".join(lines))  # noqa: T201 - `make guarantee` keeps it
    assert equal, "\n".join(lines)
