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
)

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


@dataclass(slots=True)
class RowCollector:
    """Collects the rows of messages."""

    versions: dict[str, int]  # number of each version in entries; new ones are added
    models: dict[str, int] = field(default_factory=dict)
    _ident: list[Idents] = field(default_factory=list)
    _model: list[Ints] = field(default_factory=list)
    _rows: list[Entries] = field(default_factory=list)
    _watermark_ms: list[Times] = field(default_factory=list)

    def add(self, message: JoinColumns, watermark_ms: int | None) -> Mapping[str, int]:
        """Returns how many predictions and labels they are."""
        rows = _entries(message, self.versions)
        model = self.models.setdefault(message.model, len(self.models))
        self._ident.append(message.ident)
        self._model.append(np.full(len(rows), model))
        self._rows.append(rows)
        at_ms = NO_WATERMARK if watermark_ms is None else watermark_ms
        self._watermark_ms.append(np.full(len(rows), at_ms))
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
        )


def _entries(message: JoinColumns, versions: dict[str, int]) -> Entries:
    """Each row as an entry."""
    numbers = [versions.setdefault(version, len(versions)) for version in message.versions]
    rows = np.zeros(len(message.time_ms), dtype=ENTRY)
    scored = message.version >= 0
    late = np.where(message.late, PREDICTION | LATE, PREDICTION)
    rows["kind"] = np.where(scored, late, LABEL)
    rows["version"][scored] = np.array([*numbers, 0])[message.version[scored]]
    of_prediction = (("time_ms", message.time_ms), ("score", message.score), ("life", message.life))
    for name, values in of_prediction:
        rows[name][scored] = values[scored]
    rows["predicted"][scored] = message.value[scored].astype(np.int64)
    labels = ~scored
    rows["label_ms"][labels] = message.time_ms[labels]
    rows["label"][labels] = message.value[labels]
    rows["seen_ms"][labels] = message.seen_ms[labels]
    return rows
