"""``driftline inspect`` and ``driftline attach``: topics in the form of the services.

Slow imports are inside the functions, so that ``--help`` is fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftline.errors import BadInput
from driftline.settings import FILE, Settings
from driftline.terminal import printable

if TYPE_CHECKING:
    from consumers.attach.attaching import Proposal
    from consumers.sources.stream_reference import StreamReference

SHOWN = 10  # rows
records = click.option(
    "--records",
    type=click.IntRange(1, 100_000),
    default=1_000,
    show_default=True,
    help="About how many of the newest records to look at.",
)


@click.command()
@click.argument("topic")
@records
@click.pass_obj
def inspect(settings: Settings, topic: str, records: int) -> None:
    """Show what the records of TOPIC hold, and what its [[sources]] make of them.

    TOPIC is the full name. Nothing is changed, and no consumer group is used.
    """
    from consumers.attach.inspection import HalvesTrial, MappingTrial, path_lines, span_line
    from consumers.attach.topic_sample import sample_of
    from consumers.sources.mapping.pairs import half_readers
    from consumers.sources.mapping.record_mapper import mappers_by_topic

    sample = sample_of(settings, topic, records)
    _print([span_line(sample.records)])
    if others := len(sample.records) - len(sample.documents):
        _print([f"{others:,} of them cannot be read"])
    _print([f"  {'path':<40} {'kind':<8} {'records':>7}  values", *path_lines(sample.documents)])
    mapper = mappers_by_topic(settings).get(topic)
    halves = half_readers(settings).get(settings.short_topic(topic))
    if mapper is not None:
        _print(MappingTrial(mapper, sample.records).lines(SHOWN))
    elif halves is not None:
        _print(HalvesTrial(halves, sample.records).lines())
    else:
        _print([f"{topic} is not in [[sources]]: driftline attach proposes a table of it"])


@click.command()
@click.option("--topic", required=True, help="Full name of the topic of predictions.")
@click.option("--labels", help="Full name of the topic of labels.")
@click.option("--model", required=True, help="Name of the model.")
@click.option("--version", default="1", show_default=True, help="Version of the model.")
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="FIELD=PATH",
    help="Where a field is, instead of the proposal: id, time, score, prediction, features, rows,"
    " label, label_id, label_time, label_rows. Can be repeated.",
)
@click.option("--positive", help="Of two labels that are texts: the one that is 1.")
@click.option("--from", "start", help="First time of the reference; by default the oldest row.")
@click.option("--until", "end", help="Time after the reference; by default after the newest row.")
@click.option(
    "--next",
    "next_",
    metavar="ROWS|TIME",
    help="Instead of --until: build the reference from the next rows, so many (5000), or those of a"
    " time (14d). They begin at --from, by default after the newest row.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@records
@click.pass_context
def attach(context: click.Context, /, records: int, **given: Any) -> None:
    """Watch a model whose service already publishes to TOPIC, without a change of the service.

    Looks at the newest records, proposes [[sources]], and shows ten rows as they would be read. If
    you agree, it reads the topics from --from until --until, registers these rows as the reference,
    and adds the tables to driftline.toml. Rows after that are watched. With --next it only adds the
    tables: driftline consume collects the rows, and registers the version when they are there.
    """
    from consumers.attach.attaching import proposed

    settings: Settings = context.obj
    file = Path(context.find_root().params.get("config") or FILE)
    _require_new(settings, given["topic"], given["labels"])
    collect = _amount(settings, given)
    proposal = proposed(settings, records, given)
    _print(proposal.lines(settings, SHOWN))
    if collect is not None:
        _collect(settings, proposal, collect, file, ask=not given["yes"])
        return
    if not given["yes"]:
        click.confirm(f"Write this to {file}, and read the reference?", abort=True)
    reference = proposal.reference(settings)
    saved = file.parent / f"{proposal.model}-{proposal.version}.reference.parquet"
    _register(settings, proposal, reference, saved)
    _append(file, proposal.toml(reference))
    click.echo(f"added [[sources]] to {file}: run or restart driftline consume")


def _amount(settings: Settings, given: Mapping[str, Any]) -> int | str | None:
    """Of ``--next``. Raises ``BadInput`` if it cannot be done."""
    from consumers.attach.attaching import amount_of, require_uncollected

    if given["next_"] is None:
        return None
    if given["end"] is not None:
        raise BadInput("--next and --until cannot be combined: each says where the reference ends")
    require_uncollected(settings, given["model"], given["version"])
    return amount_of(given["next_"])


def _collect(
    settings: Settings, proposal: Proposal, collect: int | str, file: Path, *, ask: bool
) -> None:
    from consumers.attach.attaching import waiting_line
    from consumers.kafka.topic_configuration import retention_warnings

    if isinstance(collect, str):
        for warning in retention_warnings(settings, proposal.needed_ms(settings, collect)):
            click.echo(f"warning: {warning}", err=True)
    if ask:
        click.confirm(f"Write this to {file}, and collect the reference?", abort=True)
    _append(file, proposal.collecting_toml(settings, collect))
    click.echo(f"added [[sources]] to {file}: run or restart driftline consume")
    click.echo(waiting_line(settings, proposal, collect))


def _register(
    settings: Settings, proposal: Proposal, reference: StreamReference, saved: Path
) -> None:
    """As ``driftline register`` does it with the saved file."""
    import pyarrow.parquet

    from consumers.attach.attaching import register_options
    from producers.commands.produce import register

    table = reference.table()
    pyarrow.parquet.write_table(table, saved)
    click.echo(f"saved {len(table):,} rows of the reference in {saved}")
    options = ["--model", proposal.model, "--version", proposal.version, "--reference", str(saved)]
    options += register_options(table.column_names)
    register.main(options, "driftline register", standalone_mode=False, obj=settings)


def _append(file: Path, text: str) -> None:
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    gap = "\n" if before and not before.endswith("\n\n") else ""
    file.write_text(f"{before}{gap}{text}", encoding="utf-8")


def _require_new(settings: Settings, *topics: str | None) -> None:
    known = {source.topic: source for source in settings.sources}
    for topic in filter(None, topics):
        if topic not in known:
            continue
        if known[topic].collect is not None:
            raise BadInput(
                f"{topic} is in [[sources]] already, with collect: driftline models list shows how"
                " far that is; to begin afresh, delete its tables from the configuration first"
            )
        raise BadInput(
            f"{topic} is in [[sources]] already: driftline inspect {topic} shows what becomes"
            " of its records"
        )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(printable(line))
