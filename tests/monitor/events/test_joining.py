"""Labels find their predictions, whatever the order in which the two come.

Panes of 10, a horizon of 30, labels waited for until 5 after their pane:

    0        10        20        30        40
    [---------)[--------)[--------)[--------)
        p@4                                      its pane ends at 10, its labels at 34
            ^ l@11 in time for final (before 15)
                ^ l@20 amends
                               ^ l@34 the last that fits
                                ^ l@35 comes too late for it
"""

from collections import Counter
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.summary import Part
from monitor.events.joining import (
    Entry,
    JoinPolicy,
    Scored,
    Truth,
    added,
    changes,
    label_outcomes,
    settle,
)

PANE, LATENESS, ACCEPTED, HORIZON, WAIT = 10, 3, 15, 30, 5
patience = JoinPolicy(PANE, LATENESS, ACCEPTED, HORIZON, {"1": WAIT, "2": 0})
nothing = Entry("credit")


def scored(time_ms: int, version: str = "1", score: float = 0.9, *, late: bool = False) -> Scored:
    return Scored(time_ms, score, int(score >= 0.5), version, late)


def truth(time_ms: int, label: int = 1, seen_ms: int | None = None) -> Truth:
    return Truth(time_ms, label, time_ms if seen_ms is None else seen_ms)


def known(*rows: Scored | Truth) -> Entry:
    return added(nothing, rows)


def parts(*rows: Scored | Truth) -> dict[tuple[Part, int], int]:
    return {(part, label): n for (part, _, label), n in settle(known(*rows), patience).items()}


FINAL, AMENDED = Part.FINAL, Part.AMENDED


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([scored(4)], {}, id="a prediction alone is nothing yet"),
        pytest.param([truth(11)], {}, id="nor is a label"),
        pytest.param([scored(4), truth(11)], {(FINAL, 1): 1}, id="together they are a row"),
        pytest.param([scored(4), truth(14)], {(FINAL, 1): 1}, id="the last in time for final"),
        pytest.param([scored(4), truth(15)], {(AMENDED, 1): 1}, id="the first that amends"),
        pytest.param([scored(4), truth(34)], {(AMENDED, 1): 1}, id="the last that fits"),
        pytest.param([scored(4), truth(35)], {}, id="one beyond the horizon"),
        pytest.param([scored(4), truth(4)], {(FINAL, 1): 1}, id="known at once"),
        pytest.param([scored(4), truth(3)], {}, id="known before it was predicted"),
        pytest.param([scored(4, late=True), truth(11)], {(AMENDED, 1): 1}, id="a late prediction"),
        pytest.param(
            [scored(4), truth(11, seen_ms=18)],
            {(AMENDED, 1): 1},
            id="a label that came behind others when final was due",
        ),
        pytest.param(
            [scored(4), truth(11, seen_ms=17)], {(FINAL, 1): 1}, id="and one that just did not"
        ),
        pytest.param(
            [scored(4), truth(11, seen_ms=37)], {(AMENDED, 1): 1}, id="the latest to come at all"
        ),
        pytest.param([scored(4), truth(11, seen_ms=38)], {}, id="one that came too late"),
        pytest.param(
            [scored(4), truth(11, 1), truth(12, 0)],
            {(FINAL, 0): 1},
            id="of labels the latest counts",
        ),
        pytest.param(
            [scored(4), truth(11, 1), truth(20, 0)],
            {(FINAL, 1): 1, (AMENDED, 1): -1, (AMENDED, 0): 1},
            id="a correction after final takes back and gives anew",
        ),
        pytest.param([scored(4), truth(11, 0), truth(11, 1)], {(FINAL, 1): 1}, id="ties by value"),
        pytest.param(
            [scored(4), truth(11, 1), truth(20, 1)],
            {(FINAL, 1): 1},
            id="a correction that says the same changes nothing",
        ),
        pytest.param(
            [scored(4), scored(4, "2", 0.1), truth(9)],
            {(FINAL, 1): 1},
            id="a label applies to every version",
        ),
    ],
)
def test_what_predictions_and_labels_of_one_id_amount_to(rows, expected):
    assert parts(*rows) == expected


