"""The drift rule: beyond sampling noise, and beyond the natural variation of the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import kolmogi
from scipy.stats import binom, ks_2samp

from monitor.budget import Length, Levels
from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS
from monitor.statistics.drift_rule import Comparison, Severity, Verdict, evidence
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.natural_variation import (
    EDF_FACTORS,
    ENOUGH_BLOCKS,
    Blocks,
    NaturalVariation,
)
from monitor.statistics.scanner import Scanner

LEVEL = Levels(warning=0.01, critical=0.001)
EVERY_EFFECT = Drift(critical_effect=0.0)
WINDOW = Length(2, 1)


def numeric(values) -> Sample:
    return Sample.of(values)


def variation(excess: float) -> NaturalVariation:
    """Many blocks with this excess."""
    rows, excess = np.ones(ENOUGH_BLOCKS, np.int64), np.full(ENOUGH_BLOCKS, excess)
    return NaturalVariation((Blocks(1, rows, excess, 0.0),))


def every_test(sample: Sample, *windows, excess=0.0, level=LEVEL, drift=EVERY_EFFECT):
    """All tests of a window in two halves, KS first; none while it holds no value."""
    variation_factors = {name: [variation(excess)] for name in DISTRIBUTION_TESTS}
    cell_index, ecdf_table = CellIndex.of({"bins/x": sample.bins}), EcdfTable.of({"bins/x": sample})
    scanner = Scanner(cell_index, ecdf_table, {WINDOW: [level]}, variation_factors, drift)
    halves = [Counts.of(sample.locate(np.asarray(x, float))) for x in windows]
    return scanner.judge(halves, WINDOW).get("bins/x", ())


def judged(sample: Sample, *windows, **settings) -> Comparison:
    return every_test(sample, *windows, **settings)[0]


GRID = numeric(np.arange(100.0))  # uniform, one row for each whole number


def shifted(by: float, n: int = 200) -> np.ndarray:
    """A uniform half window, moved ``by`` rows of the reference."""
    return np.linspace(0, 99, n) + by


# -- the figures -------------------------------------------------------------------------------

values = arrays(np.float64, st.integers(2, 30), elements=st.integers(-5, 5).map(float))


@given(fixed=values, first=values, second=values)
@settings(max_examples=60)
def test_comparison_figures_equal_scipys_on_the_raw_rows(fixed, first, second):
    found = judged(numeric(fixed), first, second)
    theirs = ks_2samp(np.concatenate([first, second]), fixed, method="asymp")
    n, m = first.size + second.size, fixed.size
    assert found.rows == n
    assert found.value == pytest.approx(theirs.statistic, rel=0, abs=1e-12)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=0, abs=1e-12)
    assert found.threshold == pytest.approx(kolmogi(0.01) / np.sqrt(n * m / (n + m)))
    assert 0 <= found.persistent <= found.value + 1e-12


@given(
    fixed=values,
    first=values,
    second=values,
    excess=st.sampled_from([0.0, 0.05, 0.3]),
    effects=st.sampled_from([(0.0, 0.0), (0.1, 0.3), (0.5, 0.5), (0.0, 1.0)]),
)
@settings(max_examples=120)
def test_severity_follows_from_both_conditions(fixed, first, second, excess, effects):
    drift = Drift(min_effect=effects[0], critical_effect=effects[1])
    found = judged(numeric(fixed), first, second, excess=excess, level=LOOSE, drift=drift)
    root = np.sqrt(found.rows * fixed.size / (found.rows + fixed.size))

    def both(alpha):
        z, allowance = kolmogi(alpha), max(EDF_FACTORS.excess * excess, drift.min_effect)
        return found.value > z / root and found.persistent - z / (2 * root) > allowance

    critical = both(LOOSE.critical) and found.persistent >= drift.critical_effect
    expected = Severity.CRITICAL if critical else Severity.WARNING if both(LOOSE.warning) else None
    assert found.severity is expected
    assert (found.verdict is Verdict.DRIFT) == (expected is not None)


LOOSE = Levels(warning=0.5, critical=0.2)  # so that small windows can cross it


@given(fixed=values, first=values, second=values, excess=st.sampled_from([0.0, 0.1]))
@settings(max_examples=60)
def test_a_critical_comparison_is_also_a_warning(fixed, first, second, excess):
    reference = numeric(fixed)
    found = judged(reference, first, second, excess=excess, level=LOOSE)
    if found.severity is Severity.CRITICAL:
        mild = Levels(LOOSE.warning, critical=1e-300)
        warned = judged(reference, first, second, excess=excess, level=mild)
        assert warned.severity is Severity.WARNING


# -- what they mean ----------------------------------------------------------------------------


def test_an_equal_distribution_is_not_drift():
    found = judged(GRID, shifted(0), shifted(0))
    assert (found.verdict, found.severity) == (Verdict.OK, None)


def test_a_persistent_shift_is_drift():
    found = judged(GRID, shifted(30), shifted(30))
    assert (found.verdict, found.severity) == (Verdict.DRIFT, Severity.CRITICAL)
    assert found.value == pytest.approx(0.3, abs=0.01)


def test_a_shift_of_one_half_only_is_not_drift():
    found = judged(GRID, shifted(90), shifted(0))
    assert found.value > found.threshold
    assert found.verdict is Verdict.OK


def test_opposite_shifts_of_both_halves_do_not_persist():
    found = judged(GRID, shifted(40), shifted(-40))
    assert found.persistent < 0.05


def test_a_window_with_rows_in_one_half_only_can_drift():
    found = judged(GRID, [], shifted(30))
    assert found.persistent == found.value
    assert found.verdict is Verdict.DRIFT


def test_natural_variation_of_the_reference_is_not_drift():
    allowance = EDF_FACTORS.excess * 0.12
    found = judged(GRID, shifted(30), shifted(30), excess=0.12)
    assert found.persistent > allowance > found.persistent - found.threshold / 2
    assert found.verdict is Verdict.OK


def test_min_effect_is_a_lower_limit_of_the_allowance():
    small = judged(GRID, shifted(30), shifted(30), drift=Drift(min_effect=0.3))
    large = judged(GRID, shifted(60), shifted(60), drift=Drift(min_effect=0.3))
    assert (small.verdict, large.verdict) == (Verdict.OK, Verdict.DRIFT)


def test_a_small_effect_is_never_critical():
    found = judged(GRID, shifted(8, 10_000), shifted(8, 10_000), drift=Drift(critical_effect=0.1))
    assert found.severity is None or found.severity is Severity.WARNING
    certain = numeric(np.arange(10_000.0) / 100)
    found = judged(
        certain, shifted(8, 10_000), shifted(8, 10_000), drift=Drift(critical_effect=0.1)
    )
    assert found.severity is Severity.WARNING


def test_critical_requires_a_large_persistent_effect():
    found = judged(GRID, shifted(60), shifted(30), drift=Drift(critical_effect=0.4))
    assert found.persistent < 0.4 < found.value
    assert found.severity is Severity.WARNING


def test_verdict_of_too_few_rows_is_insufficient_data():
    few, enough = judged(GRID, shifted(0, 1), shifted(0, 1)), judged(GRID, shifted(0), shifted(0))
    assert few.verdict is Verdict.INSUFFICIENT
    assert few.detectable >= 1
    assert enough.verdict is Verdict.OK
    assert enough.threshold <= enough.detectable < 1


def test_verdict_is_insufficient_data_if_only_the_allowance_is_detectable():
    found = judged(GRID, shifted(0), shifted(0), excess=0.97 / EDF_FACTORS.excess)
    assert found.verdict is Verdict.INSUFFICIENT
    assert found.detectable >= 1 > found.allowance


def test_a_window_cannot_be_judged_if_the_allowance_covers_every_distance():
    found = judged(GRID, shifted(0), shifted(0), excess=0.6)
    assert found.verdict is Verdict.CANNOT_JUDGE
    assert found.allowance >= 1


@given(
    n=st.integers(1, 40),
    excess=st.sampled_from([0.0, 0.1, 0.3]),
    far=st.sampled_from([-1e9, 1e9]),
)
def test_the_largest_possible_distance_is_drift_unless_data_are_insufficient(n, excess, far):
    """A window that lies all beyond the reference is as far away as any can be."""
    found = judged(GRID, np.full(n, far), np.full(n, far), excess=excess)
    assert found.verdict in (Verdict.DRIFT, Verdict.INSUFFICIENT)


def test_no_comparison_without_values():
    assert every_test(GRID, [], []) == ()


def test_infinities_count_as_beyond_every_reference_value():
    found = judged(GRID, np.full(50, np.inf), np.full(50, np.inf))
    assert (found.value, found.verdict) == (1.0, Verdict.DRIFT)


def test_a_constant_reference_detects_every_departure_and_no_other():
    constant = numeric([7.0] * 100)
    same, other = np.full(50, 7.0), np.full(50, 7.0 + 1e-12)
    assert judged(constant, same, same).value == 0.0
    assert judged(constant, other, other).verdict is Verdict.DRIFT


def test_false_alarms_of_independent_rows_keep_the_level():
    rng = np.random.default_rng(20240511)
    level, trials = Levels(warning=0.05, critical=0.01), 1_000
    found = [
        judged(numeric(rng.normal(size=300)), *rng.normal(size=(2, 60)), level=level).severity
        for _ in range(trials)
    ]
    # More than these are exceeded with probability 0.001 by tests that spend all of their level.
    assert sum(s is not None for s in found) <= binom.isf(0.001, trials, level.warning)
    assert sum(s is Severity.CRITICAL for s in found) <= binom.isf(0.001, trials, level.critical)
    assert any(found)


def test_evidence_exists_only_for_drift():
    healthy, drifted = judged(GRID, shifted(0), shifted(0)), judged(GRID, shifted(30), shifted(30))
    assert evidence(healthy, 10, 30) is None
    found = evidence(drifted, 10, 30)
    assert (found.decided_by, found.start_ms, found.end_ms) == ("ks", 10, 30)
    assert (found.value, found.persistent) == (drifted.value, drifted.persistent)
    assert (found.threshold, found.allowance) == (drifted.threshold, drifted.allowance)


def test_severity_order_is_critical_first_then_the_largest_excess():
    def of(severity, persistent):
        return Comparison("ks", 9, 0.9, persistent, 0.1, 0.1, severity)

    healthy, mild, worse = of(None, 0.9), of(Severity.WARNING, 0.4), of(Severity.WARNING, 0.5)
    critical = of(Severity.CRITICAL, 0.3)
    found = sorted([worse, critical, healthy, mild], key=lambda tested: tested.severity_order)
    assert found == [healthy, mild, worse, critical]


def test_kuiper_distance_of_a_widening_is_twice_the_ks_distance():
    wide = np.linspace(-49.5, 148.5, 400)
    ks, kuiper, *_ = every_test(GRID, wide, wide)
    assert ks.value == pytest.approx(0.25, abs=0.01)
    assert kuiper.value == pytest.approx(0.5, abs=0.01)
