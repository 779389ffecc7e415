"""Mean scores equal those of the raw rows, and exceed their noise no more often than the level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, mannwhitneyu

from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.statistics.critical_values import normal_quantile
from monitor.statistics.deviation_bounds import upper_bounds
from monitor.statistics.deviations import Deviations
from monitor.statistics.distribution_tests import MOOD, WILCOXON, RankTest
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare
from monitor.statistics.ranks import pooled_unit, skewed_quantile

odd = st.sampled_from([np.inf, -np.inf, 1e300, -1e300, 5e-324, -0.0])
element = st.one_of(st.integers(-4, 4).map(float), odd)
live = arrays(np.float64, st.integers(1, 12), elements=element)
fixed = arrays(np.float64, st.integers(2, 15), elements=element).filter(
    lambda values: np.isfinite(values).any()
)
BOTH = (WILCOXON, MOOD)


def places(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The middle of each value's ties, 0 to 1."""
    below, up_to = (values[:, None] > among).mean(axis=1), (values[:, None] >= among).mean(axis=1)
    return (below + up_to) / 2


def mean_score(statistic: RankTest, values: np.ndarray, among: np.ndarray) -> float:
    """Less that of the fixed rows themselves; 0 where these all score alike."""
    score = {WILCOXON: lambda u: 2 * u - 1, MOOD: lambda u: 1 - 6 * u * (1 - u)}[statistic]
    of_fixed = score(places(among, among))
    alike = np.ptp(of_fixed) < 1e-9
    return 0.0 if alike else float(score(places(values, among)).mean() - of_fixed.mean())


def found(sample: Sample, *halves: np.ndarray) -> Deviations:
    return compare(EcdfTable.of({"x": sample}), [Counts.of(sample.locate(half)) for half in halves])


# -- the figures -------------------------------------------------------------------------------


@given(reference=fixed, first=live, second=live)
@settings(max_examples=150, deadline=None)
def test_mean_scores_equal_those_of_the_raw_rows(reference, first, second):
    both = found(Sample.of(reference), first, second)
    rows = np.concatenate([first, second])
    for k, statistic in enumerate(BOTH):
        expected = mean_score(statistic, rows, reference)
        assert both.ranks[k][0] == pytest.approx(expected, abs=1e-12)
        a, b = (mean_score(statistic, half, reference) for half in (first, second))
        shared = min(abs(a), abs(b)) if a * b > 0 else 0.0
        assert abs(both.persistent_ranks[k][0]) == pytest.approx(shared, abs=1e-12)


@given(reference=fixed, rows=live)
@settings(max_examples=100, deadline=None)
def test_wilcoxon_mean_score_is_mann_whitney_u_on_a_scale_of_minus_1_to_1(reference, rows):
    if np.unique(reference + 0.0).size == 1:
        return
    pairs = rows.size * reference.size
    theirs = 2 * mannwhitneyu(rows, reference).statistic / pairs - 1
    assert found(Sample.of(reference), rows).ranks[0][0] == pytest.approx(theirs, abs=1e-12)


@given(reference=fixed, first=live, second=live)
@settings(max_examples=100, deadline=None)
def test_no_mean_score_exceeds_its_upper_bound(reference, first, second):
    sample = Sample.of(reference)
    parts = [Counts.of(sample.locate(half)) for half in (first, second)]
    most = upper_bounds(EcdfTable.of({"x": sample}), parts)
    assert (np.abs(found(sample, first, second).ranks) <= most.ranks).all()


@pytest.mark.parametrize("shift", [0.0, 0.1, 3.0])
def test_upper_bounds_of_mean_scores_are_close_for_samples_of_usual_size(shift):
    rng = np.random.default_rng(3)
    sample = Sample.of(rng.normal(size=10_000))
    parts = [Counts.of(sample.locate(rng.normal(shift, size=500))) for _ in "ab"]
    ecdf_table = EcdfTable.of({"x": sample})
    most, exact = upper_bounds(ecdf_table, parts).ranks, np.abs(compare(ecdf_table, parts).ranks)
    assert (exact <= most).all()
    assert (most - exact).max() < 0.02


