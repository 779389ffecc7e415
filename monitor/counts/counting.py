"""Rows into summaries: the counts that each pane of a model version gains by a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import Categorical, Predictions, score_bin
from monitor.counts.counts import Counts, tally
from monitor.counts.schema import Schema
from monitor.counts.summary import SCORE_BINS, Part, Summary, add_names, shortened

T = TypeVar("T")


def count_data(schema: Schema, rows: Predictions, part: NDArray[np.object_]) -> list[Summary]:
    """One summary for every pane and part that ``rows`` touch; ``part`` has shape (n,).

    A feature that the schema has and the rows lack counts as missing; one that only the rows have
    is not counted, but listed under the name ``unknown``, with how many rows had a value for it.
    """
    keys, group = _groups(rows.time_ms - rows.time_ms % schema.pane_ms, part)
    n, groups, score = len(rows), len(keys), schema.score.sample
    cells: list[dict[str, Counts]] = [{} for _ in keys]
    names: list[dict[str, dict[str, int]]] = [{} for _ in keys]
    _put(cells, "rows", tally(group, np.zeros(n, dtype=np.int64), groups, 1))
    _put(cells, "score", tally(group, score.locate(rows.score), groups, score.bins))
    _put(cells, "classes", tally(group, rows.predicted, groups, 2))
    for name, reference in schema.features.items():
        found = reference.tally(rows.features.get(name, [None] * n), group, groups)
        kind = "categories" if isinstance(reference, Categorical) else "bins"
        _put(cells, f"{kind}/{name}", found.values)
        _put(cells, f"quality/{name}", found.quality)
        _put(names, f"unseen/{name}", found.unseen)
    _put(names, "unknown", _unknown(schema, rows, group, groups))
    return [
        Summary(schema.model, schema.version, pane_ms, part_of, cells[i], add_names([names[i]]))
        for i, (pane_ms, part_of) in enumerate(keys)
    ]


def count_outcomes(  # noqa: PLR0913 - the columns of a labelled row
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
    order = np.argsort(group, kind="stable")
    cuts = np.searchsorted(group[order], np.arange(len(keys) + 1))
    for i, (pane, part_of) in enumerate(keys):
        mine = order[cuts[i] : cuts[i + 1]]
        cells = {name: Counts.of(cell[name][mine], sign[mine]) for name in cell}
        cells = {name: counts for name, counts in cells.items() if counts}
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


def _unknown(
    schema: Schema, rows: Predictions, group: NDArray[np.int64], groups: int
) -> list[dict[str, int]]:
    """How many rows of each group have a value for a feature that the schema lacks."""
    found: list[dict[str, int]] = [{} for _ in range(groups)]
    for name, values in rows.features.items():
        if name not in schema.features:
            given = np.array([value is not None for value in values], dtype=bool)
            met, times = np.unique(group[given], return_counts=True)
            for g, count in zip(met.tolist(), times.tolist(), strict=True):
                found[g][shortened(name)] = found[g].get(shortened(name), 0) + count
    return found


def _put(into: Sequence[dict[str, T]], name: str, found: Sequence[T]) -> None:
    for mine, counted in zip(into, found, strict=True):
        if counted:
            mine[name] = counted
