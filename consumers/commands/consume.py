"""``driftline consume`` and ``driftline topics``."""

from __future__ import annotations

import signal
from types import FrameType

import click

from consumers.kafka.topics import commands as topic_commands
from consumers.kafka.topics import create as create_topics
from consumers.processes.supervisor import Supervisor, role_jobs
from consumers.processes.worker import ROLES
from driftline.settings import Settings


@click.command()
@click.argument("roles", nargs=-1, type=click.Choice(ROLES), metavar="[ROLE]...")
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
    """Run the roles (aggregate, join, detect, store; by default all), a process each.

    A process that dies is started again in its slot, and why is said. On several machines give
    each its own --slot: a worker that comes back under its number goes on within seconds.
    """
    jobs = role_jobs(roles or ROLES, workers, slot, worker_options(context))
    click.echo(f"running {', '.join(job.name for job in jobs)}; Ctrl-C ends them")
    Supervisor(jobs).run(until_signal())


@click.group()
def topics() -> None:
    """The Kafka topics that Driftline uses."""


@topics.command()
@click.option("--print", "only_print", is_flag=True, help="Show the commands and ACLs instead.")
@click.pass_obj
def create(settings: Settings, only_print: bool) -> None:
    """Make the topics that are missing; those that are there stay as they are."""
    if only_print:
        click.echo("\n".join(topic_commands(settings, settings.plan())))
        return
    made, there = create_topics(settings, settings.plan())
    for name in made:
        click.echo(f"made {name}")
    for name in there:
        click.echo(f"{name} is there already")


def worker_options(context: click.Context) -> list[str]:
    """What the worker processes are to be told of the options of ``driftline`` itself."""
    given = context.find_root().params
    options = ["--log-level", str(given.get("log_level") or "INFO")]
    options += ["--log-format", str(given.get("log_format") or "text")]
    if given.get("config"):
        options += ["--config", str(given["config"])]
    return options


class until_signal:  # noqa: N801 - reads as a condition where it is used
    """True once Ctrl-C or SIGTERM came, or the terminal was closed (unless `nohup` cares not)."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True
