"""Files that are damaged in any way: every row is read, or the file is refused with a sentence."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftline.cli import exit_code
from driftline.settings import load_settings
from monitor.counts.schema import Schema
from producers.registration.columns import Columns
from producers.registration.file_table import read_table
from producers.registration.register import profile_of_file
from producers.registration.rows_file import FileRows, read_file
from producers.registration.summary import summary_lines

SETTINGS = load_settings(None)
COLUMNS = Columns(time="at", score="p", label="outcome", positive="bad", id="id")
PARTS = [
    *(b"", b'"', b'""', b",", b";", b" ", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"-"),
    *(b"NaN", b"inf", b"1e999", b"9" * 400, b"1,000", b"true", b"2013-02-30", b"1970-01-01"),
]


def rows(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    at = pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC")
    columns = {
        "id": [f"A{number}" for number in range(n)],
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "income": rng.lognormal(10, 0.4, n),
        "age": rng.integers(18, 80, n),
        "region": rng.choice(["north", "south"], n),
        "p": rng.random(n).round(3),
        "outcome": rng.choice(["bad", "good"], n),
    }
    return pd.DataFrame(columns)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Bits flipped, bytes removed, repeated, replaced, and what is special in a file put in."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, other = (rng.randrange(len(found) or 1) for _ in range(2))
        length = rng.choice((1, 4, 100))
        match rng.randrange(5):
            case 0 if found:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                del found[at : at + length]
            case 2:
                found[at:at] = found[other : other + length]
            case 3:
                found[at : at + 4] = rng.choice(PARTS)
            case _:
                found[at:at] = rng.choice(PARTS)
    return bytes(found)


def read(path: Path, schema: Schema | None) -> FileRows | None:
    """As ``register`` or, with a schema, ``replay``; None if it is refused with a sentence."""
    try:
        file = read_file(path, COLUMNS, schema, may_lack_labels=schema is not None)
        profile = profile_of_file(SETTINGS, "m", "1", file)
        summary_lines(file, profile, SETTINGS.plan("m"))
    except Exception as error:
        if exit_code(error) is None or not str(error):  # the command line would show a traceback
            raise
        return None
    return file


@pytest.mark.parametrize("number", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_mutated_file_is_read_whole_or_refused_with_a_sentence(tmp_path, number):
    valid: dict[str, Any] = {suffix: tmp_path / f"valid{suffix}" for suffix in (".csv", ".parquet")}
    rows().to_csv(valid[".csv"], index=False)
    rows().to_parquet(valid[".parquet"])
    content = {suffix: path.read_bytes() for suffix, path in valid.items()}
    reference = read(valid[".csv"], None)
    assert reference is not None
    schema = profile_of_file(SETTINGS, "m", "1", reference).schema
    outcomes = set()
    for seed in range(number):
        rng = random.Random(seed)
        suffix, of_live = rng.choice(sorted(content)), rng.choice((None, schema))
        path = tmp_path / f"mutated{suffix}"
        path.write_bytes(mutated(rng, content[suffix]))
        file = read(path, of_live)
        outcomes.add((suffix, file is not None))
        if file is not None:
            assert len(file.rows.predictions.ids) == read_table(path)[0].num_rows, seed
    assert len(outcomes) == 4
