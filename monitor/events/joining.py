"""Join the predictions and labels of one id, whatever the order in which they arrive.

Theory of operation
-------------------
An entry holds the set of predictions and the set of labels of one id. The labelled rows that
follow from it (``joined_rows``) depend on these two sets alone, so the order of arrival does not
matter. A batch changes the sets; the panes are updated by the difference between the rows before
and after the batch (``joined_row_changes``).

A version that is reset begins a new life, and may send the same ids again. The first prediction of
a higher life replaces those of the lower one. What these have counted is not taken back: it belongs
to the panes of the life before. A prediction of a lower life that comes afterwards is dropped.

Each version has up to two rows, one in each sum of a pane:

* *all*: its earliest prediction with the latest label that fits the prediction;
* *final*: the same, but only predictions that arrived on time count, and only labels that were
  known ``label_wait`` after the end of the prediction's pane. Only this sum opens incidents:
  labels that arrive early are not a representative sample.

``label_wait`` may be learned from the reference of a version, and its profile may be missing for a
while. So the rows of the sum *final* are given for any wait: each with the time from which on it
is added. ``count_joined`` adds those that were in time. With p a prediction, and labels that become
known in the order of their letters, the sum *final* is::

    known at       a         b           c
    ---------------+---------+-----------+------------
    latest label   a         b           b                 (c is older than b)
    rows           +(p, a)   -(p, a)     none
                             +(p, b)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.counts.joined_rows import JoinedRows
from monitor.counts.task import NO_LABEL


class ScoredPrediction(NamedTuple):
    """A prediction of one version. The fields are in sort order: the earliest counts."""

    time_ms: int
    score: float
    predicted: int
    version: str
    late: bool
    life: int = 0  # of the version; an entry holds predictions of the newest life only
    scores: bytes = b""  # of each class: doubles, if there is more than one score
    segment: int = 0  # the number of its segments


class Label(NamedTuple):
    """A label. The fields are in sort order: the latest counts."""

    time_ms: int
    label: float
    seen_ms: int  # the newest label time before it in its partition


class Entry(NamedTuple):
    """The predictions and labels of one id of one model."""

    model: str
    predictions: tuple[ScoredPrediction, ...] = ()
    labels: tuple[Label, ...] = ()
    repeated_predictions: int = 0  # predictions of a version that already had one
    repeated_labels: int = 0  # exact repetitions, which are not stored

    @property
    def rows(self) -> tuple[ScoredPrediction | Label, ...]:
        return (*self.predictions, *self.labels)

    @property
    def newest_ms(self) -> int:
        return max(row.time_ms for row in self.rows)


@dataclass(frozen=True, slots=True)
class JoinPolicy:
    """The settings of a model that decide which label joins which prediction."""

    pane_ms: int
    lateness_ms: int
    accept_late_ms: int
    horizon_ms: int

    def fits(self, label: Label, prediction: ScoredPrediction) -> bool:
        """Whether the label is no older than the prediction and within the label horizon.

        The label must also have arrived before the event time of its partition passed the horizon.
        """
        delay_ms = label.time_ms - prediction.time_ms
        arrival_delay_ms = label.seen_ms - self.lateness_ms - prediction.time_ms
        return 0 <= delay_ms <= self.horizon_ms and arrival_delay_ms <= self.horizon_ms

    def known_ms(self, label: Label) -> int:
        """The event time at which the label was known and had arrived."""
        return max(label.time_ms, label.seen_ms - self.lateness_ms)

    @property
    def ttl_ms(self) -> int:
        """An entry is dropped once both watermarks are this far past its newest time."""
        return max(self.horizon_ms, self.accept_late_ms + self.pane_ms) + self.lateness_ms


class JoinedRow(NamedTuple):
    """A row of the sum *all* (``known_ms`` is None), or of the sum *final* of a late enough wait.

    It is in the sum *final* if ``known_ms`` is before the end of the pane plus ``label_wait``.
    Without a label it is a repeated prediction.
    """

    prediction: ScoredPrediction
    label: float
    known_ms: int | None


def add_rows(entry: Entry, rows: Iterable[ScoredPrediction | Label]) -> Entry:
    """``entry`` with ``rows`` in it. An exact repetition is counted and not stored.

    Of the predictions of a version, those of its newest life are kept.
    """
    predictions, labels = set(entry.predictions), {row[:2]: row for row in entry.labels}
    repeated_predictions, repeated_labels = entry.repeated_predictions, entry.repeated_labels
    for row in rows:
        if isinstance(row, ScoredPrediction):
            same = {other for other in predictions if other.version == row.version}
            if any(other.life > row.life for other in same):
                continue
            earlier = {other for other in same if other.life < row.life}
            predictions = predictions - earlier | {row}
            repeated_predictions += same != earlier
        else:
            repeated_labels += row[:2] in labels
            # The repetition with the smallest ``seen_ms`` is kept, so that order does not matter.
            labels[row[:2]] = min(row, labels.get(row[:2], row))
    return Entry(
        entry.model,
        tuple(sorted(predictions)),
        tuple(sorted(labels.values())),
        repeated_predictions,
        repeated_labels,
    )


def repetition(before: Entry, prediction: ScoredPrediction) -> list[tuple[JoinedRow, int]]:
    """The rows that repeat a prediction of their version once ``prediction`` is added to an entry.

    Of a version, every prediction but the earliest is one, whatever the order of arrival. So are,
    in the sum *final*, those on time but the earliest of them. They were counted as rows, and
    cannot get a label of their own.
    """
    of = (prediction.version, prediction.life)
    same = [one for one in before.predictions if (one.version, one.life) == of]
    on_time = [one for one in same if not one.late]
    rows = []
    if same:
        rows.append((JoinedRow(max(prediction, min(same)), NO_LABEL, None), 1))
    if on_time and not prediction.late:
        rows.append((JoinedRow(max(prediction, min(on_time)), NO_LABEL, 0), 1))
    return rows


def joined_row_changes(
    before: Entry, after: Entry, policy: JoinPolicy
) -> list[tuple[JoinedRow, int]]:
    """The rows that the panes gain (+1) and lose (-1) when ``before`` becomes ``after``.

    They do not lose those of a life that ended.
    """
    life = {prediction.version: prediction.life for prediction in after.predictions}
    same = tuple(one for one in before.predictions if life.get(one.version) == one.life)
    difference = joined_rows(after, policy)
    difference.subtract(joined_rows(before._replace(predictions=same), policy))
    return [(row, sign) for row, sign in difference.items() if sign]


def joined_rows(entry: Entry, policy: JoinPolicy) -> Counter[JoinedRow]:
    """The labelled rows of an entry, with the sign by which each is added to its sum."""
    rows: Counter[JoinedRow] = Counter()
    for predictions in _by_version(entry.predictions):
        latest = _latest_pair(predictions, entry.labels, policy)
        if latest is not None:
            rows[JoinedRow(latest[0], latest[1].label, None)] += 1
        on_time = [prediction for prediction in predictions if not prediction.late]
        if on_time:
            rows.update(_final_rows(min(on_time), entry.labels, policy))
    return Counter({row: sign for row, sign in rows.items() if sign})


def joined_columns(model: str, rows: Iterable[tuple[JoinedRow, int]]) -> Mapping[str, JoinedRows]:
    """Rows with their signs, by version."""
    by_version: dict[str, list[tuple[JoinedRow, int]]] = {}
    for row, sign in rows:
        by_version.setdefault(row.prediction.version, []).append((row, sign))
    return {
        version: JoinedRows(
            model,
            version,
            time_ms=_whole(row.prediction.time_ms for row, _ in its_rows),
            score=_scores([row.prediction for row, _ in its_rows]),
            predicted=_whole(row.prediction.predicted for row, _ in its_rows),
            label=np.array([row.label for row, _ in its_rows], dtype=np.float64),
            known_ms=_whole(row.known_ms or 0 for row, _ in its_rows),
            final=_whole(0 if row.known_ms is None else sign for row, sign in its_rows),
            whole=_whole(sign if row.known_ms is None else 0 for row, sign in its_rows),
            segment=_whole(row.prediction.segment for row, _ in its_rows),
        )
        for version, its_rows in by_version.items()
    }


def _scores(rows: Sequence[ScoredPrediction]) -> NDArray[np.float64]:
    """Shape (n,), or (n, classes) if any row has scores of classes; NaN: it has none."""
    if not any(row.scores for row in rows):
        return np.array([row.score for row in rows], dtype=np.float64)
    own = [np.frombuffer(row.scores, dtype="<f8") for row in rows]
    found = np.full((len(own), max(each.size for each in own)), np.nan)
    for into, each in zip(found, own, strict=True):
        into[: each.size] = each
    return found


def label_outcomes(entry: Entry, policy: JoinPolicy) -> Counter[str]:
    """The number of labels that are ``matched``, ``superseded``, ``waiting`` or ``duplicates``.

    Superseded: the label fits a prediction, but a later one is joined. Waiting: it fits none yet.
    """
    by_version = _by_version(entry.predictions)
    pairs = [_latest_pair(predictions, entry.labels, policy) for predictions in by_version]
    matched = {pair[1] for pair in pairs if pair is not None}
    outcomes: Counter[str] = Counter(duplicates=entry.repeated_labels)
    for label in entry.labels:
        fits = any(policy.fits(label, prediction) for prediction in entry.predictions)
        outcomes["matched" if label in matched else "superseded" if fits else "waiting"] += 1
    return outcomes


def _by_version(predictions: Iterable[ScoredPrediction]) -> list[list[ScoredPrediction]]:
    versions: dict[str, list[ScoredPrediction]] = {}
    for prediction in predictions:
        versions.setdefault(prediction.version, []).append(prediction)
    return [versions[version] for version in sorted(versions)]


Pair = tuple[ScoredPrediction, Label]


def _latest_pair(
    predictions: Iterable[ScoredPrediction], labels: Iterable[Label], policy: JoinPolicy
) -> Pair | None:
    """The pair in the sum *all*, from the predictions of one version."""
    prediction = min(predictions)
    fitting = [label for label in labels if policy.fits(label, prediction)]
    return (prediction, max(fitting)) if fitting else None


def _final_rows(
    prediction: ScoredPrediction, labels: Iterable[Label], policy: JoinPolicy
) -> Counter[JoinedRow]:
    """The rows of the sum *final* for one prediction: each label as long as it is the latest."""
    rows: Counter[JoinedRow] = Counter()
    fitting = (label for label in labels if policy.fits(label, prediction))
    latest: Label | None = None
    for label in sorted(fitting, key=policy.known_ms):
        if latest is not None and label < latest:
            continue
        known_ms = policy.known_ms(label)
        rows[JoinedRow(prediction, label.label, known_ms)] += 1
        if latest is not None:
            rows[JoinedRow(prediction, latest.label, known_ms)] -= 1
        latest = label
    return rows


def _whole(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)
