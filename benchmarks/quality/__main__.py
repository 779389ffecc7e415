"""How often Driftline is wrong, and how long it takes to be right.

    python -m benchmarks.quality [--runs 1000] [--only null] [--workers 2]

prints the tables of ``docs/benchmarks.md`` and writes the figures to
``benchmarks/results/quality.json``. Everything is seeded; what is left out keeps what it had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.quality import concept, runs
from benchmarks.quality.concept import FLIP
from benchmarks.quality.figures import delays, mean, share
from benchmarks.quality.flights import CHANGES as FLIGHT_CHANGES
from benchmarks.quality.streams import CHANGES, NULLS, OTHER_CHANGES, WITH_MEMORY

RESULTS = Path(__file__).parents[1] / "results" / "quality.json"
Figures = dict[str, Any]
Each = Callable[[Callable[..., Any], Sequence[Any]], list[Any]]


@click.command()
@click.option(
    "--runs",
    "many",
    default=1_000,
    show_default=True,
    help="Of each healthy stream of independent rows; of the rest a part of that.",
)
@click.option("--only", multiple=True, type=click.Choice(("null", "memory", "delay", "flights")))
@click.option("--workers", default=2, show_default=True)
def main(many: int, only: Sequence[str], workers: int) -> None:
    """Measure, print, and write down."""
    known: Figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    parts = {"null": _null, "memory": _memory, "delay": _delay, "flights": _flights}
    with ProcessPoolExecutor(workers) as pool:

        def each(function: Callable[..., Any], over: Sequence[Any]) -> list[Any]:
            return list(pool.map(function, over, chunksize=4))

        for name in only or parts:
            known[name] = {}
            for what, figures in parts[name](many, each):
                known[name][what] = figures
                click.echo(f"{name:8} {what:28} {_line(figures)}")
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(known, indent=1) + "\n")


def _null(many: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Share of runs of 100 healthy panes with any incident; the budget is 0.05."""
    for scenario in NULLS:
        found = each(partial(runs.healthy, scenario.name), range(many))
        yield scenario.name, share(sum(n > 0 for n in found), many)


def _memory(many: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Incidents in 100 panes of 20 features."""
    for scenario in WITH_MEMORY:
        yield scenario.name, mean(each(partial(runs.healthy, scenario.name), range(many // 10)))


def _delay(many: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Rows."""
    for scenario in (*CHANGES, *OTHER_CHANGES):
        found = each(partial(runs.delay, scenario.name), range(many // 5))
        early = sum(one == "early" for one in found)
        kept = [one for one in found if one != "early"]
        yield scenario.name, {**delays(kept), "early": early / len(found)}
    yield FLIP, delays(each(concept.delay, range(many // 20)))


def _flights(many: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Incidents of distributions in 45 days, without storms, and what opened besides; days."""
    for quarter in range(1, 5):
        found = each(partial(runs.healthy_flights, quarter), range(many // 10))
        besides = {
            name: float(np.mean([getattr(one, name) for one in found]))
            for name in ("storms", "missing", "missing_storms")
        }
        yield f"quarter {quarter}", {**mean([one.distributions for one in found]), **besides}
    for quarter in range(1, 5):
        yield f"forward {quarter}", asdict(runs.healthy_flights(quarter, None))
    for change in FLIGHT_CHANGES:
        yield change, delays(each(partial(runs.flights_delay, change), range(many // 10)))


def _line(figures: Figures) -> str:
    return "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
