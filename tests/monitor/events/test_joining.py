"""Labels join their predictions, independent of the order in which the two arrive.

Panes of 10, a horizon of 30, a label wait of 5 after the end of a pane:

    0        10        20        30        40
    [---------)[--------)[--------)[--------)
        p@4                                      its pane ends at 10, its horizon at 34
            ^ l@11 in time for final (before 15)
                ^ l@20 amends
                               ^ l@34 the latest that fits
                                ^ l@35 is beyond the horizon
"""

from collections import Counter
from collections.abc import Iterable
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.summary import Part
from monitor.counts.task import NO_LABEL
from monitor.events.joining import (
    Entry,
    JoinedRow,
    JoinPolicy,
    Label,
    ScoredPrediction,
    add_rows,
    joined_row_changes,
    joined_rows,
    label_outcomes,
    repetition,
)

PANE, LATENESS, ACCEPTED, HORIZON, WAIT = 10, 3, 15, 30, 5
POLICY = JoinPolicy(PANE, LATENESS, ACCEPTED, HORIZON)
WAITS = {"1": WAIT, "2": 0}
EMPTY = Entry("credit")


def predicted_at(
    time_ms: int, version: str = "1", score: float = 0.9, *, late: bool = False
) -> ScoredPrediction:
    return ScoredPrediction(time_ms, score, int(score >= 0.5), version, late)


def label_at(time_ms: int, label: int = 1, seen_ms: int | None = None) -> Label:
    return Label(time_ms, label, time_ms if seen_ms is None else seen_ms)


def entry_of(*rows: ScoredPrediction | Label) -> Entry:
    return add_rows(EMPTY, rows)


FINAL, AMENDED = Part.FINAL, Part.AMENDED


def deadline_ms(prediction: ScoredPrediction) -> int:
    return prediction.time_ms // PANE * PANE + PANE + WAITS[prediction.version]


def by_part(rows: Iterable[tuple[JoinedRow, int]]) -> Counter:
    """The parts that joined rows are counted in: ``AMENDED`` is *all* minus *final*."""
    parts: Counter = Counter()
    for (prediction, label, known_ms), sign in rows:
        if known_ms is None:
            parts[(AMENDED, prediction, label)] += sign
        elif known_ms < deadline_ms(prediction):
            parts[(FINAL, prediction, label)] += sign
            parts[(AMENDED, prediction, label)] -= sign
    return Counter({row: n for row, n in parts.items() if n})


def parts_of(*rows: ScoredPrediction | Label) -> Counter:
    return by_part(joined_rows(entry_of(*rows), POLICY).items())


def row_counts(*rows: ScoredPrediction | Label) -> dict[tuple[Part, int], int]:
    return {(part, label): n for (part, _, label), n in parts_of(*rows).items()}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([predicted_at(4)], {}, id="a prediction without a label"),
        pytest.param([label_at(11)], {}, id="a label without a prediction"),
        pytest.param(
            [predicted_at(4), label_at(11)], {(FINAL, 1): 1}, id="a prediction with its label"
        ),
        pytest.param(
            [predicted_at(4), label_at(14)],
            {(FINAL, 1): 1},
            id="the latest label in time for final",
        ),
        pytest.param(
            [predicted_at(4), label_at(15)], {(AMENDED, 1): 1}, id="the earliest label that amends"
        ),
        pytest.param(
            [predicted_at(4), label_at(34)], {(AMENDED, 1): 1}, id="the latest label that fits"
        ),
        pytest.param([predicted_at(4), label_at(35)], {}, id="a label beyond the horizon"),
        pytest.param(
            [predicted_at(4), label_at(4)],
            {(FINAL, 1): 1},
            id="a label with the time of its prediction",
        ),
        pytest.param([predicted_at(4), label_at(3)], {}, id="a label older than its prediction"),
        pytest.param(
            [predicted_at(4, late=True), label_at(11)], {(AMENDED, 1): 1}, id="a late prediction"
        ),
        pytest.param(
            [predicted_at(4), label_at(11, seen_ms=18)],
            {(AMENDED, 1): 1},
            id="a label that arrives after final was due",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, seen_ms=17)],
            {(FINAL, 1): 1},
            id="a label that arrives just before final is due",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, seen_ms=37)],
            {(AMENDED, 1): 1},
            id="a label that arrives just within the horizon",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, seen_ms=38)],
            {},
            id="a label that arrives beyond the horizon",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, 1), label_at(12, 0)],
            {(FINAL, 0): 1},
            id="the latest of several labels counts",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, 1), label_at(20, 0)],
            {(FINAL, 1): 1, (AMENDED, 1): -1, (AMENDED, 0): 1},
            id="a correction after final subtracts the old row and adds the new one",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, 0), label_at(11, 1)],
            {(FINAL, 1): 1},
            id="two labels of one time: the larger counts",
        ),
        pytest.param(
            [predicted_at(4), label_at(11, 1), label_at(20, 1)],
            {(FINAL, 1): 1},
            id="a correction to the same label changes nothing",
        ),
        pytest.param(
            [predicted_at(4), predicted_at(4, "2", 0.1), label_at(9)],
            {(FINAL, 1): 1},
            id="a label joins the predictions of every version",
        ),
    ],
)
def test_predictions_and_labels_of_one_id_give_these_labelled_rows(rows, expected):
    assert row_counts(*rows) == expected


