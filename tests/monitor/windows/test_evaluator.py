"""One window of one model version, judged from its counts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import accuracy_score

from monitor.budget import Length, own_length
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.counts import Counts
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part, add_names
from monitor.performance.metrics import METRICS, measure
from monitor.performance.overdispersion import overdispersions
from monitor.plan import Budget, Drift, Time, Windows
from monitor.statistics.critical_values import kolmogorov_quantile
from monitor.statistics.drift_rule import Severity, Verdict
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Maturity, WindowStatus
from monitor.windows.reference import baseline
from tests.monitor.streams import HORIZON, LATENESS, PANE, WAIT, Row, counted, evaluator, plan

EVALUATOR = evaluator()
LENGTHS = [Length(4, 4), Length(8, 4)]  # that performance is judged in
x = st.sampled_from([0.0, 1.0, 2.5, 4.0, 9.0, -1.0, None, "text", True, np.inf])
rows = st.lists(
    st.builds(
        Row,
        st.just("id"),
        st.integers(0, 39),
        x,
        st.sampled_from(["a", "b", "new", None, -np.inf]),
        st.sampled_from([0.1, 0.3, 0.7, 0.9]),
        st.sampled_from([None, 1]),
    ),
    max_size=30,
)


def judged(sent: list[Row], by: Evaluator = EVALUATOR, **settings):
    by_pane = {s.pane_ms: s for s in counted(by, sent, [Part.ON_TIME] * len(sent))}
    panes = [by_pane[at].cells if at in by_pane else {} for at in range(0, 40, PANE)]
    names = add_names(summary.names for summary in by_pane.values())
    return by.judge_data(panes, names, **{"complete": True, "revision": 0, **settings})


@given(sent=rows)
@settings(max_examples=40)
def test_a_numeric_feature_is_compared_like_its_raw_rows(sent):
    feature, _ = judged(sent).features
    values = [r.x for r in sent if isinstance(r.x, float)]
    reference = EVALUATOR.profile.schema.features["x"].sample
    assert feature.rows == len(sent)
    assert feature.missing == sum(r.x is None for r in sent)
    assert feature.wrong_type == sum(r.x in ("text",) or r.x is True for r in sent)
    assert feature.not_finite == sum(v == np.inf for v in values)
    assert feature.out_of_range == sum(v in (9.0, -1.0) for v in values)
    assert bool(feature.tests) == bool(values)
    if values:
        theirs = ks_2samp(values, np.repeat(reference.values, reference.weights), method="asymp")
        ks = feature.test("ks")
        assert ks.rows == len(values)
        assert ks.value == pytest.approx(theirs.statistic, abs=1e-12)
        assert ks.p_value == pytest.approx(theirs.pvalue, abs=1e-12)
        assert feature.test("kuiper").value >= ks.value


@given(sent=rows)
@settings(max_examples=30)
def test_a_categorical_feature_is_shown_with_unseen_categories(sent):
    _, feature = judged(sent).features
    met = [r.c for r in sent if isinstance(r.c, str)]
    new = met.count("new")
    assert (feature.kind, feature.rows) == ("categorical", len(sent))
    assert (feature.missing, feature.wrong_type) == (
        sum(r.c is None for r in sent),
        sum(r.c == -np.inf for r in sent),
    )
    assert (feature.unseen_rows, feature.unseen) == (new, {"new": new} if new else {})
    assert [tested.test for tested in feature.tests] == (["categories"] if met else [])
    assert (feature.effects is None) == (not met)


@given(sent=rows)
@settings(max_examples=20)
def test_scores_and_unknown_features_are_counted(sent):
    found = judged(sent)
    having = sum(r.extra is not None for r in sent)
    assert found.outputs[0].rows == found.rows == len(sent)
    assert found.unknown == ({"extra": having} if having else {})
    assert (found.outputs[0].missing, found.outputs[0].wrong_type) == (0, 0)


def test_each_distribution_is_judged_at_the_level_of_its_family():
    sent = [Row(str(i), i, float(i % 5), score=[0.1, 0.3, 0.7, 0.9][i % 4]) for i in range(40)]
    found, length = judged(sent), own_length(EVALUATOR.plan)
    for family, tested in (("data", found.features[0]), ("prediction", found.outputs[0])):
        level = EVALUATOR.families[family].level(EVALUATOR.plan, length)
        size = 1_200
        root = np.sqrt(40 * size / (40 + size))
        expected = kolmogorov_quantile(level.warning) / root
        assert tested.test("ks").threshold == pytest.approx(expected)


def test_the_proportion_of_missing_values_is_tested():
    half = [Row(str(i), i, None if i % 2 else float(i % 5)) for i in range(40)]
    quality = judged(half).features[0].quality
    assert (quality.test, quality.value, quality.severity) == ("missing", 0.5, Severity.CRITICAL)
    assert judged([Row("id", 0, 1.0)]).features[0].quality.severity is None


def test_missing_values_in_one_half_of_a_window_alone_are_no_drift():
    once = [Row(str(i), i, None if i < 20 else float(i % 5)) for i in range(40)]
    assert judged(once).features[0].quality.severity is None


def test_a_category_that_becomes_frequent_drifts_and_is_named():
    sent = [Row(str(i), i % 40, float(i % 5), "b") for i in range(200)]
    tested = judged(sent).features[1].most_severe
    assert tested.severity is Severity.CRITICAL
    assert tested.detail.startswith("'b': ") or tested.detail.startswith("'a': ")


def test_the_detectable_distance_allows_for_the_noise_of_its_test():
    sent = [Row(str(i), i % 40, float(i % 5), "ab"[i % 2]) for i in range(200)]
    number, category = (feature.most_severe for feature in judged(sent).features)
    for tested, part in ((number, 0.5), (category, 0.75)):
        for allowance in (0.0, tested.allowance, 0.9):
            could = replace(tested, allowance=allowance)
            least = allowance + part * tested.threshold
            assert could.detectable == pytest.approx(max(tested.threshold, least))


def test_coverage_falls_if_labels_are_missing():
    assert EVALUATOR.judge_coverage([50, 50, 50, 50], [50, 49, 50, 50]).severity is None
    fallen = EVALUATOR.judge_coverage([50, 50, 50, 50], [30, 30, 30, 30])
    assert (fallen.severity, fallen.value) == (Severity.CRITICAL, pytest.approx(0.4))
    assert EVALUATOR.judge_coverage([50, 50, 50, 50], [50, 50, 0, 0]).severity is None
    assert EVALUATOR.judge_coverage([0, 0, 0, 0], [0, 0, 0, 0]) is None
    assert Evaluator.of(plan(), unlabelled()).judge_coverage([9], [0]) is None


def test_errors_are_those_of_labelled_rows_and_none_without_labels_in_the_reference():
    labelled = judged([Row("id", 0)])
    assert (labelled.errors[0].name, labelled.errors[0].rows) == ("error", 0)
    bare = Evaluator.of(plan(), unlabelled())
    assert judged([Row("id", 0)], bare).errors == ()
    assert bare.judge_performance([], 0, status=Maturity.FINAL, revision=0).labels == 0


@pytest.mark.parametrize(
    ("sent", "complete", "status"),
    [
        ([Row("id", 0)], True, WindowStatus.CLOSED),
        ([Row("id", 0)], False, WindowStatus.INCOMPLETE),
        ([], True, WindowStatus.NO_DATA),
        ([], False, WindowStatus.NO_DATA),
    ],
)
def test_the_status_of_a_window(sent, complete, status):
    assert judged(sent, complete=complete).status is status


def test_the_persistent_distance_excludes_what_only_one_half_shows():
    passed = [Row(str(i), i, 4.0 if i < 20 else float(i % 4)) for i in range(40)]
    persistent = [Row(str(i), i, 4.0) for i in range(40)]
    assert judged(passed).features[0].test("ks").persistent < 0.3
    assert judged(persistent).features[0].test("ks").persistent > 0.7


def test_a_profile_with_another_pane_is_refused():
    with pytest.raises(ValueError, match=r"panes of 0.01 s, the configuration says 0.02 s: set"):
        Evaluator.of(replace(plan(), windows=Windows(20, 40, 40)), EVALUATOR.profile)


def test_all_tests_of_a_model_together_raise_no_more_false_alarms_than_the_budget():
    """Independent rows, twelve references, ten windows each; a budget of one in two windows.

    Two features are identical: the budget holds for dependent tests.
    """
    rng, alarms = np.random.default_rng(17), 0
    allowance = Drift(warning=Budget(1, 80), critical=Budget(1, 800))
    for _ in range(12):
        by = Evaluator.of(replace(plan(), drift=allowance), _independent(rng, 400))
        for _ in range(10):
            rows, half = _columns(rng, 120), np.full(120, Part.ON_TIME, dtype=object)
            panes = [s.cells for s in count_data(by.profile.schema, rows, half)]
            found = by.judge_data(panes, {}, complete=True, revision=0)
            alarms += sum(f.verdict is Verdict.DRIFT for f in (*found.features, *found.outputs))
    assert 0 < alarms <= 60


def _independent(rng: np.random.Generator, n: int) -> Profile:
    rows = ReferenceRows(_columns(rng, n))
    return build_profile("credit", "1", rows, pane_ms=PANE, threshold=0.5, task=BINARY)


def _columns(rng: np.random.Generator, n: int) -> Predictions:
    at, twice = np.arange(n, dtype=np.int64) * 40 // n, rng.normal(size=n)
    columns = {"x": twice, "same": twice, "other": rng.exponential(size=n)}
    return Predictions([str(i) for i in at], at, rng.random(n), at % 2, columns)


# -- performance -------------------------------------------------------------------------------


def labelled(n: int, wrong: int, pane_ms: int = 0):
    score = np.full(n, 0.9)
    label = (np.arange(n) >= wrong).astype(np.int64)
    (summary,) = count_outcomes(
        EVALUATOR.profile.schema,
        pane_ms=np.full(n, pane_ms, dtype=np.int64),
        part=np.full(n, Part.FINAL, dtype=object),
        score=score,
        predicted=np.ones(n, dtype=np.int64),
        label=label,
        sign=np.ones(n, dtype=np.int64),
    )
    return summary.cells


def performance(*panes, by: Evaluator = EVALUATOR):
    return by.judge_performance(panes, 1_000, status=Maturity.FINAL, revision=3)


def test_the_baseline_is_measured_on_the_labelled_reference_rows():
    profile = EVALUATOR.profile
    total = sum(s.cells["outcomes"].size for s in profile.panes if s.part is Part.FINAL)
    assert total == 1_200
    assert 0.7 < EVALUATOR.baseline["accuracy"].value < 0.9
    assert baseline(unlabelled()) == measure([])
    assert {metric.value for metric in measure([]).values()} == {None}


def test_performance_has_labels_rows_and_baseline():
    found = performance(labelled(50, 20), {}, labelled(50, 10))
    metric = found.metrics["accuracy"]
    assert (found.rows, found.labels, found.revision) == (1_000, 100, 3)
    assert metric.metric.value == accuracy_score([0] * 30 + [1] * 70, [1] * 100)
    assert metric.baseline == EVALUATOR.baseline["accuracy"]
    assert metric.threshold == 0.9 * metric.baseline.value


@pytest.mark.parametrize(
    ("wrong", "severity"), [(200, None), (320, Severity.WARNING), (800, Severity.CRITICAL)]
)
def test_a_fall_below_the_baseline_warns_and_one_below_its_threshold_is_critical(wrong, severity):
    metric = performance(labelled(1_000, wrong)).metrics["accuracy"]
    assert (metric.severity, metric.decided) == (severity, True)


def test_a_metric_that_is_only_shown_has_no_verdict():
    found = performance(labelled(1_000, 800)).metrics
    shown = [found[name] for name in METRICS if name not in BINARY.judged]
    assert [m.metric.value for m in shown].count(None) == 0
    assert {(m.decided, m.severity, m.threshold) for m in shown} == {(False, None, None)}


def test_expected_performance_uses_all_scores_and_its_difference_the_labelled_rows():
    scores = Counts.of(EVALUATOR.profile.schema.outputs["score"].sample.locate(np.full(30, 0.2)))
    settings = {"status": Maturity.FINAL, "revision": 0}
    found = EVALUATOR.judge_performance(
        [labelled(50, 20)], 1_000, **settings, predictions={"score": scores}
    ).expected
    assert found["recall"].value == 0.0  # none of all rows is called positive
    apart = found["recall"].difference.value
    assert apart == 0.0  # all labelled ones are, and would have been
    assert performance(labelled(50, 20)).expected["recall"].value == 1.0
    assert (
        EVALUATOR.judge_performance([{}], 30, **settings, predictions={"score": scores}).expected
        is not None
    )


def test_no_performance_is_expected_without_reference_labels_or_rows():
    bare = Evaluator.of(plan(), unlabelled())
    assert performance(labelled(50, 20), by=bare).expected is None
    assert performance({}, {}).expected is None


def test_performance_without_a_label_has_no_verdict():
    found = performance({}, {})
    assert found.labels == 0
    assert {m.decided for m in found.metrics.values()} == {False}
    assert {m.severity for m in found.metrics.values()} == {None}


def test_a_reference_too_short_to_learn_variation_gives_no_verdict_on_metrics():
    short = replace(EVALUATOR, dispersions={own_length(EVALUATOR.plan): {}})
    assert not performance(labelled(1_000, 900), by=short).metrics["accuracy"].decided


def test_overdispersion_is_learned_over_windows_of_each_length():
    labelled = {
        of_pane.pane_ms: of_pane.cells
        for of_pane in EVALUATOR.profile.panes
        if of_pane.part is Part.FINAL
    }
    for length in LENGTHS:
        mine = overdispersions(labelled, length.panes * PANE, measure)
        for name, used in EVALUATOR.dispersions[length].items():
            assert used.factor >= mine[name].factor
    four, eight = (EVALUATOR.dispersions[length] for length in LENGTHS)
    assert four == overdispersions(labelled, 4 * PANE, measure)
    assert all(eight[name].factor >= four[name].factor for name in four)
    assert {by.degrees for by in four.values()} == {240 // 4 - 1}


def test_overdispersion_of_too_few_long_windows_is_that_of_the_next_shorter_length():
    forty = [by for by in EVALUATOR.profile.panes if by.pane_ms < 40 * PANE]
    short = Evaluator.of(plan(), replace(EVALUATOR.profile, panes=forty))
    four, eight = (short.dispersions[length]["accuracy"] for length in LENGTHS)
    assert four.degrees == 40 // 4 - 1
    assert four is eight


# -- label wait ----------------------------------------------------------------------------------


def test_label_wait_is_configured_or_learned_from_the_reference():
    learned = replace(plan(), time=Time(LATENESS, 0, None, HORIZON, None, None))
    assert EVALUATOR.label_wait_ms == WAIT
    assert Evaluator.of(learned, EVALUATOR.profile).label_wait_ms == 5


def unlabelled() -> Profile:
    at = np.arange(40, dtype=np.int64)
    rows = Predictions(
        [str(i) for i in at],
        at,
        np.linspace(0, 1, 40),
        at % 2,
        {"x": at.astype(float), "c": ["a"] * 40},
    )
    return build_profile(
        "credit", "1", ReferenceRows(rows), pane_ms=PANE, threshold=0.5, task=BINARY
    )


def test_length_of_predictions_is_their_number_of_rows():
    at = np.arange(3, dtype=np.int64)
    assert len(Predictions(["a", "b", "c"], at, at / 3, at % 2, {})) == 3
