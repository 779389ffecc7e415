"""How the cost of a row grows with rows, features and partitions.

    python -m benchmarks.speed growth [--rows 1000000] [--output benchmarks/results]

``aggregate`` counts Arrow messages of 1,000 rows in batches, without Kafka. Its cost per row should
stay the same from the first rows to the last and from 1 to 64 partitions, and grow with the number
of features in proportion. Writes ``growth.json`` and ``growth.svg``, with the memory of the process
after the last batch of each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.speed.aggregate import START_MS, some_rows
from benchmarks.speed.memory import resident_mib
from consumers.messages.records import Batch, CommittedOffset, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from monitor.counts.profile import Profile, build_profile
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from producers.contract.arrow_columns import ARROW_HEADER
from producers.simulation.arrow_events import arrow_events
from producers.simulation.replay import Replay, as_fast_as_possible
from tests.consumers.in_memory import Log, Table, VersionStates, positions_of

BATCH_ROWS, FEATURE_ROWS, REFERENCE_ROWS = 50_000, 10_000, 10_000
FEATURES, PARTITIONS = (10, 30, 100, 300, 1_000), (1, 4, 16, 64)
PANE_MS = Plan().windows.pane_ms
FAR_MS = 10**12  # append times are later than all event times


class Cost(NamedTuple):
    """Of some rows."""

    at: int  # rows so far, features or partitions
    us_per_row: float  # CPU time
    resident_mib: float


@click.command("growth")
@click.option("--rows", default=1_000_000, show_default=True, help="The most rows.")
@click.option("--output", default=Path("benchmarks/results"), type=click.Path(path_type=Path))
def main(rows: int, output: Path) -> None:
    """Count, and write how the cost grows."""
    found = {
        "rows": list(_by_rows(rows)),
        "features": [_cost(n, FEATURE_ROWS, 1, at=n) for n in FEATURES],
        "partitions": [_cost(20, 2 * BATCH_ROWS, n, at=n) for n in PARTITIONS],
    }
    for name, costs in found.items():
        for cost in costs:
            click.echo(
                f"{name:10} {cost.at:12,} {cost.us_per_row:8.2f} us of CPU a row,"
                f" {cost.resident_mib:5.0f} MiB resident"
            )
    (output / "growth.svg").write_text(_chart(found))
    (output / "growth.json").write_text(
        json.dumps({name: [one._asdict() for one in costs] for name, costs in found.items()}) + "\n"
    )


def _chart(found: Mapping[str, Sequence[Cost]]) -> str:
    """Bars of the cost per row (of features: per value), each group in a scale of its own."""
    lines, y = list[str](), 0
    for name, costs in found.items():
        y += 34
        unit = "value" if name == "features" else "row"
        lines.append(f'<text x="8" y="{y - 8}">by {name}: CPU time per {unit}</text>')
        values = [one.us_per_row / (one.at if unit == "value" else 1) for one in costs]
        for cost, value in zip(costs, values, strict=True):
            lines += [
                f'<text x="8" y="{y + 12}">{cost.at:,}</text>',
                f'<rect x="90" y="{y}" width="{420 * value / max(values):.0f}" height="15"/>',
                f'<text x="520" y="{y + 12}">{value:.2f} us</text>',
            ]
            y += 19
    style = "<style>text{font:12px sans-serif;fill:#555}rect{fill:#4a7fb5}</style>"
    size = f'width="600" height="{y + 8}"'
    body = "".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{body}</svg>\n'


def _by_rows(most: int) -> Iterator[Cost]:
    """After 1, 3, 9, ... batches, each of the rows since the one before."""
    role, batch = _role(_profile(20), 1), _batches(20, BATCH_ROWS, 1)[0]
    rows, spent_s, next_rows = 0, 0.0, BATCH_ROWS
    since = 0
    while rows < most:
        spent_s += _timed(role, batch)
        rows, since = rows + BATCH_ROWS, since + BATCH_ROWS
        if rows >= next_rows or rows >= most:
            yield Cost(rows, spent_s / since * 1e6, resident_mib())
            spent_s, since, next_rows = 0.0, 0, 3 * next_rows


def _cost(features: int, rows: int, partitions: int, *, at: int) -> Cost:
    role, batches = _role(_profile(features), partitions), _batches(features, rows, partitions)
    _timed(role, batches[0])
    spent_s = sum(_timed(role, batch) for batch in batches)
    return Cost(at, spent_s / rows * 1e6, resident_mib())


def _timed(role: Aggregate, batch: Batch) -> float:
    began_s = time.process_time()
    assert role.handle(batch) is not None
    role.committed(batch.next_offsets)
    return time.process_time() - began_s


def _profile(features: int) -> Profile:
    span_ms = 20 * PANE_MS
    return build_profile(
        "m",
        "1",
        some_rows(REFERENCE_ROWS, span_ms, -span_ms, features=features),
        pane_ms=PANE_MS,
        threshold=0.5,
        task=BINARY,
    )


def _role(profile: Profile, partitions: int) -> Aggregate:
    log = Log(predictions=partitions, labels=partitions, summaries=4, joins=4, positions=4)
    plan = Plan()
    role = Aggregate(
        Table(profile), lambda _: plan, log.partitions, positions_of(log), VersionStates()
    )
    role.on_partitions_assigned(
        {TopicPartition("predictions", n): CommittedOffset(-1) for n in range(partitions)}
    )
    return role


def _batches(features: int, rows: int, partitions: int) -> Sequence[Batch]:
    """Of up to ``BATCH_ROWS`` rows, evenly over the partitions."""
    replay = Replay("m", "1", some_rows(rows, PANE_MS, 0, features=features))
    values = [event.value for event in arrow_events(replay, as_fast_as_possible)]
    records = [
        Record("predictions", i % partitions, i, None, value, (ARROW_HEADER,), START_MS + FAR_MS)
        for i, value in enumerate(values)
    ]
    in_batch = max(1, BATCH_ROWS * len(values) // rows)
    return [Batch(records[i : i + in_batch]) for i in range(0, len(records), in_batch)]


if __name__ == "__main__":
    main()
