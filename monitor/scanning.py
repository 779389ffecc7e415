"""Windows of many distributions at once, of any length, against their reference.

A scanner knows the samples of a group of distributions (the numeric features and the score; or the
errors), how each strays, and at which level each length of window is tested. What is no
distribution on a line, categories and flaws, it asks its checks (``monitor.checks``).

Four statistics look at each distribution, all from one comparison: the gaps of Kolmogorov-Smirnov
and of Kuiper, which see whatever changes, and the mean scores of Wilcoxon and of Mood, which see a
shift and a widening sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.bins import Sample, effective_size, p_value
from monitor.budget import Length, Levels
from monitor.checks import Check
from monitor.counts import Counts
from monitor.critical import (
    effective_sizes,
    kolmogorov_quantile,
    kuiper_quantile,
    normal_quantile,
)
from monitor.drift import Tested, severity_of
from monitor.plan import Drift
from monitor.ranks import pooled, skewed
from monitor.stack import ROUNDING, Deviations, Space, Stack, bound, compare, mean_score
from monitor.tolerance import (
    OF_GAPS,
    OF_MEANS,
    SHARED_BY_NORMAL,
    Blocks,
    Factors,
    Straying,
    block_starts,
    learnable,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Statistic:
    """How far a distribution lies from a fixed one, and how that behaves on independent rows.

    Its values times ``sqrt(en)`` are told in a unit of each feature's.
    """

    name: str
    quantile: Callable[[float], float]  # of sqrt(en) times the value, in units
    mean_square: float  # of the same
    mean_square_shared: float  # of what two halves share, times sqrt(n); simulated
    strays: Factors
    value: Callable[[Deviations], Floats]
    persistent: Callable[[Deviations], Floats]
    deviation: float = 0.5  # about, of the value under a change, in units over sqrt(en)
    scores: int | None = None  # of a mean score: which of ``Stack.scores``
    least_rows: int = 1  # of a sample whose places are exact enough
    directions: tuple[str, str] | None = None  # what it says where it is negative, and positive

    def units(self, stack: Stack) -> Floats:
        """Shape (f,); 0 where the statistic has nothing to say."""
        if self.scores is None:
            return np.ones(stack.sizes.size)
        return np.where(stack.sizes >= self.least_rows, stack.scores[self.scores].unit, 0.0)

    def direction(self, found: Deviations, i: int) -> str | None:
        if self.scores is None or self.directions is None:
            return None
        return self.directions[int(found.ranks[self.scores][i] > 0)]

    def skewness(self, stack: Stack) -> Floats:
        """Of the rows' scores, shape (f,); gaps between distribution functions need none."""
        if self.scores is None:
            return np.zeros(stack.sizes.size)
        return stack.scores[self.scores].skewness

    def expected(self, n: Floats, rest: Floats, parts: int) -> Floats:
        """The mean square of what persists of ``n`` independent rows against ``rest``, in units."""
        of_rows = self.mean_square if parts == 1 else self.mean_square_shared
        return of_rows / n + self.mean_square / rest


KS = Statistic(
    "ks",
    kolmogorov_quantile,
    np.pi**2 / 12,
    0.53,
    OF_GAPS,
    lambda found: found.ks,
    lambda found: found.lasting_ks,
)
KUIPER = Statistic(
    "kuiper",
    kuiper_quantile,
    np.pi**2 / 6,
    0.93,
    OF_GAPS,
    lambda found: found.kuiper,
    lambda found: found.lasting_kuiper,
)
WILCOXON = Statistic(
    "wilcoxon",
    normal_quantile,
    1.0,
    SHARED_BY_NORMAL,
    OF_MEANS,
    lambda found: np.abs(found.ranks[0]),
    lambda found: np.abs(found.lasting_ranks[0]),
    deviation=1.0,
    scores=0,
    directions=("lower", "higher"),
)
MOOD = Statistic(
    "mood",
    normal_quantile,
    1.0,
    SHARED_BY_NORMAL,
    OF_MEANS,
    lambda found: np.abs(found.ranks[1]),
    lambda found: np.abs(found.lasting_ranks[1]),
    deviation=1.0,
    scores=1,
    least_rows=100,
    directions=("narrower", "wider"),
)
STATISTICS = {each.name: each for each in (KS, KUIPER, WILCOXON, MOOD)}


@dataclass(frozen=True, slots=True)
class Detectable:
    """What a test of a window with so many rows can see."""

    threshold: float  # of the value, at the level of a warning
    allowed: float  # what the reference strays by, beyond half of that
    distance: float  # seen with a probability of ``POWER``