def test_each_version_has_a_row_of_its_own_for_one_label():
    first, second = predicted_at(4), predicted_at(6, "2", 0.1)
    assert parts_of(first, second, label_at(9)) == {
        (FINAL, first, 1): 1,
        (FINAL, second, 1): 1,
    }


def test_earliest_of_repeated_predictions_counts():
    early, again = predicted_at(4), predicted_at(14)
    assert parts_of(again, early, label_at(14)) == {(FINAL, early, 1): 1}


def test_earlier_prediction_that_is_late_amends_the_later_one_that_is_on_time():
    early, again = predicted_at(4, late=True), predicted_at(14)
    assert parts_of(again, early, label_at(14)) == {
        (FINAL, again, 1): 1,
        (AMENDED, again, 1): -1,
        (AMENDED, early, 1): 1,
    }


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([label_at(11)], {"waiting": 1}),
        ([predicted_at(4), label_at(11)], {"matched": 1}),
        ([predicted_at(4), label_at(35)], {"waiting": 1}),
        ([predicted_at(4), label_at(11), label_at(11)], {"matched": 1, "duplicates": 1}),
        ([predicted_at(4), label_at(11, 0), label_at(12, 1)], {"matched": 1, "superseded": 1}),
        (
            [predicted_at(4), predicted_at(24, "2"), label_at(11, 0), label_at(33, 1)],
            {"matched": 1, "superseded": 1},
        ),
        (
            [predicted_at(4), predicted_at(24, "2"), label_at(11, 0), label_at(40, 1)],
            {"matched": 2},
        ),
    ],
)
def test_every_label_has_one_outcome(rows, expected):
    assert +label_outcomes(entry_of(*rows), POLICY) == expected


# -- against the definition --------------------------------------------------------------------

# Few values, so that duplicates, corrections and ties are common.
predictions = st.builds(
    predicted_at,
    st.sampled_from([0, 4, 9, 14, 28, 45]),
    st.sampled_from(["1", "2"]),
    st.sampled_from([0.2, 0.7]),
    late=st.booleans(),
)
labels = st.builds(
    lambda time_ms, label, behind: label_at(time_ms, label, time_ms + behind),
    st.sampled_from([0, 4, 11, 14, 20, 34, 45, 60]),
    st.integers(0, 1),
    st.sampled_from([-5, 0, 0, 4, 12, 40]),
)
arrivals = st.lists(st.one_of(predictions, labels), max_size=10)


def by_definition(rows: list[ScoredPrediction | Label]) -> Counter:
    """The definition of the sums *all* and *final*, for the rows of one id."""
    counted: Counter = Counter()
    for version in ("1", "2"):
        own = sorted(r for r in rows if isinstance(r, ScoredPrediction) and r.version == version)
        labels = [r for r in rows if isinstance(r, Label)]
        on_time = [p for p in own if not p.late]
        if own and (label := latest_label(labels, own[0])) is not None:
            counted[(AMENDED, own[0], label)] += 1
        if on_time:
            first = on_time[0]
            in_time = [
                t for t in labels if max(t.time_ms, t.seen_ms - LATENESS) < deadline_ms(first)
            ]
            if (label := latest_label(in_time, first)) is not None:
                counted[(FINAL, first, label)] += 1
                counted[(AMENDED, first, label)] -= 1
    return Counter({row: n for row, n in counted.items() if n})


def latest_label(labels: list[Label], prediction: ScoredPrediction) -> int | None:
    fitting = [
        (t.time_ms, t.label)
        for t in labels
        if 0 <= t.time_ms - prediction.time_ms <= HORIZON
        and t.seen_ms - LATENESS <= prediction.time_ms + HORIZON
    ]
    return max(fitting)[1] if fitting else None


@given(rows=arrivals, data=st.data())
def test_sums_follow_the_definition_for_any_order_and_batching_of_rows(rows, data):
    left, entry = data.draw(st.permutations(rows)), EMPTY
    changes: list[tuple[JoinedRow, int]] = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        batch, left = left[:size], left[size:]
        before, entry = entry, add_rows(entry, batch)
        changes += joined_row_changes(before, entry, POLICY)
    assert by_part(changes) == by_definition(rows)


