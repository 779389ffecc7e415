"""Join in columns: many ids at once, each with one more row.

The rules are those of ``joining``, for entries that hold at most one prediction and one label. That
is nearly all of them. Other entries are left to ``joining``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.events.joining import Entry, JoinPolicy, Label, ScoredPrediction

PREDICTION, LABEL, LATE = 1, 2, 4  # bits of ``kind``; 0: an empty entry
ENTRY = np.dtype(
    [
        ("kind", "<u2"),
        ("life", "<u2"),  # of the version of the prediction
        ("version", "<u4"),  # its number; who stores entries numbers the versions
        ("time_ms", "<i8"),
        ("score", "<f8"),
        ("predicted", "<i8"),
        ("label_ms", "<i8"),
        ("label", "<f8"),
        ("seen_ms", "<i8"),
        ("segment", "<i8"),  # number of the segments of the prediction
    ]
)
EMPTY = (0, 0, 0, 0, 0.0, 0, 0, 0.0, 0, 0)
NO_WATERMARK = -(1 << 62)  # nothing expires by it
_OF_PREDICTION = ("life", "version", "time_ms", "score", "predicted", "segment")
_OF_LABEL = ("label_ms", "label", "seen_ms")

Entries = NDArray[Any]  # of ``ENTRY``; the fields of what an entry lacks are 0
Flags = NDArray[np.bool_]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Policies:
    """The ``JoinPolicy`` of each entry, shape (n,)."""

    lateness_ms: Times
    horizon_ms: Times
    ttl_ms: Times

    @classmethod
    def of(cls, policies: Sequence[JoinPolicy]) -> Policies:
        values = [(one.lateness_ms, one.horizon_ms, one.ttl_ms) for one in policies]
        return cls(*np.array(values, dtype=np.int64).reshape(-1, 3).T)

    def __getitem__(self, chosen: NDArray[Any]) -> Policies:
        return Policies(self.lateness_ms[chosen], self.horizon_ms[chosen], self.ttl_ms[chosen])

    def fit(self, entries: Entries) -> Flags:
        """Which entries hold a label that fits their prediction. See ``JoinPolicy.fits``."""
        delay_ms = entries["label_ms"] - entries["time_ms"]
        arrival_ms = entries["seen_ms"] - self.lateness_ms - entries["time_ms"]
        in_time = (delay_ms >= 0) & (delay_ms <= self.horizon_ms) & (arrival_ms <= self.horizon_ms)
        both = PREDICTION | LABEL
        fitting: Flags = in_time & (entries["kind"] & both == both)
        return fitting

    def known_ms(self, entries: Entries) -> Times:
        """See ``JoinPolicy.known_ms``."""
        known_ms: Times = np.maximum(entries["label_ms"], entries["seen_ms"] - self.lateness_ms)
        return known_ms

    def expiry_ms(self, entries: Entries) -> Times:
        """The watermark at which each entry expires; it must hold a row."""
        kind = entries["kind"]
        time_ms = np.where(kind & PREDICTION, entries["time_ms"], NO_WATERMARK)
        label_ms = np.where(kind & LABEL, entries["label_ms"], NO_WATERMARK)
        return np.maximum(time_ms, label_ms) + self.ttl_ms

    def waiting(self, entries: Entries) -> Flags:
        """Which entries hold a label without a prediction that it fits."""
        labelled: Flags = entries["kind"] & LABEL != 0
        return labelled & ~self.fit(entries)


@dataclass(frozen=True, slots=True)
class Added:
    """The entries with a row each, those of them that are joined, and what became of labels.

    Entries that were left alone are in neither.
    """

    entries: Entries
    alone: Flags  # the row is another of its kind; the entry is empty if it had expired
    joined: Flags
    pairs: Entries  # of those that are joined
    counts: Counter[str]


def add_rows(entries: Entries, rows: Entries, watermark_ms: Times, policies: Policies) -> Added:
    """``entries`` with one of ``rows`` each, all of shape (n,).

    A row finds its entry as it is at ``watermark_ms``, and an entry that is expired then is empty
    afterwards. A prediction of a higher life of its version replaces the one before.
    """
    before, counts = entries.copy(), Counter[str]()
    _drop_expired(before, watermark_ms, policies, counts)
    another = before["kind"] & rows["kind"] & (PREDICTION | LABEL) != 0
    alone = another & ~_of_higher_life(before, rows)
    after = _merged(before, rows)
    after[alone] = before[alone]
    added = ~alone
    joined, joined_before = policies.fit(after) & added, policies.fit(before) & added
    waiting = policies.waiting(after).astype(np.int64) - policies.waiting(before)
    counts["waiting"] += int(waiting[added].sum())
    counts["matched"] += int(joined.sum()) - int(joined_before.sum())
    pairs = after[joined]
    _drop_expired(after, watermark_ms, policies, counts)
    return Added(after, alone, joined, pairs, counts)


def _of_higher_life(entries: Entries, rows: Entries) -> Flags:
    """Which rows are predictions of a higher life of the version that an entry has one of."""
    scored = entries["kind"] & rows["kind"] & PREDICTION != 0
    same = rows["version"] == entries["version"]
    higher: Flags = scored & same & (rows["life"] > entries["life"])
    return higher


def _merged(entries: Entries, rows: Entries) -> Entries:
    merged = entries.copy()
    for bits, names in ((PREDICTION | LATE, _OF_PREDICTION), (LABEL, _OF_LABEL)):
        chosen = rows["kind"] & bits != 0
        merged["kind"][chosen] &= ~np.uint16(bits)
        for name in names:
            merged[name][chosen] = rows[name][chosen]
    merged["kind"] |= rows["kind"]
    return merged


def _drop_expired(
    entries: Entries, watermark_ms: Times, policies: Policies, counts: Counter[str]
) -> None:
    """Empty the entries that have expired; their waiting labels are counted as expired."""
    expired = (entries["kind"] != 0) & (policies.expiry_ms(entries) < watermark_ms)
    if expired.any():
        waiting = int((policies.waiting(entries) & expired).sum())
        counts["waiting"] -= waiting
        counts["expired"] += waiting
        entries[expired] = EMPTY


def entry_of(model: str, columns: Any, versions: Sequence[str], scores: bytes = b"") -> Entry:
    """One of ``Entries`` as an ``Entry``; ``scores`` are those of classes of its prediction."""
    kind, life, version, time_ms, score, predicted, *label, segment = columns.item()
    predictions: tuple[ScoredPrediction, ...] = ()
    if kind & PREDICTION:  # an entry of a label alone names no version
        named, late = versions[version], bool(kind & LATE)
        own = time_ms, score, predicted, named, late, life, scores, segment
        predictions = (ScoredPrediction(*own),)
    return Entry(model, predictions, (Label(*label),) if kind & LABEL else ())


def columns_of(entry: Entry, number_of: Callable[[str], int]) -> tuple[float, ...] | None:
    """An ``Entry`` as one of ``Entries``. None if it holds more than these can."""
    if len(entry.predictions) > 1 or len(entry.labels) > 1:
        return None
    if entry.repeated_predictions or entry.repeated_labels:
        return None
    if any(prediction.scores for prediction in entry.predictions):
        return None
    kind, life, version, scored, label, segment = *EMPTY[:3], EMPTY[3:6], EMPTY[6:9], EMPTY[9]
    for prediction in entry.predictions:
        kind |= PREDICTION | (LATE if prediction.late else 0)
        life, version, scored = prediction.life, number_of(prediction.version), prediction[:3]
        segment = prediction.segment
    for known in entry.labels:
        kind, label = kind | LABEL, (*known,)
    return (kind, life, version, *scored, *label, segment)
