"""What a topic holds, in lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from consumers.attach.leaves import Leaf, leaves_of
from consumers.messages.records import Record
from consumers.messages.times import rfc3339
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction
from consumers.sources.mapping.pairs import HalfReader
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.mapping.scope import Unmappable
from producers.contract.records import Undecodable

EXAMPLES = 3
MOST_PATHS = 60
MOST_CHARACTERS = 60


def path_lines(documents: Sequence[Any]) -> Iterator[str]:
    """A line for each path: the kind, how many records have it, and values."""
    leaves = leaves_of(documents, "$")
    for path, leaf in list(leaves.items())[:MOST_PATHS]:
        yield f"  {path:<40} {leaf.kind:<8} {len(leaf.values):>7,}  {_values(leaf)}"
    if len(leaves) > MOST_PATHS:
        yield f"  … {len(leaves) - MOST_PATHS} more paths"


def span_line(records: Sequence[Record]) -> str:
    times = [record.append_ms for record in records]
    partitions = len({record.partition for record in records})
    return (
        f"{len(records):,} records of {partitions} partitions, from {rfc3339(min(times))}"
        f" to {rfc3339(max(times))}"
    )


class MappingTrial:
    """Maps records as ``ingest`` would, and counts what becomes of them."""

    def __init__(self, mapper: RecordMapper, records: Sequence[Record]) -> None:
        self._mapper = mapper
        self.counts = Counter[str]()
        self.refused: dict[str, int] = Counter[str]()  # by sentence
        self.rows: list[MappedPrediction | MappedLabel] = []
        self._add(records)

    def _add(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                rows = self._mapper.rows_of(record)
            except Undecodable as error:
                self._refuse("undecodable", error)
            except Unmappable as error:
                self._refuse("unmappable", error)
            else:
                self.counts["left out by where" if rows is None else "mapped"] += 1
                self.rows += rows or ()

    def _refuse(self, reason: str, error: Exception) -> None:
        self.counts[reason] += 1
        self.refused[f"{reason}: {error}"] += 1

    def lines(self, shown: int) -> Iterator[str]:
        """The counts, some reasons, and the first ``shown`` rows."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        yield f"as ingest maps them: {counts or 'no records'}; {len(self.rows):,} rows"
        for sentence, count in Counter(self.refused).most_common(EXAMPLES):
            yield f"  {count:,} of {sentence}"
        yield from map(_row_line, self.rows[:shown])


class HalvesTrial:
    """What ``ingest`` takes records for, of a topic of pairs."""

    def __init__(self, reader: HalfReader, records: Sequence[Record]) -> None:
        self._reader = reader
        self._counts, self._refused = Counter[str](), Counter[str]()
        self._sides: dict[str, set[str]] = {}  # by id
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        try:
            whose = self._reader.whose(record.value, lambda: record)
        except (Undecodable, Unmappable) as error:
            self._counts["refused"] += 1
            self._refused[str(error)] += 1
            return
        self._counts["left out" if whose is None else f"{whose.side}s"] += 1
        if whose is not None:
            self._sides.setdefault(whose.id, set()).add(whose.side)

    def lines(self) -> Iterator[str]:
        """The counts, and some reasons."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self._counts.items())
        both = sum(len(sides) > 1 for sides in self._sides.values())
        yield f"as halves of pairs: {counts or 'no records'}; {both:,} ids have both among these"
        for sentence, count in self._refused.most_common(EXAMPLES):
            yield f"  {count:,} of {sentence}"


def _row_line(row: MappedPrediction | MappedLabel) -> str:
    if isinstance(row, MappedLabel):
        return f"  {rfc3339(row.time_ms)}  {row.id}  label {row.label!r}"
    outputs = {"score": row.score, "prediction": row.prediction}
    given = [f"{name} {value!r}" for name, value in outputs.items() if value is not None]
    return f"  {rfc3339(row.time_ms)}  {row.id}  {' '.join(given)}  {_features(row.features)}"


def _features(features: Mapping[str, Any]) -> str:
    return _shortened(", ".join(f"{name}={value!r}" for name, value in features.items()))


def _values(leaf: Leaf) -> str:
    if leaf.kind == "number":
        return f"{min(leaf.values)} to {max(leaf.values)}"
    most = leaf.distinct.most_common(EXAMPLES)
    return _shortened(f"{len(leaf.distinct):,} different: {', '.join(text for text, _ in most)}")


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
