"""What a mapped topic costs, beside the same rows in the form of Driftline.

    python -m benchmarks.speed ingest [--rows 40000] [--runs 5]

One batch of records of a service: nested, with seconds and percents, twenty features, in JSON, Avro
and Protobuf. ``ingest`` maps them, and ``aggregate`` counts the messages that ``ingest`` has
written. Beside it ``aggregate`` counts the same rows as JSON of the contract. Kafka and the schema
registry are left out. Prints the CPU time of a row, the medians of interleaved runs.
"""

from __future__ import annotations

import json
import platform
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import click
import fastavro
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
from tests.consumers.sources.schemas.fake_registry import FakeRegistry, framed
from tests.consumers.sources.schemas.test_avro import written

FOREIGN = TopicPartition("topic:service", 0)
MAPPING: dict[str, Any] = {
    **{"topic": "service", "id": "$.meta.id", "time": {"path": "$.meta.at", "unit": "s"}},
    **{"model": {"value": "m"}, "features": "$.input"},
    "score": {"path": "$.percent", "scale": 0.01},
}
NAMES = [f"feature_{i}" for i in range(FEATURES)]


def _record(name: str, **fields: Any) -> dict[str, Any]:
    named = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": named}


AVRO = fastavro.parse_schema(
    _record(
        "Scored",
        meta=_record("Meta", id="string", at="long"),
        input=_record("Input", **dict.fromkeys(NAMES, "double")),
        percent="double",
    )
)
_DOUBLES = " ".join(f"double {name} = {number};" for number, name in enumerate(NAMES, 1))
PROTOBUF = f"""syntax = "proto3";
message Scored {{ Meta meta = 1; Input input = 2; double percent = 3; }}
message Meta {{ string id = 1; int64 at = 2; }}
message Input {{ {_DOUBLES} }}
"""


@click.command("ingest")
@click.option("--rows", default=40_000, show_default=True)
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
def main(rows: int, runs: int) -> None:
    """Map and count, and print what a row costs."""
    reference, direct, documents = _reference(), *_rows(rows)
    sent = _read(SOURCE, [json.dumps(row).encode() for row in direct])
    foreign = {
        name: _read(FOREIGN, list(map(encode, documents))) for name, encode in ENCODERS.items()
    }
    click.echo(
        f"{rows:,} rows of {FEATURES} features, {platform.machine()},"
        f" Python {platform.python_version()}, numpy {np.__version__}"
    )
    base: list[float] = []
    mapped: dict[str, list[tuple[float, float]]] = {name: [] for name in foreign}
    for _ in range(runs):
        base.append(_counted(reference, sent)[0])
        for name, records in foreign.items():
            mapped[name].append(_mapped(reference, name, records))
    click.echo(f"aggregate, JSON of Driftline {median(base) / rows * 1e6:6.2f} us of CPU a row")
    for name, found in mapped.items():
        ingest_us, aggregate_us = (median(of) / rows * 1e6 for of in zip(*found, strict=True))
        ratio = median(sum(own) / of for own, of in zip(found, base, strict=True))
        click.echo(
            f"{name:9} ingest {ingest_us:6.2f}, then aggregate {aggregate_us:5.2f} us:"
            f" {ratio:.2f} times a row in the form of Driftline"
        )


def _mapped(reference: Profile, format_: str, records: Sequence[Record]) -> tuple[float, float]:
    """CPU seconds of ``ingest``, and those of ``aggregate`` for what it has written."""
    cost_s, messages = _worked(_ingest(format_), records)
    written = [
        Record(*SOURCE, i, None, message.value, message.headers, START_MS + 10**9)
        for i, message in enumerate(m for m in messages if m.topic == "predictions")
    ]
    return cost_s, _counted(reference, written)[0]


def _reference() -> Profile:
    rng = np.random.default_rng(1)
    pane_ms, size = Plan().windows.pane_ms, 5_000
    score = rng.random(size)
    time_ms = START_MS - 20 * pane_ms + np.arange(size) * 20 * pane_ms // size
    features = {f"feature_{i}": rng.normal(size=size) for i in range(FEATURES)}
    ids = [str(i) for i in range(size)]
    rows = Predictions(ids, time_ms, score, (score >= 0.5).astype(np.int64), features)
    return build_profile("m", "1", ReferenceRows(rows), pane_ms=pane_ms, threshold=0.5, task=BINARY)


def _rows(rows: int) -> tuple[list[Any], list[Any]]:
    """In the form of Driftline, and in that of the service."""
    rng = np.random.default_rng(2)
    direct, foreign = [], []
    for i in range(rows):
        time_s, score = START_MS // 1000 + i // 100, float(rng.random())
        features = dict(zip(NAMES, rng.normal(size=FEATURES).tolist(), strict=True))
        own = {"id": f"row-{i:09}", "time": 1000 * time_s, "model": "m", "version": "1"}
        direct.append({**own, "features": features, "score": score})
        meta = {"id": f"row-{i:09}", "at": time_s}
        foreign.append({"meta": meta, "input": features, "percent": 100 * score})
    return direct, foreign


def _as_json(row: Any) -> bytes:
    return json.dumps(row).encode()


def _as_avro(row: Any) -> bytes:
    return framed(1, written(AVRO, row))


def _as_protobuf(row: Any) -> bytes:
    id_, at = row["meta"]["id"].encode(), row["meta"]["at"]
    meta = _part(1, id_) + b"\x10" + _varint(at)
    inner = b"".join(_double(i, value) for i, value in enumerate(row["input"].values(), 1))
    return framed(1, b"\0" + _part(1, meta) + _part(2, inner) + _double(3, row["percent"]))


ENCODERS: Mapping[str, Callable[[Any], bytes]] = {
    "json": _as_json,
    "avro": _as_avro,
    "protobuf": _as_protobuf,
}


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def _part(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _read(source: TopicPartition, values: Sequence[bytes]) -> list[Record]:
    return [Record(*source, i, None, value, (), START_MS + 10**9) for i, value in enumerate(values)]


def _log() -> Log:
    return Log(predictions=1, labels=1, summaries=1, joins=1, positions=1)


def _ingest(format_: str) -> Ingest:
    log, fake = _log(), FakeRegistry()
    schema, kind = (PROTOBUF, "PROTOBUF") if format_ == "protobuf" else (AVRO, "AVRO")
    fake.register(schema, kind)
    mapper = RecordMapper(
        [SourceSection.model_validate(MAPPING | {"format": format_})], fake.client()
    )
    return Ingest(lambda _: mapper, log.partitions, positions_of(log))


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
