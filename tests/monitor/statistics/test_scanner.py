"""Scans of many features equal those of single features, and keep the level of false alarms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import kolmogi
from scipy.stats import kstest, norm

from monitor import budget
from monitor.budget import Length, Levels
from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.critical_values import kuiper_quantile
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, DistributionTest
from monitor.statistics.drift_rule import Severity, is_clear
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.natural_variation import EDF_FACTORS, Blocks, NaturalVariation
from monitor.statistics.scanner import Scanner
from monitor.statistics.variation_learning import learn_distributions

PANE, WINDOW = Length(1, 1), Length(4, 2)
LOOSE = Levels(warning=0.5, critical=0.2)  # so that small windows can cross it
STRICT = Levels(warning=0.1, critical=0.01)
QUANTILES = {"ks": kolmogi, "kuiper": kuiper_quantile}
FACTORS = {"ks": 1, "kuiper": 2, "wilcoxon": 1.5, "mood": 0.5}  # of the excess that is drawn


def variation_of(excess: float) -> NaturalVariation:
    """Four blocks with the same excess."""
    return NaturalVariation((Blocks(1, np.full(4, 10), np.full(4, excess), 0.0),))


def scanner(
    samples: dict[str, Sample],
    *,
    levels: list[Levels] | None = None,
    variations: dict[str, list[NaturalVariation]] | None = None,
    drift: Drift | None = None,
) -> Scanner:
    each = levels or [LOOSE] * len(samples)
    return Scanner(
        CellIndex.of({name: sample.bins for name, sample in samples.items()}),
        EcdfTable.of(samples),
        {PANE: each, WINDOW: each},
        variations or {name: [NaturalVariation()] * len(samples) for name in DISTRIBUTION_TESTS},
        drift or Drift(critical_effect=0.0),
    )


def parts(
    under_test: Scanner, samples: dict[str, Sample], *halves: dict[str, np.ndarray]
) -> list[Counts]:
    return [
        under_test.cell_index.gather(
            {name: Counts.of(samples[name].locate(x)) for name, x in half.items()}
        )
        for half in halves
    ]


values = arrays(np.float64, st.integers(0, 25), elements=st.integers(-4, 4).map(float))
references = arrays(np.float64, st.integers(1, 30), elements=st.integers(-2, 2).map(float))
features = st.lists(
    st.tuples(references, values, values, st.sampled_from([LOOSE, STRICT]), st.floats(0, 0.2)),
    min_size=1,
    max_size=4,
)
effects = st.sampled_from([Drift(0.05, 0.0, 0.0), Drift(0.05, 0.1, 0.3), Drift(0.05, 0.0, 0.9)])


class World:
    def __init__(self, found, drift: Drift, *, split: bool = True) -> None:
        names = [str(i) for i in range(len(found))]
        self.samples = {
            name: Sample.of(feature[0]) for name, feature in zip(names, found, strict=True)
        }
        self.scanner = scanner(
            self.samples,
            levels=[feature[3] for feature in found],
            variations={
                name: [variation_of(feature[4] * factor) for feature in found]
                for name, factor in FACTORS.items()
            },
            drift=drift,
        )
        halves = ({n: feature[k] for n, feature in zip(names, found, strict=True)} for k in (1, 2))
        self.parts = parts(self.scanner, self.samples, *halves)
        if not split:
            self.parts = [Counts.total(self.parts)]
        self.length = WINDOW if split else PANE

    def scan(self):
        return self.scanner.scan(self.parts, self.length)

    def judge(self):
        return self.scanner.judge(self.parts, self.length)


# -- scanning and judging ----------------------------------------------------------------------


@given(found=features, drift=effects, split=st.booleans())
@settings(max_examples=100, deadline=None)
def test_scan_returns_the_most_severe_comparison_of_judge(found, drift, split):
    world = World(found, drift, split=split)
    most_severe = {
        name: max(tests, key=lambda tested: tested.severity_order)
        for name, tests in world.judge().items()
    }
    expected = {name: one if one.severity else None for name, one in most_severe.items()}
    assert world.scan() == expected


@given(found=features, drift=effects, split=st.booleans(), asked=st.integers(0, 15))
@settings(max_examples=100, deadline=None)
def test_clear_says_of_the_names_asked_for_what_follows_from_judge(found, drift, split, asked):
    world = World(found, drift, split=split)
    judged = world.judge()
    names = {name for i, name in enumerate(judged) if asked >> i & 1}
    expected = {name: is_clear(judged[name]) for name in names}
    assert dict(world.scanner.clear(world.parts, world.length, names)) == expected


@given(found=features, drift=effects, split=st.booleans())
@settings(max_examples=40, deadline=None)
def test_comparisons_of_a_feature_do_not_depend_on_other_features(found, drift, split):
    together = World(found, drift, split=split).judge()
    for i, one in enumerate(found):
        alone = World([one], drift, split=split).judge()
        assert ("0" in alone) == (str(i) in together)
        for mine, beside in zip(alone.get("0", ()), together.get(str(i), ()), strict=True):
            assert (mine.test, mine.rows) == (beside.test, beside.rows)
            assert mine.severity is beside.severity
            assert mine.value == pytest.approx(beside.value, abs=1e-12)
            assert mine.detectable == pytest.approx(beside.detectable, abs=1e-12)


@given(found=features, drift=effects)
@settings(max_examples=60, deadline=None)
def test_a_comparison_carries_its_limits(found, drift):
    world = World(found, drift)
    for name, tests in world.judge().items():
        fixed, first, second, levels, excess = found[int(name)]
        n, m = first.size + second.size, fixed.size
        ranked = ["wilcoxon"] if np.ptp(scores(fixed, fixed)["wilcoxon"]) > 1e-9 else []
        assert [tested.test for tested in tests] == ["ks", "kuiper", *ranked]
        effect = tests[0].persistent
        for tested in tests:
            assert tested.rows == n
            variation_factors = EDF_FACTORS.excess_of_few * FACTORS[tested.test] * excess
            if tested.test in QUANTILES:
                noise = QUANTILES[tested.test](levels.warning) / np.sqrt(n * m / (n + m))
                assert tested.threshold == pytest.approx(noise)
                variation_factors = max(variation_factors, drift.min_effect)
            assert tested.allowance == pytest.approx(variation_factors)
            assert (tested.p_value is None) == (tested.test != "ks")
            if tested.severity is not None:
                assert tested.value > tested.threshold
                assert tested.persistent > tested.allowance + tested.threshold / 2
                assert tested.test == "kuiper" or effect >= drift.min_effect
            if tested.severity is Severity.CRITICAL and tested.test != "kuiper":
                assert effect >= drift.critical_effect


@given(found=features, drift=effects)
@settings(max_examples=30, deadline=None)
def test_features_without_rows_are_left_out(found, drift):
    world = World(found, drift)
    held = {str(i) for i, feature in enumerate(found) if feature[1].size + feature[2].size}
    assert set(world.scan()) == set(world.judge()) == held


GRID = {"x": Sample.of(np.arange(100.0)), "y": Sample.of(np.arange(100.0))}
LEVEL = [Levels(0.01, 0.001)] * 2


def test_scan_reports_only_the_feature_that_drifted():
    under_test = scanner(GRID, levels=LEVEL)
    half = {"x": np.arange(100.0) + 40, "y": np.arange(100.0)}
    found = under_test.scan(parts(under_test, GRID, half, half), WINDOW)
    assert found["y"] is None
    assert found["x"] is not None
    assert (found["x"].severity, found["x"].detail) == (Severity.CRITICAL, "higher")
    assert found["x"].value == pytest.approx(1 - 0.6**2)  # Cliff's delta


def test_kuiper_and_mood_detect_a_widening_that_ks_misses():
    under_test = scanner(GRID, levels=LEVEL)
    wide = {"x": np.concatenate([np.arange(0, 35), np.arange(65, 100), [-1] * 15, [101] * 15])}
    found = under_test.judge(parts(under_test, GRID, wide, wide), WINDOW)["x"]
    severities = {tested.test: tested.severity for tested in found}
    assert severities["ks"] is severities["wilcoxon"] is None
    assert severities["kuiper"] is severities["mood"] is Severity.CRITICAL
    most_severe = max(found, key=lambda tested: tested.severity_order)
    assert under_test.scan(parts(under_test, GRID, wide, wide), WINDOW)["x"] == most_severe


@pytest.mark.parametrize("by", [40, 200, 1_000])
def test_a_large_shift_is_reported_as_higher_not_as_wider(by):
    under_test = scanner(GRID, levels=LEVEL)
    half = {"x": np.arange(100.0) + by}
    found = under_test.scan(parts(under_test, GRID, half, half), WINDOW)["x"]
    assert found.test != "mood"
    assert found.detail in ("higher", None)


def test_features_without_ranks_do_not_force_exact_comparisons(monkeypatch):
    samples = {**GRID, "constant": Sample.of(np.full(100, 7.0)), "coin": Sample.of([0.0, 1.0] * 50)}
    under_test = scanner(samples, levels=[Levels(0.001, 0.0001)] * 4)
    half = {"x": GRID["x"].values, "constant": np.full(9, 7.0), "coin": np.array([0.0, 1.0])}
    compared = []
    monkeypatch.setattr("monitor.statistics.scanner.compare", lambda *_: compared.append(1))
    assert not any(under_test.scan(parts(under_test, samples, half, half), WINDOW).values())
    assert not compared


@pytest.mark.parametrize("rows", [300, 1_000])
def test_min_effect_applies_to_rank_tests_too(rows):
    """A shift whose true KS distance is 0.088 is no effect of 0.1, however certain."""
    rng = np.random.default_rng(3)
    samples = {"x": Sample.of(rng.normal(size=10_000))}
    under_test = scanner(samples, levels=[Levels(1e-3, 1e-4)], drift=Drift(min_effect=0.1))
    for _ in range(20):
        halves = [{"x": rng.normal(0.22, 1, rows // 2)} for _ in "ab"]
        assert under_test.scan(parts(under_test, samples, *halves), WINDOW)["x"] is None


def test_a_change_in_one_half_of_a_window_only_is_not_drift():
    under_test = scanner(GRID, levels=LEVEL)
    moved, as_ever = {"x": np.arange(100.0) + 90}, {"x": np.arange(100.0)}
    assert under_test.scan(parts(under_test, GRID, moved, as_ever), WINDOW) == {"x": None}


def test_each_window_length_has_its_own_levels():
    strict = scanner(GRID, levels=LEVEL)
    two = {PANE: [Levels(1e-12, 1e-13)] * 2, WINDOW: LEVEL}
    under_test = Scanner(strict.cell_index, strict.ecdf_table, two, strict.variations, strict.drift)
    half = {"x": np.arange(100.0) + 25}
    held = parts(under_test, GRID, half, half)
    assert under_test.scan(held, WINDOW)["x"] is not None
    assert under_test.scan([Counts.total(held)], PANE)["x"] is None


# -- independent rows --------------------------------------------------------------------------


def test_ks_p_values_of_independent_rows_are_uniform():
    rng = np.random.default_rng(11)
    found = []
    for _ in range(30):
        samples = {str(i): Sample.of(rng.normal(size=400)) for i in range(10)}
        under_test = scanner(samples)
        half = [{name: rng.normal(size=100) for name in samples} for _ in "ab"]
        judged = under_test.judge(parts(under_test, samples, *half), WINDOW)
        found += [tests[0].p_value for tests in judged.values()]
    assert kstest(found, "uniform").pvalue > 0.01


def test_scans_of_independent_rows_keep_the_level():
    rng, alarms, trials = np.random.default_rng(12), 0, 0
    for _ in range(30):
        samples = {str(i): Sample.of(rng.normal(size=400)) for i in range(20)}
        under_test = scanner(samples, levels=[Levels(0.1, 0.01)] * 20)
        half = {name: rng.normal(size=100) for name in samples}
        found = under_test.scan(parts(under_test, samples, half), PANE)
        alarms += sum(tested is not None for tested in found.values())
        trials += len(DISTRIBUTION_TESTS) * len(found)
    assert 0 < alarms <= 0.1 * trials


# -- learning ----------------------------------------------------------------------------------

panes = st.lists(
    arrays(np.float64, st.integers(0, 5), elements=st.integers(-3, 3).map(float)),
    min_size=1,
    max_size=14,
)


def cdf(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    return (rows[:, None] <= at).mean(axis=0) if rows.size else np.zeros(at.size)


def scores(rows: np.ndarray, among: np.ndarray) -> dict[str, np.ndarray]:
    """Of each row, by its place among the rows of all blocks."""
    below, up_to = (rows[:, None] > among).mean(axis=1), (rows[:, None] >= among).mean(axis=1)
    u = (below + up_to) / 2
    return {"wilcoxon": 2 * u - 1, "mood": 1 - 6 * u * (1 - u)}


def mean_scores(first, second, rest) -> dict[str, float]:
    """What both halves share of how far the mean score lies from that of the rest."""
    among, found = np.concatenate([first, second, rest]), {}
    for name, of_rest in scores(rest, among).items():
        a, b = (
            scores(half, among)[name].mean() - of_rest.mean() if half.size else None
            for half in (first, second)
        )
        a, b = (b if a is None else a), (a if b is None else b)
        found[name] = (
            min(abs(a), abs(b)) if a * b > 0 and np.ptp(scores(among, among)[name]) > 1e-9 else 0.0
        )
    return found


def persists(first, second, rest) -> dict[str, float]:
    """From raw rows: what both halves of a block share of its deviation from the rest."""
    at = np.concatenate([first, second, rest])
    a, b = (cdf(rows, at) - cdf(rest, at) for rows in (first, second))
    a, b = (a if first.size else b), (b if second.size else a)
    above, under = max(np.minimum(a, b).max(), 0.0), max(-np.maximum(a, b).min(), 0.0)
    return {"ks": max(above, under), "kuiper": above + under, **mean_scores(first, second, rest)}


MEAN_SQUARE = {"ks": (np.pi**2 / 12, 0.53), "kuiper": (np.pi**2 / 6, 0.93)}


def by_chance(statistic: str, alpha: float, every, n, m) -> tuple[np.ndarray, float, float]:
    """What exceeds it with that probability, and the mean squares of a whole and of halves."""
    if statistic in QUANTILES:
        return QUANTILES[statistic](alpha) / np.sqrt(n * m / (n + m)), *MEAN_SQUARE[statistic]
    score = scores(every, every)[statistic]
    unit, z = score.std(), norm.isf(alpha / 2)
    third = np.mean((score - score.mean()) ** 3) / unit**3 if unit > 1e-9 else 0.0
    skewness = np.abs(third * (n**-2.0 - m**-2.0)) / (1 / n + 1 / m) ** 1.5
    noise = unit * (z + skewness * max(z**2 - 1, 0) / 6) * np.sqrt(1 / n + 1 / m)
    return noise, unit**2, (1 - 2 / np.pi) * unit**2


def blocks_by_definition(slots: list[np.ndarray], length: int, statistic: str) -> Blocks | None:
    empty, found = np.empty(0), []
    for s in range(0, len(slots) - length + 1, max(1, length // 2)):
        middle, end = s + length // 2, s + length
        a, b = (np.concatenate([empty, *slots[x:y]]) for x, y in ((s, middle), (middle, end)))
        rest = np.concatenate([empty, *slots[:s], *slots[end:]])
        if a.size + b.size and rest.size:
            found.append((a.size + b.size, rest.size, persists(a, b, rest)[statistic]))
    if len(found) < 4:
        return None
    n, m, persistent = np.array(found).T
    every = np.concatenate(slots)
    noise, whole, shared = by_chance(statistic, 1 / len(found), every, n, m)
    expected = (whole if length == 1 else shared) / n + whole / m
    return Blocks.of(
        length,
        n.astype(np.int64),
        persistent,
        noise,
        expected,
        DISTRIBUTION_TESTS[statistic].variation_factors,
    )


@given(first=panes, second=st.booleans())
@settings(max_examples=60, deadline=None)
def test_learned_blocks_equal_their_definition_on_raw_rows(first, second):
    """The second feature is the first in reverse order of time."""
    if not sum(pane.size for pane in first):
        return
    features = {"x": first} | ({"y": first[::-1]} if second else {})
    samples = {name: Sample.of(np.concatenate(blocks)) for name, blocks in features.items()}
    cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
    counted = [
        cell_index.gather(
            {n: Counts.of(samples[n].locate(blocks[i])) for n, blocks in features.items()}
        )
        for i in range(len(first))
    ]
    found, lengths = learn_distributions(samples, counted, [1, 2, 3, 4, 4, 8]), (1, 2, 3, 4, 8)
    assert set(found) == set(DISTRIBUTION_TESTS)
    for statistic, variations in found.items():
        if statistic == "mood":
            continue  # undefined for so few rows; it learns like Wilcoxon's
        for variation, slots in zip(variations, features.values(), strict=True):
            blocks = [
                blocks_by_definition(slots, k, statistic) for k in lengths if 2 * k <= len(slots)
            ]
            expected = [each for each in blocks if each is not None]
            assert [blocks.panes for blocks in variation.lengths] == [b.panes for b in expected]
            for mine, theirs in zip(variation.lengths, expected, strict=True):
                assert mine.rows.tolist() == theirs.rows.tolist()
                assert mine.excess == pytest.approx(theirs.excess, abs=1e-9)
                assert mine.excess_square == pytest.approx(theirs.excess_square, abs=1e-9)


def test_nothing_is_learned_from_a_reference_without_panes():
    found = learn_distributions(GRID, [], [1, 2])
    assert set(found) == set(DISTRIBUTION_TESTS)
    assert all(variation.lengths == () for each in found.values() for variation in each)


# -- what it is for ----------------------------------------------------------------------------

DAYS, PER_DAY, ROWS = 40, 4, 100  # of four panes with a hundred rows each


def days(shift: float, seed: int) -> list[np.ndarray]:
    """Normal rows; every third and fourth day their mean lies ``shift`` higher."""
    rng = np.random.default_rng(seed)
    level = [shift * (i // PER_DAY % 4 // 2) for i in range(DAYS * PER_DAY)]
    return [rng.normal(mean, size=ROWS) for mean in level]


def day_after(shift: float, reference: list[np.ndarray], seed: int) -> Severity | None:
    """The severity of a day whose mean is ``shift`` higher than usual, after such a reference."""
    samples = {"x": Sample.of(np.concatenate(reference))}
    bins = [Counts.of(samples["x"].locate(rows)) for rows in reference]
    levels = [Levels(warning=1e-4, critical=1e-5)]
    under_test = scanner(
        samples, levels=levels, variations=learn_distributions(samples, bins, [1, 2, 4])
    )
    rng = np.random.default_rng(seed)
    half = [{"x": rng.normal(shift, size=PER_DAY * ROWS // 2)} for _ in "ab"]
    tested = under_test.scan(parts(under_test, samples, *half), WINDOW)["x"]
    return None if tested is None else tested.severity


@pytest.mark.parametrize("seed", range(3))
def test_a_day_within_the_natural_variation_of_the_reference_is_not_drift(seed):
    assert day_after(0.8, days(0.8, seed), seed + 100) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_same_day_is_drift_for_a_reference_of_independent_rows(seed):
    assert day_after(0.8, days(0.0, seed), seed + 100) is not None


@pytest.mark.parametrize("seed", range(3))
def test_a_day_far_beyond_the_natural_variation_is_drift(seed):
    assert day_after(4.0, days(0.8, seed), seed + 100) is not None


@pytest.mark.parametrize("statistic", DISTRIBUTION_TESTS.values(), ids=DISTRIBUTION_TESTS)
def test_allowance_of_independent_rows_is_small_for_every_test(statistic: DistributionTest):
    reference = days(0.0, 7)
    samples = {"x": Sample.of(np.concatenate(reference))}
    bins = [Counts.of(samples["x"].locate(rows)) for rows in reference]
    (found,) = learn_distributions(samples, bins, [1, 2, 4])[statistic.name]
    noise = statistic.quantile(1e-4) / np.sqrt(PER_DAY * ROWS)
    assert found.allowance(PER_DAY, PER_DAY * ROWS) < 0.5 * noise


def test_every_distribution_test_has_a_part_of_the_budget():
    assert tuple(DISTRIBUTION_TESTS) == budget.DISTRIBUTION_TEST_NAMES
