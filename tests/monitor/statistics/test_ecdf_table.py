"""The distances of many features at once are those of each one's raw rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from monitor.counts.bins import Sample, deviation, persistent_deviation
from monitor.counts.counts import Counts
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.deviation_bounds import upper_bounds
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare

# Few distinct values, so that ties are common; and some at the ends of what a double can hold.
odd = st.sampled_from([np.inf, -np.inf, 1e300, -1e300, 5e-324, -0.0])
element = st.one_of(st.integers(-4, 4).map(float), odd)
live = arrays(np.float64, st.integers(0, 9), elements=element)
fixed = arrays(np.float64, st.integers(1, 12), elements=element.filter(np.isfinite))
features = st.lists(st.tuples(fixed, live, live), min_size=1, max_size=4)


def counted(drawn):
    """The samples, and the two halves of a window in their index space."""
    samples = {f"bins/{i}": Sample.of(reference) for i, (reference, _, _) in enumerate(drawn)}
    cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
    halves = [
        cell_index.gather(
            {
                name: Counts.of(sample.locate(of[half]))
                for (name, sample), of in zip(samples.items(), drawn, strict=True)
            }
        )
        for half in (1, 2)
    ]
    return samples, cell_index, halves


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")  # of scipy, about p-values
@given(drawn=features)
@settings(max_examples=150, deadline=None)
def test_ks_distance_equals_scipys_on_the_raw_rows(drawn):
    samples, _, halves = counted(drawn)
    found = compare(EcdfTable.of(samples), halves)
    for i, (reference, first, second) in enumerate(drawn):
        rows = np.concatenate([first, second])
        assert found.rows[i] == rows.size
        expected = ks_2samp(rows, reference, method="exact").statistic if rows.size else 0.0
        assert found.ks[i] == pytest.approx(expected, abs=1e-12)


@given(drawn=features)
@settings(max_examples=100, deadline=None)
def test_kuiper_and_persistent_distances_equal_those_over_all_bins(drawn):
    samples, cell_index, halves = counted(drawn)
    found = compare(EcdfTable.of(samples), halves)
    for i, (name, sample) in enumerate(samples.items()):
        first, second = (cell_index.dense(half, name) for half in halves)
        reference = sample.counts().dense(sample.bins)
        whole = deviation(first + second, reference) if found.rows[i] else np.zeros(1)
        persistent = whole
        if first.any() and second.any():
            persistent = persistent_deviation(
                deviation(first, reference), deviation(second, reference)
            )
        assert found.kuiper[i] == pytest.approx(reach(whole), abs=1e-12)
        assert found.persistent_kuiper[i] == pytest.approx(reach(persistent), abs=1e-12)
        assert found.persistent_ks[i] == pytest.approx(np.abs(persistent).max(), abs=1e-12)


def reach(deviations) -> float:
    return max(deviations.max(), 0.0) - min(deviations.min(), 0.0)


@given(drawn=features, others=st.lists(live, min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_within_compares_a_part_of_the_reference_with_the_rest_of_it(drawn, others):
    samples, cell_index, halves = counted(drawn)
    rest = {
        name: Counts.of(sample.locate(other))
        for (name, sample), other in zip(samples.items(), others, strict=False)
    }
    total = Counts.total([*halves, cell_index.gather(rest)])
    whole = {name: Counts.of_dense(cell_index.dense(total, name)) for name in samples}
    found = compare(EcdfTable.against(samples, whole), halves, within=True)
    plain = compare(EcdfTable.against(samples, rest), halves)
    for i, name in enumerate(samples):
        if rest[name].size and found.rows[i]:
            assert found.ks[i] == pytest.approx(plain.ks[i], abs=1e-12)
            assert found.persistent_ks[i] == pytest.approx(plain.persistent_ks[i], abs=1e-12)
            assert found.persistent_kuiper[i] == pytest.approx(
                plain.persistent_kuiper[i], abs=1e-12
            )


@given(drawn=features)
@settings(max_examples=60, deadline=None)
def test_persistent_distance_of_a_window_in_one_part_is_its_whole_distance(drawn):
    samples, _, halves = counted(drawn)
    found = compare(EcdfTable.of(samples), [halves[0] + halves[1]])
    assert (found.persistent_ks == found.ks).all()
    assert found.ks == pytest.approx(compare(EcdfTable.of(samples), halves).ks, abs=1e-12)


def test_persistent_distance_uses_the_other_half_if_one_has_no_rows():
    samples, _, halves = counted([(np.arange(9.0), np.empty(0), np.array([1.0, 2.0]))])
    found = compare(EcdfTable.of(samples), halves)
    assert found.persistent_ks[0] == found.ks[0] > 0


def test_comparison_ignores_cells_that_are_not_bins():
    sample = Sample.of([1.0, 2.0])
    cell_index = CellIndex.of({"bins/x": sample.bins, "rows": 1})
    window = cell_index.gather(
        {"bins/x": Counts.of(sample.locate(np.ones(3))), "rows": Counts.of([0])}
    )
    assert compare(EcdfTable.of({"bins/x": sample}), [window]).rows.tolist() == [3]
    assert cell_index.dense(window, "rows").tolist() == [1]


@given(drawn=features)
@settings(max_examples=150, deadline=None)
def test_no_deviation_exceeds_its_upper_bound(drawn):
    samples, _, halves = counted(drawn)
    within(compare(EcdfTable.of(samples), halves), upper_bounds(EcdfTable.of(samples), halves))


@given(seed=st.integers(0, 2**32), shift=st.floats(-1, 1), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_upper_bounds_are_within_noise_for_samples_of_usual_size(seed, shift, ties):
    rng = np.random.default_rng(seed)

    def draw(rows, by=0.0):
        return np.round(rng.normal(by, 1, rows), 1) if ties else rng.normal(by, 1, rows)

    samples, _, halves = counted([(draw(2_000), draw(150), draw(200, shift)) for _ in range(3)])
    found, most = (
        compare(EcdfTable.of(samples), halves),
        upper_bounds(EcdfTable.of(samples), halves),
    )
    within(found, most)
    assert (most.ks - found.ks).max() < 1 / np.sqrt(2_000)


def within(found, most):
    assert (found.rows == most.rows).all()
    for name in ("above", "ks", "kuiper", "persistent_above", "persistent_ks", "persistent_kuiper"):
        assert (getattr(found, name) <= getattr(most, name)).all()
    assert (found.under >= most.under).all()


def test_upper_bounds_are_exact_if_all_heights_are_distinct():
    samples, _, halves = counted([(np.array([1.0, 1.0, 2.0, 3.0]), np.ones(1), np.full(3, 2.0))])
    found, most = (
        compare(EcdfTable.of(samples), halves),
        upper_bounds(EcdfTable.of(samples), halves),
    )
    assert most.above == pytest.approx(found.above, abs=1e-9)
    assert most.under == pytest.approx(found.under, abs=1e-9)


def test_upper_bounds_without_features_are_empty():
    assert upper_bounds(EcdfTable.of({}), [Counts.of([0])]).rows.size == 0
