"""The rows from which the reference of a version is built as they come, and when they are enough.

The reference is the earliest rows by event time, so it does not depend on the order of partitions.
Nothing is kept but in memory: the rows are in Kafka, and are read again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from consumers.messages.heartbeats import CollectingVersion
from consumers.messages.times import rfc3339
from consumers.sources.mapping.mapped_messages import json_of
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction, MappedRow
from consumers.sources.stream_reference import reference_table
from driftline.configuration.sources import MOST_COLLECTED
from monitor.counts.task import Contract
from monitor.identity import VersionKey
from monitor.plan import MINUTE, Time, duration_ms, duration_text
from producers.contract.records import (
    END_MS,
    ContractViolation,
    Undecodable,
    decode_label,
    decode_prediction,
)

MOST_EARLY = 1_000_000  # labels; those of later rows are among them
MOST_CHARACTERS = 200  # of the reason of a refusal
SPARE = 1.1  # so many times the rows are kept before the latest of them are dropped


class Amount(NamedTuple):
    """At most so many rows, and of at most so long a time."""

    rows: int
    span_ms: int | None  # None: of any time

    @classmethod
    def of(cls, collect: int | str) -> Amount:
        """As in ``[[sources]]``."""
        if isinstance(collect, int):
            return cls(collect, None)
        return cls(MOST_COLLECTED, duration_ms(collect))


@dataclass(slots=True)
class Collection:
    """``time`` and ``contract`` decide what is valid; ``labels_follow``: in other records."""

    key: VersionKey
    amount: Amount
    time: Time
    contract: Contract
    labels_follow: bool
    rows: dict[str, MappedPrediction] = field(default_factory=dict)  # by id, the first that came
    labels: dict[str, MappedLabel] = field(default_factory=dict)  # of these rows, the latest
    early: dict[str, MappedLabel] = field(default_factory=dict)  # of rows that are not here yet
    refused: int = 0  # records that could not be mapped, and rows against the contract
    refusal: str = ""  # why the first of them was refused
    end_ms: int = END_MS  # later rows are not of the reference
    newest_ms: int = 0  # of the predictions
    newest_label_ms: int = 0
    first_ms: int = END_MS
    _is_cut: bool = False

    # -- rows ----------------------------------------------------------------------------------

    def add(self, rows: Iterable[MappedRow], now_ms: int) -> None:
        """The rows of a record; those of other versions are passed over."""
        for row in rows:
            if isinstance(row, MappedLabel):
                if row.model == self.key[0] and self._is_valid(row, now_ms):
                    self._add_label(row)
            elif (row.model, row.version) == self.key and self._is_valid(row, now_ms):
                self._add_prediction(row)

    def refuse(self, why: str) -> None:
        self.refused += 1
        self.refusal = self.refusal or why[:MOST_CHARACTERS]

    def _is_valid(self, row: MappedRow, now_ms: int) -> bool:
        try:
            self._check(row, now_ms)
        except (ContractViolation, Undecodable) as error:
            self.refuse(str(error))
            return False
        return True

    def _check(self, row: MappedRow, now_ms: int) -> None:
        """Raises ``ContractViolation`` or ``Undecodable`` where ``aggregate`` refuses a row."""
        decode = decode_label if isinstance(row, MappedLabel) else decode_prediction
        decode(json_of(row), self.contract)
        skew_ms = self.time.max_clock_skew_ms
        if row.time_ms < self.time.earliest_ms:
            raise ContractViolation("its time is before time.earliest")
        if skew_ms is not None and row.time_ms > now_ms + skew_ms:
            raise ContractViolation("its time is ahead of the clock")

    def _add_label(self, row: MappedLabel) -> None:
        self.newest_label_ms = max(self.newest_label_ms, row.time_ms)
        name = str(row.id)
        to = self.labels if name in self.rows else self.early
        known = to.get(name)
        if known is None or known.time_ms <= row.time_ms:
            to[name] = row
        if len(self.early) > MOST_EARLY:
            del self.early[next(iter(self.early))]

    def _add_prediction(self, row: MappedPrediction) -> None:
        self.newest_ms = max(self.newest_ms, row.time_ms)
        name = str(row.id)
        early = self.early.pop(name, None)
        if row.time_ms >= self.end_ms or name in self.rows:
            return
        self.rows[name] = row
        if early is not None:
            self.labels[name] = early
        self.first_ms = min(self.first_ms, row.time_ms)
        self._is_cut = False
        if len(self.rows) > SPARE * self.amount.rows + 100:
            self._cut()

    def _cut(self) -> None:
        """Drop the rows after the amount. Rows of the same millisecond belong together."""
        if self._is_cut:
            return
        times, most = sorted(row.time_ms for row in self.rows.values()), self.amount.rows
        last_ms = times[most - 1] + 1 if len(times) >= most else END_MS
        self.end_ms = min(self.end_ms, last_ms, self._span_end_ms)
        self.rows = {name: row for name, row in self.rows.items() if row.time_ms < self.end_ms}
        self.labels = {name: row for name, row in self.labels.items() if name in self.rows}
        self._is_cut = True

    @property
    def _span_end_ms(self) -> int:
        span_ms = self.amount.span_ms
        return END_MS if span_ms is None or not self.rows else self.first_ms + span_ms

    # -- whether they are enough ---------------------------------------------------------------

    @property
    def has_all_rows(self) -> bool:
        """Rows of a time have all come once a row is later than they, by ``time.lateness``."""
        if len(self.rows) >= self.amount.rows:
            return True
        return self.newest_ms >= self._span_end_ms + self.time.lateness_ms

    def is_complete(self) -> bool:
        """Whether all rows are there, and their labels as far as they can be."""
        if not self.has_all_rows:
            return False
        self._cut()
        return not self.labels_follow or len(self.labels) == len(self.rows) or self._waited()

    def _waited(self) -> bool:
        """Whether labels of a time have come at which those of the last row had to be there.

        If labels have ceased, predictions of a time that is later by as much are enough.
        """
        wait_ms = self.label_wait_ms
        return max(self.newest_label_ms, self.newest_ms - wait_ms) >= self.end_ms + wait_ms

    @property
    def label_wait_ms(self) -> int:
        wait_ms = self.time.label_wait_ms
        return self.time.label_horizon_ms if wait_ms is None else wait_ms

    # -- what becomes of them ------------------------------------------------------------------

    def table(self) -> pa.Table:
        """The reference, as ``driftline attach`` saves it."""
        return reference_table(self.rows, self.labels)

    def status(self) -> CollectingVersion:
        end_ms = min(self.end_ms, self._span_end_ms)
        return CollectingVersion(
            model=self.key[0],
            version=self.key[1],
            rows=len(self.rows),
            needed=None if self.amount.span_ms else self.amount.rows,
            start=rfc3339(self.first_ms) if self.rows else None,
            end=None if end_ms == END_MS else rfc3339(end_ms),
            labels=len(self.labels) if self.labels_follow else None,
            refused=self.refused,
            progress=self.progress(),
        )

    def progress(self) -> str:
        """How far it is, for people."""
        refused = f"; {self.refused:,} were refused: {self.refusal}" if self.refused else ""
        return f"{self._progress()}{refused}"

    def _progress(self) -> str:
        rows = len(self.rows)
        if not self.has_all_rows and self.amount.span_ms is None:
            return f"{rows:,} of {self.amount.rows:,} rows"
        if not self.has_all_rows:
            passed_ms = max(0, self.newest_ms - self.first_ms)
            passed = duration_text(passed_ms - passed_ms % MINUTE)
            return f"{passed} of {duration_text(self.amount.span_ms or 0)}, {rows:,} rows"
        if not self.labels_follow:
            return f"all {rows:,} rows are there"
        until = rfc3339(min(self.end_ms, self.newest_ms + 1) + self.label_wait_ms)
        return (
            f"all {rows:,} rows are there, {len(self.labels):,} with a label; it waits for the"
            f" others until labels of {until}"
        )
