"""Results are those of commit a0476bd, but for names of fields and what was changed on purpose.

``before.json.gz`` was written there by ``python -m tests.results.documents``.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.results import documents

# What a field was called then, and is called now.
RENAMED = {
    "tolerance": "allowance",
    "marked": "significant",
}
ADDED = (
    *("version_info", "version_state", "reason", "caused_by", "segment", "life"),
    *("further", "task", "reference_median", "window_median"),
)
REWORDED = ("message",)  # of alerts; ``tests/consumers/messages/test_alert_sentences.py``
RENAMED_IN_EVIDENCE = {"statistic": "decided_by", "effect": "persistent", "also": "grouped"}
# These metrics are shown and open no incident. Their `resolution` was a worst-case bound on which
# nothing depends; it is null now. All other figures of these metrics are compared.
RESOLUTION_IS_NULL = frozenset({"pr_auc", "log_loss", "brier", "calibration_error"})
# ADWIN and Page-Hinkley read the error rates of panes; then they read those of windows.
OTHER_INPUT = frozenset({"detectors"})
# Nothing tells the decision about a retraining; then it had conditions on one.
UNMEASURED = frozenset({"cooldown", "not_running"})
# A decision counts the labels that are final at the end of its window; then it counted all.
OTHER_LABELS = "fresh_labels"
# A sum may be taken in another order on another processor.
TOLERANCE = 1e-12


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return json.loads(gzip.decompress(Path(__file__).with_name("before.json.gz").read_bytes()))


def test_reports_of_the_pipeline_on_disturbed_flights_are_unchanged(before):
    now = without_other_evidence(without_other_input(documents.pipeline()))
    then = without_other_evidence(expected(before["pipeline"]))
    assert list(differences(then, now)) == []


@pytest.mark.slow
def test_alarms_and_delays_of_seeded_streams_are_unchanged(before):
    assert list(differences(before["streams"], dict(documents.streams()))) == []


def expected(found: Any) -> Any:
    return without_unmeasured(without_other_input(without_resolution(renamed(found))))


def without_other_input(found: Any) -> Any:
    """The document without the fields of ``OTHER_INPUT``, and the number of ``OTHER_LABELS``."""
    if isinstance(found, list):
        return [without_other_input(one) for one in found]
    if not isinstance(found, dict):
        return found
    left_out = OTHER_INPUT | ({"actual"} if found.get("condition") == OTHER_LABELS else set())
    return {
        name: without_other_input(value) for name, value in found.items() if name not in left_out
    }


def without_other_evidence(found: Any) -> Any:
    """The document without the evidence of resolved incidents: now it is that told last.

    Evidence has a window and a distribution of its own, which it had not.
    """
    if isinstance(found, list):
        return [without_other_evidence(one) for one in found]
    if not isinstance(found, dict):
        return found
    kept = {name: without_other_evidence(value) for name, value in found.items()}
    if "decided_by" in kept and "verdict" not in kept:  # evidence
        return {n: value for n, value in kept.items() if n not in ("window", "distribution")}
    return {**kept, "evidence": None} if kept.get("state") == "resolved" else kept


def without_unmeasured(found: Any) -> Any:
    """The document without the conditions of ``UNMEASURED``."""
    if isinstance(found, list):
        return [without_unmeasured(one) for one in found if not _is_unmeasured(one)]
    if not isinstance(found, dict):
        return found
    return {name: without_unmeasured(value) for name, value in found.items()}


def _is_unmeasured(found: Any) -> bool:
    return isinstance(found, dict) and found.get("condition") in UNMEASURED


def without_resolution(found: Any) -> Any:
    """The document with the resolution of the metrics of ``RESOLUTION_IS_NULL`` set to null."""
    if isinstance(found, list):
        return [without_resolution(one) for one in found]
    if not isinstance(found, dict):
        return found
    return {
        name: {**value, "resolution": None}
        if name in RESOLUTION_IS_NULL and isinstance(value, dict) and "resolution" in value
        else without_resolution(value)
        for name, value in found.items()
    }


def renamed(found: Any, names: Mapping[str, str] = RENAMED) -> Any:
    if isinstance(found, dict):
        return {
            names.get(name, name): renamed(
                value, RENAMED | RENAMED_IN_EVIDENCE if name == "evidence" else names
            )
            for name, value in found.items()
        }
    return [renamed(one, names) for one in found] if isinstance(found, list) else found


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
    elif not same(then, now) and not is_now_called_unjudgeable(then, now, where):
        yield f"{where}: {then!r} before, {now!r} now"


def is_now_called_unjudgeable(then: Any, now: Any, where: str) -> bool:
    """Windows in which no distance could be reported were ``ok``."""
    return where.endswith("/verdict") and (then, now) == ("ok", "cannot_judge")


def same(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, float):
        return math.isclose(then, now, rel_tol=TOLERANCE)
    return type(then) is type(now) and bool(then == now)
