"""What a mapped topic costs, beside the same rows in the form of Driftline.

    python -m benchmarks.speed ingest [--rows 40000] [--runs 5]

One batch of JSON records of a service: nested, with seconds and percents, twenty features.
``ingest`` maps them, and ``aggregate`` counts the messages that ``ingest`` has written. Beside it
``aggregate`` counts the same rows as JSON of the contract. Kafka is left out. Prints the CPU time
of a row, the medians of interleaved runs.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from statistics import median

import click
import numpy as np

from benchmarks.speed.aggregate import FEATURES, SOURCE, START_MS
from consumers.messages.records import Batch, CommittedOffset, Message, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.roles.ingest import Ingest
from consumers.roles.role import Role
from consumers.sources.mapping.record_mapper import RecordMapper
from driftline.configuration.sources import SourceSection
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from tests.consumers.in_memory import Log, Table, VersionStates, positions_of

FOREIGN = TopicPartition("topic:service", 0)
MAPPING = SourceSection(
    topic="service",
    id="$.meta.id",
    time={"path": "$.meta.at", "unit": "s"},
    model={"value": "m"},
    features="$.input",
    score={"path": "$.percent", "scale": 0.01},
)


@click.command("ingest")
@click.option("--rows", default=40_000, show_default=True)
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
def main(rows: int, runs: int) -> None:
    """Map and count, and print what a row costs."""
    reference = _reference()
    direct, foreign = _records(rows)
    click.echo(
        f"{rows:,} rows of {FEATURES} features, {platform.machine()},"
        f" Python {platform.python_version()}, numpy {np.__version__}"
    )
    costs: dict[str, list[float]] = {"aggregate, JSON": [], "ingest": [], "aggregate, mapped": []}
    for _ in range(runs):
        costs["aggregate, JSON"].append(_counted(reference, direct)[0])
        cost_s, messages = _worked(_ingest(), foreign)
        mapped = [
            Record(*SOURCE, i, None, message.value, message.headers, START_MS + 10**9)
            for i, message in enumerate(m for m in messages if m.topic == "predictions")
        ]
        costs["ingest"].append(cost_s)
        costs["aggregate, mapped"].append(_counted(reference, mapped)[0])
    for name, found in costs.items():
        click.echo(f"{name:18} {median(found) / rows * 1e6:6.2f} us of CPU a row")
    both = [a + b for a, b in zip(costs["ingest"], costs["aggregate, mapped"], strict=True)]
    ratio = median(own / of for own, of in zip(both, costs["aggregate, JSON"], strict=True))
    click.echo(f"a mapped row costs {ratio:.2f} times one in the form of Driftline")


def _reference() -> Profile:
    rng = np.random.default_rng(1)
    pane_ms, size = Plan().windows.pane_ms, 5_000
    score = rng.random(size)
    time_ms = START_MS - 20 * pane_ms + np.arange(size) * 20 * pane_ms // size
    features = {f"feature_{i}": rng.normal(size=size) for i in range(FEATURES)}
    ids = [str(i) for i in range(size)]
    rows = Predictions(ids, time_ms, score, (score >= 0.5).astype(np.int64), features)
    return build_profile("m", "1", ReferenceRows(rows), pane_ms=pane_ms, threshold=0.5, task=BINARY)


def _records(rows: int) -> tuple[list[Record], list[Record]]:
    """In the form of Driftline, and in that of the service."""
    rng = np.random.default_rng(2)
    direct, foreign = [], []
    for i in range(rows):
        time_s, score = START_MS // 1000 + i // 100, float(rng.random())
        features = {f"feature_{k}": float(rng.normal()) for k in range(FEATURES)}
        own = {"id": f"row-{i:09}", "time": 1000 * time_s, "model": "m", "version": "1"}
        direct.append(json.dumps({**own, "features": features, "score": score}).encode())
        meta = {"id": f"row-{i:09}", "at": time_s}
        record = {"meta": meta, "input": features, "percent": 100 * score}
        foreign.append(json.dumps(record).encode())
    return _read(SOURCE, direct), _read(FOREIGN, foreign)


def _read(source: TopicPartition, values: Sequence[bytes]) -> list[Record]:
    return [Record(*source, i, None, value, (), START_MS + 10**9) for i, value in enumerate(values)]


def _log() -> Log:
    return Log(predictions=1, labels=1, summaries=1, joins=1, positions=1)


def _ingest() -> Ingest:
    log = _log()
    return Ingest({FOREIGN.topic: RecordMapper([MAPPING])}, log.partitions, positions_of(log))


def _counted(reference: Profile, records: Sequence[Record]) -> tuple[float, Sequence[Message]]:
    log, plan = _log(), Plan()
    made = (lambda _: plan, log.partitions, positions_of(log), VersionStates())
    role = Aggregate(Table(reference), *made)
    found = _worked(role, records)
    counts = role._positions.pending[SOURCE].counts
    assert counts["counted"] == counts["received"] > 0
    return found


def _worked(role: Role, records: Sequence[Record]) -> tuple[float, Sequence[Message]]:
    """CPU seconds of one batch, and its messages."""
    role.on_partitions_assigned({records[0].topic_partition: CommittedOffset(-1)})
    batch = Batch(records)
    began_s = time.process_time()
    output = role.handle(batch)
    cost_s = time.process_time() - began_s
    assert output is not None
    return cost_s, output.messages


if __name__ == "__main__":
    main()