def test_each_version_counts_a_label_as_its_own_row():
    first, second = scored(4), scored(6, "2", 0.1)
    assert settle(known(first, second, truth(9)), patience) == {
        (FINAL, first, 1): 1,
        (FINAL, second, 1): 1,
    }


def test_of_repeated_predictions_the_earliest_counts():
    early, again = scored(4), scored(14)
    assert settle(known(again, early, truth(14)), patience) == {(FINAL, early, 1): 1}


def test_an_earlier_one_that_came_late_amends_the_later_one_that_was_on_time():
    early, again = scored(4, late=True), scored(14)
    assert settle(known(again, early, truth(14)), patience) == {
        (FINAL, again, 1): 1,
        (AMENDED, again, 1): -1,
        (AMENDED, early, 1): 1,
    }


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([truth(11)], {"waiting": 1}),
        ([scored(4), truth(11)], {"matched": 1}),
        ([scored(4), truth(35)], {"waiting": 1}),
        ([scored(4), truth(11), truth(11)], {"matched": 1, "duplicates": 1}),
        ([scored(4), truth(11, 0), truth(12, 1)], {"matched": 1, "superseded": 1}),
        ([scored(4), scored(24, "2"), truth(11, 0), truth(33, 1)], {"matched": 1, "superseded": 1}),
        ([scored(4), scored(24, "2"), truth(11, 0), truth(40, 1)], {"matched": 2}),
    ],
)
def test_every_label_has_one_fate(rows, expected):
    assert +label_outcomes(known(*rows), patience) == expected


# -- against the definition --------------------------------------------------------------------

# Few values, so that duplicates, corrections and ties are common.
predictions = st.builds(
    scored,
    st.sampled_from([0, 4, 9, 14, 28, 45]),
    st.sampled_from(["1", "2"]),
    st.sampled_from([0.2, 0.7]),
    late=st.booleans(),
)
truths = st.builds(
    lambda time_ms, label, behind: truth(time_ms, label, time_ms + behind),
    st.sampled_from([0, 4, 11, 14, 20, 34, 45, 60]),
    st.integers(0, 1),
    st.sampled_from([-5, 0, 0, 4, 12, 40]),
)
deliveries = st.lists(st.one_of(predictions, truths), max_size=10)


def by_definition(rows: list[Scored | Truth]) -> Counter:
    """Section 4 of the design, word by word, for the rows of one id."""
    counted: Counter = Counter()
    for version in ("1", "2"):
        mine = sorted(r for r in rows if isinstance(r, Scored) and r.version == version)
        labels = [r for r in rows if isinstance(r, Truth)]
        on_time = [p for p in mine if not p.late]
        if mine and (label := newest(labels, mine[0])) is not None:
            counted[(AMENDED, mine[0], label)] += 1
        if on_time:
            first = on_time[0]
            deadline = first.time_ms // PANE * PANE + PANE + patience.label_wait_ms[version]
            fair = [t for t in labels if max(t.time_ms, t.seen_ms - LATENESS) < deadline]
            if (label := newest(fair, first)) is not None:
                counted[(FINAL, first, label)] += 1
                counted[(AMENDED, first, label)] -= 1
    return Counter({row: n for row, n in counted.items() if n})


def newest(labels: list[Truth], prediction: Scored) -> int | None:
    fitting = [
        (t.time_ms, t.label)
        for t in labels
        if 0 <= t.time_ms - prediction.time_ms <= HORIZON
        and t.seen_ms - LATENESS <= prediction.time_ms + HORIZON
    ]
    return max(fitting)[1] if fitting else None


@given(rows=deliveries, data=st.data())
def test_in_whatever_order_and_batches_rows_come_the_sums_are_those_of_the_definition(rows, data):
    left, entry, sums = data.draw(st.permutations(rows)), nothing, Counter()
    while left:
        size = data.draw(st.integers(1, len(left)))
        batch, left = left[:size], left[size:]
        before, entry = entry, added(entry, batch)
        for row, sign in changes(before, entry, patience):
            sums[row] += sign
    assert Counter({row: n for row, n in sums.items() if n}) == by_definition(rows)


