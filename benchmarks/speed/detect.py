"""What ``detect`` costs: the CPU time of each pane as it closes, and the memory of each model.

    python -m benchmarks.speed detect [--features 20] [--rows 100] [--panes 240] [--models 1]

One role without Kafka. The models have profiles of 10,000 rows whose learned figures are published,
as `register` does. Each batch holds the rows of one pane of each model, and closes it. The first
third of the panes does not count. Windows of a day close with every 24th pane, so they make up the
99th percentile. The reference is the time to sort a million doubles, in the same run.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.speed.memory import resident_mib
from consumers.messages.arrow import ARROW_HEADERS
from consumers.messages.progress import (
    JoinProgress,
    SourceProgress,
    VersionJoined,
    VersionSeen,
    join_progress_messages,
    source_progress_messages,
)
from consumers.messages.records import Message, TopicPartition
from consumers.messages.summaries import encode_pieces
from consumers.roles.detect import Detect
from monitor.counts.columns import Predictions
from monitor.counts.counting import count_data
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from monitor.windows.learned import Learned
from producers.contract.learned import encode_learned, learned_key
from producers.contract.profiles import content_hash
from tests.consumers.in_memory import Log, Table, Worker, constant

REFERENCE_ROWS, REFERENCE_PANES = 10_000, 100
START_MS = 1_704_067_200_000
PLAN = Plan()
PANE_MS = PLAN.windows.pane_ms


@click.command("detect")
@click.option("--features", default=20, show_default=True)
@click.option("--rows", default=100, show_default=True, help="In a pane.")
@click.option("--panes", default=240, show_default=True)
@click.option("--models", default=1, show_default=True)
def main(features: int, rows: int, panes: int, models: int) -> None:
    """Close panes, and print what it costs."""
    first = _profile(features)
    profiles = [_named(first, f"m{number}") for number in range(models)]
    table = Table(*profiles)
    for profile in profiles:
        table.published_learning[profile.model, profile.version] = encode_learned(
            Learned.of(PLAN, first), learned_key(PLAN, content_hash(profile)), BINARY
        )
    sorted_ms = sorting_ms()
    with TemporaryDirectory() as directory:
        before_mib, costs = resident_mib(), _costs(table, profiles, rows, panes, Path(directory))
        mib = (resident_mib() - before_mib) / models
    ms = np.array(costs[panes // 3 :]) * 1e3 / models
    click.echo(
        f"{models} models of {features} features, {rows} rows in a pane, {platform.machine()},"
        f" Python {platform.python_version()}"
    )
    click.echo(
        f"CPU of a pane of a model: mean {ms.mean():.1f} ms, median {np.median(ms):.1f},"
        f" 99th percentile {np.percentile(ms, 99):.1f}; a million doubles sorted: {sorted_ms:.0f}"
    )
    click.echo(f"memory of a model with its profile: {mib:.1f} MiB")


def _profile(features: int) -> Profile:
    rng = np.random.default_rng(0)
    span_ms = REFERENCE_PANES * PANE_MS
    rows = _rows(rng, START_MS - span_ms, span_ms, REFERENCE_ROWS, features)
    label = (rng.random(REFERENCE_ROWS) < rows.score).astype(np.int64)
    reference = ReferenceRows(rows, label, rows.time_ms + 60_000)
    return build_profile("m", "1", reference, pane_ms=PANE_MS, threshold=0.5, task=BINARY)


def _named(profile: Profile, model: str) -> Profile:
    return replace(profile, schema=replace(profile.schema, model=model))


def _rows(
    rng: np.random.Generator, start_ms: int, span_ms: int, n: int, features: int
) -> Predictions:
    time_ms, score = np.sort(start_ms + rng.integers(0, span_ms, n)), rng.random(n)
    values = {f"f{number:03}": rng.normal(size=n) for number in range(features)}
    return Predictions(list(map(str, range(n))), time_ms, score, (score >= 0.5).astype(int), values)


def _costs(
    table: Table, profiles: Sequence[Profile], rows: int, panes: int, directory: Path
) -> list[float]:
    """The CPU seconds of each batch."""
    log = Log(summaries=1, **{"detect-state": 1, "windows": 1, "alerts": 1, "versions": 1})
    made = (table, constant(PLAN), log.partitions, log.read, directory)
    role = Detect(*made, log.first_offset)
    worker, rng = Worker(role, log, [TopicPartition("summaries", 0)]), np.random.default_rng(1)
    costs = []
    for pane in range(panes):
        at_ms = START_MS + pane * PANE_MS
        for profile in profiles:
            _append_rows(log, profile, rng, at_ms, rows)
        for message in _passed(profiles, at_ms + PANE_MS + PLAN.time.lateness_ms + 1):
            log.append(message)
        began_s = time.process_time()
        worker.work(1_000_000)
        costs.append(time.process_time() - began_s)
    return costs


def _append_rows(
    log: Log, profile: Profile, rng: np.random.Generator, at_ms: int, rows: int
) -> None:
    found = _rows(rng, at_ms, PANE_MS, rows, len(profile.schema.features))
    parts = np.array([Part.ON_TIME] * rows, dtype=object)
    for value in encode_pieces(count_data(profile.schema, found, parts)):
        log.append(Message("summaries", profile.model.encode(), value, 0, ARROW_HEADERS))


def _passed(profiles: Sequence[Profile], at_ms: int) -> list[Message]:
    """All rows of all models have come to this time, and were joined."""
    appended, seen = AppendTimes(1, {0: at_ms}), Seen(at_ms, at_ms, at_ms, at_ms)
    joined = EventTime(at_ms)
    sources = SourceProgress(
        schema=1,
        predictions=appended,
        labels=appended,
        versions=[
            VersionSeen(model=one.model, version=one.version, partition=0, seen=seen)
            for one in profiles
        ],
    )
    joins = JoinProgress(
        schema=1,
        joins=appended,
        versions=[
            VersionJoined(
                model=one.model, version=one.version, partition=0, predictions=joined, labels=joined
            )
            for one in profiles
        ],
    )
    return [
        *source_progress_messages(sources, joins=0, summaries=1, has_append_times=True),
        *join_progress_messages(joins, 1, has_append_times=True),
    ]


def sorting_ms() -> float:
    values = np.random.default_rng(2).normal(size=1_000_000)
    began_s = time.process_time()
    for _ in range(5):
        np.sort(values)
    return (time.process_time() - began_s) / 5 * 1e3