@dataclass(frozen=True, slots=True, eq=False)
class Scanner:
    """Judges windows of the cells ``stack.names``."""

    space: Space
    stack: Stack
    levels: Mapping[Length, Sequence[Levels]]  # one for each name
    strayings: Mapping[str, Sequence[Straying]]  # by statistic, one for each name
    drift: Drift
    checks: Sequence[Check] = ()  # of what is no distribution on a line

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Tested | None]:
        """For each name with rows in the window the gravest test that drifted, or None."""
        if not any(parts):
            return {}
        found = self._distributions(parts, length)
        for check in self.checks:
            found.update(check.scan(parts, length))
        return found

    def _distributions(self, parts: Sequence[Counts], length: Length) -> dict[str, Tested | None]:
        whole = bound(self.stack, parts)
        found: dict[str, Tested | None] = {
            name: None for name, rows in zip(self.stack.names, whole.rows, strict=True) if rows
        }
        noise = self._noises(whole, length)
        if any(
            self._may_exceed(each, whole, noise[each.name], parts) for each in STATISTICS.values()
        ):
            whole = compare(self.stack, parts)
            noise = self._noises(whole, length)
            tests: dict[int, list[Tested]] = {}
            for each in STATISTICS.values():
                for i in np.flatnonzero(each.value(whole) > noise[each.name]).tolist():
                    tests.setdefault(i, []).append(self._test(each, whole, i, length, noise))
            for i, of in tests.items():
                gravest = max(of, key=lambda tested: tested.weight)
                if gravest.severity is not None:
                    found[self.stack.names[i]] = self._with_p_value(gravest, i)
        return found

    def _may_exceed(
        self, statistic: Statistic, most: Deviations, noise: Floats, parts: Sequence[Counts]
    ) -> bool:
        """Whether any name's value may: of mean scores the bounds are wide, and a look is cheap."""
        beyond = np.flatnonzero(statistic.value(most) > noise)
        if statistic.scores is None:
            return beyond.size > 0
        scores = self.stack.scores[statistic.scores]
        return any(
            abs(mean_score(self.stack, scores, parts, i)) > noise[i] - ROUNDING
            for i in beyond.tolist()
        )

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, tuple[Tested, ...]]:
        """All tests of each name that has rows in the window; of a constant there are no ranks."""
        found = compare(self.stack, parts)
        noise = self._noises(found, length)
        tests = {
            name: tuple(
                self._with_p_value(self._test(each, found, i, length, noise), i)
                for each in STATISTICS.values()
                if each.units(self.stack)[i]
            )
            for i, name in enumerate(self.stack.names)
            if found.rows[i]
        }
        for check in self.checks:
            tests.update((name, (of,)) for name, of in check.judge(parts, length).items())
        return tests

    def detectable(
        self, statistic: Statistic, i: int, length: Length, rows: int
    ) -> Detectable | None:
        """Of name ``i``; None where the statistic has nothing to say."""
        unit, every = float(statistic.units(self.stack)[i]), self.stack.sizes.size
        if not unit:
            return None
        window = Deviations.calm(np.full(every, rows))
        noise = float(self._noise(statistic, window, self._warnings(length))[i])
        allowed = self._allowed(statistic, i, length, rows)
        root = float(np.sqrt(effective_size(rows, int(self.stack.sizes[i]))))
        beyond = float(ndtri(POWER)) * statistic.deviation * unit / root
        return Detectable(noise, allowed, max(noise, allowed + noise / 2) + beyond)

    def _noises(self, found: Deviations, length: Length) -> dict[str, Floats]:
        """What each name's value of each statistic exceeds by chance, at the level of a warning."""
        levels = self._warnings(length)
        return {each.name: self._noise(each, found, levels) for each in STATISTICS.values()}

    def _warnings(self, length: Length) -> tuple[float, ...]:
        return tuple(of.warning for of in self.levels[length])

    def _noise(self, statistic: Statistic, found: Deviations, levels: tuple[float, ...]) -> Floats:
        """What each name's value exceeds by chance with the probability of its level."""
        z, units = _quantiles(statistic, levels), statistic.units(self.stack)
        rows, sizes = found.rows, self.stack.sizes
        told = (rows > 0) & (units > 0)
        if statistic.scores is not None:
            z = skewed(z, statistic.skewness(self.stack), rows, sizes)
            units = pooled(units, found.squares[statistic.scores], rows, sizes)
        noise = np.full(z.size, np.inf)
        np.divide(z * units, np.sqrt(effective_sizes(rows, sizes)), where=told, out=noise)
        return noise

    def _test(
        self,
        statistic: Statistic,
        found: Deviations,
        i: int,
        length: Length,
        noises: Mapping[str, Floats],
    ) -> Tested:
        rows, levels = int(found.rows[i]), self.levels[length][i]
        threshold = float(noises[statistic.name][i])
        allowed = self._allowed(statistic, i, length, rows)
        value = float(statistic.value(found)[i])
        persistent = float(statistic.persistent(found)[i])
        effect, large = persistent, True
        if statistic.scores is not None:  # how large a change is, is told as a gap
            effect = float(found.lasting_ks[i])
            least = self.drift.min_effect
            large = not least or effect - float(noises[KS.name][i]) / 2 > least

        def noise(alpha: float) -> float:
            if alpha == levels.warning:
                return threshold
            return float(self._noise(statistic, found, (alpha,) * found.rows.size)[i])

        return Tested(
            statistic.name,
            rows,
            value,
            persistent,
            threshold,
            allowed,
            severity_of(value, persistent, noise, allowed, levels, self.drift, effect)
            if large
            else None,
            detail=statistic.direction(found, i),
        )

    def _allowed(self, statistic: Statistic, i: int, length: Length, rows: int) -> float:
        """The smallest effect that matters is told as a gap, and is a floor for gaps."""
        strays = self.strayings[statistic.name][i].allowed(length.panes, rows)
        return strays if statistic.scores is not None else max(strays, self.drift.min_effect)

    def _with_p_value(self, tested: Tested, i: int) -> Tested:
        """It decides nothing and takes longer than all that does: only for what is shown."""
        if tested.statistic != KS.name:
            return tested
        size = int(self.stack.sizes[i])
        return replace(tested, p_value=p_value(tested.value, tested.rows, size))


