"""How fast ``aggregate`` is on Arrow and on JSON, beside decoding and counting alone.

    python -m benchmarks.speed aggregate [--messages 75] [--rows 1000] [--runs 5]

A batch of Arrow messages, and one with as many rows as JSON, of twenty numeric features and two
panes. ``aggregate`` validates and counts the rows, hashes ids, and writes summaries and rows for
``join``; Kafka is left out. The kernel decodes the same Arrow messages and counts their columns,
and does nothing else. Prints rows per second of CPU time, the medians of interleaved runs.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from statistics import median

import click
import numpy as np
import pyarrow as pa

from consumers.messages.records import Batch, CommittedOffset, Headers, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import PARTS, Part
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from producers.contract.arrow_columns import ARROW_HEADER
from producers.simulation.arrow_events import arrow_events
from producers.simulation.replay import Replay, as_fast_as_possible
from tests.consumers.in_memory import Log, Table, VersionStates, positions_of

FEATURES, REFERENCE = 20, 10_000
START_MS = 1_364_774_400_000
SOURCE = TopicPartition("predictions", 0)


@click.command("aggregate")
@click.option("--messages", default=75, show_default=True, help="In a batch of Arrow.")
@click.option("--rows", default=1_000, show_default=True, help="In a message.")
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
def main(messages: int, rows: int, runs: int) -> None:
    """Validate and count, and print how fast."""
    size, pane_ms = messages * rows, Plan().windows.pane_ms
    reference = build_profile(
        "m",
        "1",
        some_rows(REFERENCE, 20 * pane_ms, -20 * pane_ms),
        pane_ms=pane_ms,
        threshold=0.5,
        task=BINARY,
    )
    replay = Replay("m", "1", some_rows(size, 2 * pane_ms, 0))
    arrow = [event.value for event in arrow_events(replay, as_fast_as_possible)]
    json = [event.value for event in replay.events()]
    click.echo(
        f"{size:,} rows of {FEATURES} features in {len(arrow)} Arrow messages,"
        f" {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__},"
        f" pyarrow {pa.__version__}"
    )
    timed = {
        "kernel": lambda: _kernel(reference, arrow),
        "aggregate, Arrow": lambda: _aggregate(reference, arrow, (ARROW_HEADER,)),
        "aggregate, JSON": lambda: _aggregate(reference, json, ()),
    }
    costs: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(runs):
        for name, run in timed.items():
            costs[name].append(run())
    for name, found in costs.items():
        ratio = median(of / own for of, own in zip(costs["kernel"], found, strict=True))
        cost_s = median(found)
        click.echo(
            f"{name:17} {size / cost_s:10,.0f} rows/s {cost_s / size * 1e6:6.2f} us of CPU a row,"
            f" {ratio:.2f} of the kernel"
        )


def some_rows(
    size: int, span_ms: int, first_ms: int, *, labelled: bool = False, features: int = FEATURES
) -> ReferenceRows:
    """Rows of independent features, evenly over a span of event time."""
    rng = np.random.default_rng(size)
    score = rng.random(size)
    time_ms = START_MS + first_ms + np.arange(size) * span_ms // size
    rows = Predictions(
        [f"row-{i:09}" for i in range(size)],
        time_ms,
        score,
        (score >= 0.5).astype(np.int64),
        {f"feature_{i}": rng.normal(size=size) for i in range(features)},
    )
    if not labelled:
        return ReferenceRows(rows)
    return ReferenceRows(rows, (rng.random(size) < score).astype(np.int64), time_ms + 60_000)


def _aggregate(reference: Profile, values: Sequence[bytes], headers: Headers) -> float:
    """CPU seconds of one batch, from its messages to those of its transaction."""
    log = Log(predictions=1, labels=1, summaries=1, joins=1, positions=1)
    plan, states = Plan(), VersionStates()
    role = Aggregate(Table(reference), lambda _: plan, log.partitions, positions_of(log), states)
    role.on_partitions_assigned({SOURCE: CommittedOffset(-1)})
    records = [
        Record(*SOURCE, i, None, value, headers, START_MS + 10**9) for i, value in enumerate(values)
    ]
    batch = Batch(records)
    began_s = time.process_time()
    output = role.handle(batch)
    cost_s = time.process_time() - began_s
    assert output is not None
    counts = role._positions.pending[SOURCE].counts
    assert counts["counted"] == counts["received"] > 0
    return cost_s


def _kernel(reference: Profile, values: Sequence[bytes]) -> float:
    """CPU seconds of decoding and counting."""
    began_s = time.process_time()
    table = pa.concat_tables([pa.ipc.open_stream(value).read_all() for value in values])
    columns = {name: table[name].to_numpy() for name in reference.schema.features}
    time_ms = table["time"].cast(pa.int64()).to_numpy()
    part = np.full(len(table), PARTS.index(Part.ON_TIME))
    rows = Predictions(
        [], time_ms, table["score"].to_numpy(), table["prediction"].to_numpy(), columns
    )
    count_data(reference.schema, rows, part)
    return time.process_time() - began_s


if __name__ == "__main__":
    main()
