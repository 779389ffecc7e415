"""``driftline consume`` and ``driftline topics``."""

from __future__ import annotations

import click

from consumers.kafka.topic_configuration import configuration_warnings
from consumers.kafka.topics import commands as topic_commands
from consumers.kafka.topics import create as create_topics
from consumers.processes.stop_signal import StopSignal
from consumers.processes.supervisor import Supervisor, role_jobs
from consumers.processes.worker import ALL_ROLES, roles_of
from driftline.settings import Settings
from driftline.terminal import echo


@click.command()
@click.argument("roles", nargs=-1, type=click.Choice(ALL_ROLES), metavar="[ROLE]...")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes of each role.",
)
@click.option(
    "--slot",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of the first process.",
)
@click.pass_context
def consume(context: click.Context, roles: tuple[str, ...], workers: int, slot: int) -> None:
    """Run roles, each in a process: by default aggregate, join, detect, retrain and store.

    If driftline.toml has [[sources]], ingest is among them; if it joins requests with responses,
    pair as well.

    A process that ends is restarted in its slot; its log says why it ended. If several machines
    run workers of one role, give each its own --slot: a restarted worker continues within seconds.
    """
    jobs = role_jobs(roles or roles_of(context.obj), workers, slot, worker_options(context))
    echo(f"running {', '.join(job.name for job in jobs)}; Ctrl-C ends them")
    Supervisor(jobs).run(StopSignal(hangup=True))


@click.group()
def topics() -> None:
    """The Kafka topics that Driftline uses."""


@topics.command()
@click.option("--print", "only_print", is_flag=True, help="Print the commands and ACLs instead.")
@click.pass_obj
def create(settings: Settings, only_print: bool) -> None:
    """Create missing topics. Existing topics are not changed.

    Warns of an existing topic whose retention is shorter than the configuration needs, or whose
    cleanup policy differs, with the command that changes it.
    """
    if only_print:
        echo("\n".join(topic_commands(settings, settings.plan())))
        return
    created, existing = create_topics(settings, settings.plan())
    for name in created:
        echo(f"created {name}")
    for name in existing:
        echo(f"{name} exists")
    for warning in configuration_warnings(settings, settings.plan(), existing):
        echo(f"warning: {warning}", err=True)


def worker_options(context: click.Context) -> list[str]:
    """The options of ``driftline`` itself that its worker processes get."""
    parameters = context.find_root().params
    options = ["--log-level", str(parameters.get("log_level") or "INFO")]
    options += ["--log-format", str(parameters.get("log_format") or "text")]
    if parameters.get("config"):
        options += ["--config", str(parameters["config"])]
    return options
