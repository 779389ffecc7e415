"""Which label belongs to which prediction, whatever the order in which they came.

Theory of operation
-------------------
Everything known of an id is kept as two sets, its predictions and its labels. What they amount to,
``settle``, is a function of the sets alone, so the order of arrival cannot matter; a batch changes
the sets, and the difference of what they amount to before and after is what the panes gain or lose.

A version's row can count twice over, once in each sum:

* *all*: the earliest of its predictions with the latest label that fits it;
* *final*: the same, of predictions that were on time and labels known ``label_wait`` after their
  pane. Only this one is ever judged: labels that come early are not a fair sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from monitor.counts.summary import Part


class Scored(NamedTuple):
    """A prediction of one version. Ordered: the earliest counts, ties by value."""

    time_ms: int
    score: float
    predicted: int
    version: str
    late: bool


class Truth(NamedTuple):
    """A label. Ordered: the latest counts, ties by value."""

    time_ms: int
    label: int
    seen_ms: int  # the newest label time before it in its partition


class Entry(NamedTuple):
    """All that is known of one id of one model."""

    model: str
    predictions: tuple[Scored, ...] = ()
    labels: tuple[Truth, ...] = ()
    repeated_predictions: int = 0  # of a version that had one already
    repeated_labels: int = 0  # exact repetitions, not kept

    @property
    def newest_ms(self) -> int:
        rows: tuple[Scored | Truth, ...] = (*self.predictions, *self.labels)
        return max(row.time_ms for row in rows)


@dataclass(frozen=True, slots=True)
class JoinPolicy:
    """The settings of a model that decide what joins."""

    pane_ms: int
    lateness_ms: int
    accept_late_ms: int
    horizon_ms: int
    label_wait_ms: Mapping[str, int]  # by version: learned from each one's reference

    def deadline_ms(self, scored: Scored) -> int:
        """The end of the prediction's pane, and ``label_wait`` more."""
        pane_end_ms = scored.time_ms - scored.time_ms % self.pane_ms + self.pane_ms
        return pane_end_ms + self.label_wait_ms[scored.version]

    @property
    def kept_ms(self) -> int:
        """An entry is forgotten once both watermarks are so far past its newest time."""
        return max(self.horizon_ms, self.accept_late_ms + self.pane_ms) + self.lateness_ms


Addition = tuple[Part, Scored, int]  # a row with its label, in one sum of its pane


def added(entry: Entry, rows: Iterable[Scored | Truth]) -> Entry:
    """``entry`` and what came of it. An exact repetition adds nothing but is counted."""
    predictions, labels = set(entry.predictions), {t[:2]: t for t in entry.labels}
    again = Counter(repeated_predictions=0, repeated_labels=0)
    for row in rows:
        if isinstance(row, Scored):
            again["repeated_predictions"] += any(row.version == p.version for p in predictions)
            predictions.add(row)
        else:
            again["repeated_labels"] += row[:2] in labels
            # Of repetitions the one with the least seen before it stays: their order is nothing.
            labels[row[:2]] = min(row, labels.get(row[:2], row))
    return Entry(
        entry.model,
        tuple(sorted(predictions)),
        tuple(sorted(labels.values())),
        entry.repeated_predictions + again["repeated_predictions"],
        entry.repeated_labels + again["repeated_labels"],
    )


def changes(before: Entry, after: Entry, patience: JoinPolicy) -> list[tuple[Addition, int]]:
    """What the panes gain (+1) and lose (-1) when ``before`` becomes ``after``."""
    difference = settle(after, patience)
    difference.subtract(settle(before, patience))
    return [(row, sign) for row, sign in difference.items() if sign]


def settle(entry: Entry, patience: JoinPolicy) -> Counter[Addition]:
    """The labelled rows that an entry amounts to, as signed additions to the sums of their panes.

    ``AMENDED`` is the difference between all and final: where the two agree it is not there.
    """
    rows: Counter[Addition] = Counter()
    for mine in _by_version(entry.predictions):
        final, whole = _final(mine, entry, patience), _whole(mine, entry, patience)
        if final is not None:
            rows[(Part.FINAL, *final)] += 1
            rows[(Part.AMENDED, *final)] -= 1
        if whole is not None:
            rows[(Part.AMENDED, whole[0], whole[1].label)] += 1
    return Counter({row: sign for row, sign in rows.items() if sign})


def label_outcomes(entry: Entry, patience: JoinPolicy) -> Counter[str]:
    """What became of every label: ``matched``, ``superseded``, ``waiting``, ``duplicates``."""
    joined = [_whole(mine, entry, patience) for mine in _by_version(entry.predictions)]
    chosen = {pair[1] for pair in joined if pair is not None}
    found: Counter[str] = Counter(duplicates=entry.repeated_labels)
    for truth in entry.labels:
        fits = any(_fits(truth, scored, patience) for scored in entry.predictions)
        found["matched" if truth in chosen else "superseded" if fits else "waiting"] += 1
    return found


def _by_version(predictions: tuple[Scored, ...]) -> list[list[Scored]]:
    versions = sorted({scored.version for scored in predictions})
    return [[scored for scored in predictions if scored.version == v] for v in versions]


def _whole(mine: list[Scored], entry: Entry, patience: JoinPolicy) -> tuple[Scored, Truth] | None:
    scored = min(mine)
    fitting = [truth for truth in entry.labels if _fits(truth, scored, patience)]
    return (scored, max(fitting)) if fitting else None


def _final(mine: list[Scored], entry: Entry, patience: JoinPolicy) -> tuple[Scored, int] | None:
    on_time = [scored for scored in mine if not scored.late]
    if not on_time:
        return None
    scored = min(on_time)
    deadline_ms = patience.deadline_ms(scored)
    fitting = [
        truth
        for truth in entry.labels
        if _fits(truth, scored, patience)
        and truth.time_ms < deadline_ms
        and truth.seen_ms - patience.lateness_ms < deadline_ms
    ]
    return (scored, max(fitting).label) if fitting else None


def _fits(truth: Truth, scored: Scored, patience: JoinPolicy) -> bool:
    """Known within the horizon, and not so late in its own partition that it came past it."""
    delay_ms = truth.time_ms - scored.time_ms
    behind_ms = truth.seen_ms - patience.lateness_ms - scored.time_ms
    return 0 <= delay_ms <= patience.horizon_ms and behind_ms <= patience.horizon_ms
