"""The allowance covers the natural variation of the reference, and no more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.budget import Length, Levels
from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.critical_values import kolmogorov_quantile, kuiper_quantile
from monitor.statistics.drift_rule import Verdict
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.natural_variation import (
    EDF_FACTORS,
    ENOUGH_BLOCKS,
    FEW_BLOCKS,
    PROPORTION_FACTORS,
    RANK_FACTORS,
    Blocks,
    NaturalVariation,
    learnable,
)
from monitor.statistics.scanner import Scanner
from monitor.statistics.variation_learning import learn_distributions

# -- against the definition, from raw values ---------------------------------------------------

QUANTILE = {"ks": kolmogorov_quantile, "kuiper": kuiper_quantile}
MEAN_SQUARE = {"ks": (np.pi**2 / 12, 0.53), "kuiper": (np.pi**2 / 6, 0.93)}
EMPTY = np.empty(0)


def persists(first, second, rest, statistic: str) -> float:
    """The deviation that both halves share, with one sign."""
    edges = np.concatenate([first, second, rest])
    a, b, c = (cdf(values, edges) for values in (first, second, rest))
    if first.size and second.size:
        d, e = a - c, b - c
        shared = np.where(d * e > 0, np.where(np.abs(d) < np.abs(e), d, e), 0.0)
    else:
        shared = cdf(np.concatenate([first, second]), edges) - c
    high, low = max(shared.max(), 0.0), min(shared.min(), 0.0)
    return high - low if statistic == "kuiper" else max(high, -low)


def cdf(values, edges):
    return (values[:, None] <= edges).mean(axis=0) if values.size else np.zeros(edges.size)


def block_figures(slots, panes: int, statistic: str):
    """Of each block with rows: how many, what persists, its noise, and the square to expect."""
    starts = range(0, len(slots) - panes + 1, max(1, panes // 2))
    found = []
    for s in starts:
        a = np.concatenate([EMPTY, *slots[s : s + panes // 2]])
        b = np.concatenate([EMPTY, *slots[s + panes // 2 : s + panes]])
        rest = np.concatenate([EMPTY, *slots[:s], *slots[s + panes :]])
        n, m = a.size + b.size, rest.size
        if n and m:
            one, two = MEAN_SQUARE[statistic]
            expected = (one if panes == 1 else two) / n + one / m
            found.append((n, persists(a, b, rest, statistic), n * m / (n + m), expected))
    noise = QUANTILE[statistic](1 / max(len(found), 1))
    return [(n, e, noise / np.sqrt(en), x) for n, e, en, x in found]


def by_definition(slots, panes: int, rows: float, statistic: str) -> tuple[float, float]:
    """Block excess and overdispersion of a window of ``panes`` with ``rows``."""
    excess_of_chain, square, enough = 0.0, 0.0, False
    for length in (2**k for k in range(10) if 2**k <= panes and 2**k * 2 <= len(slots)):
        blocks = block_figures(slots, length, statistic)
        if len(blocks) < 4:
            continue
        need = min(0.5 * rows * length / panes, max(n for n, *_ in blocks))
        ascending = sorted((block[0], block[1] - block[2]) for block in blocks)
        large = sorted(excess for n, excess in ascending if n >= need)[-5:]
        excess = sum(large) / len(large)
        excess_of_chain = max(excess_of_chain * (0.6 if length > 1 else 1), excess, 0.0)
        over = np.array([e**2 - expected for _, e, _, expected in blocks])
        square = max(
            square / (2 if length > 1 else 1), over.mean() - 2 * over.std() / over.size**0.5
        )
        enough = len(blocks) >= ENOUGH_BLOCKS
    return excess_of_chain, 0.0 if enough else np.sqrt(max(square, 0.0))


values = arrays(np.float64, st.integers(1, 5), elements=st.integers(-3, 3).map(float))
some = st.lists(values, min_size=8, max_size=10)
more = st.lists(st.one_of(values, st.just(EMPTY)), max_size=10)
panes = st.builds(lambda first, then: first + then, some, more)


def learned(
    slots, lengths=(1, 2, 4, 8), sample: Sample | None = None
) -> dict[str, NaturalVariation]:
    cut = Sample.of(np.concatenate(slots)) if sample is None else sample
    counts = [Counts.of(cut.locate(x)) for x in slots]
    return {
        name: of[0] for name, of in learn_distributions({"bins/x": cut}, counts, lengths).items()
    }


@given(slots=panes, length=st.sampled_from([1, 2, 4, 8]), rows=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_block_excess_and_overdispersion_equal_their_definition_on_raw_rows(slots, length, rows):
    found = learned(slots)
    for statistic in ("ks", "kuiper"):
        block_excess, overdispersion = by_definition(slots, length, rows, statistic)
        assert found[statistic].block_excess(length, rows) == pytest.approx(block_excess, abs=1e-12)
        assert found[statistic].overdispersion(length) == pytest.approx(overdispersion, abs=1e-9)


def blocks(panes: int, *excess: float, rows: int = 10, excess_square: float = 0.0) -> Blocks:
    order = np.full(len(excess), rows)
    return Blocks(panes, order, np.full(len(excess), max(excess)), excess_square)


def test_allowance_is_zero_without_reference_panes():
    assert NaturalVariation().allowance(4, 100) == 0.0
    assert learned([np.ones(3)])["ks"].allowance(1, 3) == 0.0


def test_fewer_than_four_blocks_are_ignored():
    assert NaturalVariation.of([blocks(1, 0.1, 0.2, 0.3)], EDF_FACTORS).lengths == ()
    assert (
        NaturalVariation.of([blocks(1, 0.1, 0.2, 0.3, 0.4)], EDF_FACTORS).block_excess(1, 10) == 0.4
    )


def test_block_excess_decays_to_three_fifths_when_the_length_doubles():
    found = NaturalVariation((blocks(1, 0.5), blocks(2, 0.1), blocks(4, 0.2)))
    assert [found.block_excess(k, 10) for k in (1, 2, 4)] == pytest.approx([0.5, 0.3, 0.2])


def test_longer_windows_use_the_longest_learned_length():
    found = NaturalVariation(
        (blocks(1, 0.5, excess_square=0.04), blocks(2, 0.4, excess_square=0.01))
    )
    assert found.block_excess(64, 640) == found.block_excess(2, 20) == 0.4
    assert found.overdispersion(64) == found.overdispersion(2) == pytest.approx(np.sqrt(0.02))


def test_learnable_lengths_reach_half_the_reference():
    assert learnable([1, 2, 4, 8, 16, 24], 20) == [1, 2, 4, 8]


def test_a_length_that_is_no_power_of_two_is_used_for_itself_only():
    found = NaturalVariation((blocks(1, 0.1), blocks(2, 0.1), blocks(3, 0.9), blocks(4, 0.1)))
    assert found.block_excess(3, 10) == 0.9
    assert found.block_excess(4, 10) == 0.1


def test_blocks_with_few_rows_do_not_count_for_windows_with_many():
    rows, persistent = np.array([10, 10, 100, 120]), np.array([0.9, 0.8, 0.2, 0.1])
    nothing = np.zeros(4)
    found = NaturalVariation.of(
        [Blocks.of(1, rows, persistent, nothing, nothing, PROPORTION_FACTORS)], PROPORTION_FACTORS
    )
    assert [found.block_excess(1, n) for n in (10, 20, 21, 200, 220, 10_000)] == [
        *[0.9, 0.9],
        *[0.2, 0.2],
        *[0.1, 0.1],
    ]


def test_overdispersion_is_used_only_with_fewer_than_200_blocks():
    few, many = np.full(ENOUGH_BLOCKS - 1, 0.1), np.full(ENOUGH_BLOCKS, 0.1)
    few, many = (NaturalVariation((blocks(1, *e, excess_square=0.09),)) for e in (few, many))
    assert (few.overdispersion(1), many.overdispersion(1)) == (pytest.approx(0.3), 0.0)
    assert few.allowance(1, 10) == pytest.approx(EDF_FACTORS.overdispersion * 0.3)
    assert many.allowance(1, 10) == pytest.approx(EDF_FACTORS.excess * 0.1)


@pytest.mark.parametrize("factors", [EDF_FACTORS, RANK_FACTORS, PROPORTION_FACTORS])
def test_few_blocks_have_a_larger_factor(factors):
    few, many = (
        NaturalVariation((blocks(1, *np.full(n, 0.1)),), factors)
        for n in (FEW_BLOCKS - 1, FEW_BLOCKS)
    )
    assert few.allowance(1, 10) == pytest.approx(factors.excess_of_few * 0.1)
    assert many.allowance(1, 10) == pytest.approx(factors.excess * 0.1)
    assert factors.excess_of_few >= factors.excess


def test_block_excess_averages_the_five_largest_except_for_proportions():
    rows, excess, nothing = (
        np.full(8, 10),
        np.array([0, 0.5, 0, 0.4, 0.3, 0, 0.2, 0.1]),
        np.zeros(8),
    )
    for factors, expected in ((EDF_FACTORS, 0.3), (RANK_FACTORS, 0.3), (PROPORTION_FACTORS, 0.5)):
        found = NaturalVariation.of(
            [Blocks.of(1, rows, excess, nothing, nothing, factors)], factors
        )
        assert found.block_excess(1, 10) == pytest.approx(expected)


# -- what it is for ----------------------------------------------------------------------------

DAYS, PER_DAY, ROWS = 40, 4, 100  # of four panes with a hundred rows each


def days(shift: float, seed: int) -> list[np.ndarray]:
    """Normal rows; every third and fourth day their mean lies ``shift`` higher."""
    rng = np.random.default_rng(seed)
    level = [shift * (i // PER_DAY % 4 // 2) for i in range(DAYS * PER_DAY)]
    return [rng.normal(mean, size=ROWS) for mean in level]


def day_after(shift: float, reference: list[np.ndarray], seed: int) -> Verdict:
    """The verdict of a day whose mean is ``shift`` higher than usual, after such a reference."""
    sample = Sample.of(np.concatenate(reference))
    length, level = Length(PER_DAY, PER_DAY), Levels(warning=1e-4, critical=1e-5)
    found = learned(reference, (1, 2, 4), sample)
    scanner = Scanner(
        CellIndex.of({"bins/x": sample.bins}),
        EcdfTable.of({"bins/x": sample}),
        {length: [level]},
        {name: [of] for name, of in found.items()},
        Drift(),
    )
    rng = np.random.default_rng(seed)
    half = PER_DAY * ROWS // 2
    halves = [Counts.of(sample.locate(rng.normal(shift, size=half))) for _ in "ab"]
    return scanner.judge(halves, length)["bins/x"][0].verdict


@pytest.mark.parametrize("seed", range(3))
def test_another_day_like_those_of_the_reference_is_ok(seed):
    assert day_after(0.8, days(0.8, seed), seed + 100) is Verdict.OK


@pytest.mark.parametrize("seed", range(3))
def test_the_same_day_is_drift_after_independent_rows(seed):
    assert day_after(0.8, days(0.0, seed), seed + 100) is Verdict.DRIFT


@pytest.mark.parametrize("seed", range(3))
def test_a_day_far_beyond_those_of_the_reference_is_drift(seed):
    assert day_after(4.0, days(0.8, seed), seed + 100) is Verdict.DRIFT


def test_allowance_of_independent_rows_is_small():
    found = [learned(days(0.0, seed))["ks"].allowance(PER_DAY, PER_DAY * ROWS) for seed in range(4)]
    assert max(found) < 0.08  # the distance that sampling noise of a day reaches is 0.1


def test_overdispersion_of_autocorrelated_rows_reflects_their_effective_number():
    """AR(1) with a coefficient of 0.9 is worth a nineteenth of its rows."""
    rng = np.random.default_rng(1)
    rows = np.zeros(40 * 500)
    for i, noise in enumerate(rng.normal(size=rows.size) * np.sqrt(1 - 0.81), start=1):
        rows[i % rows.size] = 0.9 * rows[i - 1] + noise
    found = learned(list(rows.reshape(40, 500)), sample=Sample.of(rows[::10]))["ks"]
    excess_square = (
        18 * np.pi**2 / 12 / 500
    )  # of the mean square; two standard errors are taken off
    assert 0.1 * excess_square < found.overdispersion(1) ** 2 < excess_square
