"""Joins the rows of a batch with the entries of their ids.

In rounds: first the first row of every id, then the second of those that have one, all at once.
Rows of ids that hold more than a prediction and a label, which are rare, are added one by one, and
so are those of predictions that have a score of each class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from consumers.roles.join_batch import GroupedRows, Ints
from consumers.roles.join_store import Block, Found, Idents, index_time
from monitor.counts.joined_rows import JoinedRows
from monitor.events import join_columns, joining
from monitor.events.join_columns import LATE, Entries, Policies, Times
from monitor.events.joining import Entry, JoinedRow, JoinPolicy

MAX_ROUNDS = 4  # further rows of an id are added one by one


class Matching:
    """The entries of one batch. ``found`` is changed; ``policies`` are those of the models."""

    def __init__(self, found: Found, rows: GroupedRows, policies: Sequence[JoinPolicy]) -> None:
        self.found, self._rows, self._policies = found, rows, policies
        self._columns = Policies.of(policies)[rows.model]
        self._pairs: list[tuple[Ints, Entries, Times]] = []  # model, joined entries, known
        self._changes: dict[str, list[tuple[JoinedRow, int]]] = defaultdict(list)  # by model
        self.counts = Counter[str]()
        self._match()

    @property
    def joined_rows(self) -> Iterator[JoinedRows]:
        """What is added to the labelled rows of each version."""
        if self._pairs:
            yield from self._joined_pairs(*map(np.concatenate, zip(*self._pairs, strict=True)))
        for model, rows in self._changes.items():
            yield from joining.joined_columns(model, rows).values()

    @property
    def new_blocks(self) -> Iterator[Block]:
        """The new ids for the index."""
        found, ttl_ms = self.found, self._columns.ttl_ms
        new = np.flatnonzero(found.present & ~found.existed)
        time_ms = index_time(expiry_ms(found, self._columns)[new], ttl_ms[new])
        for number in np.unique(self._rows.model[new]).tolist():
            chosen = self._rows.model[new] == number
            yield from blocks(self._rows.models[number], found.ident[new[chosen]], time_ms[chosen])

    # -- in rounds -----------------------------------------------------------------------------

    def _match(self) -> None:
        found, rows = self.found, self._rows
        alone = rows.has_scores()
        alone[list(found.others)] = True
        done = np.zeros(len(rows.ident), dtype=np.int64)  # rows of each id
        for number in range(MAX_ROUNDS):
            ids = np.flatnonzero(~alone & (rows.sizes > number))
            if not ids.size:
                break
            left = self._round(ids, number)
            alone[ids[left]] = True
            done[ids[~left]] += 1
        for i in np.flatnonzero(done < rows.sizes).tolist():
            self._one_by_one(i, int(done[i]))

    def _round(self, ids: Ints, number: int) -> join_columns.Flags:
        """Add one row to each of some ids. Returns which of them were left alone."""
        rows, policies = self._rows, self._columns[ids]
        at = rows.starts[ids] + number
        entries = self.found.entries
        added = join_columns.add_rows(entries[ids], rows.rows[at], rows.watermark_ms[at], policies)
        entries[ids] = added.entries
        self.counts.update(added.counts)
        known_ms = policies[added.joined].known_ms(added.pairs)
        self._pairs.append((rows.model[ids[added.joined]], added.pairs, known_ms))
        return added.alone

    def _joined_pairs(self, model: Ints, pairs: Entries, known_ms: Times) -> Iterator[JoinedRows]:
        version = pairs["version"].astype(np.int64)
        code = model * len(self._rows.versions) + version
        for one in np.unique(code).tolist():
            chosen = code == one
            number, of_version = divmod(one, len(self._rows.versions))
            mine = pairs[chosen]
            yield JoinedRows(
                self._rows.models[number],
                self._rows.versions[of_version],
                time_ms=mine["time_ms"],
                score=mine["score"],
                predicted=mine["predicted"],
                label=mine["label"],
                known_ms=known_ms[chosen],
                final=(mine["kind"] & LATE == 0).astype(np.int64),
                whole=np.ones(len(mine), dtype=np.int64),
                segment=mine["segment"],
            )

    # -- one by one ----------------------------------------------------------------------------

    def _one_by_one(self, i: int, done: int) -> None:
        """Add the remaining rows of an id."""
        found, rows = self.found, self._rows
        number = int(rows.model[i])
        model, policy = rows.models[number], self._policies[number]
        entry = found.others.pop(i, None)
        if entry is None:
            entry = join_columns.entry_of(model, found.entries[i], rows.versions)
        for at in range(int(rows.starts[i]) + done, int(rows.starts[i] + rows.sizes[i])):
            watermark_ms = int(rows.watermark_ms[at])
            before = self._unexpired(entry, watermark_ms, policy)
            row = rows.entry(model, at)
            after = joining.add_rows(before, (*row.predictions, *row.labels))
            self._changed(model, before, after, policy)
            for prediction in row.predictions:
                self._changes[model] += joining.repetition(before, prediction)
            entry = self._unexpired(after, watermark_ms, policy)
        columns = join_columns.columns_of(entry, rows.versions.index)
        if columns is None:
            found.others[i], columns = entry, join_columns.EMPTY
        found.entries[i] = columns

    def _changed(self, model: str, before: Entry, after: Entry, policy: JoinPolicy) -> None:
        self._changes[model] += joining.joined_row_changes(before, after, policy)
        self.counts.update(joining.label_outcomes(after, policy))
        self.counts.subtract(joining.label_outcomes(before, policy))
        repeated = after.repeated_predictions - before.repeated_predictions
        self.counts["repeated_predictions"] += repeated

    def _unexpired(self, entry: Entry, watermark_ms: int, policy: JoinPolicy) -> Entry:
        """The entry; empty if it has expired. Its waiting labels are then counted as expired."""
        if not entry.rows or entry.newest_ms + policy.ttl_ms >= watermark_ms:
            return entry
        waiting = joining.label_outcomes(entry, policy)["waiting"]
        self.counts["waiting"] -= waiting
        self.counts["expired"] += waiting
        return Entry(entry.model)


def expiry_ms(found: Found, policies: Policies) -> Times:
    """The watermark at which each entry expires."""
    times_ms = policies.expiry_ms(found.entries)
    for i, entry in found.others.items():
        times_ms[i] = entry.newest_ms + policies.ttl_ms[i]
    return times_ms


def blocks(model: str, ident: Idents, time_ms: Times) -> Iterator[Block]:
    """Ids of a model for the index, by their time in it."""
    order = np.argsort(time_ms, kind="stable")
    times, starts = np.unique(time_ms[order], return_index=True)
    ends = [*starts[1:], len(order)] if len(order) else []
    for at_ms, start, end in zip(times.tolist(), starts, ends, strict=True):
        yield Block(model, at_ms, ident[order[start:end]].tobytes())
