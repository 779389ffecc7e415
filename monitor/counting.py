"""Rows into summaries: the counts that each pane of a model version gains by a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts import Counts, tally
from monitor.rows import Categorical, Predictions, score_bin
from monitor.schema import Schema
from monitor.summaries import SCORE_BINS, Part, Summary


def count_data(schema: Schema, rows: Predictions, part: NDArray[np.object_]) -> list[Summary]:
    """One summary for every pane and part that ``rows`` touch; ``part`` has shape (n,).

    A feature that the schema has and the rows lack counts as missing; one that only the rows have
    is listed under the name ``unknown`` and not counted.
    """
    keys, group = _groups(rows.time_ms - rows.time_ms % schema.pane_ms, part)
    cells: list[dict[str, Counts]] = [{} for _ in keys]
    names: list[dict[str, dict[str, int]]] = [{} for _ in keys]
    n, groups = len(rows), len(keys)
    _put(cells, "rows", tally(group, np.zeros(n, dtype=np.int64), groups, 1))
    _put(cells, "score", tally(group, schema.score.sample.locate(rows.score), groups, schema.score.sample.bins))
    _put(cells, "classes", tally(group, rows.predicted, groups, 2))
    for name, reference in schema.features.items():
        found = reference.tally(rows.features.get(name, [None] * n), group, groups)
        kind = "categories" if isinstance(reference, Categorical) else "bins"
        _put(cells, f"{kind}/{name}", found.values)
        _put(cells, f"quality/{name}", found.quality)
        for into, unseen in zip(names, found.unseen, strict=True):
            if unseen:
                into[f"unseen/{name}"] = unseen
    unknown = Counter(name for name in rows.features if name not in schema.features)
    for into in names:
        if unknown:
            into["unknown"] = dict(unknown)
    return [
        Summary(schema.model, schema.version, pane_ms, part_of, cells[i], names[i])
        for i, (pane_ms, part_of) in enumerate(keys)
    ]


def count_outcomes(
    schema: Schema,
    *,
    pane_ms: NDArray[np.int64],
    part: NDArray[np.object_],
    score: NDArray[np.float64],
    predicted: NDArray[np.int64],
    label: NDArray[np.int64],
    sign: NDArray[np.int64],
) -> list[Summary]:
    """Labelled rows, all arrays of shape (n,); a ``sign`` of -1 takes a row back."""
    keys, group = _groups(pane_ms, part)
    cell = {
        "outcomes": 2 * predicted + label,
        "scores_labels": 2 * score_bin(score) + label,
    }
    width = {"outcomes": 4, "scores_labels": 2 * SCORE_BINS}
    if schema.errors is not None:
        cell["errors"] = schema.errors.sample.locate(np.abs(label - score))
        width["errors"] = schema.errors.sample.bins
    summaries = []
    for i, (pane, part_of) in enumerate(keys):
        mine = group == i
        cells = {name: Counts.of(cell[name][mine], sign[mine]) for name in cell}
        cells = {name: counts for name, counts in cells.items() if counts.index.size}
        if cells:
            summaries.append(Summary(schema.model, schema.version, pane, part_of, cells))
    return summaries


def _groups(
    pane_ms: NDArray[np.int64], part: NDArray[np.object_]
) -> tuple[list[tuple[int, Part]], NDArray[np.int64]]:
    """The distinct (pane, part) pairs, oldest first, and which of them each row belongs to."""
    order = list(Part)
    rank = {p: i for i, p in enumerate(order)}
    code = pane_ms * len(order) + np.array([rank[p] for p in part], dtype=np.int64)
    distinct, group = np.unique(code, return_inverse=True)
    keys = [(int(c // len(order)), order[int(c % len(order))]) for c in distinct]
    return keys, group.astype(np.int64)


def _put(cells: Sequence[dict[str, Any]], name: str, counts: Sequence[Counts]) -> None:
    for into, counted in zip(cells, counts, strict=True):
        if counted.index.size:
            into[name] = counted
