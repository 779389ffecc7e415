"""Marked windows and incidents on healthy days of flights, and in the year that followed.

    python benchmarks/healthy_flights.py [--splits 20]

March is split at random into reference days and live days, ``--splits`` times. For each split, the
windows with ``p < 0.05`` and the incidents are counted. Then April to December are compared with
March, and ``distance`` is increased by a fifth at the start of a window.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import click
import numpy as np
from numpy.typing import NDArray

from consumers.batch.findings import findings_of
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.decisions.incidents import Change
from monitor.plan import DAY, HOUR, Plan, Time
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, WindowStatus
from producers.example.flights import (
    CATEGORICAL,
    PRODUCTION_MS,
    REFERENCE_MS,
    TRAINING_MS,
    load_flights,
)
from producers.example.history import History
from producers.example.training import Model, train

THRESHOLD = 0.5
PLAN = Plan(time=Time(lateness_ms=0))


@click.command()
@click.option("--splits", default=20, show_default=True)
def main(splits: int) -> None:
    """Print the alarms on healthy data and in the real year."""
    flights = load_flights()
    model = train(flights.between(*TRAINING_MS), CATEGORICAL)
    march = flights.between(*REFERENCE_MS)
    _splits(model, march, splits)
    profile = _profile(scored(model, march))
    _shifted(model, flights, profile)
    _year(model, flights.between(*PRODUCTION_MS), profile)


def _splits(model: Model, march: History, splits: int) -> None:
    rows = scored(model, march)
    days = (march.time_ms - REFERENCE_MS[0]) // DAY
    every = np.unique(days)
    click.echo(f"{splits} splits of March, days against days, windows of a day, ten features")
    click.echo("split  live windows  windows marked by p < 0.05  features marked  incidents opened")
    marked_windows, opened = [], []
    for split in range(splits):
        rng = np.random.default_rng(split)
        fixed = rng.choice(every, every.size // 2, replace=False)
        reference = chosen(rows, np.isin(days, fixed))
        live = chosen(rows, ~np.isin(days, fixed))
        # Days lie side by side, as if the chosen ones had followed each other.
        found = watched(_profile(moved_together(reference)), moved_together(live))
        windows, features, incidents = alarms(found)
        judged = len({w.start_ms for w in found.windows if w.data.status is WindowStatus.CLOSED})
        marked_windows.append(windows / judged)
        opened.append(incidents)
        click.echo(f"{split:5}  {judged:12}  {windows:26}  {features:15}  {incidents:16}")
    click.echo(
        f"mean: {np.mean(marked_windows):.0%} of windows marked, {np.mean(opened):.2f} incidents"
        f" opened in about 15 days (all kinds)\n"
    )


def _shifted(model: Model, flights: History, profile: Profile) -> None:
    """Distance x 1.2 from the start of the window of 10 April on."""
    april = flights.between(PRODUCTION_MS[0], PRODUCTION_MS[0] + 20 * DAY)
    from_ms = PRODUCTION_MS[0] + 9 * DAY
    distance = np.where(april.time_ms >= from_ms, 1.2, 1.0) * april.features["distance"]
    changed = replace(april, features={**april.features, "distance": distance})
    found = watched(profile, scored(model, changed))
    click.echo("distance x 1.2 from 2013-04-10 on")
    tell(found, "data/distance")


def _year(model: Model, production: History, profile: Profile) -> None:
    found = watched(profile, scored(model, production))
    click.echo("April to December against March: incidents")
    tell(found)


def tell(found: Findings, subject: str | None = None) -> None:
    for change in found.transitions:
        if change.change is not Change.REPEATED and subject in (None, change.incident.subject):
            until = datetime.fromtimestamp(change.end_ms / 1000, UTC).date()
            click.echo(
                f"  {until}  {change.change.value:9} {change.incident.severity.value:8}"
                f" {change.incident.subject}"
            )
    click.echo("")


def alarms(found: Findings) -> tuple[int, int, int]:
    """Windows with a feature at p < 0.05, such features, and incidents opened."""
    marked = [
        sum(
            (ks := f.test("ks")) is not None and ks.p_value is not None and ks.p_value < 0.05
            for f in window.data.features
        )
        for window in found.windows
        if window.data.revision == 0 and window.performance.revision == 0
    ]
    opened = sum(change.change is Change.OPENED for change in found.transitions)
    return sum(m > 0 for m in marked), sum(marked), opened


def watched(profile: Profile, rows: ReferenceRows) -> Findings:
    return findings_of(Evaluator.of(PLAN, profile), rows)[1]


def _profile(rows: ReferenceRows) -> Profile:
    return build_profile(
        "flight-delay",
        "1",
        rows,
        pane_ms=HOUR,
        threshold=THRESHOLD,
        categorical=CATEGORICAL,
        task=BINARY,
    )


def scored(model: Model, history: History) -> ReferenceRows:
    return history.scored(model.score(history.features), THRESHOLD)


def chosen(rows: ReferenceRows, which: NDArray[np.bool_]) -> ReferenceRows:
    p = rows.predictions
    assert rows.label is not None
    assert rows.label_time_ms is not None
    kept = replace(
        p,
        ids=[p.ids[i] for i in np.flatnonzero(which)],
        time_ms=p.time_ms[which],
        score=p.score[which],
        predicted=p.predicted[which],
        features={name: np.asarray(v)[which] for name, v in p.features.items()},
    )
    return ReferenceRows(kept, rows.label[which], rows.label_time_ms[which])


def moved_together(rows: ReferenceRows) -> ReferenceRows:
    """The days of ``rows``, renumbered 0, 1, 2, … so that no day is missing between them."""
    assert rows.label_time_ms is not None
    day = rows.predictions.time_ms // DAY
    _, rank = np.unique(day, return_inverse=True)
    shift = (rank - day) * DAY
    predictions = replace(rows.predictions, time_ms=rows.predictions.time_ms + shift)
    return ReferenceRows(predictions, rows.label, rows.label_time_ms + shift)


if __name__ == "__main__":
    main()
