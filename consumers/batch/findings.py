"""The same way without Kafka: rows of a file through the same counting, joining and detection.

A file is its own watermark: every row is on time, every label that is in it has come, and every
window up to the last row is closed.
"""

from __future__ import annotations

import numpy as np

from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.profile import ReferenceRows
from monitor.counts.summary import Part, Summary
from monitor.events.event_time import NEVER, Progress, Sources
from monitor.events.joining import Entry, JoinPolicy, Scored, Truth, added, settle
from monitor.windows.detection import advance
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from monitor.windows.state import Closing, Item, JoinWatermark, State


def findings_of(evaluator: Evaluator, rows: ReferenceRows) -> tuple[State, Findings]:
    """Everything that the stream would have found in ``rows`` once all of it had passed.

    Scored rows in any order; labels, where known, belong to the row at their position.
    """
    summaries = [*_data(evaluator, rows), *_outcomes(evaluator, rows)]
    items: list[Item] = list(enumerate(summaries))
    items.append((len(items), _end(evaluator, rows)))
    key = (evaluator.profile.model, evaluator.profile.version)
    return advance({key: evaluator}, State(), items)


def _data(evaluator: Evaluator, rows: ReferenceRows) -> list[Summary]:
    on_time = np.full(len(rows.predictions), Part.ON_TIME, dtype=object)
    return count_data(evaluator.profile.schema, rows.predictions, on_time)


def _outcomes(evaluator: Evaluator, rows: ReferenceRows) -> list[Summary]:
    additions = [
        (part, scored, label, sign)
        for entry in _entries(evaluator, rows)
        for (part, scored, label), sign in settle(entry, _patience(evaluator)).items()
    ]
    times_ms = np.array([scored.time_ms for _, scored, _, _ in additions], dtype=np.int64)
    return count_outcomes(
        evaluator.profile.schema,
        pane_ms=times_ms - times_ms % evaluator.plan.windows.pane_ms,
        part=np.array([part for part, _, _, _ in additions], dtype=object),
        score=np.array([scored.score for _, scored, _, _ in additions], dtype=np.float64),
        predicted=np.array([scored.predicted for _, scored, _, _ in additions], dtype=np.int64),
        label=np.array([label for _, _, label, _ in additions], dtype=np.int64),
        sign=np.array([sign for _, _, _, sign in additions], dtype=np.int64),
    )


def _entries(evaluator: Evaluator, rows: ReferenceRows) -> list[Entry]:
    """The labelled rows, by id: a file, too, may hold one twice."""
    if rows.label is None:
        return []
    predictions, version = rows.predictions, evaluator.profile.version
    known_ms = predictions.time_ms if rows.label_time_ms is None else rows.label_time_ms
    entries: dict[str, Entry] = {}
    for i in np.flatnonzero(rows.label >= 0).tolist():
        scored = Scored(
            int(predictions.time_ms[i]),
            float(predictions.score[i]),
            int(predictions.predicted[i]),
            version,
            False,
        )
        truth = Truth(int(known_ms[i]), int(rows.label[i]), NEVER)
        before = entries.get(predictions.ids[i], Entry(evaluator.profile.model))
        entries[predictions.ids[i]] = added(before, (scored, truth))
    return list(entries.values())


def _patience(evaluator: Evaluator) -> JoinPolicy:
    time = evaluator.plan.time
    return JoinPolicy(
        pane_ms=evaluator.plan.windows.pane_ms,
        lateness_ms=time.lateness_ms,
        accept_late_ms=time.accept_late_ms,
        horizon_ms=time.label_horizon_ms,
        label_wait_ms={evaluator.profile.version: evaluator.label_wait_ms},
    )


def _end(evaluator: Evaluator, rows: ReferenceRows) -> Closing:
    """Far enough for the window of the last row, and its labels, to be settled."""
    windows, time = evaluator.plan.windows, evaluator.plan.time
    last_ms = int(rows.predictions.time_ms.max())
    closed_ms = last_ms - last_ms % windows.slide_ms + windows.length_ms + time.lateness_ms
    return Closing(
        Sources(1, {0: Progress(closed_ms)}),
        1,
        {0: JoinWatermark(closed_ms, closed_ms + evaluator.label_wait_ms)},
    )
