"""``driftline train``, ``register``, ``simulate`` and ``replay``: what people type, and read.

What takes long to import is imported where it is needed, so that help comes at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from monitor.counts.profile import Profile


@click.command()
@options.flight_model
@click.option("--output", type=options.PATH, help="Directory; by default models/ beside the state.")
@click.option("--seed", default=0, show_default=True)
@options.publish
@click.pass_obj
def train(settings: Settings, /, output: Path | None, publish: bool, **given: Any) -> None:
    """Train the example model on the flights of January and February.

    Saves the model and its reference profile, taken from the flights of March, and publishes the
    profile.
    """
    from producers.example.flight_delay import train_flight_delay
    from producers.registration.profile_file import write_profile

    trained = train_flight_delay(settings, **given)
    directory = output or settings.state.directory / "models"
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{trained.profile.model}-{trained.profile.version}"
    (directory / f"{stem}.skops").write_bytes(trained.model_file)
    write_profile(directory / f"{stem}.profile", trained.profile)
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in trained.metrics.items())
    click.echo(f"trained on {trained.training_rows:,} flights of January and February")
    click.echo(f"on {trained.reference_rows:,} flights of March: {metrics}")
    click.echo(f"saved {stem}.skops and {stem}.profile in {directory}")
    if publish:
        _publish(settings, trained.profile)


@click.command()
@options.any_model
@click.option("--reference", type=options.PATH, required=True, help="Scored rows: .csv, .parquet.")
@options.column_names
@click.option("--output", type=options.PATH, help="Also write the profile to this file.")
@options.publish
@click.pass_obj
def register(
    settings: Settings, /, reference: Path, output: Path | None, publish: bool, **given: Any
) -> None:
    """Learn the reference profile of your own model from a file of rows that it has scored.

    Columns that no option names are features: numbers, texts or booleans. Times without an offset
    need --timezone.
    """
    from producers.registration.profile_file import write_profile
    from producers.registration.register import profile_of_file

    columns = options.columns_of(given)
    profile = profile_of_file(settings, given["model"], given["version"], reference, columns)
    click.echo(f"numeric features: {_listed(profile.schema.numeric)}")
    click.echo(f"categorical features: {_listed(profile.schema.categorical)}")
    if output is not None:
        write_profile(output, profile)
        click.echo(f"saved {output}")
    if publish:
        _publish(settings, profile)


@click.command()
@options.flight_model
@click.option("--from", "start", default="2013-04-01", show_default=True, help="Event time, UTC.")
@click.option("--until", "end", default="2014-01-02", show_default=True, help="Up to this moment.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME:ARGUMENT=VALUE,…",
    help="A disturbance; several are applied in turn. shift:feature=dep_delay,by=5 |"
    " scale:feature=distance,by=1.2 | drift:feature=temp,by=9,over=30d,from=2013-05-01 (little by"
    " little) | takeover:feature=carrier,value=UA,share=0.3 | stuck:feature=temp,from=2013-05-01"
    " (at its last reading, or at=50) | missing:feature=temp,share=0.3 | drop:share=0.8 (traffic) |"
    " malformed:share=0.01 (records) | flip:share=0.2 (labels). Each also takes from= and until=.",
)
@click.option("--seed", default=0, show_default=True, help="Of what scenarios draw at random.")
@click.option("--limit", type=click.IntRange(1), help="So many predictions, and their labels.")
@options.pacing
@click.pass_obj
def simulate(settings: Settings, /, scenarios: tuple[str, ...], **given: Any) -> None:
    """Replay the flights from April on: predictions, and labels when each flight has landed.

    The model that `driftline train` has published scores them as they are, disturbed or not.
    """
    from producers.contract.times import parse_time_ms
    from producers.simulation.scenarios import parse_scenario
    from producers.simulation.sending import send_replay
    from producers.simulation.simulate import Simulation, simulated

    pacing = options.pacing_of(given)
    simulation = Simulation(
        from_ms=parse_time_ms(given.pop("start")),
        until_ms=parse_time_ms(given.pop("end")),
        scenarios=[parse_scenario(text) for text in scenarios],
        **given,
    )
    send_replay(settings, simulated(settings, simulation), pacing)


@click.command()
@options.any_model
@click.argument("file", type=options.PATH)
@options.column_names
@click.option("--label-delay", help="Labels come so long after, where no column tells: 90m, 2d.")
@click.option("--limit", type=click.IntRange(1), help="So many predictions, and their labels.")
@options.pacing
@click.pass_obj
def replay(settings: Settings, /, file: Path, limit: int | None, **given: Any) -> None:
    """Send the rows of FILE (.csv or .parquet) as predictions, and later labels, of a model.

    Columns that no option names are features. Without a label time or --label-delay a label comes
    with its prediction.
    """
    from producers.kafka.profile_table import read_profiles
    from producers.registration.rows_file import read_rows
    from producers.simulation.replay import Replay
    from producers.simulation.sending import send_replay

    pacing, columns = options.pacing_of(given), options.columns_of(given)
    rows = read_rows(file, columns)
    of = (given["model"], given["version"])
    if of not in read_profiles(settings):
        click.echo(
            f"warning: {' version '.join(of)} is not registered, so its records will be set"
            " aside until it is: `driftline register`",
            err=True,
        )
    send_replay(settings, Replay(*of, rows).first(limit), pacing)


def _publish(settings: Settings, profile: Profile) -> None:
    from producers.kafka.profile_table import PROFILES, publish_profile

    is_new = publish_profile(settings, profile)
    said = "published to" if is_new else "is already in"
    click.echo(f"{profile.model} version {profile.version} {said} {settings.topic(PROFILES)}")


def _listed(features: Any) -> str:
    return ", ".join(name for name, _ in features) or "none"