@given(rows=deliveries, data=st.data())
def test_what_is_known_of_an_id_is_the_same_in_whatever_order_it_came(rows, data):
    shuffled, cut = data.draw(st.permutations(rows)), data.draw(st.integers(0, 10))
    assert reduce(added, [shuffled[:cut], shuffled[cut:]], nothing) == added(nothing, rows)


@given(rows=deliveries)
def test_all_and_final_are_never_negative_and_at_most_one_row_a_version(rows):
    sums: Counter = Counter()
    for (part, row, label), n in settle(known(*rows), patience).items():
        sums[(part, row.version)] += n
        sums[("all", row.version)] += n
        sums[("cell", row, label)] += n
    assert all(n in (0, 1) for key, n in sums.items() if key[0] != AMENDED)


@given(rows=deliveries)
def test_labels_in_are_matched_waiting_duplicates_or_superseded(rows):
    labels = [row for row in rows if isinstance(row, Truth)]
    found = label_outcomes(known(*rows), patience)
    assert found.total() == len(labels)
    assert min(found.values(), default=0) >= 0
    assert found["duplicates"] == len(labels) - len({label[:2] for label in labels})


@given(rows=deliveries)
def test_repeated_predictions_are_counted(rows):
    versions = Counter(row.version for row in rows if isinstance(row, Scored))
    assert known(*rows).repeated_predictions == sum(n - 1 for n in versions.values())


# -- over time ---------------------------------------------------------------------------------

sent = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 120)), max_size=12)


def newest_before(stream, i):
    return max((time_ms for _, time_ms in stream[:i]), default=-(10**9))


@given(streams=st.tuples(sent, sent, sent, sent), data=st.data())
@settings(max_examples=150)
def test_final_is_settled_once_both_watermarks_have_passed(streams, data):
    """Two partitions of predictions and two of labels, read at whatever speed."""
    at, entries = [0, 0, 0, 0], {"a": nothing, "b": nothing}
    while remaining := [i for i in range(4) if at[i] < len(streams[i])]:
        i = data.draw(st.sampled_from(remaining))
        reached = [newest_before(streams[j], at[j]) for j in range(4)]
        ident, time_ms = streams[i][at[i]]
        at[i] += 1
        row = _accepted(i, time_ms, reached[i])
        if row is None:
            continue
        before, entries[ident] = entries[ident], added(entries[ident], [row])
        for (part, of, _), _ in changes(before, entries[ident], patience):
            pane_end_ms = of.time_ms // PANE * PANE + PANE
            settled = (
                min(reached[:2]) - LATENESS >= pane_end_ms
                and min(reached[2:]) - LATENESS >= pane_end_ms + WAIT
            )
            assert not (settled and part is FINAL)


def _accepted(partition: int, time_ms: int, newest_ms: int) -> Scored | Truth | None:
    if partition >= 2:
        return truth(time_ms, partition % 2, newest_ms)
    behind_ms = newest_ms - LATENESS - (time_ms // PANE * PANE + PANE)
    return None if behind_ms > ACCEPTED else scored(time_ms, late=behind_ms >= 0)


@given(rows=deliveries.filter(bool), time_ms=st.integers(0, 200), ahead_ms=st.integers(0, 200))
def test_what_is_forgotten_could_have_joined_nothing_that_still_comes(rows, time_ms, ahead_ms):
    entry = known(*rows)
    watermark_ms = entry.newest_ms + patience.kept_ms + 1
    label = Truth(time_ms, 1, watermark_ms + ahead_ms)
    assert changes(entry, added(entry, [label]), patience) == []
    prediction = _accepted(0, time_ms, watermark_ms + ahead_ms)
    if prediction is not None:
        assert all(label.time_ms < prediction.time_ms for label in entry.labels)
