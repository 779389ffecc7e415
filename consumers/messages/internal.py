"""The bytes of the topics that the consumers write: summaries, joins, windows, alerts, state.

Summaries and joins are Arrow IPC streams, everything else JSON; the first byte tells them apart.
The public ones, windows and alerts, are described in ``docs/messages.md``.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.counts import Counts
from monitor.counts.summary import Summary
from monitor.decisions.incidents import Change
from monitor.events.event_time import Progress, Sources
from monitor.performance.cbpe import Estimate, Expected
from monitor.statistics.drift_rule import Comparison, Evidence
from monitor.statistics.effect_sizes import Effects
from monitor.statistics.histograms import Distribution
from monitor.windows.findings import (
    DataFinding,
    FeatureFinding,
    MetricFinding,
    PerformanceFinding,
    Transition,
    WindowFinding,
)
from monitor.windows.state import Clock, Closing, Decisions, JoinWatermark
from producers.contract.summaries import (
    decode_summaries,
    decode_table,
    encode_summaries,
    encode_table,
)

MOST_BYTES = 450_000  # of summaries in a message: with what Arrow adds, under 512 kB
ROW_BYTES, CELL_BYTES = 48, 12  # what a name takes besides its text, and each of its cells
SCHEMA = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(time_ms: int) -> str:
    """``2013-04-01T09:15:00Z``; with milliseconds only where there are any."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def model_partition(model: str, partitions: int) -> int:
    """The partition that holds everything of a model: our own hash, the same in every client."""
    return zlib.crc32(model.encode()) % partitions


# -- summaries and closings --------------------------------------------------------------------


def encode_summary_messages(summaries: Sequence[Summary]) -> list[bytes]:
    """Messages under 512 kB that together hold all ``summaries``, even where nothing compresses."""
    messages: list[bytes] = []
    waiting: list[Summary] = []
    size = 0
    for piece in (piece for summary in summaries for piece in _pieces(summary)):
        weight = sum(_weight(name, held) for name, held in _held(piece))
        if waiting and size + weight > MOST_BYTES:
            messages.append(encode_summaries(waiting))
            waiting, size = [], 0
        waiting.append(piece)
        size += weight
    if waiting:
        messages.append(encode_summaries(waiting))
    return messages


def _pieces(summary: Summary) -> Iterable[Summary]:
    """A summary too large for a message, by groups of features: summaries add, so pieces do."""
    cells: dict[str, Counts] = {}
    names: dict[str, Mapping[str, int]] = {}
    size = 0
    for name, held in _held(summary):
        weight = _weight(name, held)
        if size and size + weight > MOST_BYTES:
            yield replace(summary, cells=cells, names=names)
            cells, names, size = {}, {}, 0
        if isinstance(held, Counts):
            cells[name] = held
        else:
            names[name] = held
        size += weight
    yield replace(summary, cells=cells, names=names)


def _held(summary: Summary) -> Iterable[tuple[str, Counts | Mapping[str, int]]]:
    return (*summary.cells.items(), *summary.names.items())


def _weight(name: str, held: Counts | Mapping[str, int]) -> int:
    """The bytes of one row of a message, before compression."""
    if isinstance(held, Counts):
        return ROW_BYTES + len(name.encode()) + CELL_BYTES * held.index.size
    texts = sum(CELL_BYTES + len(text.encode()) for text in held)
    return ROW_BYTES + len(name.encode()) + texts


@dataclass(frozen=True, slots=True)
class AggregateClosing:
    """How far the source partitions of a worker of ``aggregate`` have come."""

    predictions: Sources
    labels: Sources


def encode_aggregate_closing(closing: AggregateClosing) -> bytes:
    return msgspec.json.encode(
        {
            "schema": SCHEMA,
            "predictions": _sources(closing.predictions),
            "labels": _sources(closing.labels),
        }
    )


def encode_join_closing(total: int, joins: Mapping[int, JoinWatermark]) -> bytes:
    reflected = {str(p): [r.predictions_ms, r.labels_ms] for p, r in joins.items()}
    found = {"total": total, "partitions": reflected}
    return msgspec.json.encode({"schema": SCHEMA, "joins": found})


