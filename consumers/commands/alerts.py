"""``driftline alerts``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from driftline.terminal import echo, printable_json
from monitor.budget import SHARES
from monitor.decisions.incidents import Change

if TYPE_CHECKING:
    from consumers.messages.alert_terminal import AlertFilter
    from consumers.messages.alerts import AlertMessage
    from consumers.messages.records import Record
    from driftline.settings import Settings

COLOURS = {"critical": "red", "warning": "yellow"}
# Of the first parts of subjects; errors of a model are about its concept.
KINDS = (*("concept" if name == "errors" else name for name in SHARES), "driftline")


@click.command()
@click.option("--follow", is_flag=True, help="Print new alerts until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One CloudEvent a line, as published.")
@click.option("--severity", "severities", multiple=True, type=click.Choice(("warning", "critical")))
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS))
@click.option("--change", "changes", multiple=True, type=click.Choice([*map(str, Change)]))
@click.option("--subject", "subjects", multiple=True, help="data/income, performance/recall, …")
@click.option("--model", "models", multiple=True, help="Only alerts of this model.")
@click.option("--since", help="Since this event time, UTC: 2013-05-01, 2013-05-01T06:00:00Z.")
@click.pass_obj
def alerts(
    settings: Settings, /, follow: bool, as_json: bool, since: str | None, **given: Any
) -> None:
    """Show the alerts in order of event time: time, severity, change, model and message.

    Reads the topic from its beginning and commits nothing. Repeated options are alternatives. With
    --follow, new alerts come as they are published.
    """
    from consumers.kafka.topic_reader import TopicReader
    from consumers.messages.alert_terminal import AlertFilter
    from producers.contract.times import parse_time_ms

    since_ms = None if since is None else parse_time_ms(since)
    wanted = AlertFilter(**{k: frozenset(v) for k, v in given.items()}, since_ms=since_ms)
    with TopicReader(settings, "alerts") as reader:
        present = sorted(_decoded(reader.records_by_time()), key=lambda one: one.alert.time_ms)
        _check_names(settings, wanted, [one.alert for one in present])
        _show(present, wanted, as_json)
        with suppress(KeyboardInterrupt):
            _show(_decoded(reader.follow() if follow else ()), wanted, as_json)


class _Published(NamedTuple):
    alert: AlertMessage
    value: bytes


def _decoded(records: Iterable[Record]) -> Iterator[_Published]:
    """Names records that are no alerts."""
    from consumers.messages.alerts import decode_alert
    from consumers.messages.reading import ForeignMessage, MalformedMessage

    for record in records:
        try:
            yield _Published(decode_alert(record), record.value or b"")
        except (ForeignMessage, MalformedMessage) as error:
            skipped = f"skipped a record that is not an alert, at offset {record.offset}: {error}"
            echo(skipped, err=True)


def _check_names(settings: Settings, wanted: AlertFilter, present: list[AlertMessage]) -> None:
    """Says so if no alert is about a subject. Raises ``BadInput`` for an unknown model."""
    from driftline.errors import not_registered
    from producers.kafka.profile_table import registered_versions

    if unknown := wanted.models - {alert.data.model for alert in present}:
        registered = {model for model, _ in registered_versions(settings)}
        if missing := sorted(unknown - registered):
            raise not_registered(f"model {missing[0]!r}", sorted(registered))
    if (hint := wanted.unknown(present)) is not None:
        echo(hint, err=True)


def _show(published: Iterable[_Published], wanted: AlertFilter, as_json: bool) -> None:
    from consumers.messages.alert_terminal import alert_line

    for alert, value in published:
        if wanted.matches(alert):
            line = click.style(alert_line(alert), fg=COLOURS.get(alert.data.severity))
            click.echo(printable_json(value.decode()) if as_json else line)
