"""``driftline alerts``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from driftline.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.messages.alert_terminal import AlertFilter
    from consumers.messages.records import Record
    from driftline.settings import Settings

COLOURS = {"critical": "red", "warning": "yellow"}


@click.command()
@click.option("--follow", is_flag=True, help="Print new alerts until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One CloudEvent a line, as published.")
@click.option("--severity", "severities", multiple=True, type=click.Choice(("warning", "critical")))
@click.option("--kind", "kinds", multiple=True, help="data, prediction, performance, …")
@click.option("--model", "models", multiple=True, help="Only alerts of this model.")
@click.option("--since", help="Since this event time, UTC: 2013-05-01, 2013-05-01T06:00:00Z.")
@click.pass_obj
def alerts(  # noqa: PLR0913 - one argument for each option
    settings: Settings,
    /,
    follow: bool,
    as_json: bool,
    severities: tuple[str, ...],
    kinds: tuple[str, ...],
    models: tuple[str, ...],
    since: str | None,
) -> None:
    """Show the alerts: time, severity, change, model and message.

    Reads the topic from its beginning and commits nothing. Repeated options are alternatives.
    """
    from consumers.kafka.topic_reader import TopicReader
    from consumers.messages.alert_terminal import AlertFilter
    from producers.contract.times import parse_time_ms

    wanted = AlertFilter(
        frozenset(severities),
        frozenset(kinds),
        frozenset(models),
        None if since is None else parse_time_ms(since),
    )
    with TopicReader(settings, "alerts") as reader:
        _show(reader.records_by_time(), wanted, as_json)
        with suppress(KeyboardInterrupt):
            _show(reader.follow() if follow else (), wanted, as_json)


def _show(records: Iterable[Record], wanted: AlertFilter, as_json: bool) -> None:
    from consumers.messages.alert_terminal import alert_line
    from consumers.messages.alerts import decode_alert
    from consumers.messages.reading import ForeignMessage, MalformedMessage

    for record in records:
        try:
            alert = decode_alert(record)
        except (ForeignMessage, MalformedMessage) as error:
            skipped = f"skipped a record that is not an alert, at offset {record.offset}: {error}"
            echo(skipped, err=True)
            continue
        if wanted.matches(alert):
            line = click.style(alert_line(alert), fg=COLOURS.get(alert.data.severity))
            click.echo((record.value or b"").decode() if as_json else line)