def decode_for_detect(value: bytes) -> list[Summary] | Closing:
    """What stands on the topic ``summaries``."""
    if value[:1] != b"{":
        return decode_summaries(value)
    document = msgspec.json.decode(value)
    if "joins" in document:
        joins = document["joins"]["partitions"].items()
        reflected = {int(p): JoinWatermark(*watermarks) for p, watermarks in joins}
        return Closing(None, document["joins"]["total"], reflected)
    return Closing(_read_sources(document["predictions"]))


def _sources(sources: Sources) -> dict[str, Any]:
    partitions = {str(n): [p.newest_ms, p.idle] for n, p in sources.partitions.items()}
    return {"total": sources.total, "partitions": partitions}


def _read_sources(document: dict[str, Any]) -> Sources:
    partitions = {int(n): Progress(*progress) for n, progress in document["partitions"].items()}
    return Sources(document["total"], partitions)


# -- joins -------------------------------------------------------------------------------------


def identity(model: str, record_id: str) -> bytes:
    """16 bytes for an id of a model: a collision is not to be expected in any lifetime."""
    return hashlib.blake2b(f"{model}\x1f{record_id}".encode(), digest_size=16).digest()


def identity_partition(ident: bytes, partitions: int) -> int:
    return int.from_bytes(ident[:8], "big") % partitions


@dataclass(frozen=True, slots=True, eq=False)
class JoinRows:
    """Predictions (``version`` set) and labels of one model, as columns of one length."""

    model: str
    ident: list[bytes]
    version: list[str | None]
    time_ms: NDArray[np.int64]
    late: NDArray[np.bool_]
    score: NDArray[np.float64]
    value: NDArray[np.int64]  # predicted class or label
    seen_ms: NDArray[np.int64]  # newest label time before a label in its partition


def encode_joins(rows: JoinRows) -> bytes:
    table = pa.table(
        {
            "ident": pa.array(rows.ident, pa.binary(16)),
            "version": pa.array(rows.version, pa.string()).dictionary_encode(),
            "time_ms": rows.time_ms,
            "late": rows.late,
            "score": rows.score,
            "value": rows.value.astype(np.int8),
            "seen_ms": rows.seen_ms,
        }
    )
    return encode_table(table.replace_schema_metadata({"model": rows.model}))


def decode_for_join(value: bytes) -> JoinRows | AggregateClosing:
    """What stands on the topic ``joins``."""
    if value[:1] == b"{":
        document = msgspec.json.decode(value)
        return AggregateClosing(
            _read_sources(document["predictions"]), _read_sources(document["labels"])
        )
    table = decode_table(value)
    return JoinRows(
        table.schema.metadata[b"model"].decode(),
        table["ident"].to_pylist(),
        table["version"].to_pylist(),
        table["time_ms"].to_numpy(),
        table["late"].to_numpy(),
        table["score"].to_numpy(),
        table["value"].to_numpy().astype(np.int64),
        table["seen_ms"].to_numpy(),
    )


# -- windows -----------------------------------------------------------------------------------


def window_key(found: WindowFinding) -> bytes:
    times = f"{rfc3339(found.start_ms)}/{rfc3339(found.end_ms)}"
    return f"{found.model}/{found.version}/{times}".encode()


def window_document(found: WindowFinding, p_value_threshold: float) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": found.model,
        "version": found.version,
        "revision": found.revision,
        "start": rfc3339(found.start_ms),
        "end": rfc3339(found.end_ms),
        "data": _data(found.data, p_value_threshold),
        "concept": _concept(found, p_value_threshold),
        "performance": _performance(found.performance),
    }


def _data(data: DataFinding, marked: float) -> dict[str, Any]:
    return {
        "revision": data.revision,
        "status": data.status.value,
        "rows": data.rows,
        "unknown_features": dict(data.unknown),
        "features": [_feature(feature, marked) for feature in data.features],
    }


def _concept(found: WindowFinding, marked: float) -> dict[str, Any]:
    errors, performance = found.data.errors, found.performance
    realised = {name: _finite(m.metric.value) for name, m in performance.metrics.items()}
    expected = performance.expected or {}
    return {
        "prediction": _feature(found.data.score, marked),
        "errors": None if errors is None else _feature(errors, marked),
        "expected": {name: _estimate(e) for name, e in expected.items()} or None,
        "realised": realised if performance.labels else None,
        "difference": {name: _estimate(e.difference) for name, e in expected.items()}
        if performance.labels and expected
        else None,
        "detectors": [
            {
                "name": detector.name,
                "drifting": detector.drifting,
                "detected_at": None
                if detector.at is None
                else rfc3339(detector.at + found.end_ms - found.start_ms),
            }
            for detector in found.detectors
        ],
    }


