"""One batch of the role ``join``: how its rows change the entries and counts of one partition.

The result is a function of the log up to the offset, whatever the batches were. A row finds its
entry as it is at the row's position in the log: expired if the watermarks there have passed it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from consumers.messages.joins import JoinRows
from consumers.messages.progress import SourceProgress
from consumers.roles.join_clock import JoinClock, TimeOf
from consumers.roles.join_store import EntryChange, JoinState, JoinStore, StoredEntry
from monitor.events.joining import (
    Entry,
    JoinedRow,
    JoinPolicy,
    Label,
    ScoredPrediction,
    add_rows,
    joined_row_changes,
    label_outcomes,
)
from monitor.identity import VersionKey
from monitor.windows.clocks import JoinedTime

Row = ScoredPrediction | Label
ArrivedRow = tuple[int | None, Row]  # the watermark at the row's position in the log, and the row
RowsById = dict[tuple[str, bytes], list[ArrivedRow]]  # by model and id
PolicyOf = Callable[[str], JoinPolicy]


@dataclass(slots=True)
class JoinStep:
    """The changes of one batch in one partition, before they are committed."""

    state: JoinState
    entries: dict[bytes, EntryChange] = field(default_factory=dict)
    # By model, the joined rows with the sign by which each is added.
    joined_rows: dict[str, list[tuple[JoinedRow, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    counts: Counter[str] = field(default_factory=Counter)
    # The event times that have changed, by model and version.
    joined_times: dict[VersionKey, JoinedTime] = field(default_factory=dict)

    def add(
        self, model: str, stored: StoredEntry | None, row: Row, policy: JoinPolicy
    ) -> StoredEntry:
        """The entry of an id with one more row."""
        before = Entry(model) if stored is None else stored.entry
        after = add_rows(before, [row])
        self.joined_rows[model] += joined_row_changes(before, after, policy)
        self.counts.update(label_outcomes(after, policy))
        self.counts.subtract(label_outcomes(before, policy))
        repeated = after.repeated_predictions - before.repeated_predictions
        self.counts["repeated_predictions"] += repeated
        return StoredEntry(after.newest_ms + policy.ttl_ms, after)

    def unexpired(
        self, stored: StoredEntry | None, watermark_ms: int | None, policy: JoinPolicy
    ) -> StoredEntry | None:
        """The entry, or None if it has expired; its waiting labels are then counted as expired."""
        if stored is None or watermark_ms is None or stored.expiry_ms >= watermark_ms:
            return stored
        waiting = label_outcomes(stored.entry, policy)["waiting"]
        self.counts["waiting"] -= waiting
        self.counts["expired"] += waiting
        return None


def join_step(
    store: JoinStore,
    next_offset: int,
    messages: Sequence[JoinRows | SourceProgress],
    policy_of: PolicyOf,
    time_of: TimeOf,
) -> JoinStep:
    """The changes that ``messages`` make, which end before ``next_offset``."""
    step = JoinStep(replace(store.state, next=next_offset))
    rows: RowsById = defaultdict(list)
    clock = store.state.clock
    for message in messages:
        if isinstance(message, SourceProgress):
            clock = clock.updated(message, time_of)
        else:
            _collect(rows, message, clock.watermark_ms(message.model, time_of(message.model)))
            step.counts["predictions"] += sum(v is not None for v in message.version)
            step.counts["labels"] += sum(v is None for v in message.version)
    watermarks = _watermarks(clock, time_of)
    _match(store, step, rows, policy_of, watermarks)
    _expire(store, step, policy_of, watermarks)
    if clock is not store.state.clock:
        _report(step, clock, time_of)
    counts = Counter(step.state.counts)
    counts.update(step.counts)
    step.state = replace(step.state, clock=clock, counts=dict(counts))
    return step


def _watermarks(clock: JoinClock, time_of: TimeOf) -> Mapping[str, int]:
    """The watermark of each model that has one."""
    found = {model: clock.watermark_ms(model, time_of(model)) for model in clock.models}
    return {model: at_ms for model, at_ms in found.items() if at_ms is not None}


def _report(step: JoinStep, clock: JoinClock, time_of: TimeOf) -> None:
    """Note the event times that differ from those reported before."""
    reported = {model: dict(versions) for model, versions in step.state.reported.items()}
    for model, progress in clock.models.items():
        for version in progress.versions:
            joined = clock.joined(model, version, time_of(model))
            if reported.setdefault(model, {}).get(version) != joined:
                reported[model][version] = step.joined_times[model, version] = joined
    if step.joined_times:
        step.state = replace(step.state, reported=reported)


def _match(
    store: JoinStore,
    step: JoinStep,
    rows: Mapping[tuple[str, bytes], Sequence[ArrivedRow]],
    policy_of: PolicyOf,
    watermarks: Mapping[str, int],
) -> None:
    """Add the rows to the entries of their ids."""
    entries = store.entries([ident for _, ident in rows])
    for ((model, ident), arrived), before in zip(rows.items(), entries, strict=True):
        policy, entry = policy_of(model), before
        for watermark_ms, row in arrived:
            entry = step.add(model, step.unexpired(entry, watermark_ms, policy), row, policy)
        step.entries[ident] = (before, step.unexpired(entry, watermarks.get(model), policy))


def _expire(
    store: JoinStore, step: JoinStep, policy_of: PolicyOf, watermarks: Mapping[str, int]
) -> None:
    """Remove the entries without rows in this batch that have expired."""
    expired_ms = dict(step.state.expired_ms)
    for model, watermark_ms in watermarks.items():
        from_ms = expired_ms.get(model, 0)
        if watermark_ms <= from_ms:
            continue
        expired_ms[model] = watermark_ms
        found = store.expired(model, from_ms, watermark_ms)
        ids = [ident for ident in found if ident not in step.entries]
        for ident, stored in zip(ids, store.entries(ids), strict=True):
            if stored is not None:
                remaining = step.unexpired(stored, watermark_ms, policy_of(model))
                step.entries[ident] = (stored, remaining)
    step.state = replace(step.state, expired_ms=expired_ms)


def _collect(into: RowsById, rows: JoinRows, watermark_ms: int | None) -> None:
    columns = zip(
        rows.ident,
        rows.version,
        rows.time_ms.tolist(),
        rows.late.tolist(),
        rows.score.tolist(),
        rows.value.tolist(),
        rows.seen_ms.tolist(),
        strict=True,
    )
    for ident, version, time_ms, late, score, value, seen_ms in columns:
        row = (
            Label(time_ms, value, seen_ms)
            if version is None
            else ScoredPrediction(time_ms, score, value, version, late)
        )
        into[rows.model, ident].append((watermark_ms, row))
