"""Driftline's own rule over arrays of rows, by the product's own code, without its way through Kafka.

Everything that decides is the product's: the profile, the budget, what the reference strays by, the
scales, the incidents. What is left out is what decides nothing (windows to look at, labels).
``tests/benchmarks/test_detector.py`` holds it against ``monitor.detection`` on the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.budget import Length
from monitor.counts import Counts
from monitor.incidents import Change, Incident, Said, gravest, step
from monitor.plan import HOUR, Budget, Drift, Plan, Windows
from monitor.profile import ReferenceRows, build_profile
from monitor.rows import Predictions
from monitor.scales import Blocks
from monitor.watch import Watch, subject_of

Rows = NDArray[np.float64]  # shape (rows, features)


@dataclass(frozen=True, slots=True)
class Heard:
    """A pane closed, and windows that end with it raised an incident, or kept it open."""

    pane: int  # counted from 0
    subject: str
    incident: str
    opened: bool
    longest: int  # panes, of the windows that raised it


def plan(budget: float, panes: int) -> Plan:
    """``budget`` false alarms in as many panes; windows to look at are single panes."""
    allowed = Budget(budget, panes * HOUR)
    return Plan(
        Windows(HOUR, HOUR, HOUR, 10**6 * HOUR),
        drift=Drift(warning=allowed, critical=allowed, critical_effect=0.0),
    )


def watch(of: Plan, reference: Sequence[Rows]) -> Watch:
    """``reference`` pane by pane, in time order; NaN is missing. Scores say nothing here."""
    rows = np.concatenate(reference)
    n = len(rows)
    pane = np.repeat(np.arange(len(reference)), [len(each) for each in reference])
    score = np.random.default_rng(0).random(n)
    predictions = Predictions(
        [str(i) for i in range(n)],
        pane.astype(np.int64) * HOUR,
        score,
        (score >= 0.5).astype(np.int64),
        {f"x{i}": rows[:, i] for i in range(rows.shape[1])},
    )
    profile = build_profile("stream", "1", ReferenceRows(predictions), pane_ms=HOUR, threshold=0.5)
    return Watch.of(of, profile)


def counted(by: Watch, panes: Iterable[Rows]) -> Iterator[Counts]:
    samples = [reference.sample for _, reference in by.profile.schema.numeric]
    for rows in panes:
        columns = (
            (of, column[~np.isnan(column)]) for of, column in zip(samples, rows.T, strict=True)
        )
        located = [of.locate(np.sort(column)) for of, column in columns]
        ends = by.data.stack.offsets[: len(located)]
        yield Counts.of(np.concatenate([at + bins for at, bins in zip(ends, located, strict=True)]))


def raised(by: Watch, panes: Iterable[Counts]) -> Iterator[Heard]:
    """What keeps incidents open in a live stream, pane by pane."""
    seen: dict[int, Counts] = {}
    blocks = Blocks(lambda number: seen.get(number, Counts.empty()))
    incidents: dict[str, Incident] = {}
    for number, counts in enumerate(panes):
        seen[number] = counts
        for subject, said in _said(by, blocks, number).items():
            stays, change, _ = step(
                incidents.pop(subject, None),
                gravest(said, (number + 1) * HOUR, HOUR),
                scope="stream/1",
                subject=subject,
                plan=by.plan.incidents,
            )
            if stays is not None:
                incidents[subject] = stays
                lengths = [(s.end_ms - s.start_ms) // HOUR for s in said if s.tested is not None]
                if lengths:
                    opened = change is Change.OPENED
                    yield Heard(number, subject, stays.id, opened, max(lengths))


def _said(by: Watch, blocks: Blocks, number: int) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {}
    longest = max(length.panes for length in by.lengths if length.is_scale)
    for window in blocks.ending(number, longest):
        if window.start < 0:
            continue
        length = Length.of_scale(window.panes)
        for cells, tested in by.data.scan(window.parts, length).items():
            if tested is not None or window.panes == 1:
                start_ms = window.start * HOUR
                end_ms = start_ms + window.panes * HOUR
                said = Said(tested, start_ms, end_ms, max(length.slide, 1) * HOUR)
                found.setdefault(subject_of(cells), []).append(said)
    return found
