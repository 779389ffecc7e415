"""``driftline evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from producers.simulation.simulate import Simulation

F = TypeVar("F", bound=Callable[..., Any])


def flights(command: F) -> F:
    """Which of the flights are scored, and what is done to them before."""
    for option in reversed(_FLIGHTS):
        command = option(command)
    return command


_FLIGHTS = (
    click.option(
        "--from", "start", help="Event time, UTC; by default where the reference ends, 2013-04-01."
    ),
    click.option("--until", "end", help="Up to this moment; by default the end."),
    click.option(
        "--scenario",
        "scenarios",
        multiple=True,
        metavar="NAME:ARGUMENT=VALUE,…",
        help="A disturbance, as of `driftline simulate`.",
    ),
    click.option("--seed", default=0, show_default=True, help="Of what scenarios draw at random."),
)


@click.command()
@options.flight_model
@flights
@click.option(
    "--trained",
    type=options.PATH,
    help="Where `driftline train` saved the model; by default models/ beside the state.",
)
@click.option("--output", type=options.PATH, help="File; by default beside the model.")
@click.pass_obj
def evaluate(
    settings: Settings, /, trained: Path | None, output: Path | None, **given: Any
) -> None:
    """Score the flights from April on with the trained model, and measure how it does.

    Prints accuracy, precision, recall, F1 and ROC-AUC with their 95% intervals beside the baseline
    of March, and saves them as JSON. Needs no Kafka.
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
    found = evaluated(profile, scored_flights(profile, simulation))
    click.echo("\n".join(evaluation_lines(found)))
    path = output or directory / f"{simulation.model}-{simulation.version}.evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(evaluation_document(found), indent=2) + "\n", encoding="utf-8")
    click.echo(f"\nsaved {path}")


def simulation_of(given: dict[str, Any]) -> Simulation:
    """Raises ``InvalidTime`` or ``InvalidScenario``."""
    from producers.contract.times import parse_time_ms
    from producers.simulation.scenarios import parse_scenario
    from producers.simulation.simulate import Simulation

    moments = {"from_ms": given["start"], "until_ms": given["end"]}
    return Simulation(
        model=given["model"],
        version=given["version"],
        scenarios=[parse_scenario(text) for text in given["scenarios"]],
        seed=given["seed"],
        **{name: parse_time_ms(text) for name, text in moments.items() if text is not None},
    )
