"""How fast rows are counted and decided upon, in one process, with numpy alone.

    python -m benchmarks.speed kernel [--rows 1000000] [--pane 10000]

A million rows of twenty features, against a reference of 10,000: counted into bins, and every
window of every scale tested as it closes. Prints rows per second of both, beside those of numpy's
sort, searchsorted and bincount alone, and the memory of the process after a tenth of the rows and
after all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import click
import numpy as np

from benchmarks.quality.detector import Rows, counted, evaluator, plan
from benchmarks.speed.memory import resident_mib
from monitor.calibration.backtest import alarms
from monitor.counts.counts import Counts
from monitor.windows.evaluator import Evaluator

FEATURES, REFERENCE = 20, 10_000


@click.command("kernel")
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--pane", default=10_000, show_default=True, help="Rows in a pane.")
@click.option("--runs", default=3, show_default=True, help="The median is printed.")
def main(rows: int, pane: int, runs: int) -> None:
    """Count, decide, and print how fast."""
    rng = np.random.default_rng(1)
    reference = np.array_split(rng.normal(size=(REFERENCE, FEATURES)), max(1, REFERENCE // pane))
    by = evaluator(plan(0.05, 100), reference)
    scales = [length.panes for length in by.lengths]
    click.echo(f"{rows:,} rows x {FEATURES} features, panes of {pane:,}, scales {scales}")
    panes = [rng.normal(size=(FEATURES, pane)).T for _ in range(rows // pane)]  # columns
    both = []
    for _ in range(runs):
        start, incidents = time.perf_counter(), 0
        counts = counted(by, panes)
        incidents = sum(one.opened for one in alarms(by, counts))
        both.append(rows / (time.perf_counter() - start))
    start = time.perf_counter()
    for _ in counted(by, panes):
        pass
    counting = rows / (time.perf_counter() - start)
    for _ in alarms(by, _watched(counted(by, panes), memory := [])):
        pass
    early, late = memory[max(1, len(panes) // 10) - 1], memory[-1]
    bare = _numpy_alone(by, panes)
    click.echo(f"numpy alone          {bare:12,.0f} rows/s")
    click.echo(f"counting alone       {counting:12,.0f} rows/s")
    click.echo(f"counting, all scales {np.median(both):12,.0f} rows/s, {incidents} incidents")
    click.echo(f"memory after a tenth {early:6.0f} MiB, after all {late:6.0f} MiB")


def _numpy_alone(by: Evaluator, panes: list[Rows]) -> float:
    """What counting cannot be faster than: rows per second."""
    samples = [reference.sample for _, reference in by.profile.schema.numeric]
    start, rows = time.perf_counter(), 0
    for pane in panes:
        rows += len(pane)
        for sample, column in zip(samples, pane.T, strict=True):
            np.bincount(np.searchsorted(sample.values, np.sort(column)))
    return rows / (time.perf_counter() - start)


def _watched(panes: Iterable[Counts], memory: list[float]) -> Iterator[Counts]:
    """``panes``; after each, when all before it were decided upon, the memory is noted."""
    for counts in panes:
        memory.append(resident_mib())
        yield counts


if __name__ == "__main__":
    main()