def _estimate(found: Expected | Estimate) -> dict[str, float | None]:
    return {
        "value": _finite(found.value),
        "low": _finite(found.low),
        "high": _finite(found.high),
    }


def _feature(feature: FeatureFinding, marked: float) -> dict[str, Any]:
    ks, most_severe = feature.test("ks"), feature.most_severe
    shown = ks or most_severe  # of numeric features the table speaks of KS, whatever decided
    p_value = None if shown is None else shown.p_value
    return {
        "name": feature.name,
        "kind": feature.kind,
        "rows": feature.rows,
        "missing": feature.missing,
        "wrong_type": feature.wrong_type,
        "not_finite": feature.not_finite,
        "out_of_range": feature.out_of_range,
        "statistic": None if shown is None else shown.value,
        "p_value": p_value,
        "significant": p_value is not None and p_value <= marked,
        "threshold": None if shown is None else shown.threshold,
        "allowance": None if shown is None else min(shown.allowance, 1.0),
        "persistent": None if shown is None else shown.persistent,
        **{name: _value(feature.test(name)) for name in ("kuiper", "wilcoxon", "mood")},
        "psi": None if feature.effects is None else feature.effects.psi,
        "effects": None if feature.effects is None else _effects(feature.effects),
        "verdict": feature.verdict.value,
        "severity": None if feature.severity is None else feature.severity.value,
        "decided_by": None
        if most_severe is None or most_severe.severity is None
        else most_severe.test,
        "detectable": None if shown is None else min(shown.detectable, 1.0),
        "detail": None
        if most_severe is None or most_severe.severity is None
        else most_severe.detail,
        "quality": None if feature.quality is None else _quality(feature.quality),
        "unseen": None
        if feature.unseen is None
        else {"rows": feature.unseen_rows, "values": dict(feature.unseen)},
        "distribution": None
        if feature.distribution is None
        else _distribution(feature.distribution),
    }


def _value(found: Comparison | None) -> float | None:
    return None if found is None else found.value


def _effects(found: Effects) -> dict[str, Any]:
    distance = found.wasserstein
    return {
        "psi": found.psi,
        "psi_noise": found.psi_noise,
        "jensen_shannon": found.jensen_shannon,
        "wasserstein": None
        if distance is None
        else {"low": distance.lower, "high": distance.upper, "beyond": distance.beyond},
    }


def _quality(found: Comparison) -> dict[str, Any]:
    """Of the share of values that are missing or of a wrong type."""
    return {
        "deviation": found.value,
        "p_value": found.p_value,
        "threshold": found.threshold,
        "allowance": min(found.allowance, 1.0),
        "persistent": found.persistent,
        "verdict": found.verdict.value,
        "severity": None if found.severity is None else found.severity.value,
    }


def _distribution(found: Distribution) -> dict[str, Any]:
    shares = {"reference": _rounded(found.reference), "window": _rounded(found.window)}
    if found.categories:
        return {"categories": list(found.categories), **shares}
    return {"edges": list(found.edges), **shares, "at": found.at}


def _rounded(shares: Sequence[float]) -> list[float]:
    """To be drawn, not computed with."""
    return [round(share, 5) for share in shares]


def _performance(found: PerformanceFinding) -> dict[str, Any]:
    return {
        "revision": found.revision,
        "status": found.status.value,
        "rows": found.rows,
        "labels": found.labels,
        "coverage": _coverage(found.labels, found.rows),
        "metrics": {name: _metric(metric) for name, metric in found.metrics.items()},
    }


def _coverage(labels: int, rows: int) -> float | None:
    return labels / rows if rows else None


