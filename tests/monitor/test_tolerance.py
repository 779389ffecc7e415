"""What a reference strays from itself is tolerated, and no more than that."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import kolmogi

from monitor.bins import Sample
from monitor.budget import Levels
from monitor.counts import Counts
from monitor.drift import Verdict, judge
from monitor.plan import Drift
from monitor.rows import Numeric
from monitor.tolerance import persistent, tolerance

PANE = 10

# -- against the definition --------------------------------------------------------------------


def persists(first, second, rest) -> float:
    """From raw values: the widest deviation that both halves share, with one sign."""
    edges = np.concatenate([first, second, rest])
    a, b, c = (cdf(values, edges) for values in (first, second, rest))
    if not first.size or not second.size:
        return float(np.abs(cdf(np.concatenate([first, second]), edges) - c).max())
    d, e = a - c, b - c
    return float(np.where(d * e > 0, np.minimum(np.abs(d), np.abs(e)), 0.0).max())


def cdf(values, edges):
    return (values[:, None] <= edges).mean(axis=0) if values.size else np.zeros(edges.size)


def by_definition(panes: dict[int, np.ndarray], length: int) -> float:
    """Section 6.1 of the design, from the raw rows of each pane."""
    first, last = min(panes) // PANE, max(panes) // PANE
    empty = np.empty(0)
    slots = [panes.get(i * PANE, empty) for i in range(first, last + 1)]
    tolerated, scales = 0.0, [2**i for i in range(10) if 2**i < length] + [length]
    for scale in scales:
        starts = range(0, len(slots) - scale + 1, max(1, scale // 2))
        blocks = [s for s in starts if sum(x.size for x in slots[s : s + scale])]
        excesses = []
        for s in blocks:
            a = np.concatenate([empty, *slots[s : s + scale // 2]])
            b = np.concatenate([empty, *slots[s + scale // 2 : s + scale]])
            rest = np.concatenate([empty, *slots[:s], *slots[s + scale :]])
            n, m = a.size + b.size, rest.size
            if m:
                noise = kolmogi(1 / len(blocks)) / np.sqrt(n * m / (n + m))
                excesses.append(persists(a, b, rest) - noise)
        if len(excesses) >= 4:
            tolerated = max(0.6 * tolerated, *excesses, 0.0)
    return tolerated


values = arrays(np.float64, st.integers(1, 5), elements=st.integers(-3, 3).map(float))
panes = st.dictionaries(st.integers(-4, 12).map(lambda i: i * PANE), values, min_size=1)


def learned(rows: dict[int, np.ndarray], length: int, sample: Sample | None = None) -> float:
    cut = Sample.of(np.concatenate(list(rows.values()))) if sample is None else sample
    counts = {start: Counts.of(cut.locate(x)) for start, x in rows.items()}
    return tolerance(counts, cut.bins, PANE, length)


@given(rows=panes, length=st.integers(1, 9))
@settings(max_examples=60)
def test_it_is_the_chain_of_the_definition_computed_from_counts(rows, length):
    assert learned(rows, length) == pytest.approx(by_definition(rows, length), abs=1e-12)


@given(first=values, second=values, rest=values)
@settings(max_examples=40)
def test_what_persists_is_what_both_halves_share(first, second, rest):
    sample = Sample.of(np.concatenate([first, second, rest]))
    dense = [Counts.of(sample.locate(x)).dense(sample.bins) for x in (first, second, rest)]
    assert persistent(*dense) == pytest.approx(persists(first, second, rest), abs=1e-12)


@given(only=values, rest=values)
@settings(max_examples=30)
def test_a_half_without_rows_says_nothing_and_the_other_stands_for_both(only, rest):
    sample = Sample.of(np.concatenate([only, rest]))
    live, fixed = (Counts.of(sample.locate(x)).dense(sample.bins) for x in (only, rest))
    none = np.zeros_like(live)
    assert persistent(none, live, fixed) == persistent(live, none, fixed)
    assert persistent(live, none, fixed) == pytest.approx(persists(only, np.empty(0), rest))


def test_a_reference_without_panes_tolerates_nothing():
    assert tolerance({}, 3, PANE, 4) == 0.0


def test_fewer_than_four_blocks_have_nothing_to_say():
    three = {i * PANE: np.full(200, float(i)) for i in range(3)}
    four = {i * PANE: np.full(200, float(i)) for i in range(4)}
    assert learned(three, 1) == 0.0
    assert learned(four, 1) > 0.5


def test_a_scale_with_too_few_blocks_keeps_the_tolerance_of_the_scale_below():
    rows = {i * PANE: np.full(200, float(i % 2)) for i in range(4)}
    assert learned(rows, 4) == learned(rows, 2)


def test_a_row_that_lies_decades_away_costs_no_memory():
    rows = {i * PANE: np.full(5, float(i % 2)) for i in range(8)}
    rows[PANE * 10**6] = np.ones(1)
    assert learned(rows, 1) >= 0.0


# -- what it is for ----------------------------------------------------------------------------

DAYS, PER_DAY, ROWS = 40, 4, 100  # of four panes with a hundred rows each


def days(shift: float, seed: int) -> dict[int, np.ndarray]:
    """Normal rows; every third and fourth day their mean lies ``shift`` higher."""
    rng = np.random.default_rng(seed)
    level = [shift * (i // PER_DAY % 4 // 2) for i in range(DAYS * PER_DAY)]
    return {i * PANE: rng.normal(mean, size=ROWS) for i, mean in enumerate(level)}


def day_after(shift: float, reference: dict[int, np.ndarray], seed: int) -> Verdict:
    """What is said of a day whose mean lies ``shift`` higher, after such a reference."""
    everything = np.concatenate(list(reference.values()))
    numeric = Numeric(Sample.of(everything), everything.min(), everything.max())
    rng = np.random.default_rng(seed)
    half = PER_DAY * ROWS // 2
    halves = [Counts.of(numeric.sample.locate(rng.normal(shift, size=half))) for _ in "ab"]
    tolerated = learned(reference, PER_DAY, numeric.sample)
    level = Levels(warning=1e-4, critical=1e-5)
    return judge(numeric, halves, tolerance=tolerated, level=level, drift=Drift()).verdict


@pytest.mark.parametrize("seed", range(3))
def test_a_reference_whose_days_stray_tolerates_another_such_day(seed):
    assert day_after(0.8, days(0.8, seed), seed + 100) is Verdict.OK


@pytest.mark.parametrize("seed", range(3))
def test_a_reference_of_independent_rows_does_not(seed):
    assert day_after(0.8, days(0.0, seed), seed + 100) is Verdict.DRIFT


@pytest.mark.parametrize("seed", range(3))
def test_nor_does_a_straying_one_tolerate_a_day_far_beyond_its_straying(seed):
    assert day_after(4.0, days(0.8, seed), seed + 100) is Verdict.DRIFT


def test_independent_rows_are_hardly_tolerated_at_all():
    found = [learned(days(0.0, seed), PER_DAY) for seed in range(4)]
    assert max(found) < 0.06  # the distance that sampling noise of a day reaches is 0.1
