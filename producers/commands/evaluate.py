"""``driftline evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftline.terminal import echo
from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from producers.simulation.simulate import Simulation

F = TypeVar("F", bound=Callable[..., Any])


def flights(command: F) -> F:
    """Adds the options that select and change the flights to be scored."""
    for option in reversed(_FLIGHTS):
        command = option(command)
    return command


_FLIGHTS = (
    click.option(
        "--from",
        "start",
        help="First event time, UTC; by default the end of the reference, 2013-04-01.",
    ),
    click.option(
        "--until", "end", help="Event time to stop before, UTC; by default the end of the data."
    ),
    click.option(
        "--scenario",
        "scenarios",
        multiple=True,
        metavar="NAME:ARGUMENT=VALUE,…",
        help="Change the data in a known way, as `driftline simulate --help` lists.",
    ),
    click.option("--seed", default=0, show_default=True, help="Random seed of the scenarios."),
)


@click.command()
@options.flight_model
@flights
@click.option(
    "--trained",
    type=options.PATH,
    help="Directory in which `driftline train` saved the model; by default models/ in"
    " state.directory.",
)
@click.option(
    "--output",
    type=options.PATH,
    help="JSON file to write; by default in the directory of the model.",
)
@click.pass_obj
def evaluate(
    settings: Settings, /, trained: Path | None, output: Path | None, **given: Any
) -> None:
    """Score the flights from April on with the trained model and compute its metrics.

    Prints the metrics of its task with 95% intervals and the baseline of March, and saves them as
    JSON. Kafka is not needed.
    """
    from producers.example.evaluate import (
        evaluated,
        evaluation_document,
        evaluation_lines,
        trained_profile,
    )
    from producers.simulation.simulate import scored_flights

    directory = trained or settings.state.directory / "models"
    simulation = simulation_of(given)
    profile = trained_profile(directory, simulation.model, simulation.version)
    evaluation = evaluated(profile, scored_flights(profile, simulation))
    echo("\n".join(evaluation_lines(evaluation)))
    path = output or directory / f"{simulation.model}-{simulation.version}.evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(evaluation_document(evaluation), indent=2) + "\n", encoding="utf-8")
    echo(f"\nsaved {path}")


def simulation_of(given: dict[str, Any]) -> Simulation:
    """Raises ``InvalidTime`` or ``InvalidScenario``."""
    from producers.contract.times import parse_time_ms
    from producers.simulation.scenario_text import parse_scenario
    from producers.simulation.simulate import Simulation

    moments = {"from_ms": given["start"], "until_ms": given["end"]}
    return Simulation(
        model=given["model"],
        version=given["version"],
        scenarios=[parse_scenario(text) for text in given["scenarios"]],
        seed=given["seed"],
        **{name: parse_time_ms(text) for name, text in moments.items() if text is not None},
    )