def _metric(found: MetricFinding) -> dict[str, Any]:
    low, high = found.metric.interval()
    return {
        "value": _finite(found.metric.value),
        "low": _finite(low),
        "high": _finite(high),
        "baseline": _finite(found.baseline.value),
        "resolution": found.metric.resolution,
        "threshold": _finite(found.threshold),
        "severity": None if found.severity is None else found.severity.value,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


# -- alerts ------------------------------------------------------------------------------------


def alert_event(transition: Transition) -> dict[str, Any]:
    """A CloudEvent. Its id is derived from what it says, so that a replay repeats it."""
    incident = transition.incident
    resolved = transition.change is Change.RESOLVED
    said = f"{incident.id}\x1f{transition.change}\x1f{transition.end_ms}"
    return {
        "specversion": "1.0",
        "id": hashlib.sha256(said.encode()).hexdigest()[:32],
        "type": f"driftline.incident.{transition.change}",
        "source": f"/models/{transition.model}",
        "subject": incident.subject,
        "time": rfc3339(transition.end_ms),
        "datacontenttype": "application/json",
        "data": {
            "schema": SCHEMA,
            "incident": incident.id,
            "model": transition.model,
            "version": transition.version,
            "kind": incident.subject.partition("/")[0],
            "severity": incident.severity.value,
            "state": "resolved" if resolved else "open",
            "opened_at": rfc3339(incident.opened_ms),
            "resolved_at": rfc3339(transition.end_ms) if resolved else None,
            "window": {
                "start": rfc3339(transition.start_ms),
                "end": rfc3339(transition.window_end_ms),
            },
            "evidence": _evidence(transition.evidence, incident.grouped),
            "message": _message(transition),
        },
    }


def _evidence(found: Evidence, grouped: Sequence[str]) -> dict[str, Any]:
    """What it is made of; what does not belong to this kind of evidence is left out."""
    told = {
        "decided_by": found.decided_by,
        "value": _finite(found.value),
        "threshold": _finite(found.threshold),
        "allowance": found.allowance,
        "persistent": found.persistent,
        "p_value": found.p_value,
        "detail": found.detail,
        "low": _finite(found.low),
        "high": _finite(found.high),
        "baseline": _finite(found.baseline),
        "resolution": found.resolution,
        "rows": found.rows,
        "labels": found.labels,
        "coverage": found.coverage,
        "severity": found.severity.value,
        "grouped": list(grouped) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


_SAYS = {
    "ks": "the distribution lies {value} (KS distance) from the reference",
    "kuiper": "the distribution lies {value} (Kuiper distance) from the reference",
    "wilcoxon": "the values rank {detail} than the reference's by {value} (Cliff's delta)",
    "mood": "the values spread {detail} than the reference's by {value} (Mood's score)",
    "categories": "the shares of the categories differ by {value} from the reference",
    "missing": "the share of missing values differs by {value} from the reference",
    "coverage": "the share of predictions without a label differs by {value} from the reference",
}


def _message(transition: Transition) -> str:
    grouped = transition.incident.grouped
    also = f" At the same time: {', '.join(grouped)}." if grouped else ""
    return f"{_about(transition)}{'' if transition.change is Change.RESOLVED else also}"


def _about(transition: Transition) -> str:
    subject, found = transition.incident.subject, transition.evidence
    window = f"{rfc3339(transition.start_ms)} to {rfc3339(transition.window_end_ms)}"
    if transition.change is Change.RESOLVED:
        return f"{subject}: back to normal in the window {window}."
    if found.decided_by not in _SAYS:
        return (
            f"{subject}: {_shown(found.value)} in the window {window}, against a baseline"
            f" of {_shown(found.baseline)}."
        )
    words = _SAYS[found.decided_by]
    said = words.format(value=_shown(found.value), detail=found.detail)
    detail = "" if found.detail is None or "{detail}" in words else f" ({found.detail})"
    return (
        f"{subject}: {said}{detail} in the window {window}; sampling noise explains"
        f" {_shown(found.threshold)}, and {_shown(found.persistent)} of it persists, where beyond"
        f" noise the reference itself strays by up to {_shown(found.allowance)}."
    )


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


# -- what detect remembers ---------------------------------------------------------------------


def encode_memory(memory: Clock | Decisions) -> bytes:
    return msgspec.json.encode(memory)


def decode_clock(value: bytes) -> Clock:
    return msgspec.json.decode(value, type=Clock)


def decode_decisions(value: bytes) -> Decisions:
    return msgspec.json.decode(value, type=Decisions)
