"""Windows of many distributions at once, of any length, against their reference.

A scanner knows the samples of a group of distributions (the numeric features and the score; or the
errors), how each strays, and at which level each length of window is tested. What is no
distribution on a line, categories and flaws, it asks its checks (``monitor.checks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.bins import Sample, effective_size, p_value
from monitor.budget import Length, Levels
from monitor.checks import Check
from monitor.counts import Counts
from monitor.critical import effective_sizes, kolmogorov_quantile, kuiper_quantile
from monitor.drift import Tested, severity_of
from monitor.plan import Drift
from monitor.stack import Deviations, Space, Stack, bound, compare
from monitor.tolerance import Blocks, Straying, block_starts, learnable

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Statistic:
    """A distance between distribution functions, and how it behaves on independent rows."""

    name: str
    quantile: Callable[[float], float]  # of sqrt(en) times the distance
    mean_square: float  # of the same
    mean_square_shared: float  # of what two halves share, times sqrt(n); simulated
    value: Callable[[Deviations], Floats]
    persistent: Callable[[Deviations], Floats]

    def expected(self, n: Floats, rest: Floats, parts: int) -> Floats:
        """The mean square of the persistent distance of ``n`` independent rows to ``rest``."""
        of_rows = self.mean_square if parts == 1 else self.mean_square_shared
        return of_rows / n + self.mean_square / rest


KS = Statistic(
    "ks",
    kolmogorov_quantile,
    np.pi**2 / 12,
    0.53,
    lambda found: found.ks,
    lambda found: found.lasting_ks,
)
KUIPER = Statistic(
    "kuiper",
    kuiper_quantile,
    np.pi**2 / 6,
    0.93,
    lambda found: found.kuiper,
    lambda found: found.lasting_kuiper,
)
BOTH = (KS, KUIPER)


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
        if self._suspects(whole, length).size:
            whole = compare(self.stack, parts)
            for i in self._suspects(whole, length).tolist():
                gravest = max(self._tests(whole, i, length), key=lambda tested: tested.weight)
                if gravest.severity is not None:
                    found[self.stack.names[i]] = self._with_p_value(gravest, i)
        return found

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, tuple[Tested, ...]]:
        """All tests of each name that has rows in the window."""
        found = compare(self.stack, parts)
        tests = {
            name: tuple(self._with_p_value(of, i) for of in self._tests(found, i, length))
            for i, name in enumerate(self.stack.names)
            if found.rows[i]
        }
        for check in self.checks:
            tests.update((name, (of,)) for name, of in check.judge(parts, length).items())
        return tests

    def _suspects(self, whole: Deviations, length: Length) -> NDArray[np.int64]:
        """Which ones lie beyond sampling noise, at the level of a warning."""
        root = np.sqrt(effective_sizes(whole.rows, self.stack.sizes))
        beyond = np.zeros(root.size, dtype=bool)
        for statistic in BOTH:
            z = np.array([statistic.quantile(of.warning) for of in self.levels[length]])
            beyond |= statistic.value(whole) * root > z
        return np.flatnonzero(beyond)

    def _tests(self, found: Deviations, i: int, length: Length) -> tuple[Tested, ...]:
        return tuple(self._test(statistic, found, i, length) for statistic in BOTH)

    def _test(self, statistic: Statistic, found: Deviations, i: int, length: Length) -> Tested:
        rows, levels = int(found.rows[i]), self.levels[length][i]
        root = float(np.sqrt(effective_size(rows, int(self.stack.sizes[i]))))
        straying = self.strayings[statistic.name][i]
        allowed = max(straying.allowed(length.panes, rows), self.drift.min_effect)
        value = float(statistic.value(found)[i])
        persistent = float(statistic.persistent(found)[i])

        def noise(alpha: float) -> float:
            return statistic.quantile(alpha) / root

        return Tested(
            statistic.name,
            rows,
            value,
            persistent,
            noise(levels.warning),
            allowed,
            severity_of(value, persistent, noise, allowed, levels, self.drift),
        )

    def _with_p_value(self, tested: Tested, i: int) -> Tested:
        """It decides nothing and takes longer than all that does: only for what is shown."""
        if tested.statistic != KS.name:
            return tested
        size = int(self.stack.sizes[i])
        return replace(tested, p_value=p_value(tested.value, tested.rows, size))


def learn(
    samples: Mapping[str, Sample], panes: Sequence[Counts], lengths: Sequence[int]
) -> dict[str, list[Straying]]:
    """How each of ``samples`` strays, by statistic: from the reference's panes in time order.

    ``panes`` are counts in the index space of ``Space.of`` the samples' bins; empty ones included.
    """
    stack = _whole(samples, panes)
    found: dict[str, list[list[Blocks]]] = {
        statistic.name: [[] for _ in samples] for statistic in BOTH
    }
    for length in learnable(lengths, len(panes)):
        blocks = [
            compare(stack, _parts(panes, start, length), within=True)
            for start in block_starts(length, len(panes))
        ]
        for statistic in BOTH:
            for i, into in enumerate(found[statistic.name]):
                into.append(_blocks(statistic, blocks, i, length, int(stack.sizes[i])))
    return {name: [Straying.of(of) for of in each] for name, each in found.items()}


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
    statistic: Statistic, found: Sequence[Deviations], i: int, length: int, size: int
) -> Blocks:
    rows = np.array([of.rows[i] for of in found], dtype=np.int64)
    persistent = np.array([statistic.persistent(of)[i] for of in found])
    met = (rows > 0) & (rows < size)
    n = rows[met].astype(np.float64)
    rest = size - n
    effective = n * rest / size
    noise = statistic.quantile(1 / max(n.size, 1)) / np.sqrt(effective)
    expected = statistic.expected(n, rest, 1 if length == 1 else 2)
    return Blocks.of(length, rows[met], persistent[met], noise, expected)
