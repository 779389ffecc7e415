"""The task regression: exact sums, metrics of raw rows, and what is expected without labels."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    median_absolute_error,
    r2_score,
)

from monitor.counts.counting import count_outcomes
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.summary import Part
from monitor.performance.fixed_point import (
    LIMIT,
    exact_total,
    fixed,
    plain,
    power_of_two,
    squares,
    totals,
)
from monitor.performance.moments import MOMENTS, WIDTH, Scales
from monitor.plan import Plan
from monitor.tasks.regression import REGRESSION, Regression
from monitor.windows.learned import Learned
from tests.monitor.tasks.regressions import profile, rows

PROFILE = profile()
SCHEMA = PROFILE.schema


def counted(prediction, label, sign=None, pane_ms=None) -> list[Cells]:
    n = len(label)
    summaries = count_outcomes(
        SCHEMA,
        pane_ms=np.zeros(n, dtype=np.int64) if pane_ms is None else np.asarray(pane_ms),
        part=np.full(n, Part.FINAL, dtype=object),
        score=np.asarray(prediction, dtype=np.float64),
        predicted=np.zeros(n, dtype=np.int64),
        label=np.asarray(label, dtype=np.float64),
        sign=np.ones(n, dtype=np.int64) if sign is None else np.asarray(sign),
    )
    return [summary.cells for summary in summaries]


def value(panes: Sequence[Cells], name: str) -> float:
    found = SCHEMA.measure(panes)[name].value
    assert found is not None
    return found


# -- sums in fixed point -----------------------------------------------------------------------

numbers = st.floats(-1e12, 1e12, allow_nan=False)


@given(units=st.lists(st.integers(-LIMIT, LIMIT), min_size=1, max_size=50))
def test_squares_in_two_parts_are_those_of_python(units):
    parts = squares(np.array(units, dtype=np.int64)).sum(axis=0)
    assert int(parts[0]) * (LIMIT + 1) + int(parts[1]) == sum(unit**2 for unit in units)


@given(values=st.lists(numbers, min_size=1, max_size=50))
def test_a_fixed_number_is_off_by_half_a_unit_unless_it_was_clipped(values):
    scale = power_of_two(float(np.std(values)))
    found = fixed(np.array(values), scale)
    unit = scale / 2**26
    for exact, units, clipped in zip(values, found.units, found.clipped, strict=True):
        if clipped:
            assert abs(exact) > 1023 * scale
        else:
            assert abs(int(units) * unit - exact) <= unit / 2 * (1 + 1e-9)


@given(
    pairs=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=50)
def test_sums_are_the_same_in_any_order_and_any_portions_and_go_back_to_nothing(pairs, seed):
    prediction, label = np.array(pairs).T
    whole = add_cells(counted(prediction, label))
    order = np.array(Random(seed).sample(range(len(pairs)), len(pairs)))
    portions = np.array_split(order, 1 + seed % 5)
    added = add_cells(
        cells for part in portions if part.size for cells in counted(prediction[part], label[part])
    )
    assert added == whole
    removed = counted(prediction, label, sign=[-1] * len(pairs))
    assert not any(add_cells([whole, *removed]).values())


def test_the_largest_numbers_are_clipped_and_counted():
    panes = counted([1e308, 100.0], [-1e308, 99.0])
    assert value(panes, "clipped") == 0.5
    assert np.isfinite(value(panes, "rmse"))
    assert SCHEMA.measure(counted([100.0], [99.0]))["clipped"].value == 0.0


# -- metrics, against scikit-learn on the raw rows ---------------------------------------------


@given(
    label=st.lists(st.floats(-500, 500), min_size=2, max_size=60),
    seed=st.integers(0, 10**6),
    panes=st.integers(1, 5),
)
@settings(max_examples=60)
def test_metrics_are_those_of_scikit_learn_on_the_raw_rows(label, seed, panes):
    rng = np.random.default_rng(seed)
    label = np.array(label)
    prediction = label + rng.normal(size=label.size) * 3
    found = counted(prediction, label, pane_ms=rng.integers(0, panes, label.size) * 10)
    scales = SCHEMA.task.scales
    unit = scales.unit
    assert value(found, "mae") == pytest.approx(mean_absolute_error(label, prediction), abs=unit)
    rmse = mean_squared_error(label, prediction) ** 0.5
    assert value(found, "rmse") == pytest.approx(rmse, abs=unit)
    assert value(found, "bias") == pytest.approx((prediction - label).mean(), abs=unit)
    if np.std(label) > 1e-3:
        assert value(found, "r2") == pytest.approx(r2_score(label, prediction), rel=1e-5, abs=1e-5)
    far = (np.abs(label) >= scales.near_zero) & (label != 0)
    if far.any():
        theirs = mean_absolute_percentage_error(label[far], prediction[far])
        assert value(found, "mape") == pytest.approx(theirs, abs=1e-7)
    else:
        assert SCHEMA.measure(found)["mape"].value is None


@pytest.mark.parametrize("n", [1, 2, 7, 400])
def test_median_absolute_error_is_that_of_the_raw_rows_within_its_resolution(n):
    some = rows(n, seed=3)
    metric = SCHEMA.measure(counted(some.predictions.score, some.label))["median_absolute_error"]
    theirs = median_absolute_error(some.label, some.predictions.score)
    assert abs(metric.value - theirs) <= metric.resolution + 1e-12
    assert metric.resolution < 0.5


def test_median_absolute_error_of_the_reference_is_exact():
    found = SCHEMA.measure([s.cells for s in PROFILE.panes if s.part is Part.FINAL])
    reference = rows()
    theirs = median_absolute_error(reference.label, reference.predictions.score)
    assert found["median_absolute_error"].value == pytest.approx(theirs, rel=1e-12)
    assert found["median_absolute_error"].resolution == 0.0


def test_r2_of_labels_that_are_all_the_same_is_undefined():
    assert SCHEMA.measure(counted([101.0, 99.0], [100.0, 100.0]))["r2"].value is None


def test_interval_of_an_error_covers_that_of_the_distribution():
    """A jackknife over 30 panes of 40 independent rows, 300 times."""
    inside = 0
    exact = mean_absolute_error(*(lambda r: (r.label, r.predictions.score))(rows(400_000, seed=9)))
    for seed in range(300):
        some = rows(1_200, seed=1_000 + seed)
        panes = counted(some.predictions.score, some.label, pane_ms=np.arange(1_200) // 40 * 10)
        low, high = SCHEMA.measure(panes)["mae"].interval()
        inside += low <= exact <= high
    # Binomial(300, 0.95) is below 271 with probability 0.001.
    assert inside >= 271


def test_independent_standard_errors_are_the_spread_over_windows_of_independent_rows():
    for name in ("mae", "rmse"):
        found = []
        for seed in range(300):
            some = rows(400, seed=2_000 + seed)
            found.append(SCHEMA.measure(counted(some.predictions.score, some.label))[name])
        spread = np.std([metric.value for metric in found])
        stated = np.mean([metric.independent_se for metric in found])
        assert stated == pytest.approx(spread, rel=0.15), name


# -- parameters and the contract ---------------------------------------------------------------


def test_parameters_of_a_regression_are_read_as_they_were_written():
    assert Regression.decoded(SCHEMA.task.parameters()) == SCHEMA.task
    assert Regression.decoded(REGRESSION.parameters()) == REGRESSION


def test_scales_of_the_largest_reference_are_finite():
    scales = Scales.of(np.array([1e75, -1e75]), np.array([-1e75, 1e75]))
    assert all(np.isfinite(value) for name, value in scales.encoded().items() if name != "edges")
    REGRESSION.check_reference(np.array([1e75, -1e75]), np.array([-1e75, np.nan]))


def test_a_model_without_errors_has_scales():
    scales = Scales.of(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert (scales.error, scales.mean_absolute) == (1.0, 0.0)
    cells = scales.cells(np.array([1.5]), np.array([1.0]))["moments"]
    assert totals(cells.weight.sum(axis=0))[MOMENTS.index("rows")] == 1


@pytest.mark.parametrize(
    ("prediction", "label", "why"),
    [
        ([np.nan], None, "predictions of a reference .*, found a missing one"),
        ([np.inf], None, "at most 1e\\+75 in size, found inf"),
        ([1.0], [-1e100], "labels of a reference .*, found -1e\\+100"),
        ([1.0], [np.nan], "all labels are missing"),
    ],
)
def test_reference_that_is_no_regression_is_refused_with_a_sentence(prediction, label, why):
    with pytest.raises(ValueError, match=why):
        REGRESSION.check_reference(np.array(prediction), None if label is None else np.array(label))


def test_errors_of_a_pane_are_the_sum_of_absolute_errors_in_units():
    (cells,) = counted([100.0, 101.0], [99.0, 103.0])
    unit = SCHEMA.task.scales.unit
    assert REGRESSION.pane_errors(cells) * unit == pytest.approx(3.0)
    assert exact_total(cells["moments"], MOMENTS.index("error")) * unit == pytest.approx(-1.0)
    assert len(plain(np.array([1]))[0]) * len(MOMENTS) == WIDTH
    rate = SCHEMA.task.error_rate({}, 0)
    assert rate.mean * unit == pytest.approx(SCHEMA.measure(_reference())["mae"].value)


# -- what is expected without labels -----------------------------------------------------------


def _reference() -> list[Cells]:
    return [s.cells for s in PROFILE.panes if s.part is Part.FINAL]


def test_expected_error_rises_where_the_reference_erred_more():
    expectation = Learned.of(Plan(), PROFILE).expectation
    bins = SCHEMA.outputs["value"].sample
    found = {}
    for name, prediction in (("middle", 100.0), ("edge", 125.0)):
        cells = {"value": Counts.of(bins.locate(np.full(200, prediction)))}
        found[name] = expectation.estimate([], cells)["mae"]
    assert found["edge"].value > 2 * found["middle"].value > 0
    assert found["middle"].low < found["middle"].value < found["middle"].high


def test_difference_from_the_expected_error_is_that_of_a_model_that_got_worse():
    expectation = Learned.of(Plan(), PROFILE).expectation
    for spread, differs in ((1.0, False), (2.0, True)):
        some = rows(2_400, seed=5, spread=spread)
        panes = counted(some.predictions.score, some.label, pane_ms=np.arange(2_400) // 100 * 10)
        apart = expectation.estimate(panes)["mae"].difference
        assert (not apart.low <= 0 <= apart.high) == differs
    assert expectation.estimate([]) is None
