"""How fast ``join`` joins, beside RocksDB alone for the same reads and writes.

    python -m benchmarks.speed join [--ids 1000000] [--runs 5]
    python -m benchmarks.speed join --waiting --ids 20000000 --runs 1

Predictions, and a label for each of them four batches later, in messages as ``aggregate`` writes
them. RocksDB alone reads the entries of the same ids and writes entries of the same size, in the
same batches and order, with the options of ``join``; its keys are made before the clock starts.
Prints rows per second of wall time, CPU time per row with that of the threads of RocksDB, and the
memory. With ``--waiting`` no labels come, so that all ids wait to the end.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
from rocksdict import WriteBatch

from benchmarks.speed.memory import resident_mib
from consumers.messages.joins import JoinRows, join_message
from consumers.messages.progress import (
    LabelsSeen,
    SourceProgress,
    VersionSeen,
    source_progress_messages,
)
from consumers.messages.records import Batch, CommittedOffset, Message, Record, TopicPartition
from consumers.roles.join import Join
from consumers.roles.join_store import JoinStore
from monitor.events.join_columns import ENTRY
from monitor.events.progress import AppendTimes, Seen
from monitor.plan import Plan
from tests.consumers.in_memory import Table, profile

PARTITION = TopicPartition("joins", 0)
IN_MESSAGE, IN_BATCH = 5_000, 8  # rows in a message, messages in a batch
SIZE = IN_MESSAGE * IN_BATCH
LAG = 4  # batches until the labels of a batch come
START_MS, PER_MS = 1_364_774_400_000, 20  # of event time; rows in a millisecond


class Cost(NamedTuple):
    """Of all rows."""

    wall_s: float
    cpu_s: float


@click.command("join")
@click.option("--ids", default=1_000_000, show_default=True)
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
@click.option("--waiting", is_flag=True, help="No labels: all ids wait to the end.")
def main(ids: int, runs: int, waiting: bool) -> None:
    """Join, and print how fast."""
    parts = list(_parts(ids, waiting))
    rows = sum(len(part) for batch in parts for part, _ in batch)
    click.echo(
        f"{rows:,} rows, {ids:,} ids, {platform.machine()}, Python {platform.python_version()}"
    )
    before_mib, joined, alone = resident_mib(), list[Cost](), list[Cost]()
    for _ in range(runs):
        joined.append(_timed(_Joined(parts), before_mib))
        alone.append(_timed(_RocksDB(parts), before_mib))
    for name, costs in (("join", joined), ("RocksDB alone", alone)):
        wall_s, cpu_s = (median(values) for values in zip(*costs, strict=True))
        click.echo(
            f"{name:14} {rows / wall_s:10,.0f} rows/s {cpu_s / rows * 1e6:6.2f} us of CPU a row"
        )
    by_cpu = median(two.cpu_s / one.cpu_s for one, two in zip(joined, alone, strict=True))
    by_wall = median(two.wall_s / one.wall_s for one, two in zip(joined, alone, strict=True))
    click.echo(f"ratio          {by_cpu:.2f} by CPU time, {by_wall:.2f} by wall time")


Part = tuple[range, bool]  # of the ids; whether they are labels


def _parts(ids: int, waiting: bool) -> Iterator[Sequence[Part]]:
    """What each batch holds."""
    parts = [range(start, min(start + SIZE, ids)) for start in range(0, ids, SIZE)]
    if waiting:
        yield from ([(part, False)] for part in parts)
        return
    for number in range(len(parts) + LAG):
        batch = ((number, False), (number - LAG, True))
        yield [(parts[i], labels) for i, labels in batch if 0 <= i < len(parts)]


def _idents(part: range) -> np.ndarray:
    """Shape (n, 16)."""
    rng = np.random.default_rng(part.start)
    return np.frombuffer(rng.bytes(16 * len(part)), dtype=np.uint8).reshape(-1, 16)


class _Timer:
    """Work in steps. The preparation of each does not count."""

    def prepared(self, directory: Path) -> Iterator[Callable[[], None]]:
        raise NotImplementedError


class _Joined(_Timer):
    def __init__(self, parts: Iterable[Sequence[Part]]) -> None:
        self._parts = parts

    def prepared(self, directory: Path) -> Iterator[Callable[[], None]]:
        plan = Plan()
        table = Table(profile(pane_ms=plan.windows.pane_ms))
        role = Join(table, lambda _: plan, lambda _: 1, directory, lambda _: 0)
        role.on_partitions_assigned({PARTITION: CommittedOffset(-1)})
        offset = 0
        for batch in self._parts:
            messages = [*_messages(batch), _progress(max(part.stop for part, _ in batch))]
            records = [
                Record("joins", 0, offset + i, None, message.value, message.headers)
                for i, message in enumerate(messages)
            ]
            offset += len(records)
            yield lambda records=records, offset=offset: self._work(role, records, offset)
        yield lambda: role.on_partitions_revoked([PARTITION])

    def _work(self, role: Join, records: Sequence[Record], offset: int) -> None:
        role.handle(Batch(records))
        role.committed({PARTITION: offset})


class _RocksDB(_Timer):
    def __init__(self, parts: Iterable[Sequence[Part]]) -> None:
        self._parts = parts

    def prepared(self, directory: Path) -> Iterator[Callable[[], None]]:
        store = JoinStore(directory / "0")
        for batch in self._parts:
            idents = np.concatenate([_idents(part) for part, _ in batch])
            keys = sorted(b"e" + ident.tobytes() for ident in idents)
            yield lambda keys=keys: self._work(store, keys)
        yield store.close

    def _work(self, store: JoinStore, keys: list[bytes]) -> None:
        value, batch = bytes(ENTRY.itemsize), WriteBatch(raw_mode=True)
        store._db.get(keys)
        for key in keys:
            batch.put(key, value)
        store._db.write(batch)


def _timed(work: _Timer, before_mib: float) -> Cost:
    wall_s = cpu_s = most_mib = disk_mib = 0.0
    with TemporaryDirectory() as directory:
        for step in work.prepared(Path(directory)):
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            step()
            wall_s += time.perf_counter() - began_s
            cpu_s += time.process_time() - began_cpu_s
            most_mib = max(most_mib, resident_mib())
        disk_mib = sum(path.stat().st_size for path in Path(directory).rglob("*")) / 2**20
    click.echo(
        f"{type(work).__name__[1:]:14} {most_mib:6.0f} MiB resident, {before_mib:.0f} before,"
        f" {disk_mib:.0f} on disk"
    )
    return Cost(wall_s, cpu_s)


def _messages(batch: Sequence[Part]) -> Iterator[Message]:
    for part, labels in batch:
        idents = _idents(part)
        for start in range(0, len(part), IN_MESSAGE):
            at = np.arange(part.start, part.stop)[start : start + IN_MESSAGE]
            yield join_message(
                JoinRows(
                    "m",
                    [ident.tobytes() for ident in idents[start : start + IN_MESSAGE]],
                    [None if labels else "1"] * len(at),
                    START_MS + at // PER_MS + 60_000 * labels,
                    np.zeros(len(at), dtype=bool),
                    (at * 7 % 100) / 100,
                    at % 2,
                    np.full(len(at), START_MS),
                    np.zeros(len(at), dtype=np.int64),
                ),
                0,
            )


def _progress(newest: int) -> Message:
    at_ms = START_MS + newest // PER_MS
    seen, appended = Seen(at_ms, at_ms, START_MS, at_ms), AppendTimes(1, {0: at_ms})
    message = SourceProgress(
        schema=1,
        predictions=appended,
        labels=appended,
        versions=[VersionSeen(model="m", version="1", partition=0, seen=seen)],
        label_models=[LabelsSeen(model="m", partition=0, seen=seen)],
    )
    made = source_progress_messages(message, joins=1, summaries=1, has_append_times=True)
    return next(iter(made))


if __name__ == "__main__":
    main()
