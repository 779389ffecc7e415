"""The rows of a batch in columns, grouped by id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from consumers.messages.joins import JoinColumns
from consumers.roles.join_store import Idents, ordered
from monitor.events.join_columns import (
    ENTRY,
    LABEL,
    LATE,
    NO_WATERMARK,
    PREDICTION,
    Entries,
    Times,
    entry_of,
)
from monitor.events.joining import Entry

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupedRows:
    """Rows ordered by id; those of one id are in the order of the log.

    Arrays that belong to ids have shape (ids,), arrays of rows have shape (n,).
    """

    ident: Idents  # of each id, ascending
    model: Ints  # of each id: position in ``models``
    starts: Ints  # of each id: its first row
    sizes: Ints  # of each id: number of its rows
    rows: Entries  # each row as an entry of its own
    watermark_ms: Times  # of the model, at the row's position in the log
    models: list[str]
    versions: list[str]
    scores: NDArray[np.object_] | None = None  # of the classes, as bytes; none of a label

    def has_scores(self) -> NDArray[np.bool_]:
        """Which ids have a row with scores of classes."""
        if self.scores is None:
            return np.zeros(len(self.starts), dtype=bool)
        given = np.array([bool(one) for one in self.scores.tolist()], dtype=np.int64)
        return np.asarray(np.add.reduceat(given, self.starts) > 0)

    def entry(self, model: str, at: int) -> Entry:
        """A row as an entry of its own."""
        scores = b"" if self.scores is None else self.scores[at]
        return entry_of(model, self.rows[at], self.versions, scores)


@dataclass(slots=True)
class RowCollector:
    """Collects the rows of messages."""

    versions: dict[str, int]  # number of each version in entries; new ones are added
    models: dict[str, int] = field(default_factory=dict)
    _ident: list[Idents] = field(default_factory=list)
    _model: list[Ints] = field(default_factory=list)
    _rows: list[Entries] = field(default_factory=list)
    _watermark_ms: list[Times] = field(default_factory=list)
    _scores: list[NDArray[np.object_]] = field(default_factory=list)
    _has_scores: bool = False

    def add(self, message: JoinColumns, watermark_ms: int | None) -> Mapping[str, int]:
        """Returns how many predictions and labels they are."""
        rows = _entries(message, self.versions)
        model = self.models.setdefault(message.model, len(self.models))
        self._ident.append(message.ident)
        self._model.append(np.full(len(rows), model))
        self._rows.append(rows)
        at_ms = NO_WATERMARK if watermark_ms is None else watermark_ms
        self._watermark_ms.append(np.full(len(rows), at_ms))
        self._scores.append(_scores(message))
        self._has_scores |= message.scores is not None
        labels = int((message.version < 0).sum())
        return {"predictions": len(rows) - labels, "labels": labels}

    def grouped(self) -> GroupedRows:
        ident = np.concatenate([np.empty((0, 16), np.uint8), *self._ident])
        order, starts = ordered(ident)
        first = order[starts]
        return GroupedRows(
            ident[first],
            np.concatenate([np.empty(0, np.int64), *self._model])[first],
            starts,
            np.diff(starts, append=len(order)),
            np.concatenate([np.empty(0, ENTRY), *self._rows])[order],
            np.concatenate([np.empty(0, np.int64), *self._watermark_ms])[order],
            list(self.models),
            list(self.versions),
            self._all_scores(order),
        )

    def _all_scores(self, order: Ints) -> NDArray[np.object_] | None:
        """None if no row has any."""
        if not self._has_scores:
            return None
        return np.asarray(np.concatenate(self._scores)[order])


def _scores(message: JoinColumns) -> NDArray[np.object_]:
    """Of the classes, as bytes, shape (n,)."""
    found = np.full(len(message.time_ms), b"", dtype=object)
    if message.scores is not None:
        found[:] = [one or b"" for one in message.scores]
    return found


def _entries(message: JoinColumns, versions: dict[str, int]) -> Entries:
    """Each row as an entry."""
    numbers = [versions.setdefault(version, len(versions)) for version in message.versions]
    rows = np.zeros(len(message.time_ms), dtype=ENTRY)
    scored = message.version >= 0
    late = np.where(message.late, PREDICTION | LATE, PREDICTION)
    rows["kind"] = np.where(scored, late, LABEL)
    rows["version"][scored] = np.array([*numbers, 0])[message.version[scored]]
    for name in ("time_ms", "score", "life", "segment"):
        rows[name][scored] = getattr(message, name)[scored]
    rows["predicted"][scored] = message.value[scored].astype(np.int64)
    labels = ~scored
    rows["label_ms"][labels] = message.time_ms[labels]
    rows["label"][labels] = message.value[labels]
    rows["seen_ms"][labels] = message.seen_ms[labels]
    return rows