@lru_cache(maxsize=1024)
def _quantiles(statistic: Statistic, levels: tuple[float, ...]) -> Floats:
    return np.array([statistic.quantile(level) for level in levels])


def learn(
    samples: Mapping[str, Sample], panes: Sequence[Counts], lengths: Sequence[int]
) -> dict[str, list[Straying]]:
    """How each of ``samples`` strays, by statistic: from the reference's panes in time order.

    ``panes`` are counts in the index space of ``Space.of`` the samples' bins; empty ones included.
    """
    stack = _whole(samples, panes)
    found: dict[str, list[list[Blocks]]] = {
        statistic.name: [[] for _ in samples] for statistic in STATISTICS.values()
    }
    for length in learnable(lengths, len(panes)):
        blocks = [
            compare(stack, _parts(panes, start, length), within=True)
            for start in block_starts(length, len(panes))
        ]
        for statistic in STATISTICS.values():
            for i, into in enumerate(found[statistic.name]):
                into.append(_blocks(statistic, blocks, i, length, stack))
    return {
        name: [Straying.of(of, STATISTICS[name].strays) for of in each]
        for name, each in found.items()
    }


def _whole(samples: Mapping[str, Sample], panes: Sequence[Counts]) -> Stack:
    space = Space.of({name: sample.bins for name, sample in samples.items()})
    total = Counts.total(panes)
    held = {name: Counts.of_dense(space.dense(total, name)) for name in samples}
    return Stack.against(samples, held)


def _parts(panes: Sequence[Counts], start: int, length: int) -> list[Counts]:
    if length == 1:
        return [panes[start]]
    middle = start + length // 2
    return [Counts.total(panes[start:middle]), Counts.total(panes[middle : start + length])]


def _blocks(
    statistic: Statistic, found: Sequence[Deviations], i: int, length: int, stack: Stack
) -> Blocks:
    rows, size = np.array([of.rows[i] for of in found], dtype=np.int64), int(stack.sizes[i])
    persistent = np.array([statistic.persistent(of)[i] for of in found])
    met = (rows > 0) & (rows < size)
    n = rows[met].astype(np.float64)
    rest, unit = size - n, float(statistic.units(stack)[i])
    z = np.full(n.size, statistic.quantile(1 / max(n.size, 1)))
    z = skewed(z, np.full(n.size, statistic.skewness(stack)[i]), n, rest)
    noise = unit * z / np.sqrt(n * rest / size)
    expected = unit**2 * statistic.expected(n, rest, 1 if length == 1 else 2)
    return Blocks.of(length, rows[met], persistent[met], noise, expected, statistic.strays)
