"""``driftline doctor``: compares topics, state, groups and database with what is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from confluent_kafka.admin import AdminClient

from consumers.kafka.topic_checks import (
    Check,
    group_checks,
    right_checks,
    state_checks,
    topic_checks,
)
from consumers.processes.rights import all_rights
from consumers.processes.worker import all_reads_of, reads_of
from driftline.errors import Trouble
from driftline.exit_codes import DONE, TROUBLE, exit_codes
from driftline.settings import Settings
from driftline.terminal import echo_json, printable
from producers.kafka.configuration import client_config
from producers.kafka.metadata import metadata

WRONG = {DONE: "nothing is wrong", TROUBLE: "something is wrong, or Kafka does not answer"}


@click.command(epilog=exit_codes(WRONG))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check rights, topics, state, consumer groups and the database.

    Prints a line for each check, with what mends it if something is wrong. Nothing is changed.
    """
    checks = _checks(context.obj)
    wrong = _print_document(list(checks)) if as_json else _print_lines(checks)
    context.exit(TROUBLE if wrong else DONE)


def _print_lines(checks: Iterator[Check]) -> int:
    """Each check as soon as it is made. Returns how many found something wrong."""
    wrong = 0
    for check in checks:
        wrong += check.wrong is not None
        click.echo(printable(_line(check)))
    click.echo("nothing is wrong" if not wrong else f"{wrong} checks found something wrong")
    return wrong


def _line(check: Check) -> str:
    return f"ok     {check.name}" if check.wrong is None else f"wrong  {check.name}: {check.wrong}"


def _print_document(checks: Sequence[Check]) -> int:
    documents = [{"check": check.name, "wrong": check.wrong} for check in checks]
    wrong = sum(check.wrong is not None for check in checks)
    echo_json({"wrong": wrong, "checks": documents})
    return wrong


def _checks(settings: Settings) -> Iterator[Check]:
    admin = AdminClient(client_config(settings, {}))
    cluster = metadata(admin, settings)
    yield from right_checks(settings, all_rights(settings, all_reads_of(settings)))
    yield from topic_checks(settings, cluster.topics)
    yield from state_checks(settings, cluster.topics)
    yield from group_checks(settings, reads_of(settings), cluster.topics)
    yield Check("database", _database(settings, str(cluster.cluster_id)))


def _database(settings: Settings, cluster_id: str) -> str | None:
    from consumers.database.database import Database
    from consumers.database.engines import InvalidDatabase

    try:
        database = Database.to_read(settings.store.url)
        with database.read() as connection:
            database.require_owner(connection, cluster_id, settings.kafka.prefix)
        database.close()
    except (Trouble, InvalidDatabase) as error:
        return str(error)
    return None
