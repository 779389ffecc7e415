"""A reference profile is learned from rows, all of them, and is the same whenever it is learned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.columns import Categorical, Numeric, Predictions
from monitor.counts.counts import add_cells
from monitor.counts.profile import InvalidReference, Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.counts.task import NO_LABEL
from monitor.tasks.binary import BINARY

PANE = 100


def predictions(n: int = 400, **features) -> Predictions:
    rng = np.random.default_rng(11)
    score = rng.random(n)
    columns = {
        "income": rng.normal(size=n),
        "state": rng.choice(["CA", "NY"], n).tolist(),
        "member": (rng.random(n) < 0.5).tolist(),
        **features,
    }
    return Predictions(
        [str(i) for i in range(n)],
        np.arange(n, dtype=np.int64) * 3,
        score,
        (score >= 0.5).astype(np.int64),
        columns,
    )


def reference(known: float = 1.0, *, delay_ms: int | None = 50, **features) -> ReferenceRows:
    rows, rng = predictions(**features), np.random.default_rng(12)
    label = (rng.random(len(rows)) < rows.score).astype(np.float64)
    label[rng.random(len(rows)) >= known] = NO_LABEL
    return ReferenceRows(rows, label, None if delay_ms is None else rows.time_ms + delay_ms)


def learned(rows: ReferenceRows, **settings) -> Profile:
    return build_profile("credit", "1", rows, pane_ms=PANE, threshold=0.5, **settings, task=BINARY)


def contents(profile: Profile) -> object:
    """Everything in a profile, comparable."""
    references = [*profile.schema.features.items(), ("score", profile.schema.outputs["score"])]
    cut = [
        (name, r.categories, r.counts.tolist())
        if isinstance(r, Categorical)
        else (name, r.sample.values.tolist(), r.sample.weights.tolist(), r.low, r.high)
        for name, r in [*references, ("error", profile.schema.errors["errors"])]
        if r is not None
    ]
    return cut, profile.panes, profile.label_delay_ms, profile.model_file


def test_profile_is_reproducible_for_the_same_rows_and_seed(monkeypatch):
    monkeypatch.setattr("monitor.counts.profile.SAMPLE_SIZE", 50)
    assert contents(learned(reference(), seed=3)) == contents(learned(reference(), seed=3))
    assert contents(learned(reference(), seed=3)) != contents(learned(reference(), seed=4))


def test_profile_panes_count_every_reference_row(monkeypatch):
    monkeypatch.setattr("monitor.counts.profile.SAMPLE_SIZE", 50)
    profile = learned(reference())
    assert profile.schema.features["income"].sample.size == 50
    total = add_cells(summary.cells for summary in profile.panes)
    for name in ("rows", "score", "bins/income", "categories/state", "outcomes", "errors"):
        assert total[name].size == 400, name


def test_profile_panes_are_ordered_by_time():
    panes = learned(reference()).panes
    assert sorted({s.pane_ms for s in panes}) == list(range(0, 1200, PANE))
    assert [s.pane_ms for s in panes] == sorted(s.pane_ms for s in panes)
    assert {s.part for s in panes} == {Part.ON_TIME, Part.FINAL}


def test_a_feature_is_categorical_if_declared_or_if_most_of_its_values_are_texts_or_booleans():
    kinds = {
        "income": Numeric,
        "state": Categorical,
        "member": Categorical,
        "sparse": Categorical,
        "holes": Numeric,
        "code": Categorical,
        "whole": Numeric,
    }
    rows = reference(
        sparse=[None, np.nan] * 198 + [1.0, "x", "y", True],
        holes=[np.nan, None] * 198 + ["x", 1.0, 2, 3.0],
        code=[1, 2] * 200,
        whole=np.arange(400),
    )
    features = learned(rows, categorical=["code"]).schema.features
    assert {name: type(reference) for name, reference in features.items()} == kinds


def test_profile_counts_errors_of_labelled_rows_only():
    profile = learned(reference(known=0.25))
    total = add_cells(summary.cells for summary in profile.panes)
    rows = reference(known=0.25)
    known = rows.label >= 0
    errors = np.abs(rows.label - rows.predictions.score)[known]
    assert total["outcomes"].size == total["errors"].size == known.sum()
    assert (profile.schema.errors["errors"].low, profile.schema.errors["errors"].high) == (
        errors.min(),
        errors.max(),
    )


def test_profile_without_labels_has_no_performance():
    profile = learned(ReferenceRows(predictions()))
    assert not profile.labelled
    assert profile.schema.errors == {}
    assert profile.label_delay_ms == {}
    assert {s.part for s in profile.panes} == {Part.ON_TIME}


def test_label_delays_are_quantiles_rounded_up():
    rows = predictions(100)
    delay = np.arange(100, dtype=np.int64) * 10
    label = np.arange(100.0) % 2
    label[50:] = NO_LABEL  # of rows without a label the delay is not known
    profile = learned(ReferenceRows(rows, label, rows.time_ms + delay))
    assert profile.label_delay_ms == {"p50": 245, "p90": 441, "p99": 486}


@pytest.mark.parametrize(
    ("delay_ms", "configured_ms", "expected"),
    [
        pytest.param(50, 7, 7, id="as configured"),
        pytest.param(50, 0, 0, id="also if that is no time at all"),
        pytest.param(50, None, 50, id="else as learned"),
        pytest.param(5_000, None, 1_000, id="but no longer than a label may take"),
        pytest.param(None, None, 1_000, id="else the horizon"),
        pytest.param(-50, None, 0, id="labels before their predictions ask for no patience"),
    ],
)
def test_label_wait_is_configured_else_learned_else_the_horizon(delay_ms, configured_ms, expected):
    profile = learned(reference(delay_ms=delay_ms))
    assert profile.label_wait_ms(configured_ms, horizon_ms=1_000) == expected


def scored(*score: float) -> ReferenceRows:
    n = len(score)
    at = np.arange(n, dtype=np.int64)
    return ReferenceRows(Predictions([str(i) for i in range(n)], at, np.array(score), at % 2, {}))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(
            lambda: scored(), "the reference holds no rows: expected at least one", id="rows"
        ),
        pytest.param(lambda: scored(0.5, 1.5), "between 0 and 1, found 1.5", id="too large"),
        pytest.param(lambda: scored(-0.25), "between 0 and 1, found -0.25", id="too small"),
        pytest.param(lambda: scored(0.5, np.nan), "found a missing one", id="missing"),
        pytest.param(lambda: scored(0.5, np.inf), "found inf", id="infinite"),
        pytest.param(
            lambda: reference(income=[None] * 400),
            "feature 'income' cannot be learned: no finite number among its values",
            id="no number",
        ),
        pytest.param(
            lambda: reference(state=["x", *[None] * 399], member=[None] * 400),
            "feature 'member' cannot be learned",
            id="nothing at all",
        ),
        pytest.param(lambda: reference(known=0.0), "the labels hold only one class", id="no label"),
        pytest.param(
            lambda: ReferenceRows(predictions(), np.ones(400, dtype=np.int64)),
            "the labels hold only one class: a reference needs both, 0 and 1",
            id="one class",
        ),
        pytest.param(
            lambda: ReferenceRows(predictions(), np.arange(400) % 3),
            "labels must be 0 or 1, found 2",
            id="three classes",
        ),
    ],
)
def test_invalid_reference_rows_are_refused_with_the_reason(make, sentence):
    with pytest.raises(InvalidReference, match=sentence):
        learned(make())


def test_a_categorical_feature_without_values_is_refused_with_the_reason():
    with pytest.raises(InvalidReference, match="feature 'state' cannot be learned: every value"):
        learned(reference(state=[None] * 400), categorical=["state"])


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=20)
def test_a_profile_accepts_any_probabilities(scores):
    profile = learned(scored(*scores))
    assert profile.schema.outputs["score"].sample.size == len(scores)
    assert (profile.model, profile.version) == ("credit", "1")
