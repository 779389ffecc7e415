"""The quality of Driftline: rates of false alarms, and delays until a change is detected.

    python -m benchmarks.quality [--runs 1000] [--only null] [--workers 2]

prints the tables of ``docs/benchmarks.md`` and writes the figures to
``benchmarks/results/quality.json``. All runs are seeded. Parts that are not run keep their figures.
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

from benchmarks.quality import concept, lasting, runs, traffic
from benchmarks.quality.concept import FLIP
from benchmarks.quality.figures import delays, mean, proportion
from benchmarks.quality.flights import CHANGES as FLIGHT_CHANGES
from benchmarks.quality.streams import CHANGES, NULLS, OTHER_CHANGES, WITH_MEMORY

RESULTS = Path(__file__).parents[1] / "results" / "quality.json"
PARTS = ("null", "memory", "delay", "flights", "traffic", "lasting")
Figures = dict[str, Any]
Each = Callable[[Callable[..., Any], Sequence[Any]], list[Any]]


@click.command()
@click.option(
    "--runs",
    "run_count",
    default=1_000,
    show_default=True,
    help="Runs of each healthy stream of independent rows. The other parts have fewer.",
)
@click.option("--only", multiple=True, type=click.Choice(PARTS))
@click.option("--workers", default=2, show_default=True)
def main(run_count: int, only: Sequence[str], workers: int) -> None:
    """Measure, print the tables and write the results."""
    figures_by_part: Figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    parts = dict(zip(PARTS, (_null, _memory, _delay, _flights, _traffic, _lasting), strict=True))
    with ProcessPoolExecutor(workers) as pool:

        def each(function: Callable[..., Any], over: Sequence[Any]) -> list[Any]:
            return list(pool.map(function, over, chunksize=4))

        for name in only or parts:
            figures_by_part[name] = {}
            for title, figures in parts[name](run_count, each):
                figures_by_part[name][title] = figures
                click.echo(f"{name:8} {title:28} {_line(figures)}")
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(figures_by_part, indent=1) + "\n")


def _null(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Proportion of runs of 100 healthy panes with an incident. The budget is 0.05."""
    for scenario in NULLS:
        found = each(partial(runs.healthy, scenario.name), range(run_count))
        yield scenario.name, proportion(sum(n > 0 for n in found), run_count)


def _memory(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Incidents in 100 healthy panes of 20 autocorrelated features."""
    for scenario in WITH_MEMORY:
        yield (
            scenario.name,
            mean(each(partial(runs.healthy, scenario.name), range(run_count // 10))),
        )


def _delay(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Delays in rows."""
    for scenario in (*CHANGES, *OTHER_CHANGES):
        found = each(partial(runs.delay, scenario.name), range(run_count // 5))
        early = sum(one == "early" for one in found)
        delays_in_rows = [one for one in found if one != "early"]
        yield scenario.name, {**delays(delays_in_rows), "early": early / len(found)}
    yield FLIP, delays(each(concept.delay, range(run_count // 20)))


def _flights(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Incidents in 45 healthy days by their kind, and delays in days."""
    for quarter in range(1, 5):
        found = each(partial(runs.healthy_flights, quarter), range(run_count // 10))
        others = {
            name: float(np.mean([getattr(one, name) for one in found]))
            for name in ("storms", "missing", "missing_storms")
        }
        yield f"quarter {quarter}", {**mean([one.distributions for one in found]), **others}
    for quarter in range(1, 5):
        yield f"forward {quarter}", asdict(runs.healthy_flights(quarter, None))
    for change in FLIGHT_CHANGES:
        yield change, delays(each(partial(runs.flights_delay, change), range(run_count // 10)))


def _traffic(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Proportion of runs with a window of too few or too many rows, and delays in hours."""
    for name in traffic.HEALTHY:
        found = each(partial(traffic.false_alarms, name), range(run_count // 2))
        yield name, proportion(sum(n > 0 for n in found), len(found))
    for quarter in range(1, 5):
        found = each(partial(traffic.flights, quarter), range(run_count // 10))
        yield f"flights, quarter {quarter}", proportion(sum(n > 0 for n in found), len(found))
    for change in traffic.CHANGES:
        yield change, delays(each(partial(traffic.delay, change), range(run_count // 5)))


def _lasting(run_count: int, each: Each) -> Iterator[tuple[str, Figures]]:
    """Openings for one change that lasts 200 panes, and panes until it is resolved."""
    for case in lasting.CASES:
        found = each(partial(lasting.run, case), range(run_count // 20))
        yield f"{case[0]} {case[1]}", lasting.figures(found)


def _line(figures: Figures) -> str:
    return "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
