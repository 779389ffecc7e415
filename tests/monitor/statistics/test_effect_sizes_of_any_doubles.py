"""Effect sizes over the whole range of doubles, against exact fractions and 60 digits."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.statistics import effect_sizes
from monitor.statistics.effect_sizes import (
    Effects,
    jensen_shannon,
    numeric_effects,
    stability,
    wasserstein,
)
from tests.monitor.doubles import LARGEST, SENTINELS, SMALLEST, any_double, finite

columns = arrays(np.float64, st.integers(1, 20), elements=finite)
# Values that lie close together compared with their size, far from 0 or next to it.
narrow = st.builds(
    lambda centre, steps, unit: np.clip(centre + np.array(steps) * unit, -LARGEST, LARGEST),
    st.sampled_from([0.0, 1.0, 1e9, 1e150, 1e300, -1e-300]),
    st.lists(st.integers(-50, 50), min_size=1, max_size=20),
    st.sampled_from([SMALLEST, 1e-310, 1e-200, 1e-16, 1e-3, 1e8, 1e140, 1e291]),
)
either = columns | narrow


def live_counts(sample: Sample, live):
    return Counts.of(sample.locate(np.asarray(live, float))).dense(sample.bins)


def exact_bounds(fixed, live, low, high):
    """Lower and upper bound by the definition of the module, and the deviation of the sample."""
    m, n = len(fixed), len(live)
    lower = upper = Fraction(0)
    edges = [low, *sorted(set(fixed)), high]
    for i, (a, b) in enumerate(pairwise(edges)):
        height = Fraction(sum(v <= a for v in fixed), m) if i else Fraction(0)
        start = Fraction(sum(v <= a for v in live), n) if i else Fraction(0)
        end = Fraction(sum(v < b for v in live), n) if i < len(edges) - 2 else Fraction(1)
        width = Fraction(b) - Fraction(a)
        lower += width * max(0, start - height, height - end)
        upper += width * max(abs(start - height), abs(end - height))
    mean = sum(map(Fraction, fixed)) / m
    square = sum((Fraction(v) - mean) ** 2 for v in fixed) / m
    deviation = (Decimal(square.numerator) / Decimal(square.denominator)).sqrt()
    return (
        Decimal(lower.numerator) / Decimal(lower.denominator) / deviation,
        Decimal(upper.numerator) / Decimal(upper.denominator) / deviation,
        deviation,
    )


def assert_wasserstein_is_exact(fixed, live):
    fixed, live = (np.asarray(values, float) + 0.0 for values in (fixed, live))
    low, high = float(min(*fixed, *live, 0.0)), float(max(*fixed, *live, 1.0))
    sample = Sample.of(fixed)
    found = wasserstein(sample, live_counts(sample, live), low, high)
    if len(set(fixed)) == 1:
        assert found is None
        return
    with localcontext(prec=60):
        lower, upper, deviation = exact_bounds(fixed.tolist(), live.tolist(), low, high)
        if upper > Decimal(LARGEST):
            assert found is None or found.upper > LARGEST * 0.999
            return
        conditioning = float(Decimal(float(np.abs(fixed).max())) / deviation)
    cancels = conditioning if conditioning <= 1e10 else 0.0  # beyond, there is no cancellation
    rounding = {"rel": 1e-9 + 1e-15 * cancels, "abs": 1e-14 * cancels}
    assert found.lower == pytest.approx(float(lower), **rounding)
    assert found.upper == pytest.approx(float(upper), **rounding)


@given(fixed=either, live=either)
@example(fixed=[1.0, 2.0, 3.0], live=[LARGEST, 2.0, -LARGEST])
@example(fixed=[LARGEST, -LARGEST, 0.0], live=[1.0])
@example(fixed=[SMALLEST, 0.0], live=[SMALLEST, 1e-310])
@example(fixed=[SMALLEST, 0.0], live=[LARGEST])
@example(fixed=[1.0, np.nextafter(1.0, 2.0)], live=[1.0, 3.0])
@example(fixed=[1e16, 1e16 + 2], live=[1e16])
@example(fixed=[1e150, 1e150 + 2e140], live=[0.0])
@example(fixed=[-1e200, -1e199, 1e-200], live=[1.0])
def test_wasserstein_bounds_are_exact_for_any_doubles(fixed, live):
    assert_wasserstein_is_exact(fixed, live)


@pytest.mark.parametrize("in_sample", [True, False], ids=["in the sample", "beyond the sample"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("value", SENTINELS.values(), ids=SENTINELS)
def test_wasserstein_is_right_with_one_sentinel_in_the_reference(value, sign, in_sample):
    rng = np.random.default_rng(3)
    fixed, live = rng.lognormal(3, 0.5, 300), rng.lognormal(3.1, 0.5, 60)
    sentinel = np.array([sign * value])
    if in_sample:
        assert_wasserstein_is_exact(np.append(fixed, sentinel), live)
    else:
        assert_wasserstein_is_exact(fixed, np.append(live, sentinel))


def test_a_sentinel_outside_the_sample_leaves_the_distance_of_the_other_rows_as_it_was():
    rng = np.random.default_rng(4)
    sample = Sample.of(rng.normal(size=500))
    first, last = float(sample.values[0]), float(sample.values[-1])
    inside = np.clip(rng.normal(0.3, 1, 200), first, last)
    counts = live_counts(sample, inside)
    plain = wasserstein(sample, counts, first, last)
    for value in SENTINELS.values():
        wide = wasserstein(sample, counts, first, value)
        assert wide.lower == pytest.approx(plain.lower, rel=1e-12)
        assert wide.upper == pytest.approx(plain.upper, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-100, 1e-3, 1.0, 1e9, 1e100])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_wasserstein_of_usual_values_uses_plain_arithmetic(monkeypatch, scale, offset):
    """Its results have been published: another formula would change their last digits."""
    monkeypatch.setattr(effect_sizes, "_wide_areas", pytest.fail)
    rng = np.random.default_rng(6)
    sample = Sample.of((rng.normal(size=200) + offset) * scale)
    live = live_counts(sample, (rng.normal(0.2, size=50) + offset) * scale)
    low, high = (offset - 10) * scale, (offset + 10) * scale
    assert wasserstein(sample, live, low, high).upper > 0


def test_wasserstein_is_none_if_a_double_cannot_hold_it():
    sample = Sample.of([0.0, 0.1])
    assert wasserstein(sample, live_counts(sample, [1.0]), 0.0, LARGEST) is None


def figures(effects: Effects) -> list[float]:
    distance = effects.wasserstein
    beside = [] if distance is None else [distance.lower, distance.upper, distance.beyond]
    return [effects.psi, effects.psi_noise, effects.jensen_shannon, *beside]


@given(
    fixed=arrays(np.float64, st.integers(1, 30), elements=any_double).filter(
        lambda values: np.isfinite(values).any()
    ),
    live=arrays(np.float64, st.integers(0, 30), elements=any_double),
    beyond=finite,
)
def test_all_effect_sizes_are_finite_for_any_doubles(fixed, live, beyond):
    sample = Sample.of(fixed)
    inner = np.append(fixed[np.isfinite(fixed)], beyond)
    effects = numeric_effects(sample, live_counts(sample, live), inner.min(), inner.max())
    assert (effects is None) == (live.size == 0)
    if effects is not None:
        assert np.isfinite(figures(effects)).all()
        assert min(figures(effects)) >= 0


# -- of cells ----------------------------------------------------------------------------------

counts = arrays(np.int64, 6, elements=st.integers(0, 9) | st.integers(0, 2**40)).filter(np.any)


def exact_proportions(live, fixed):
    pairs = [(int(a), int(b)) for a, b in zip(live, fixed, strict=True) if a or b]
    n, m = int(live.sum()), int(fixed.sum())
    return [(Decimal(a) / n, Decimal(b) / m) for a, b in pairs]


@given(live=counts, fixed=counts)
def test_stability_index_equals_that_of_60_digits(live, fixed):
    with localcontext(prec=60):
        least = Decimal("1e-4")
        exact = sum(
            (max(p, least) - max(q, least)) * (max(p, least) / max(q, least)).ln()
            for p, q in exact_proportions(live, fixed)
        )
    assert stability(live, fixed) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


@given(live=counts, fixed=counts)
def test_jensen_shannon_distance_equals_that_of_60_digits(live, fixed):
    with localcontext(prec=60):
        nats = sum(
            side * (2 * side / (p + q)).ln()
            for p, q in exact_proportions(live, fixed)
            for side in (p, q)
            if side
        )
        exact = math.sqrt(max(0.0, float(nats / Decimal(2).ln() / 2)))
    # The root of a rounding error of 1e-16 is 1e-8.
    assert jensen_shannon(live, fixed) == pytest.approx(exact, rel=1e-9, abs=5e-8)
