"""Join in columns does what ``joining`` does with one entry after the other."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import join_columns, joining
from monitor.events.event_time import NEVER
from monitor.events.join_columns import EMPTY, ENTRY, NO_WATERMARK, Policies, columns_of, entry_of
from monitor.events.joining import Entry, JoinPolicy, Label, ScoredPrediction, joined_rows

VERSIONS = ["1", "2"]
POLICIES = [JoinPolicy(10, 3, 15, 30), JoinPolicy(10, 0, 0, 5)]

times = st.sampled_from([3, 4, 34, 35, 60])
predictions = st.builds(
    ScoredPrediction,
    times,
    st.sampled_from([0.2, 0.7]),
    st.integers(0, 1),
    st.sampled_from(VERSIONS),
    st.booleans(),
    st.integers(0, 2),
    st.just(b""),  # rows with scores of classes are not joined in columns
    st.integers(0, 2**63 - 1),
)
labels = st.builds(Label, times, st.integers(0, 1), st.sampled_from([NEVER, 37, 38]))
entries = st.builds(
    lambda predictions, labels: Entry("m", tuple(predictions), tuple(labels)),
    st.lists(predictions, max_size=1),
    st.lists(labels, max_size=1),
)
cases = st.lists(
    st.tuples(
        entries,
        st.one_of(predictions, labels),
        st.sampled_from([NO_WATERMARK, 40, 67, 68, 120]),
        st.integers(0, 1),
    ),
    max_size=12,
)


def columns(found: list[Entry]) -> Any:
    return np.array([columns_of(entry, VERSIONS.index) for entry in found], dtype=ENTRY)


def expired(entry: Entry, watermark_ms: int, policy: JoinPolicy, counts: Counter[str]) -> Entry:
    if not entry.rows or entry.newest_ms + policy.ttl_ms >= watermark_ms:
        return entry
    waiting = joining.label_outcomes(entry, policy)["waiting"]
    counts.update(expired=waiting, waiting=-waiting)
    return Entry(entry.model)


@given(cases=cases)
def test_entries_with_a_row_each_are_those_of_joining(cases):
    counts, expected, joined = Counter[str](), [], []
    for before, row, watermark_ms, number in cases:
        policy = POLICIES[number]
        entry = expired(before, watermark_ms, policy, counts)
        after = joining.add_rows(entry, [row])
        if len(after.predictions) > 1 or len(after.labels) > 1 or after.repeated_labels:
            expected.append((entry, True))
            continue
        if after.repeated_predictions or after == entry:
            expected.append((entry, True))
            continue
        counts.update(joining.label_outcomes(after, policy))
        counts.subtract(joining.label_outcomes(entry, policy))
        joined += joined_rows(after, policy)
        expected.append((expired(after, watermark_ms, policy, counts), False))
    rows = [joining.add_rows(Entry("m"), [row]) for _, row, _, _ in cases]
    policies = Policies.of([POLICIES[number] for *_, number in cases])
    watermarks = np.array([watermark_ms for *_, watermark_ms, _ in cases], dtype=np.int64)
    added = join_columns.add_rows(
        columns([entry for entry, *_ in cases]), columns(rows), watermarks, policies
    )
    found = [entry_of("m", one, VERSIONS) for one in added.entries]
    assert list(zip(found, added.alone.tolist(), strict=True)) == expected
    assert {n: c for n, c in added.counts.items() if c} == {n: c for n, c in counts.items() if c}
    known_ms = policies[added.joined].known_ms(added.pairs)
    assert Counter(rows_of(added.pairs, known_ms.tolist())) == Counter(joined)


def rows_of(pairs: Any, known_ms: list[int]) -> list[joining.JoinedRow]:
    """The rows that pairs are in the sum *all*, and in the sum *final*."""
    found = []
    for pair, at_ms in zip(pairs, known_ms, strict=True):
        entry = entry_of("m", pair, VERSIONS)
        (prediction,), (label,) = entry.predictions, entry.labels
        found.append(joining.JoinedRow(prediction, label.label, None))
        if not prediction.late:
            found.append(joining.JoinedRow(prediction, label.label, at_ms))
    return found


@pytest.mark.parametrize(
    ("label_ms", "seen_ms", "fits"),
    [(3, 0, False), (4, 0, True), (34, 0, True), (35, 0, False), (9, 37, True), (9, 38, False)],
)
def test_label_fits_from_its_prediction_to_the_horizon_and_if_it_arrived_by_then(
    label_ms, seen_ms, fits
):
    entry = Entry("m", (ScoredPrediction(4, 0.5, 1, "1", False),), (Label(label_ms, 1, seen_ms),))
    policy = JoinPolicy(10, 3, 15, 30)
    assert policy.fits(entry.labels[0], entry.predictions[0]) == fits
    assert Policies.of([policy]).fit(columns([entry])).tolist() == [fits]


@given(entry=entries)
def test_entry_of_columns_is_the_entry_they_were_made_of(entry):
    assert entry_of("m", columns([entry])[0], VERSIONS) == entry


def test_entry_that_columns_cannot_hold():
    twice = joining.add_rows(Entry("m"), [Label(1, 1, 0), Label(1, 1, 0)])
    two = joining.add_rows(Entry("m"), [Label(1, 1, 0), Label(2, 1, 0)])
    assert [columns_of(entry, VERSIONS.index) for entry in (twice, two)] == [None, None]
    assert columns_of(Entry("m"), VERSIONS.index) == EMPTY
