"""Blocks of a source topic, decoded and valid for registered versions: what each row came to."""

from __future__ import annotations

from typing import Any

import numpy as np

from consumers.messages.records import Headers, Record, RecordBlock, TopicPartition, arrow_positions
from consumers.roles.source_validation import SourceValidator
from consumers.sources.groups import Decoded, LabelRows, Origin, PredictionRows
from consumers.sources.json_rows import JsonPredictions
from monitor.counts.columns import Numeric, Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Quality
from monitor.counts.values import as_numbers, missing
from monitor.tasks.binary import BINARY
from tests.consumers.in_memory import NOW, PANE, T0, Table, constant, plan, profile

Place = tuple[int, int]  # position of the record in its block, position of the row in the record

SKEW = 60_000


def numbers_only() -> Profile:
    """A model with other features."""
    rng = np.random.default_rng(2)
    score = rng.random(50)
    rows = Predictions(
        [str(i) for i in range(50)],
        T0 - 1_000 + np.arange(50),
        score,
        (score >= 0.5).astype(np.int64),
        {"x": rng.normal(size=50), "y": rng.normal(size=50)},
    )
    return build_profile("n", "1", ReferenceRows(rows), pane_ms=PANE, threshold=0.5, task=BINARY)


PROFILES = [
    profile(),
    profile(version="2", threshold=0.8),
    profile("coarse", pane_ms=2 * PANE),
    numbers_only(),
]
SCHEMAS = {(p.model, p.version): p.schema for p in PROFILES}


def block(
    values: list[bytes | None], topic: str = "predictions", headers: Headers = ()
) -> RecordBlock:
    """Records with the same headers."""
    append_ms = np.full(len(values), NOW, dtype=np.int64)
    return RecordBlock(
        TopicPartition(topic, 0),
        values,
        append_ms,
        len(values),
        lambda i: Record(topic, 0, i, None, values[i], headers, NOW),
        arrow_positions([headers] * len(values)),
    )


def validator(json: JsonPredictions | None = None, table: Table | None = None) -> SourceValidator:
    table = table or Table(*PROFILES)
    return SourceValidator(table, constant(plan()), json or JsonPredictions(table.schema))


def category(value: Any) -> tuple[str | None, Quality | None]:
    if value is None:
        return None, Quality.MISSING
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return str(value).lower(), None
    if isinstance(value, float) and not np.isfinite(value):
        return None, Quality.MISSING if np.isnan(value) else Quality.WRONG_TYPE
    whole = isinstance(value, int) or value.is_integer()
    return str(int(value)) if whole else repr(value), None


def value(rows: Any, name: str, i: int) -> Any:
    column = rows.features.get(name, missing(len(rows)))
    if isinstance(rows.schema.features[name], Numeric):
        read = as_numbers(column).with_booleans(as_numbers=False)
        number, quality = read.number[i], read.quality[i]
        return None if np.isnan(number) else number, None if quality < 0 else Quality(quality)
    return category(column.values[column.code[i]])


def predictions_by_place(decoded: Decoded[PredictionRows]) -> dict[Place, Any]:
    """The reason and the error of each row, or its values."""
    found = _rejected(decoded)
    for rows in decoded.columns:
        for i, place in enumerate(_places(rows.origin)):
            assert place not in found
            known = {name: value(rows, name, i) for name in rows.schema.features}
            given = {
                name
                for name, column in rows.features.items()
                if name not in rows.schema.features and column.values[column.code[i]] is not None
            }
            own = (rows.time_ms[i], rows.score[i], rows.predicted[i])
            found[place] = (rows.key, rows.origin.ids[i].as_py(), *own, known, given)
    return found


def labels_by_place(decoded: Decoded[LabelRows]) -> dict[Place, Any]:
    found = _rejected(decoded)
    for rows in decoded.columns:
        for i, place in enumerate(_places(rows.origin)):
            assert place not in found
            own = (rows.origin.time_ms[i], rows.label[i])
            found[place] = (rows.model, rows.origin.ids[i].as_py(), *own)
    return found


def in_order(found: dict[Place, Any]) -> list[Any]:
    return [found[place] for place in sorted(found)]


def _rejected(decoded: Decoded[Any]) -> dict[Place, Any]:
    found: dict[Place, Any] = {
        (row.record, row.row): (row.reason, row.error) for row in decoded.rejected
    }
    assert len(found) == len(decoded.rejected)
    return found


def _places(origin: Origin) -> list[Place]:
    places = list(zip(origin.record.tolist(), origin.row.tolist(), strict=True))
    assert places == sorted(set(places)), "in the order of the log"
    return places