@given(rows=arrivals, data=st.data())
def test_entry_does_not_depend_on_the_order_of_rows(rows, data):
    shuffled, cut = data.draw(st.permutations(rows)), data.draw(st.integers(0, 10))
    assert reduce(add_rows, [shuffled[:cut], shuffled[cut:]], EMPTY) == add_rows(EMPTY, rows)


@given(rows=arrivals)
def test_sums_all_and_final_hold_at_most_one_row_of_each_version(rows):
    sums: Counter = Counter()
    for (part, row, label), n in parts_of(*rows).items():
        sums[(part, row.version)] += n
        sums[("all", row.version)] += n
        sums[("cell", row, label)] += n
    assert all(n in (0, 1) for key, n in sums.items() if key[0] != AMENDED)


@given(rows=arrivals)
def test_outcomes_of_labels_add_up_to_the_number_of_labels(rows):
    labels = [row for row in rows if isinstance(row, Label)]
    outcomes = label_outcomes(entry_of(*rows), POLICY)
    assert outcomes.total() == len(labels)
    assert min(outcomes.values(), default=0) >= 0
    assert outcomes["duplicates"] == len(labels) - len({label[:2] for label in labels})


@given(rows=arrivals)
def test_repeated_predictions_are_counted(rows):
    versions = Counter(row.version for row in rows if isinstance(row, ScoredPrediction))
    assert entry_of(*rows).repeated_predictions == sum(n - 1 for n in versions.values())


@given(rows=arrivals, data=st.data())
def test_every_prediction_of_a_version_but_the_earliest_is_repeated_in_any_order(rows, data):
    found, entry = Counter(), EMPTY
    for row in data.draw(st.permutations(rows)):
        if isinstance(row, ScoredPrediction):
            found.update(dict(repetition(entry, row)))
        entry = add_rows(entry, [row])
    expected: Counter = Counter()
    for version in ("1", "2"):
        own = sorted(r for r in rows if isinstance(r, ScoredPrediction) and r.version == version)
        on_time = [row for row in own if not row.late]
        expected.update(JoinedRow(row, NO_LABEL, None) for row in own[1:])
        expected.update(JoinedRow(row, NO_LABEL, 0) for row in on_time[1:])
    assert found == expected


# -- over time ---------------------------------------------------------------------------------

sent = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 120)), max_size=12)


def newest_before(stream, i):
    return max((time_ms for _, time_ms in stream[:i]), default=-(10**9))


@given(streams=st.tuples(sent, sent, sent, sent), data=st.data())
@settings(max_examples=150)
def test_final_sum_does_not_change_after_both_watermarks_have_passed(streams, data):
    """Two partitions of predictions and two of labels, read in any interleaving."""
    at, entries = [0, 0, 0, 0], {"a": EMPTY, "b": EMPTY}
    while remaining := [i for i in range(4) if at[i] < len(streams[i])]:
        i = data.draw(st.sampled_from(remaining))
        reached = [newest_before(streams[j], at[j]) for j in range(4)]
        ident, time_ms = streams[i][at[i]]
        at[i] += 1
        row = _accepted(i, time_ms, reached[i])
        if row is None:
            continue
        before, entries[ident] = entries[ident], add_rows(entries[ident], [row])
        changes = joined_row_changes(before, entries[ident], POLICY)
        for part, prediction, _ in by_part(changes):
            pane_end_ms = prediction.time_ms // PANE * PANE + PANE
            settled = (
                min(reached[:2]) - LATENESS >= pane_end_ms
                and min(reached[2:]) - LATENESS >= pane_end_ms + WAIT
            )
            assert not (settled and part is FINAL)


def _accepted(partition: int, time_ms: int, newest_ms: int) -> ScoredPrediction | Label | None:
    if partition >= 2:
        return label_at(time_ms, partition % 2, newest_ms)
    behind_ms = newest_ms - LATENESS - (time_ms // PANE * PANE + PANE)
    return None if behind_ms > ACCEPTED else predicted_at(time_ms, late=behind_ms >= 0)


@given(rows=arrivals.filter(bool), time_ms=st.integers(0, 200), ahead_ms=st.integers(0, 200))
def test_expired_entry_cannot_join_any_row_that_is_still_accepted(rows, time_ms, ahead_ms):
    entry = entry_of(*rows)
    watermark_ms = entry.newest_ms + POLICY.ttl_ms + 1
    label = Label(time_ms, 1, watermark_ms + ahead_ms)
    assert joined_row_changes(entry, add_rows(entry, [label]), POLICY) == []
    prediction = _accepted(0, time_ms, watermark_ms + ahead_ms)
    if prediction is not None:
        assert all(label.time_ms < prediction.time_ms for label in entry.labels)
