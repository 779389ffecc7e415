"""JSON records that are valid, nearly valid, or broken in every way that a sender may think of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.consumers.in_memory import NOW, T0

VERSIONS = [("m", "1"), ("m", "2"), ("n", "1"), ("coarse", "1"), ("nobody", "1"), ("m", "3")]

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, 1.0, 1.5, -0.0, 2**53 + 1, -(2**63), 2**64, 10**30,
    -(10**400), 5e-324, 1.7e308, float("nan"), float("inf"), -float("inf"), "", "a", "b", "c", "1",
    "0.5", "x" * 200, "x" * 201, "ü" * 200, "\x00", "\ud800", "1\n", "true", [], [1], {}, {"a": 1},
    [[[]]],
]  # fmt: skip
TIMES: list[Any] = [
    "2013-04-01T09:15:00Z", "2013-04-01T09:15:00z", "2013-04-01t09:15:00Z", "2013-04-01 09:15:00Z",
    "2013-04-01T09:15:00", "2013-04-01T09:15:00.1Z", "2013-04-01T09:15:00.123456Z",
    "2013-04-01T09:15:00.1239999999Z", "2013-04-01T09:15:00.9999999Z", "2013-04-01T09:15:00.Z",
    "2013-04-01T11:15:00+02:00", "2013-04-01T11:15:00+0200", "2013-04-01T11:15:00-00:00",
    "2013-04-01T09:15:00+24:00", "2013-04-01T09:15:60Z", "2013-04-01T24:00:00Z",
    "2013-02-29T00:00:00Z", "2012-02-29T00:00:00Z", "2013-13-01T00:00:00Z", "2013-04-31T00:00:00Z",
    "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:01",
    "9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59.999-00:01", "9999-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z", "2013-04-01", "yesterday", "1364807700000", T0, T0 + 0.0, 0, -1,
    253_370_764_799_999, 253_370_764_800_000, 2**63, 10**30, -(10**30), NOW + 60_000, NOW + 60_001,
]  # fmt: skip

Fields = dict[str, Any]
Mutation = Callable[[random.Random, Fields], None]


def prediction_fields(rng: random.Random) -> Fields:
    model, version = rng.choices(VERSIONS, [60, 20, 20, 2, 2, 2])[0]
    features: Fields = {"x": rng.choice([0.1, -3.5, 7, None]), "c": rng.choice(["a", "b", "z"])}
    if model == "n":
        features = {"x": rng.gauss(0, 1), "y": rng.gauss(0, 1)}
    return {
        "schema": 1,
        "id": f"r{rng.randrange(10**6)}",
        "time": T0 + rng.randrange(10_000),
        "model": model,
        "version": version,
        "features": features,
        "score": rng.choice([0.0, 0.25, 0.5, 0.8, 1.0, 1, 0]),
        **({"prediction": rng.choice([0, 1, None])} if rng.random() < 0.5 else {}),
    }


def label_fields(rng: random.Random) -> Fields:
    model = rng.choices(["m", "n", "nobody"], [60, 20, 2])[0]
    fields = {"id": f"r{rng.randrange(10**6)}", "time": T0 + rng.randrange(10_000), "model": model}
    return {"schema": 1, **fields, "label": rng.randrange(2)}


def mutated(rng: random.Random, fields: Fields, *, mutations: int) -> bytes | None:
    """The record as bytes after some mutations; None is a tombstone."""
    for _ in range(mutations):
        rng.choice(OF_FIELDS)(rng, fields)
    value = json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
    if mutations and rng.random() < 0.4:
        return rng.choice(OF_BYTES)(rng, value)
    return value


def _drop(rng: random.Random, fields: Fields) -> None:
    fields.pop(rng.choice([*fields, "id"]), None)


def _other_value(rng: random.Random, fields: Fields) -> None:
    fields[rng.choice([*fields, "prediction"])] = rng.choice(SCALARS)


def _other_time(rng: random.Random, fields: Fields) -> None:
    fields["time"] = rng.choice(TIMES)


def _other_features(rng: random.Random, fields: Fields) -> None:
    features = (
        dict(fields.get("features") or {}) if isinstance(fields.get("features"), dict) else {}
    )
    for name in rng.sample(["x", "c", "y", "extra", "", "ü", "f0"], rng.randrange(1, 4)):
        features[name] = rng.choice(SCALARS)
    if rng.random() < 0.3 and features:
        features.pop(rng.choice(list(features)))
    fields["features"] = features


def _other_fields(rng: random.Random, fields: Fields) -> None:
    fields[rng.choice(["trace", "f0", "", "Time", "features "])] = rng.choice(SCALARS)


def _reordered(rng: random.Random, fields: Fields) -> None:
    items = list(fields.items())
    rng.shuffle(items)
    fields.clear()
    fields.update(items)


OF_FIELDS: list[Mutation] = [
    _drop, _other_value, _other_time, _other_features, _other_fields, _reordered
]  # fmt: skip


def _duplicated(rng: random.Random, value: bytes) -> bytes:
    """A key twice, the first or the last with another value, perhaps written with an escape."""
    key = rng.choice(
        ["id", "time", "model", "version", "features", "score", "x", "label", "schema"]
    )
    written = json.dumps(key)
    if rng.random() < 0.3:
        written = f'"\\u{ord(key[0]):04x}{key[1:]}"'
    other = rng.choice([*SCALARS, *TIMES, {"x": 1.0}])
    member = f"{written}: {json.dumps(other)}".encode(errors="surrogatepass")
    if rng.random() < 0.5:
        return value[:1] + member + b", " + value[1:]
    return value[:-1] + b", " + member + value[-1:]


def _flipped(rng: random.Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(rng: random.Random, value: bytes) -> bytes:
    return value[: rng.randrange(len(value))]


def _wrapped(rng: random.Random, value: bytes) -> bytes:
    before, after = rng.choice(
        [(b" ", b"\n"), (b"\xef\xbb\xbf", b""), (b"[", b"]"), (b"", b"}"), (b"", b"," + value)]
    )
    return before + value + after


def _numbers_rewritten(rng: random.Random, value: bytes) -> bytes:
    number = rng.choice([b"1e5", b"1E400", b"-0", b"0.1e-400", b"01", b"+1", b".5", b"1.", b"1e",
                         b"9" * 400, b"0." + b"1" * 40, b"-1e-5", b"NaN", b"Infinity"])  # fmt: skip
    return value.replace(rng.choice([b"0.25", b"0.5", b"0.1", b"-3.5", b"7", b"1"]), number, 1)


ESCAPED = [b'"\\u006d"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\x"', b'"\t"', b'"\\/"']


def _escaped(rng: random.Random, value: bytes) -> bytes:
    return value.replace(rng.choice([b'"m"', b'"x"', b'"a"']), rng.choice(ESCAPED), 1)


def _large(rng: random.Random, value: bytes) -> bytes:
    return value.replace(b'"a"', b'"' + b"x" * rng.choice([1_000, 100_000]) + b'"', 1)


def _something_else(rng: random.Random, _: bytes) -> bytes | None:
    return rng.choice([None, b"", b"{}", b"null", b"[" * 10_000, b"{" * 3, b"\xff\xfe", b'"a"'])


OF_BYTES: list[Callable[[random.Random, bytes], bytes | None]] = [
    _duplicated, _duplicated, _flipped, _flipped, _cut, _wrapped, _numbers_rewritten, _escaped,
    _large, _something_else,
]  # fmt: skip
