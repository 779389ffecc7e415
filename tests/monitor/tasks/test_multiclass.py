"""The task multiclass: metrics of raw rows, pooled and unseen classes, and expected accuracy."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from monitor.budget import families, own_length
from monitor.counts.classes import class_numbers
from monitor.counts.counting import count_data, count_outcomes
from monitor.counts.counts import Cells, add_cells
from monitor.counts.schema import Schema
from monitor.counts.summary import Part
from monitor.counts.task import Labelled, Sent
from monitor.counts.values import Coded
from monitor.performance.class_cells import MOST_LISTED
from monitor.plan import Plan
from monitor.tasks.multiclass import MULTICLASS, Multiclass
from monitor.windows.learned import Learned
from tests.monitor.tasks.classes import NAMES, T0, profile, rows

PROFILE = profile()
SCHEMA = PROFILE.schema
K = len(NAMES)


def counted(
    predicted: Sequence[int],
    label: Sequence[str],
    probability: np.ndarray | None = None,
    *,
    sign: Sequence[int] | None = None,
    schema: Schema = SCHEMA,
) -> list[Cells]:
    """Rows in panes of four; without probabilities they are unknown."""
    n = len(label)
    unknown = np.full((n, len(schema.task.score_names)), np.nan)
    summaries = count_outcomes(
        schema,
        pane_ms=np.arange(n, dtype=np.int64) // 4,
        part=np.full(n, Part.FINAL, dtype=object),
        score=unknown if probability is None else probability,
        predicted=np.asarray(predicted, dtype=np.int64),
        label=class_numbers(label),
        sign=np.ones(n, dtype=np.int64) if sign is None else np.asarray(sign),
    )
    return [summary.cells for summary in summaries]


def scikit_learn(label: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    kinds = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    macro = {
        f"macro_{name}": of(label, predicted, average="macro", zero_division=0)
        for name, of in kinds.items()
    }
    each = {
        f"{metric}/{name}": of(label, predicted, labels=[i], average=None, zero_division=np.nan)[0]
        for metric, of in kinds.items()
        for i, name in enumerate(NAMES)
    }
    return {"accuracy": accuracy_score(label, predicted), **macro, **each}


drawn = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=40)


@given(drawn)
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_metrics_of_classes_are_those_of_scikit_learn(pairs):
    predicted, label = np.array(pairs).T
    found = SCHEMA.measure(counted(predicted, [NAMES[i] for i in label]))
    expected = scikit_learn(label, predicted)
    expected["balanced_accuracy"] = balanced_accuracy_score(label, predicted)
    for name, value in expected.items():
        if np.isnan(value):
            assert found[name].value is None, name
        else:
            assert found[name].value == pytest.approx(value, abs=1e-12), name


@given(st.integers(0, 10_000), st.integers(12, 60))
@settings(max_examples=30, deadline=None)
def test_metrics_of_probabilities_are_those_of_scikit_learn_within_their_resolution(seed, n):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet([0.3, 1.0, 2.0], n)
    label = np.append(np.arange(K), rng.integers(0, K, n - K))
    found = SCHEMA.measure(
        counted(probability.argmax(axis=1), [NAMES[i] for i in label], probability)
    )
    loss = log_loss(label, probability, labels=range(K))
    assert found["log_loss"].value == pytest.approx(loss, abs=found["log_loss"].resolution)
    assert found["log_loss"].adjusted == found["log_loss"].value  # whatever the number of rows
    areas = roc_auc_score(label, probability, multi_class="ovr", average=None)
    for name, area in zip(NAMES, areas, strict=True):
        metric = found[f"roc_auc/{name}"]
        assert metric.value == pytest.approx(area, abs=metric.resolution + 1e-12)
    mean = found["roc_auc"]
    assert mean.value == pytest.approx(areas.mean(), abs=mean.resolution + 1e-12)
    assert mean.resolution < 0.05


@given(drawn, st.randoms())
@settings(max_examples=30, deadline=None)
def test_removed_rows_leave_the_sums_as_if_they_had_never_come(pairs, random):
    predicted, label = np.array(pairs).T
    probability = np.random.default_rng(1).dirichlet(np.ones(K), len(pairs))
    names = [NAMES[i] for i in label]
    before = add_cells(counted(predicted, names, probability))
    kept = [i for i in range(len(pairs)) if random.random() < 0.5]
    gone = [i for i in range(len(pairs)) if i not in kept]
    parts = [before]
    if gone:
        own = [names[i] for i in gone]
        parts += counted(predicted[gone], own, probability[gone], sign=[-1] * len(gone))
    after = {name: cells for name, cells in add_cells(parts).items() if cells}
    if kept:
        own = [names[i] for i in kept]
        assert after == add_cells(counted(predicted[kept], own, probability[kept]))
    else:
        assert after == {}


def test_interval_is_that_of_a_jackknife_over_panes():
    predicted, label = [0, 1, 2, 0, 1, 1, 0, 2, 0, 0, 0, 1], [0, 1, 1, 0, 1, 2, 0, 2, 1, 0, 0, 1]
    metric = SCHEMA.measure(counted(predicted, [NAMES[i] for i in label]))["accuracy"]
    right = (np.array(predicted) == label).reshape(3, 4)
    without = [np.delete(right, i, axis=0).mean() for i in range(3)]
    assert metric.panes == 3
    assert metric.se == pytest.approx(np.sqrt(2 / 3 * np.sum((without - np.mean(without)) ** 2)))


def test_balanced_accuracy_of_rare_classes_is_as_uncertain_as_their_few_rows_make_it():
    """A recall of one row has the variance of one row, and no rows are added to its value."""
    predicted, label = [0] * 80 + [1] * 20 + [2], [0] * 50 + [1] * 50 + [2]
    metric = SCHEMA.measure(counted(predicted, [NAMES[i] for i in label]))["balanced_accuracy"]
    assert metric.adjusted == metric.value == pytest.approx((1 + 0.4 + 1) / 3)
    of_few = (3 / 5 * 2 / 5) / 1
    assert metric.independent_se > np.sqrt(of_few) / 3


def test_rows_without_probabilities_count_for_classes_and_not_for_probabilities():
    probability = np.array([[0.7, 0.2, 0.1], [np.nan] * 3, [0.1, 0.6, 0.3]])
    found = SCHEMA.measure(counted([0, 1, 1], ["on time", "late", "late"], probability))
    assert found["accuracy"].value == 1.0
    assert found["log_loss"].value == pytest.approx(-np.log([0.7, 0.6]).mean(), abs=1e-9)


def test_unseen_class_is_wrong_unless_it_was_predicted_and_has_no_loss():
    probability = np.array([[0.7, 0.2, 0.1]] * 4)
    other, new = SCHEMA.task.columns(np.zeros(2), class_numbers(["diverted", "new"]), 0.5)[1]
    found = SCHEMA.measure(
        counted([0, other, new, 0], ["diverted", "diverted", "diverted", "on time"], probability)
    )
    assert found["accuracy"].value == 0.5
    assert found["log_loss"].value == pytest.approx(-np.log(0.7), abs=1e-9)
    assert found["recall/on time"].value == 1.0


def test_classes_beyond_the_listed_ones_are_pooled_and_accuracy_stays_exact():
    names = tuple(f"c{i:03}" for i in range(MOST_LISTED + 20))
    task = Multiclass(names, scored=False)
    rng = np.random.default_rng(3)
    label = rng.integers(0, len(names), 2_000)
    predicted = np.where(rng.random(2_000) < 0.6, label, rng.integers(0, len(names), 2_000))
    cells = task.label_cells(
        Labelled(np.full(2_000, np.nan), predicted, class_numbers(names)[label])
    )
    width = MOST_LISTED + 1
    assert cells["outcomes"].max() == width**2
    schema = profile(rows(names=names, scored=False), names=names, scored=False).schema
    found = schema.measure(counted(predicted, [names[i] for i in label], schema=schema))
    assert found["accuracy"].value == pytest.approx(accuracy_score(label, predicted), abs=1e-12)
    assert f"recall/{names[MOST_LISTED - 1]}" in found
    assert f"recall/{names[MOST_LISTED]}" not in found
    pooled = [np.minimum(one, MOST_LISTED) for one in (label, predicted)]
    # The pool is one class in the means, whose rows are right if their own classes are.
    hits = (label == predicted) & (label >= MOST_LISTED)
    recalls = [
        hits.sum() / (pooled[0] == i).sum()
        if i == MOST_LISTED
        else (predicted[label == i] == i).mean()
        for i in range(width)
    ]
    assert found["balanced_accuracy"].value == pytest.approx(np.mean(recalls), abs=1e-12)


def test_error_is_1_minus_the_probability_of_the_label_or_whether_it_is_wrong():
    label = class_numbers(["late", "on time", "diverted"])
    probability = np.array([[0.7, 0.2, 0.1]] * 3)
    scored = SCHEMA.task.errors(Labelled(probability, np.array([1, 0, 0]), label))
    assert scored["errors"] == pytest.approx([0.8, 0.3, 1.0])
    unknown = SCHEMA.task.errors(Labelled(np.full((3, 3), np.nan), np.array([1, 0, 0]), label))
    assert np.isnan(unknown["errors"]).all()
    plain = Multiclass(NAMES).errors(Labelled(np.full(3, np.nan), np.array([1, 1, 0]), label))
    assert plain["errors"].tolist() == [0.0, 1.0, 1.0]


def test_probabilities_are_read_by_class_whatever_their_order_and_spelling():
    task = Multiclass(("1", "2", "x"), scored=True)
    scores = np.array([{"2.0": 0.5, "1": 0.25, "new": 0.25}, None, {"x": 1.00005}], dtype=object)
    sent = Sent(np.full(3, np.nan), class_numbers([2, "1.0", "x"]), None, scores)
    score, predicted = task.read(sent, 0.5)
    assert predicted.tolist() == [1, 0, 2]
    assert score[[0, 2]].tolist() == [[0.25, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert np.isnan(score[1]).all()


def test_predicted_classes_are_an_output_and_unseen_ones_are_named():
    live = rows(8, seed=5).predictions
    names = Coded(("late", "diverted", 7), np.array([0, 1, 1, 2, 0, 0, 0, 0]))
    (summary,) = count_data(
        SCHEMA,
        type(live)(live.ids, live.time_ms, live.score, live.predicted, live.features, names),
        np.full(8, Part.ON_TIME, dtype=object),
    )
    assert summary.pane_ms == T0
    assert summary.cells["class"].dense(K + 1).tolist() == [0, 5, 0, 3]
    assert summary.names["unseen class"] == {"diverted": 2, "7": 1}
    assert summary.cells["score"].size == 8


def test_what_is_judged_is_in_the_budget_and_no_metric_of_a_single_class_is():
    tests = families(Plan(), SCHEMA, [own_length(Plan())])
    assert [name for _, name in tests["performance"].tests] == [
        "accuracy",
        "balanced_accuracy",
        "log_loss",
    ]
    assert ("prediction/class", "categories") in tests["prediction"].tests
    assert sum(family.share for family in tests.values()) == pytest.approx(1.0)
    assert Multiclass(NAMES).judged == ("accuracy", "balanced_accuracy")


def test_expected_accuracy_follows_the_probabilities_of_rows_without_labels():
    learned = Learned.of(Plan(), PROFILE)
    assert learned.expectation is not None
    surer = rows(3_000, seed=9).predictions
    chosen = np.flatnonzero(surer.score.max(axis=1) > 0.7)
    part = np.full(chosen.size, Part.ON_TIME, dtype=object)
    live = type(surer)(
        surer.ids,
        surer.time_ms[chosen],
        surer.score[chosen],
        surer.predicted[chosen],
        {"x": surer.features["x"][chosen]},
        surer.classes.take(chosen),
    )
    data = add_cells([summary.cells for summary in count_data(SCHEMA, live, part)])
    found = learned.expectation.estimate([], data)["accuracy"]
    mean = surer.score[chosen].max(axis=1).mean()
    assert found.value == pytest.approx(mean, abs=0.06)
    assert learned.baseline["accuracy"].value < mean - 0.1


@pytest.mark.parametrize(
    ("names", "label", "why"),
    [
        (NAMES, ["late", "late"], "the labels hold only one class: a reference needs at least two"),
        (NAMES, [None, None], "all labels are missing"),
        ([str(i) for i in range(1_001)], None, "there are 1,001 classes, such as '1000'"),
    ],
)
def test_reference_that_has_no_classes_to_tell_apart_is_refused_with_a_sentence(names, label, why):
    task = Multiclass(tuple(names))
    numbers = None if label is None else class_numbers(label)
    with pytest.raises(ValueError, match=why):
        task.check_reference(np.full(2, np.nan), numbers)


def test_task_of_a_file_knows_its_classes_the_most_frequent_first():
    task = MULTICLASS.knowing(["b", "a", "b", 4, "4.0", None], scored=True)
    assert (task.classes, task.scored) == (("4", "b", "a"), True)
    live = task.knowing(["a", "new"], scored=False)
    assert (live.classes, live.further, live) == (task.classes, ("new",), task)
    assert live.names(class_numbers(["new", "a", "other"])) == ["new", "a", None]
    assert Multiclass.decoded(task.parameters()) == task
