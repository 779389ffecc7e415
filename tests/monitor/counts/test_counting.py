"""Rows into summaries: what a pane gains by a batch is the count of its rows, and adds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric, Predictions, score_bin
from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.counts import Counts, add_cells
from monitor.counts.schema import Schema
from monitor.counts.summary import MAX_NAMES, SCORE_BINS, Part, Quality, Summary, add_names
from monitor.tasks.binary import BINARY

PANE = 10
schema = Schema(
    "credit",
    "1",
    PANE,
    0.5,
    features={
        "income": Numeric(Sample.of([1.0, 2.0]), 0.0, 3.0),
        "state": Categorical(("CA", "NY"), np.array([2, 1, 0])),
    },
    outputs={"score": Numeric(Sample.of([0.2, 0.8]), 0.1, 0.9)},
    errors={"errors": Numeric(Sample.of([0.1, 0.5]), 0.0, 1.0)},
    task=BINARY,
)
income = st.sampled_from([0.5, 1.0, 1.5, 2.0, 9.0, None, "x", True, np.inf])
state = st.sampled_from(["CA", "NY", "TX", None, -np.inf])
row = st.tuples(
    st.integers(-25, 25),  # time
    st.sampled_from([Part.ON_TIME, Part.LATE]),
    st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]),  # score
    st.integers(0, 1),
    income,
    state,
    st.sampled_from([None, 1, "y"]),  # a feature that the schema lacks
)
rows = st.lists(row, max_size=15)


def counted(rows, **columns) -> list[Summary]:
    if not rows:
        return []
    time, part, score, predicted, *features = zip(*rows, strict=True)
    predictions = Predictions(
        [str(i) for i in range(len(rows))],
        np.array(time, dtype=np.int64),
        np.array(score),
        np.array(predicted, dtype=np.int64),
        dict(zip(["income", "state", "extra"], map(list, features), strict=True)) | columns,
    )
    return count_data(schema, predictions, np.array(part, dtype=object))


def by_pane(summaries):
    keys = sorted({(s.pane_ms, s.part) for s in summaries})
    return {
        key: (
            add_cells(s.cells for s in summaries if (s.pane_ms, s.part) == key),
            add_names(s.names for s in summaries if (s.pane_ms, s.part) == key),
        )
        for key in keys
    }


def dense(cells, name, size):
    return cells.get(name, Counts.empty()).dense(size).tolist()


@given(rows=rows)
@settings(max_examples=40)
def test_each_pane_and_part_has_its_own_summary(rows):
    found = counted(rows)
    keys = {(time // PANE * PANE, part) for time, part, *_ in rows}
    assert [(s.pane_ms, s.part) for s in found] == sorted(
        keys, key=lambda k: (k[0], k[1] != "on_time")
    )
    for summary in found:
        mine = [r for r in rows if (r[0] // PANE * PANE, r[1]) == (summary.pane_ms, summary.part)]
        assert dense(summary.cells, "rows", 1) == [len(mine)]
        assert dense(summary.cells, "classes", 2) == [sum(r[3] == c for r in mine) for c in (0, 1)]
        score = Counts.of(schema.outputs["score"].sample.locate(np.array([r[2] for r in mine])))
        assert summary.cells["score"] == score


@given(rows=rows)
@settings(max_examples=50)
def test_each_feature_is_counted_with_its_data_quality(rows):
    for (pane_ms, part), (cells, names) in by_pane(counted(rows)).items():
        mine = [r for r in rows if (r[0] // PANE * PANE, r[1]) == (pane_ms, part)]
        values = Counter(r[4] for r in mine if r[4] is not True)  # True == 1.0 to a Counter
        number = [v for v in values.elements() if isinstance(v, float)]
        assert cells.get("bins/income", Counts.empty()) == Counts.of(
            schema.features["income"].sample.locate(np.array(number))
        )
        assert dense(cells, "quality/income", len(Quality)) == [
            values[None],
            values["x"] + sum(r[4] is True for r in mine),
            values[np.inf],
            values[9.0],
        ]
        occurrences = Counter(r[5] for r in mine)
        assert dense(cells, "categories/state", 3) == [
            occurrences["CA"],
            occurrences["NY"],
            occurrences["TX"],
        ]
        assert dense(cells, "quality/state", 2) == [occurrences[None], occurrences[-np.inf]]
        assert names.get("unseen/state", {}) == (
            {"TX": occurrences["TX"]} if occurrences["TX"] else {}
        )


@given(rows=rows)
@settings(max_examples=30)
def test_unknown_features_are_listed_with_their_row_counts(rows):
    for (pane_ms, part), (_, names) in by_pane(counted(rows)).items():
        mine = [r for r in rows if (r[0] // PANE * PANE, r[1]) == (pane_ms, part)]
        having = sum(r[6] is not None for r in mine)
        assert names.get("unknown", {}) == ({"extra": having} if having else {})


@given(rows=rows, cut=st.integers(0, 15))
@settings(max_examples=40)
def test_summaries_do_not_depend_on_the_batching_of_rows(rows, cut):
    assert by_pane(counted(rows[:cut]) + counted(rows[cut:])) == by_pane(counted(rows))


def test_a_feature_absent_from_the_rows_counts_as_missing():
    at = np.zeros(3, dtype=np.int64)
    bare = Predictions(["a", "b", "c"], at, np.full(3, 0.5), at, {})
    (summary,) = count_data(schema, bare, np.full(3, Part.ON_TIME, dtype=object))
    assert summary.cells["quality/income"] == Counts.of([Quality.MISSING] * 3)
    assert summary.cells["quality/state"] == Counts.of([Quality.MISSING] * 3)


def test_a_summary_limits_the_number_of_listed_texts():
    one = (0, Part.ON_TIME, 0.5, 1, 1.0)
    (summary,) = counted([(*one, f"state {i}", 1) for i in range(1_000)])
    assert len(summary.names["unseen/state"]) == MAX_NAMES
    assert summary.cells["categories/state"] == Counts.of([2] * 1_000)


# -- outcomes ----------------------------------------------------------------------------------

outcome = st.tuples(
    st.sampled_from([0, 10]),  # pane
    st.sampled_from([Part.FINAL, Part.AMENDED]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.integers(0, 1),  # predicted
    st.integers(0, 1),  # label
    st.sampled_from([1, 1, -1]),
)


def labelled(outcomes):
    if not outcomes:
        return []
    pane, part, score, predicted, label, sign = zip(*outcomes, strict=True)
    return count_outcomes(
        schema,
        pane_ms=np.array(pane, dtype=np.int64),
        part=np.array(part, dtype=object),
        score=np.array(score),
        predicted=np.array(predicted, dtype=np.int64),
        label=np.array(label, dtype=np.int64),
        sign=np.array(sign, dtype=np.int64),
    )


@given(outcomes=st.lists(outcome, max_size=10))
@settings(max_examples=50)
def test_outcomes_scores_and_errors_are_counted_with_their_sign(outcomes):
    found = {(s.pane_ms, s.part): s.cells for s in labelled(outcomes)}
    for key in {o[:2] for o in outcomes} | set(found):
        mine, cells = [o for o in outcomes if o[:2] == key], found.get(key, {})
        expected = np.zeros(4, dtype=int)
        scores, errors = np.zeros(2 * SCORE_BINS, dtype=int), np.zeros(5, dtype=int)
        for _, _, score, predicted, label, sign in mine:
            expected[2 * predicted + label] += sign
            scores[2 * int(score_bin(np.array([score]))[0]) + label] += sign
            errors[schema.errors["errors"].sample.locate(np.array([abs(label - score)]))[0]] += sign
        assert dense(cells, "outcomes", 4) == expected.tolist()
        assert dense(cells, "scores_labels", 2 * SCORE_BINS) == scores.tolist()
        assert dense(cells, "errors", 5) == errors.tolist()


def test_outcomes_that_cancel_leave_no_summary():
    row = (0, Part.FINAL, 0.25, 1, 1)
    assert labelled([(*row, 1), (*row, -1)]) == []


def test_errors_are_not_counted_without_labels_in_the_reference():
    bare = Schema("credit", "1", PANE, 0.5, {}, schema.outputs, {}, BINARY)
    one = np.ones(1, dtype=np.int64)
    (summary,) = count_outcomes(
        bare,
        pane_ms=0 * one,
        part=np.array([Part.FINAL], dtype=object),
        score=np.array([0.5]),
        predicted=one,
        label=one,
        sign=one,
    )
    assert set(summary.cells) == {"outcomes", "scores_labels"}


@pytest.mark.parametrize("part", [Part.ON_TIME, Part.LATE])
def test_a_summary_carries_model_version_pane_and_part(part):
    (summary,) = counted([(17, part, 0.5, 1, 1.0, "CA", None)])
    assert (summary.model, summary.version, summary.pane_ms, summary.part) == (
        "credit",
        "1",
        10,
        part,
    )
    assert summary.names == {}
