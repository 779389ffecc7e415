"""Incidents of performance on healthy data, and the delay until a real degradation is detected.

    python -m benchmarks.quality.performance [--splits 40]

prints a table and writes ``benchmarks/results/performance.json``. Each split divides the days of a
healthy March at random into a reference and live days. The live days are processed in order by the
product's code with its default budget, in windows of three hours and of a day. The model was
trained on January and February.

Three things are measured:

* Incidents of performance if nothing has changed. Windows in which the model really failed (an
  accuracy below 0.6, against 0.92) are counted separately: they are in the data.
* The delay of a degradation, in days from the change to the end of the window that opens an
  incident. From a random hour of the fifth to ninth day on, a tenth or a fifth of the true
  positives, drawn at random, is scored as negative.
* What would be raised if performance were tested when a window closes, with the labels that are
  known by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.healthy_flights import THRESHOLD, chosen, moved_together, scored
from benchmarks.quality.figures import delays, mean, proportion
from consumers.batch.findings import findings_of
from monitor.budget import SHARES
from monitor.counts.counting import count_outcomes
from monitor.counts.counts import Cells
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.decisions.incidents import Change
from monitor.plan import DAY, HOUR, Plan, Time, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, Maturity
from producers.example.flights import CATEGORICAL, REFERENCE_MS, TRAINING_MS, load_flights
from producers.example.training import train

RESULTS = Path(__file__).parents[1] / "results" / "performance.json"
LENGTHS = {"3 hours": 3 * HOUR, "a day": DAY}
DEGRADATIONS = {"recall x 0.9": 0.1, "recall x 0.8": 0.2}
HEALTHY_DAYS = (4, 9)  # before the change; drawn at random from this range
FAILED = 0.6  # in a healthy window with a lower accuracy the model has failed
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    reference: Profile
    live: ReferenceRows

    @property
    def days(self) -> float:
        return float(np.unique(self.live.predictions.time_ms // DAY).size)


@click.command()
@click.option("--splits", default=40, show_default=True)
def main(splits: int) -> None:
    """Measure, print the table and write the results."""
    found = measure(splits)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for line in lines(found):
        click.echo(line)


def measure(splits: int) -> Figures:
    """By window length: incidents, delays, and what early labels would have raised."""
    halves = [_split(seed) for seed in range(splits)]
    return {name: _measured(length_ms, halves) for name, length_ms in LENGTHS.items()}


def lines(found: Mapping[str, Figures]) -> Iterator[str]:
    for name, figures in found.items():
        yield f"windows of {name}"
        for title, row in figures.items():
            values = (f"{key} {_shown(value)}" for key, value in row.items())
            yield f"  {title:40}{'  '.join(values)}"


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value}"


def _measured(length_ms: int, halves: Sequence[Split]) -> Figures:
    healthy, early = [], []
    degradations: dict[str, list[float | str | None]] = {name: [] for name in DEGRADATIONS}
    for seed, split in enumerate(halves):
        plan = Plan(Windows(HOUR, length_ms, length_ms), Time(lateness_ms=0))
        evaluator = Evaluator.of(plan, split.reference)
        found = findings_of(evaluator, split.live)[1]
        healthy.append(_healthy(found))
        early.append(_early(evaluator, split.live, found))
        for name, lost in DEGRADATIONS.items():
            degradations[name].append(_delay(evaluator, split.live, lost, seed))
    days = float(np.mean([split.days for split in halves]))
    allowance = SHARES["performance"] * Plan().drift.warning.per(DAY) * days
    return {
        "healthy, incidents": {**mean([n for n, _ in healthy]), "budget": allowance, "days": days},
        "healthy, where the model did not fail": mean([n for _, n in healthy]),
        **{name: _delays(found) for name, found in degradations.items()},
        **_early_figures(early),
    }


# -- incidents ---------------------------------------------------------------------------------


def _opened(found: Findings) -> list[int]:
    """The ends of the windows that opened an incident of performance, oldest first."""
    return sorted(
        change.end_ms
        for change in found.transitions
        if change.change is Change.OPENED and change.incident.subject.startswith("performance/")
    )


def _healthy(found: Findings) -> tuple[int, int]:
    """The number of incidents, and of those from windows in which the model did not fail."""
    newest = {window.end_ms: window.performance for window in found.windows}
    ends_ms = _opened(found)
    accuracy = (newest[end_ms].metrics["accuracy"].metric.value for end_ms in ends_ms)
    return len(ends_ms), sum(value is None or value >= FAILED for value in accuracy)


def _delay(evaluator: Evaluator, live: ReferenceRows, lost: float, seed: int) -> float | str | None:
    """The delay in days. None without an incident, ``"early"`` if one opened before the change."""
    rng = np.random.default_rng(1_000 + seed)
    first_ms = int(live.predictions.time_ms.min()) // DAY * DAY
    at_ms = first_ms + int(rng.integers(HEALTHY_DAYS[0] * 24, HEALTHY_DAYS[1] * 24)) * HOUR
    ends_ms = _opened(findings_of(evaluator, _degraded(live, lost, at_ms, rng))[1])
    if ends_ms and ends_ms[0] <= at_ms:
        return "early"
    return (ends_ms[0] - at_ms) / DAY if ends_ms else None


def _degraded(
    live: ReferenceRows, lost: float, at_ms: int, rng: np.random.Generator
) -> ReferenceRows:
    """A proportion ``lost`` of the true positives become false negatives from ``at_ms`` on."""
    predictions, label = live.predictions, live.label
    assert label is not None
    hit = (predictions.predicted == 1) & (label == 1) & (predictions.time_ms >= at_ms)
    missed = hit & (rng.random(len(predictions)) < lost)
    score = np.where(
        missed, np.minimum(1 - predictions.score, np.nextafter(THRESHOLD, 0)), predictions.score
    )
    predicted = np.where(missed, 0, predictions.predicted)
    return replace(live, predictions=replace(predictions, score=score, predicted=predicted))


def _delays(found: Sequence[float | str | None]) -> Figures:
    kept = [one for one in found if not isinstance(one, str)]
    early = sum(isinstance(one, str) for one in found)
    return {**delays(kept), "early": early / len(found)}


# -- early labels -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EarlyLabels:
    """Healthy windows, those that would raise an alarm, and their recall."""

    windows: int
    at_close: int  # raised if tested with the labels known when the window closes
    final: int  # raised if tested when the window is final
    not_final: int  # incidents that opened from a window that was not final
    coverage: float  # proportion of labels known when the window closes
    recall_at_close: float  # over all windows
    recall: float


def _early(evaluator: Evaluator, live: ReferenceRows, found: Findings) -> EarlyLabels:
    length_ms = evaluator.plan.windows.length_ms
    predictions, label, known_ms = live.predictions, live.label, live.label_time_ms
    assert label is not None
    assert known_ms is not None
    end_ms = predictions.time_ms // length_ms * length_ms + length_ms
    quick = known_ms <= end_ms
    final = {
        w.start_ms: w.performance
        for w in reversed(found.windows)
        if w.performance.status is Maturity.FINAL
    }
    at_close = [
        evaluator.judge_performance(panes, 0, status=Maturity.PROVISIONAL, revision=0)
        for panes in _windows(evaluator, live, quick)
    ]
    positive = label == 1
    return EarlyLabels(
        len(final),
        sum(_raises(one) for one in at_close),
        sum(_raises(one) for one in final.values()),
        sum(end - length_ms not in final for end in _opened(found)),
        float(quick.mean()),
        float(predictions.predicted[positive & quick].mean()),
        float(predictions.predicted[positive].mean()),
    )


def _raises(performance: Any) -> bool:
    return any(metric.severity is not None for metric in performance.metrics.values())


def _windows(evaluator: Evaluator, live: ReferenceRows, which: Any) -> list[list[Cells]]:
    """The labelled panes of each window, from the rows that ``which`` selects."""
    predictions, label = live.predictions, live.label
    assert label is not None
    counted = count_outcomes(
        evaluator.profile.schema,
        pane_ms=(predictions.time_ms - predictions.time_ms % HOUR)[which],
        part=np.full(int(which.sum()), Part.FINAL, dtype=object),
        score=predictions.score[which],
        predicted=predictions.predicted[which],
        label=label[which],
        sign=np.ones(int(which.sum()), dtype=np.int64),
    )
    windows: dict[int, list[Cells]] = {}
    for summary in counted:
        windows.setdefault(summary.pane_ms // evaluator.plan.windows.length_ms, []).append(
            summary.cells
        )
    return list(windows.values())


def _early_figures(found: Sequence[EarlyLabels]) -> Figures:
    windows = sum(one.windows for one in found)
    return {
        "judged at close, windows raised": proportion(sum(one.at_close for one in found), windows),
        "judged when final, windows raised": proportion(sum(one.final for one in found), windows),
        "incidents of windows not final": {"count": sum(one.not_final for one in found)},
        "labels at close": {
            "coverage": float(np.mean([one.coverage for one in found])),
            "recall": float(np.mean([one.recall_at_close for one in found])),
            "recall when final": float(np.mean([one.recall for one in found])),
        },
    }


# -- the flights -------------------------------------------------------------------------------


def _split(seed: int) -> Split:
    rows = _march()
    days = (rows.predictions.time_ms - REFERENCE_MS[0]) // DAY
    every = np.unique(days)
    fixed = np.isin(days, np.random.default_rng(seed).choice(every, every.size // 2, replace=False))
    profile = build_profile(
        "flight-delay",
        "1",
        moved_together(chosen(rows, fixed)),
        pane_ms=HOUR,
        threshold=THRESHOLD,
        categorical=CATEGORICAL,
        task=BINARY,
    )
    return Split(profile, moved_together(chosen(rows, ~fixed)))


@lru_cache(maxsize=1)
def _march() -> ReferenceRows:
    flights = load_flights()
    model = train(flights.between(*TRAINING_MS), CATEGORICAL)
    return scored(model, flights.between(*REFERENCE_MS))


if __name__ == "__main__":
    main()
