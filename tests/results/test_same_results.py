"""Results are those of the commit that has written ``before.json.gz``.

    python -m tests.results.documents tests/results/before.json.gz

It is written again when results change on purpose; the message of that commit says what changed.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.results import documents

ADDED: tuple[str, ...] = ()  # fields that the documents did not have then
REWORDED = ("message",)  # of alerts; ``tests/consumers/messages/test_alert_sentences.py``
# A sum may be taken in another order on another processor.
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return json.loads(gzip.decompress(Path(__file__).with_name("before.json.gz").read_bytes()))


def test_reports_of_the_pipeline_on_disturbed_flights_are_unchanged(before):
    assert list(differences(before["pipeline"], documents.pipeline())) == []


@pytest.mark.slow
def test_alarms_and_delays_of_seeded_streams_are_unchanged(before):
    assert list(differences(before["streams"], dict(documents.streams()))) == []


def differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """Every place in which two documents differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted({*then, *now} - {*REWORDED, *ADDED}):
            yield from differences(
                then.get(name, "(absent)"), now.get(name, "(absent)"), f"{where}/{name}"
            )
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for i, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from differences(one, other, f"{where}/{i}")
    elif not same(then, now):
        yield f"{where}: {then!r} before, {now!r} now"


def same(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, float):
        return math.isclose(then, now, rel_tol=TOLERANCE)
    return type(then) is type(now) and bool(then == now)
