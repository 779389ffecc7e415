"""Incidents of a model with 50 segments if nothing has changed, and a fall in one of twenty.

    python -m benchmarks.quality.segments [--runs 20] [--changes 10]

prints a table and writes ``benchmarks/results/segments.json``. A run draws a reference of 14 days
and a live stream of 14 days of a binary model with two features and a category that divides the
rows evenly:

* null: 50 segments, 100 rows an hour, nothing changes. The share of runs with any incident, of the
  whole or of a segment, against a budget of 0.05;
* fall: 20 segments, 200 rows an hour. From the fifth day on, every fifth of the true positives of
  one segment is predicted as negative, so its recall falls by a fifth. Whether the segment has an
  incident, when, how often any other has one, whether it is the segment that explains most of the
  change of the whole's recall from the reference to the last ten days, and the change that it
  explains, divided by the change that was caused (the recall of the whole with and without it).

Panes have twelve hours, windows a day. The budget is 0.05 incidents in the live stream.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.quality.task_runs import BUDGET, opened_incidents, share, shown
from consumers.batch.inputs import between
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_outcomes, count_rows, segment_cells, segment_numbers
from monitor.counts.counts import Counts
from monitor.counts.joined_rows import JoinedRows, count_joined_rows
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.schema import Schema
from monitor.counts.segmentation import Segmentation, Segments
from monitor.counts.summary import Part, Summary
from monitor.decisions.incidents import Change
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import Key
from monitor.performance.change_by_segment import SegmentShare, shares_of_change
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Time, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.clocks import JoinedTime, Progress
from monitor.windows.detection import advance
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from monitor.windows.segment_explanation import reference_outcomes
from monitor.windows.state import Item, State

RESULTS = Path(__file__).parents[1] / "results" / "segments.json"
DAYS, WINDOWS = 14, Windows(12 * HOUR, DAY, DAY)
CHANGED_MS = (DAYS + 4) * DAY
LOST = 0.2  # of the true positives of the segment s0
SEGMENT = "s=s0"


@click.command()
@click.option("--runs", default=20, show_default=True)
@click.option("--changes", default=10, show_default=True)
def main(runs: int, changes: int) -> None:
    """Measure, print the table and write the results."""
    found: dict[str, Any] = {}
    if runs:
        opened = [opened_incidents(_judged(_drawn(seed, 50, 100))) for seed in _counted(runs)]
        found["50 segments, nothing changes"] = share(opened)
    if changes:
        found["recall falls by a fifth in one of 20"] = _falls(changes)
    for name, figures in found.items():
        print(f"{name:40}", shown(figures), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**before, **found}, indent=1, ensure_ascii=False) + "\n")


def _counted(runs: int) -> Any:
    with click.progressbar(range(runs)) as seeds:
        yield from seeds


def _drawn(seed: int, segments: int, rows_an_hour: int, lost: float = 0.0) -> ReferenceRows:
    rng, n = np.random.default_rng(seed), 2 * DAYS * 24 * rows_an_hour
    time_ms = np.arange(n) * (HOUR // rows_an_hour)
    x, y, segment = rng.normal(size=n), rng.normal(size=n), rng.integers(0, segments, n)
    score = 1 / (1 + np.exp(-2 * x))
    label, predicted = (rng.random(n) < score).astype(np.float64), (score >= 0.5).astype(np.int64)
    hit = (segment == 0) & (time_ms >= CHANGED_MS) & (predicted == 1) & (label == 1)
    predicted = np.where(hit & (rng.random(n) < lost), 0, predicted)
    names = [f"s{i}" for i in segment.tolist()]
    features = {"x": x, "y": y, "s": names}
    rows = Predictions([str(i) for i in range(n)], time_ms, score, predicted, features)
    return ReferenceRows(rows, label, time_ms + HOUR)


def _profile(rows: ReferenceRows) -> Profile:
    settings: dict[str, Any] = {"pane_ms": WINDOWS.pane_ms, "threshold": 0.5, "task": BINARY}
    by = Segments((Segmentation.of("s"),))
    return build_profile("m", "1", between(rows, None, DAYS * DAY), **settings, segments=by)


def _judged(rows: ReferenceRows) -> Findings:
    """The first half of ``rows`` is the reference, the other one is live."""
    profile, live_ms = _profile(rows), DAYS * DAY
    allowed = Drift(warning=Budget(BUDGET, live_ms), critical=Budget(BUDGET, 4 * live_ms))
    of = partial(Evaluator.of, Plan(WINDOWS, Time(lateness_ms=0, label_wait_ms=2 * HOUR), allowed))
    evaluators = {Key("m", "1", text): of(each) for text, each in profile.segments.items()}
    items: list[Item] = list(enumerate(_summaries(profile.schema, between(rows, live_ms, None))))
    items.append((len(items), _end(2 * live_ms + 2 * DAY)))
    return advance({Key("m", "1"): of(profile), **evaluators}, State(), items)[1]


def _summaries(schema: Schema, rows: ReferenceRows) -> list[Summary]:
    """All rows are on time, and all labels are known after an hour."""
    live, n = rows.predictions, len(rows.predictions)
    assert rows.label is not None
    one, numbers = np.ones(n, dtype=np.int64), segment_numbers(schema, live)
    joined = JoinedRows(
        "m",
        "1",
        live.time_ms,
        live.score,
        live.predicted,
        rows.label,
        live.time_ms + HOUR,
        one,
        one,
        numbers,
    )
    data = count_rows(schema, live, np.full(n, Part.ON_TIME, dtype=object), numbers)
    return [*data, *count_joined_rows(schema, joined, 2 * HOUR)]


def _end(at_ms: int) -> Progress:
    """Event time that closes every window."""
    appended, seen = AppendTimes(1, {0: at_ms}), Seen(at_ms, at_ms, at_ms, at_ms)
    time = JoinedTime(EventTime(at_ms), EventTime(at_ms))
    return Progress(appended, {("m", "1"): {0: seen}}, appended, {("m", "1"): {0: time}})


def _falls(runs: int) -> dict[str, Any]:
    found = [_fall(10_000 + seed) for seed in _counted(runs)]
    return {
        "runs": runs,
        **{name: float(np.mean([one[name] for one in found])) for name in found[0]},
        "explained of caused, least": float(min(one["explained of caused"] for one in found)),
        "most": float(max(one["explained of caused"] for one in found)),
    }


def _fall(seed: int) -> dict[str, float]:
    rows = _drawn(seed, 20, 200, LOST)
    opened = [
        (one.key.segment, one.end_ms)
        for one in _judged(rows).transitions
        if one.change is Change.OPENED and one.end_ms > CHANGED_MS
    ]
    days = [(end_ms - CHANGED_MS) / DAY for segment, end_ms in opened if segment == SEGMENT]
    shares, change = _explained(rows)
    own = next(one.share for one in shares if one.segment == SEGMENT)
    caused = _recall(rows) - _recall(_drawn(seed, 20, 200))
    return {
        "found": float(bool(days)),
        "days": min(days, default=np.nan),
        "any other segment": float(any(one not in ("", SEGMENT) for one, _ in opened)),
        "the whole": float(any(not one for one, _ in opened)),
        "explains most": float(max(shares, key=lambda one: one.share).segment == SEGMENT),
        "explained of caused": own * change / caused,
    }


def _recall(rows: ReferenceRows) -> float:
    """Of the whole after the change."""
    after = between(rows, CHANGED_MS, None)
    return float(after.predictions.predicted[after.label == 1].mean())


def _explained(rows: ReferenceRows) -> tuple[list[SegmentShare], float]:
    """The change of the recall of the whole, whether or not it has an incident."""
    profile, after = _profile(rows), between(rows, CHANGED_MS, None)
    schema, live = profile.schema, after.predictions
    assert after.label is not None
    n, (index,) = len(live), schema.segmentations
    (counted,) = count_outcomes(
        schema,
        pane_ms=np.zeros(n, dtype=np.int64),
        part=np.full(n, Part.FINAL, dtype=object),
        score=live.score,
        predicted=live.predicted,
        label=after.label,
        sign=np.ones(n, dtype=np.int64),
        segments=segment_numbers(schema, live),
    )

    def table(counts: Counts) -> Any:
        return counts.dense(4 * (len(index.texts) + 1)).reshape(-1, 4)

    name = segment_cells(0)
    before, now = table(reference_outcomes(profile)[name]), table(counted.cells[name])
    ratio = BINARY.ratios["recall"]
    sums = [one.sum(axis=0) for one in (before, now)]
    was, has = (float(one @ ratio.above / (one @ ratio.below)) for one in sums)
    return shares_of_change(ratio, ("", *index.texts), before, now), has - was


if __name__ == "__main__":
    main()
