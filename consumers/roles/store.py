"""The role ``store``: batches of messages written with the offsets at which they end.

``consumers.database.message_to_rows`` says what messages mean, ``consumers.database.database``
writes it in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumers.database.database import Database, Partition, Row, Step
from consumers.database.message_to_rows import TOPICS, changes_of
from consumers.messages.records import Record
from monitor.counts.columns import Numeric
from monitor.counts.profile import Profile
from monitor.performance.metrics import Metric
from monitor.windows.evaluator import baseline


@dataclass(frozen=True, slots=True)
class Registration:
    """A profile as it stands on its topic."""

    profile: Profile
    content_hash: str
    registered_ms: int  # wall-clock; of versions, the newest is the one asked about by default


class Store:
    """Writes what the roles found, once."""

    def __init__(
        self, database: Database, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._database, self._clock_ms = database, clock_ms
        self._unwritten: set[Partition] = set()  # told to begin at the earliest

    def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Where to go on reading. A partition that is left out begins at its earliest record."""
        asked = set(partitions)
        known = self._database.positions(asked)
        self._unwritten = (self._unwritten | asked) - set(known)
        return known

    def write(
        self, records: Sequence[Record], next_offsets: Mapping[Partition, tuple[int, int]]
    ) -> None:
        """All of a batch and its offsets, or nothing.

        ``next_offsets`` says for each partition where the batch began, as ``positions`` or the last
        batch's end had it (of a partition that ``positions`` left out, anything), and which offset
        comes next. Raises ``Fenced`` or ``DatabaseUnavailable``.
        """
        steps = {
            of: Step(None if of in self._unwritten else start, end)
            for of, (start, end) in next_offsets.items()
        }
        self._database.apply(changes_of(records, self._clock_ms()), steps)
        self._unwritten -= set(steps)

    def write_models(self, registrations: Iterable[Registration]) -> None:
        self._database.register([_model(registration) for registration in registrations])


def _model(registration: Registration) -> Row:
    profile = registration.profile
    return {
        "model": profile.model,
        "version": profile.version,
        "registered_ms": registration.registered_ms,
        "content_hash": registration.content_hash,
        "document": {
            "features": _features(profile),
            "threshold": profile.schema.threshold,
            "pane_ms": profile.schema.pane_ms,
            "rows": sum(pane.cells["rows"].size for pane in profile.panes if "rows" in pane.cells),
            "labelled": profile.labelled,
            "label_delay_ms": dict(profile.label_delay_ms),
            "reference": _span(profile),
            "baseline": {name: _metric(metric) for name, metric in baseline(profile).items()},
        },
    }


def _features(profile: Profile) -> list[dict[str, str]]:
    return [
        {"name": name, "kind": "numeric" if isinstance(reference, Numeric) else "categorical"}
        for name, reference in profile.schema.features.items()
    ]


def _span(profile: Profile) -> dict[str, int]:
    starts = [pane.pane_ms for pane in profile.panes]
    return {"start_ms": min(starts), "end_ms": max(starts) + profile.schema.pane_ms}


def _metric(metric: Metric) -> dict[str, float | None]:
    low, high = metric.interval()
    return {"value": metric.value, "low": low, "high": high, "resolution": metric.resolution}


__all__ = ["TOPICS", "Registration", "Store"]
