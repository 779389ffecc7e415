"""``driftline train``, ``register``, ``simulate`` and ``replay``.

Slow imports are inside the functions, so that ``--help`` is fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftline.errors import BadInput
from driftline.terminal import echo
from producers.commands import options

if TYPE_CHECKING:
    from driftline.settings import Settings
    from monitor.counts.profile import Profile
    from producers.contract.version_info import VersionInfo
    from producers.registration.columns import Columns
    from producers.registration.rows_file import FileRows


@click.command()
@options.example_model
@click.option(
    "--output",
    type=options.PATH,
    help="Directory for the model; by default models/ in state.directory.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed of the training.")
@options.version_info
@options.publish
@click.pass_obj
def train(settings: Settings, /, output: Path | None, publish: bool, **given: Any) -> None:
    """Train an example model on the bundled flights of January and February.

    Saves the model and its reference profile, which is built from the flights of March, and
    publishes the profile to Kafka.
    """
    from producers.example.examples import train_example
    from producers.registration.profile_file import write_profile

    info = options.info_of(given)
    trained = train_example(settings, **given)
    directory = output or settings.state.directory / "models"
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{trained.profile.model}-{trained.profile.version}"
    (directory / f"{stem}.skops").write_bytes(trained.model_file)
    write_profile(directory / f"{stem}.profile", trained.profile)
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in trained.metrics.items())
    echo(f"trained on {trained.training_rows:,} flights of January and February")
    echo(f"on {trained.reference_rows:,} flights of March: {metrics}")
    echo(f"saved {stem}.skops and {stem}.profile in {directory}")
    if publish:
        _publish(settings, trained.profile, info)


@click.command()
@options.any_model
@click.option(
    "--reference",
    type=options.PATH,
    required=True,
    help="File of scored rows: .csv, .parquet, .arrow or .feather.",
)
@options.column_names
@options.version_info
@click.option("--output", type=options.PATH, help="Also write the profile to this file.")
@click.option("--dry-run", is_flag=True, help="Only print what was understood; change nothing.")
@click.option(
    "--shadow", is_flag=True, help="Do not make the version live with its first row: only watch it."
)
@options.publish
@click.pass_obj
def register(  # noqa: PLR0913 - what it does with the profile
    settings: Settings,
    /,
    reference: Path,
    output: Path | None,
    dry_run: bool,
    shadow: bool,
    publish: bool,
    **given: Any,
) -> None:
    """Build the reference profile of your own model from a file of rows that it has scored.

    All columns that are not named by an option are features: numbers, strings or booleans. At the
    end it prints what was understood of each column, and warns of what is probably not meant. If
    the times have no UTC offset, give --timezone. Registering a version again updates its owner,
    description, runbook and tags; what is not given stays as it is, an empty text removes it.
    """
    from producers.registration.profile_file import write_profile
    from producers.registration.register import profile_of_file
    from producers.registration.rows_file import read_file

    columns, info = options.columns_of(settings, given), options.info_of(given)
    file = read_file(reference, columns)
    profile = profile_of_file(settings, given["model"], given["version"], file)
    _print_summary(settings, file, profile)
    if dry_run:
        echo("dry run: nothing was saved or published")
        return
    _require_a_use(output, publish)
    if output is not None:
        write_profile(output, profile)
        echo(f"saved {output}")
    if publish and shadow:
        _request_shadow(settings, profile)
    if publish:
        _publish(settings, profile, info)


@click.command()
@options.flight_model
@click.option(
    "--from", "start", default="2013-04-01", show_default=True, help="First event time, UTC."
)
@click.option(
    "--until",
    "end",
    default="2014-01-02",
    show_default=True,
    help="Event time to stop before, UTC.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME:ARGUMENT=VALUE,…",
    help="Change the data in a known way (see above). Repeat it to apply several, in this order.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed of the scenarios.")
@click.option(
    "--limit", type=click.IntRange(1), help="Number of predictions to send, with their labels."
)
@options.pacing
@click.pass_obj
def simulate(settings: Settings, /, scenarios: tuple[str, ...], **given: Any) -> None:
    """Publish the bundled flights from April on as a stream of predictions and labels.

    The flights are scored by the model that `driftline train` has published, of whichever task it
    is (--model arrival-delay, --model flight-outcome). A label is sent when it became known.

    \b
    Scenarios change the flights before they are scored:
      shift:feature=dep_delay,by=5                       add to a number
      scale:feature=distance,by=1.2                      multiply a number
      drift:feature=temp,by=9,over=30d,from=2013-05-01   add gradually
      stuck:feature=temp,from=2013-05-01                 repeat one value (at=50)
      takeover:feature=carrier,value=UA,proportion=0.3   replace by a category
      missing:feature=temp,proportion=0.3                remove values
      drop:proportion=0.8                                remove rows
      flip:proportion=0.2                                invert labels of 0 and 1
      malformed:proportion=0.01                          break records
    Each of them also takes from=TIME and until=TIME.
    """  # noqa: D301 - click wants the character, it keeps the lines as they are
    from producers.contract.times import parse_time_ms
    from producers.simulation.scenario_text import parse_scenario
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
@click.option(
    "--label-delay", help="Time from a prediction to its label if no column has it: 90m, 2d."
)
@click.option(
    "--limit", type=click.IntRange(1), help="Number of predictions to send, with their labels."
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Send them also if the version is not registered: they become dead letters.",
)
@options.pacing
@click.pass_obj
def replay(
    settings: Settings, /, file: Path, limit: int | None, anyway: bool, **given: Any
) -> None:
    """Publish the scored rows of FILE as predictions and labels of a model.

    FILE is a .csv, .parquet, .arrow or .feather file. All columns that are not named by an option
    are features. Without --label-time or --label-delay a label is sent right after its prediction.
    """
    from producers.kafka.profile_table import published_profile
    from producers.registration.reference_warnings import row_warnings
    from producers.registration.rows_file import read_file
    from producers.simulation.replay import Replay
    from producers.simulation.sending import send_replay

    pacing, columns = options.pacing_of(given), options.columns_of(settings, given)
    rows = read_file(file, columns)
    name = (given["model"], given["version"])
    profile = published_profile(settings, *name)
    _require_same_task(profile, rows.columns)
    if profile is None:
        _unregistered(" version ".join(name), anyway)
    else:
        rows = read_file(file, columns, profile.schema)
    for warning in row_warnings(rows):
        echo(f"warning: {warning}", err=True)
    send_replay(settings, Replay(*name, rows.rows, rows.columns.task).first(limit), pacing)


def _unregistered(name: str, anyway: bool) -> None:
    """Raises ``BadInput`` unless the records are to be sent anyway."""
    if anyway:
        echo(f"warning: {name} is not registered, so its records become dead letters", err=True)
        return
    raise BadInput(
        f"{name} is not registered, so its records would become dead letters: run `driftline"
        " register` first, or add --anyway; nothing was sent"
    )


def _require_same_task(profile: Profile | None, columns: Columns) -> None:
    if profile is None or profile.schema.task.name == columns.task.name:
        return
    task, other = profile.schema.task.name, columns.task.name
    raise BadInput(
        f"{profile.model} version {profile.version} is registered with the task {task}, and these"
        f" columns are those of the task {other}: add --task {task}"
    )


def _print_summary(settings: Settings, file: FileRows, profile: Profile) -> None:
    from producers.registration.reference_warnings import reference_warnings
    from producers.registration.summary import summary_lines

    plan = settings.plan(profile.model)
    warnings = [f"warning: {text}" for text in reference_warnings(file, profile, plan)]
    echo("\n".join([*summary_lines(file, profile, plan), *warnings]))


def _require_a_use(output: Path | None, publish: bool) -> None:
    if output is None and not publish:
        raise BadInput(
            "nothing was saved or published: --no-publish needs --output FILE; --dry-run only"
            " prints the summary"
        )


def _request_shadow(settings: Settings, profile: Profile) -> None:
    """Before the profile is published: rows that come after it must find the request."""
    import getpass

    from monitor.windows.lives import LifeAction
    from producers.contract.life_requests import LifeRequestMessage
    from producers.kafka.life_requests import send_request

    request = LifeRequestMessage(
        model=profile.model,
        version=profile.version,
        action=LifeAction.SHADOW,
        by=getpass.getuser(),
        why="registered with --shadow",
    )
    send_request(settings, request)


def _publish(settings: Settings, profile: Profile, info: VersionInfo) -> None:
    from producers.kafka.profile_publication import publish_profile
    from producers.kafka.profile_table import PROFILES

    outcome = publish_profile(settings, profile, info)
    echo(f"{profile.model} version {profile.version} {outcome} {settings.topic(PROFILES)}")