def test_rank_tests_are_undefined_for_a_constant():
    both = found(Sample.of([7.0, 7.0]), np.array([1.0, 9.0, 9.0]))
    assert not both.ranks.any()
    ecdf_table = EcdfTable.of({"x": Sample.of([7.0, 7.0])})
    assert [statistic.units(ecdf_table).tolist() for statistic in BOTH] == [[0.0], [0.0]]


def test_direction_of_rank_tests_names_shifts_and_changes_of_width():
    sample = Sample.of(np.arange(100.0))
    up, wide = found(sample, np.arange(100.0) + 30), found(sample, 3 * (np.arange(100.0) - 33))
    assert WILCOXON.direction(up, 0) == "higher"
    assert MOOD.direction(wide, 0) == "wider"
    down, narrow = found(sample, np.arange(100.0) - 30), found(sample, np.arange(30.0, 70.0))
    assert WILCOXON.direction(down, 0) == "lower"
    assert MOOD.direction(narrow, 0) == "narrower"


# -- what is chance ----------------------------------------------------------------------------


def noise(statistic: RankTest, alpha: float, ecdf_table: EcdfTable, window: Deviations) -> float:
    """By definition: the quantile, skewed, of the larger unit."""
    n, m = window.rows, ecdf_table.sizes
    z = skewed_quantile(np.array([normal_quantile(alpha)]), statistic.skewness(ecdf_table), n, m)
    unit = pooled_unit(statistic.units(ecdf_table), window.squares[statistic.index], n, m)
    return float(z[0] * unit[0] / np.sqrt(n[0] * m[0] / (n[0] + m[0])))


def test_unit_of_rank_tests_is_the_published_variance():
    """Of U without ties it is ``n m (n + m + 1) / 12``, and of 6 u² - 6 u + 1 a fifth."""
    ecdf_table = EcdfTable.of({"x": Sample.of(np.arange(10_000.0))})
    assert WILCOXON.units(ecdf_table)[0] == pytest.approx(np.sqrt(1 / 3), rel=1e-6)
    assert MOOD.units(ecdf_table)[0] == pytest.approx(np.sqrt(1 / 5), rel=1e-6)
    assert WILCOXON.skewness(ecdf_table)[0] == pytest.approx(0, abs=1e-9)
    assert MOOD.skewness(ecdf_table)[0] == pytest.approx(2 / 35 * 5**1.5, rel=1e-4)


DRAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "counts": lambda rng, size: rng.poisson(3, size).astype(float),
    "rare": lambda rng, size: (rng.random(size) < 0.01).astype(float),
    "half zero": lambda rng, size: np.maximum(rng.normal(size=size), 0.0),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize(("n", "m"), [(50, 1_000), (500, 1_000), (4_000, 1_000)])
def test_rank_tests_keep_their_level_on_independent_rows(kind, n, m):
    rng, runs = np.random.default_rng(17), 1_500
    hits = {(s.name, alpha): 0 for s in BOTH for alpha in (0.05, 0.01)}
    for _ in range(runs):
        sample = Sample.of(DRAWS[kind](rng, m))
        ecdf_table = EcdfTable.of({"x": sample})
        window = compare(ecdf_table, [Counts.of(sample.locate(DRAWS[kind](rng, n)))])
        ranks = np.abs(window.ranks)
        for k, statistic in enumerate(BOTH):
            for alpha in (0.05, 0.01):
                hits[statistic.name, alpha] += ranks[k][0] > noise(
                    statistic, alpha, ecdf_table, window
                )
    for (_, alpha), often in hits.items():
        assert often <= binom.isf(1e-4, runs, 1.1 * alpha)
    if kind == "normal":
        assert min(hits["wilcoxon", 0.05], hits["mood", 0.05]) >= binom.isf(1 - 1e-4, runs, 0.04)


