"""A replay as Arrow messages: up to a thousand predictions or labels in each.

Messages hold the records of a topic in their order. A paced replay stays live: a record waits for
others of its message at most ``WAIT_S``. Where messages end follows from the rows and the pace
only, so every run sends the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftline.errors import BadInput
from monitor.counts.values import Column
from producers.contract.arrow_columns import (
    ARROW_HEADER,
    PREDICTION,
    USUAL_BYTES,
    USUAL_ROWS,
    compact,
    ipc_stream,
)
from producers.simulation.replay import LABELS, PREDICTIONS, Event, Pace, Replay

WAIT_S = 1.0

Ints = NDArray[np.int64]


def arrow_events(replay: Replay, pace: Pace) -> Iterator[Event]:
    """All records; a message is due with its last one. Raises ``BadInput`` if they do not fit."""
    if replay.json_only is not None:
        raise BadInput(f"{replay.json_only}: use --format json")
    labelled, rows = replay.labels, replay.rows.predictions
    times = np.concatenate([rows.time_ms, replay.label_times(labelled)])
    place = np.empty(times.size, dtype=np.int64)  # of each record in the order of all
    place[np.argsort(times, kind="stable")] = np.arange(times.size)
    due_s = np.broadcast_to(pace(place, times), times.shape)  # type: ignore[arg-type]
    messages = []
    first = 0
    for topic, table in ((PREDICTIONS, _predictions(replay)), (LABELS, _labels(replay, labelled))):
        for start, stop in _cuts(table, due_s[first : first + len(table)]):
            part = table.slice(start, stop - start)
            messages.append((place[first + stop - 1], times[first + stop - 1], topic, part))
        first += len(table)
    for _, time_ms, topic, part in sorted(messages, key=lambda message: message[0]):
        key = part["id"][0].as_py().encode()
        yield Event(topic, int(time_ms), key, ipc_stream(part), None, (ARROW_HEADER,), len(part))


def without_first(events: Iterator[Event], records: int) -> Iterator[Event]:
    """Without the messages that hold the first ``records``."""
    for event in events:
        if records <= 0:
            yield event
        records -= event.records


def _cuts(table: pa.Table, due_s: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Where each message starts and stops; ``due_s`` ascends, shape (n,)."""
    most = min(USUAL_ROWS, max(1, int(USUAL_BYTES / max(table.nbytes / max(len(table), 1), 1))))
    start = 0
    while start < len(table):
        stop = int(np.searchsorted(due_s, due_s[start] + WAIT_S, side="right"))
        stop = min(stop, start + most)
        yield start, stop
        start = stop


def _predictions(replay: Replay) -> pa.Table:
    rows, names = replay.rows.predictions, {"model": replay.model, "version": replay.version}
    taken = sorted(set(PREDICTION) & rows.features.keys())
    if taken:
        raise BadInput(
            f"Arrow messages cannot hold a feature named {taken[0]!r}: use --format json"
        )
    columns = {
        "id": pa.array(rows.ids, pa.string()),
        "time": _times(rows.time_ms),
        **{name: _repeated(text, len(rows)) for name, text in names.items()},
        **{name: _output(values) for name, values in replay.outputs().items()},
    }
    features = {name: _feature(name, values) for name, values in rows.features.items()}
    return pa.table({**columns, **features})


def _labels(replay: Replay, labelled: Ints) -> pa.Table:
    columns = {
        "id": pa.array(replay.rows.predictions.ids, pa.string()).take(pa.array(labelled)),
        "time": _times(replay.label_times(labelled)),
        "model": _repeated(replay.model, labelled.size),
        "label": _output(replay.label_values(labelled)),
    }
    return pa.table(columns)


def _output(values: NDArray[Any]) -> pa.Array:
    """Numbers, classes, or the numbers of classes by name: a struct."""
    return _feature("prediction", values) if values.dtype == object else pa.array(values)


def _times(time_ms: Ints) -> pa.Array:
    return pa.array(time_ms).cast(pa.timestamp("ms", "UTC"))


def _repeated(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int8), [text])


def _feature(name: str, values: Column) -> pa.Array:
    try:
        column = pa.array(values, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise BadInput(
            f"feature {name!r} has values of several types, which an Arrow column cannot hold: use"
            " --format json"
        ) from None
    return compact(column)
