"""Findings without Kafka: the rows of a file are counted, joined and judged as those of a stream.

The whole file is taken to have arrived: every row is on time, every label in the file is known, and
every window up to the last row is closed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counting import count_data
from monitor.counts.joined_rows import count_joined
from monitor.counts.profile import ReferenceRows
from monitor.counts.summary import Part, Summary
from monitor.events.event_time import NEVER
from monitor.events.joining import (
    Entry,
    JoinPolicy,
    Label,
    ScoredPrediction,
    add_rows,
    joined_columns,
    joined_rows,
)
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import Key
from monitor.windows.clocks import JoinedTime, Progress
from monitor.windows.detection import advance
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from monitor.windows.state import Item, State


def findings_of(evaluator: Evaluator, rows: ReferenceRows) -> tuple[State, Findings]:
    """The state and findings of a stream that holds ``rows``, after all its windows have closed.

    Rows may be in any order. A label belongs to the prediction in the same row.
    """
    summaries = [*_count_data(evaluator, rows), *_count_labelled(evaluator, rows)]
    items: list[Item] = list(enumerate(summaries))
    items.append((len(items), _final_progress(evaluator, rows)))
    key = Key(evaluator.profile.model, evaluator.profile.version)
    return advance({key: evaluator}, State(), items)


def _count_data(evaluator: Evaluator, rows: ReferenceRows) -> list[Summary]:
    on_time = np.full(len(rows.predictions), Part.ON_TIME, dtype=object)
    return count_data(evaluator.profile.schema, rows.predictions, on_time)


def _count_labelled(evaluator: Evaluator, rows: ReferenceRows) -> list[Summary]:
    policy = _join_policy(evaluator)
    joined = (
        row for entry in _entries(evaluator, rows) for row in joined_rows(entry, policy).items()
    )
    by_version = joined_columns(evaluator.profile.model, joined)
    return [
        summary
        for columns in by_version.values()
        for summary in count_joined(evaluator.profile.schema, columns, evaluator.label_wait_ms)
    ]


def _entries(evaluator: Evaluator, rows: ReferenceRows) -> list[Entry]:
    """The labelled rows by id. An id may occur more than once, as in a stream."""
    if rows.label is None:
        return []
    ids, model = rows.predictions.ids, evaluator.profile.model
    entries: dict[str, Entry] = {}
    for i in rows.labelled.tolist():
        pair = (_prediction(rows, i, evaluator.profile.version), _label(rows, rows.label, i))
        entries[ids[i]] = add_rows(entries.get(ids[i], Entry(model)), pair)
    return list(entries.values())


def _prediction(rows: ReferenceRows, i: int, version: str) -> ScoredPrediction:
    predictions, score = rows.predictions, rows.predictions.score[i]
    return ScoredPrediction(
        int(predictions.time_ms[i]),
        0.0 if score.ndim else float(score),
        int(predictions.predicted[i]),
        version,
        late=False,
        scores=score.astype("<f8").tobytes() if score.ndim else b"",
    )


def _label(rows: ReferenceRows, labels: NDArray[np.float64], i: int) -> Label:
    known_ms = rows.predictions.time_ms if rows.label_time_ms is None else rows.label_time_ms
    return Label(int(known_ms[i]), float(labels[i]), NEVER)


def _join_policy(evaluator: Evaluator) -> JoinPolicy:
    time = evaluator.plan.time
    return JoinPolicy(
        pane_ms=evaluator.plan.windows.pane_ms,
        lateness_ms=time.lateness_ms,
        accept_late_ms=time.accept_late_ms,
        horizon_ms=time.label_horizon_ms,
    )


def _final_progress(evaluator: Evaluator, rows: ReferenceRows) -> Progress:
    """Event times that close the window of the last row, and that make its labels final."""
    windows, time = evaluator.plan.windows, evaluator.plan.time
    last_ms = int(rows.predictions.time_ms.max())
    closed_ms = last_ms - last_ms % windows.slide_ms + windows.length_ms + time.lateness_ms
    final = JoinedTime(EventTime(closed_ms), EventTime(closed_ms + evaluator.label_wait_ms))
    key = (evaluator.profile.model, evaluator.profile.version)
    one_partition = AppendTimes(1, {0: closed_ms})
    seen = Seen(closed_ms, closed_ms, closed_ms, closed_ms)
    return Progress(one_partition, {key: {0: seen}}, one_partition, {key: {0: final}})