@pytest.mark.parametrize("expected", [1, 10, 100])
@pytest.mark.parametrize(("n", "m"), [(1_000, 1_000), (4_000, 1_000), (300, 1_000)])
def test_wilcoxon_keeps_its_level_if_the_sample_underestimates_a_rare_value(expected, n, m):
    """Summed over all that sample and window may hold of it: exact, far out in the tail."""
    alpha, share = 1e-6, expected / m
    most = int(expected + 9 * np.sqrt(expected) + 9)
    rate = 0.0
    for held in range(1, most):
        ecdf_table = EcdfTable.of({"x": Sample.of((np.arange(m) < held).astype(float))})
        score = ecdf_table.scores[0].per_bin[[1, 3]]
        occurrences = np.arange(min(n, 5 * most * max(n // m, 1)) + 1)
        value = ((n - occurrences) * score[0] + occurrences * score[1]) / n
        square = ((n - occurrences) * score[0] ** 2 + occurrences * score[1] ** 2) / n
        n_, m_ = np.full(occurrences.size, n), np.full(occurrences.size, m)
        unit = pooled_unit(np.full(occurrences.size, WILCOXON.units(ecdf_table)[0]), square, n_, m_)
        z = skewed_quantile(
            np.full(occurrences.size, normal_quantile(alpha)),
            np.full(occurrences.size, WILCOXON.skewness(ecdf_table)[0]),
            n_,
            m_,
        )
        beyond = np.abs(value) > z * unit / np.sqrt(n * m / (n + m))
        rate += binom.pmf(held, m, share) * binom.pmf(occurrences[beyond], n, share).sum()
    assert rate <= alpha


@pytest.mark.parametrize("statistic", BOTH, ids=lambda of: of.name)
def test_rank_tests_do_not_alarm_on_rare_values_at_tested_levels(statistic):
    """One value in a thousand is another: six in a window of 500 come once in 70,000."""
    sample = Sample.of((np.arange(10_000) % 1_000 == 0).astype(float))
    ecdf_table = EcdfTable.of({"x": sample})
    rows = (np.arange(500) < 6).astype(float)
    window = compare(ecdf_table, [Counts.of(sample.locate(rows))])
    assert binom.sf(5, 500, 0.001) > 1e-5
    assert statistic.value(window)[0] < noise(statistic, 1e-6, ecdf_table, window)


def test_mood_is_undefined_for_small_samples():
    """Their places are too inexact: the tail of Mood's score is not normal."""
    few, enough = (EcdfTable.of({"x": Sample.of(np.arange(float(m)))}) for m in (99, 100))
    assert (MOOD.units(few)[0], MOOD.units(enough)[0] > 0) == (0.0, True)
    assert WILCOXON.units(few)[0] > 0


# -- what it is for ----------------------------------------------------------------------------


def first_seen(statistic: RankTest, rows: np.ndarray, alpha: float = 1e-6) -> int:
    """How many rows it takes, in steps of 100."""
    rng = np.random.default_rng(23)
    sample = Sample.of(rng.normal(size=10_000))
    ecdf_table = EcdfTable.of({"x": sample})
    for n in range(100, rows.size, 100):
        window = compare(ecdf_table, [Counts.of(sample.locate(rows[:n]))])
        if statistic.value(window)[0] > noise(statistic, alpha, ecdf_table, window):
            return n
    return rows.size


def test_wilcoxon_detects_a_shift_first_and_mood_a_widening():
    rng = np.random.default_rng(29)
    shifted, widened = rng.normal(0.25, 1, 20_000), rng.normal(0, np.sqrt(1.3), 20_000)
    assert first_seen(WILCOXON, shifted) < 1_000
    assert first_seen(MOOD, widened) < 2_000
    assert first_seen(MOOD, shifted) > 5_000
    assert first_seen(WILCOXON, widened) == 20_000
