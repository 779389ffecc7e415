"""One table of values: each is the same number or category, whatever it came in.

The reference is learned from one format, the live value comes in every other.
"""

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from consumers.sources.record_features import features_of_records
from monitor.counts.columns import Categorical, Numeric
from monitor.counts.counting import count_data
from monitor.counts.profile import Profile, build_profile
from monitor.counts.summary import Part, Quality
from monitor.tasks.binary import BINARY
from producers.contract.records import decode_prediction
from producers.registration.columns import Columns
from producers.registration.rows_file import FileRows, read_file

FORMATS = ("csv", "parquet", "arrow", "feather")
BIG = 2**53 + 1  # no double
START = pd.Timestamp("2024-01-01", tz="UTC")


def saved(tmp_path, name: str, kind: str, values: list[Any], type_: pa.DataType | None = None):
    n = len(values)
    when = [(START + pd.Timedelta(seconds=i)).isoformat() for i in range(n)]
    table = pa.table({"when": when, "p": [0.25] * n, "x": pa.array(values, type_)})
    path = tmp_path / f"{name}.{kind}"
    if kind == "csv":
        pa.csv.write_csv(table, path)
    elif kind == "parquet":
        pa.parquet.write_table(table, path)
    else:
        pa.feather.write_feather(table, path)
    return path


def learned(path, **columns: Any) -> tuple[FileRows, Profile]:
    file = read_file(path, Columns(time="when", score="p", **columns))
    profile = build_profile(
        "m",
        "1",
        file.rows,
        pane_ms=3_600_000,
        threshold=0.5,
        categorical=file.categorical,
        numeric=file.numeric,
        task=BINARY,
    )
    return file, profile


def counted_file(profile: Profile, path) -> dict[str, Any]:
    file = read_file(path, Columns(time="when", score="p"), profile.schema)
    return counted(profile, file.rows.predictions)


def counted(profile: Profile, rows: Any) -> dict[str, Any]:
    (summary,) = count_data(profile.schema, rows, np.full(len(rows), Part.ON_TIME, dtype=object))
    cells = summary.cells
    return {
        name: (cells[name].index.tolist(), cells[name].count.tolist())
        for name in ("bins/x", "categories/x", "quality/x")
        if name in cells
    } | {"unseen": summary.names.get("unseen/x", {})}


class Rows:
    """JSON records by the row decoder, as ``aggregate`` counts them."""

    def __init__(self, profile: Profile, values: list[Any]) -> None:
        records = [decode_prediction(json_record(value)) for value in values]
        self.time_ms = np.array([record.time_ms for record in records], dtype=np.int64)
        self.score = np.array([record.score for record in records])
        self.predicted = np.zeros(len(records), dtype=np.int64)
        self.features = features_of_records(records, profile.schema)
        self.classes = None

    def __len__(self) -> int:
        return self.time_ms.size


def json_record(value: Any) -> bytes:
    if isinstance(value, Decimal):
        value = msgspec.Raw(str(value).encode())
    return msgspec.json.encode(
        {
            "id": "1",
            "time": START.isoformat(),
            "model": "m",
            "version": "1",
            "features": {"x": value},
            "score": 0.25,
        }
    )


A, B = pa.int64(), pa.float64()
CATEGORIES = [  # categories of the reference, their type, live values, their type; one to one
    pytest.param([4, 7], pa.int64(), [4.0, 7.0], pa.float64(), id="a whole number as a float"),
    pytest.param([4.0, 7.0], pa.float64(), [4, 7], pa.int32(), id="and the other way round"),
    pytest.param(["4", "7"], pa.string(), [4, 7], pa.int64(), id="a number as a text"),
    pytest.param([4, 7], pa.int64(), ["4.0", "7.00"], pa.string(), id="the text of a float"),
    pytest.param([BIG, BIG + 1], pa.int64(), [BIG, None, BIG + 1], A, id="digits beside a null"),
    pytest.param([BIG, BIG + 1], A, [str(BIG), str(BIG + 1)], pa.string(), id="digits as a text"),
    pytest.param([2**64 - 1, 2**64 - 2], pa.uint64(), [2**64 - 1, 2**64 - 2], pa.uint64(), id="u"),
    pytest.param([1.5, 0.1], B, [1.5, 0.1], pa.float32(), id="a short float"),
    pytest.param([1.5, 0.25], B, [1.5, 0.25], pa.float16(), id="a very short float"),
    pytest.param([1.5, 3.0], B, [Decimal("1.50"), Decimal("3.00")], pa.decimal128(9, 2), id="dec"),
    pytest.param(["007", "7"], pa.string(), ["007", "7"], pa.string(), id="zeros in front"),
    pytest.param(
        ["a", "b"], pa.string(), ["a", "b"], pa.dictionary(pa.int8(), pa.string()), id="d"
    ),
    pytest.param(["NA", "None"], pa.string(), ["NA", "None"], pa.large_string(), id="words"),
    pytest.param(["nan", "null"], pa.string(), ["nan", "null"], pa.string(), id="more words"),
    pytest.param([True, False], pa.bool_(), ["True", "False"], pa.string(), id="Python's booleans"),
    pytest.param([True, False], pa.bool_(), ["true", "FALSE"], pa.string(), id="other booleans"),
    pytest.param([True, False], pa.bool_(), [1, 0], pa.int64(), id="booleans as numbers"),
    pytest.param([True, False], pa.bool_(), [1.0, None, 0.0], pa.float64(), id="beside a null"),
    pytest.param([1, 0], pa.int64(), [True, False], pa.bool_(), id="numbers as booleans"),
    pytest.param([" a", "a"], pa.string(), [" a", "a"], pa.string(), id="a blank is a character"),
]


@pytest.mark.parametrize("reference", FORMATS)
@pytest.mark.parametrize("live", [*FORMATS, "json"])
@pytest.mark.parametrize(("known", "known_type", "values", "type_"), CATEGORIES)
def test_category_keeps_its_identity_in_every_format(  # noqa: PLR0913 - a table
    tmp_path, reference, live, known, known_type, values, type_
):
    of = saved(tmp_path, "ref", reference, known[:1] * 2 + known[1:], known_type)  # 2 and 1 rows
    _, profile = learned(of, categorical=("x",))
    if live == "json":
        found = counted(profile, Rows(profile, values))
    else:
        found = counted_file(profile, saved(tmp_path, "live", live, values, type_))
    assert found["unseen"] == {}
    assert found["categories/x"] == ([0, 1], [1, 1])
    missing = values.count(None)
    assert found.get("quality/x") == (([Quality.MISSING], [missing]) if missing else None)


NUMBERS = [  # live values of a reference of 0.1, 4 and 10^300; the bins that they fall into
    pytest.param([0.1, 4, 1e300], pa.float64(), [1, 3, 5], id="themselves"),
    pytest.param([0.1, 4.0], pa.float32(), [1, 3], id="32 bits"),
    pytest.param([Decimal("0.10"), Decimal("4.00")], pa.decimal128(9, 2), [1, 3], id="decimals"),
    pytest.param([4, 4], pa.uint8(), [3, 3], id="small integers"),
    pytest.param([BIG, None], pa.int64(), [4], id="an integer beside a null"),
    pytest.param([2**64 - 1], pa.uint64(), [4], id="an unsigned integer"),
]


@pytest.mark.parametrize("live", [*FORMATS, "json"])
@pytest.mark.parametrize(("values", "type_", "bins"), NUMBERS)
def test_number_keeps_its_identity_in_every_format(tmp_path, live, values, type_, bins):
    _, profile = learned(saved(tmp_path, "ref", "parquet", [0.1, 4.0, 1e300]))
    if live == "json":
        found = counted(profile, Rows(profile, values))
    else:
        found = counted_file(profile, saved(tmp_path, "live", live, values, type_))
    index, count = found["bins/x"]
    assert [i for i, n in zip(index, count, strict=True) for _ in range(n)] == bins


@pytest.mark.parametrize("live", [*FORMATS, "json"])
@pytest.mark.parametrize(
    ("values", "type_"),
    [([True, False], pa.bool_()), (["True", "false"], pa.string()), ([1.0, 0.0], pa.float64())],
)
def test_boolean_is_a_number_if_the_reference_has_nothing_but_0_and_1(
    tmp_path, live, values, type_
):
    _, profile = learned(saved(tmp_path, "ref", "parquet", [0, 1, 1]))
    if live == "json":
        found = counted(profile, Rows(profile, values))
    else:
        found = counted_file(profile, saved(tmp_path, "live", live, values, type_))
    assert found == {"bins/x": ([1, 3], [1, 1]), "unseen": {}}


@pytest.mark.parametrize("live", [*FORMATS, "json"])
def test_boolean_is_of_a_wrong_type_for_other_numbers(tmp_path, live):
    _, profile = learned(saved(tmp_path, "ref", "parquet", [0, 1, 2]))
    if live == "json":
        found = counted(profile, Rows(profile, [True, 2]))
    else:
        values = (["true", "2"], pa.string()) if live == "csv" else ([True, True], pa.bool_())
        found = counted_file(profile, saved(tmp_path, "live", live, *values))
    assert found["quality/x"][0] == [Quality.WRONG_TYPE]


@pytest.mark.parametrize("live", [*FORMATS, "json"])
def test_one_bad_value_among_numbers_is_one_value_of_a_wrong_type(tmp_path, live):
    _, profile = learned(saved(tmp_path, "ref", "csv", [1.5, 2.5, 3.5]))
    values = [2.5] * 99 + ["ERR"]
    if live == "csv":
        path = saved(tmp_path, "live", "csv", list(map(str, values)))
        found = counted_file(profile, path)
    else:  # the other formats have types: a column with a text has no numbers
        found = counted(profile, Rows(profile, values))
    assert found == {
        "bins/x": ([3], [99]),
        "quality/x": ([Quality.WRONG_TYPE], [1]),
        "unseen": {},
    }


def n(*values: Any, times: int = 1) -> list[str]:
    return [str(value) for _ in range(times) for value in values]


@pytest.mark.parametrize(
    ("texts", "expected", "why"),
    [
        pytest.param(n(1, 2.5, "1e5", " 4"), Numeric, "all are numbers", id="numbers"),
        pytest.param(n(*range(99), "ERR"), Numeric, "nearly all", id="one bad value"),
        pytest.param(n(1.5, "NA", 2, "NA", 3), Numeric, "nearly all", id="one word, often"),
        pytest.param(n("nan", 2, "inf"), Numeric, "all are numbers", id="floats that are none"),
        pytest.param(n(1, 2, "A1", "B2", "C3", "D4"), Categorical, "texts among", id="codes"),
        pytest.param(n("007", "011"), Categorical, "leading zeros", id="zeros in front"),
        pytest.param(
            n("02134", *range(10000, 10019)), Categorical, "leading zeros", id="zip codes"
        ),
        pytest.param(n("True", "false"), Categorical, "booleans", id="booleans"),
        pytest.param(n("NA", "DE"), Categorical, "texts", id="texts"),
        pytest.param(n("1,234.50", "2,000.00"), Categorical, "texts", id="thousands separators"),
    ],
)
def test_kind_of_a_csv_column_is_what_nearly_all_of_its_fields_are(tmp_path, texts, expected, why):
    file, profile = learned(saved(tmp_path, "ref", "csv", texts))
    assert isinstance(profile.schema.features["x"], expected)
    assert why in file.features[0].why


def test_numeric_and_categorical_insist(tmp_path):
    path = saved(tmp_path, "ref", "csv", n(1, 2, "A1", "B2", "C3", "D4"))
    file, profile = learned(path, numeric=("x",))
    assert isinstance(profile.schema.features["x"], Numeric)
    assert "4 of 6 values are no numbers, such as 'A1'" in file.features[0].warning
    _, profile = learned(saved(tmp_path, "ref", "csv", n(1, 2, 3)), categorical=("x",))
    assert profile.schema.features["x"].categories == ("1", "2", "3")


def test_only_empty_fields_are_missing_unless_na_names_more(tmp_path):
    path = saved(tmp_path, "ref", "csv", ["NA", "None", "null", "N/A", "nan", "a", None])
    file, _ = learned(path)
    assert list(file.rows.predictions.features["x"]).count(None) == 1
    file, _ = learned(path, missing=("NA", "null"))
    assert list(file.rows.predictions.features["x"]) == [
        None,
        "None",
        None,
        "N/A",
        "nan",
        "a",
        None,
    ]


def test_reference_of_an_earlier_release_keeps_its_texts_and_finds_other_spellings():
    old = Categorical(("True", "4.0", "False"), np.array([3, 2, 1, 0]))
    group = np.zeros(5, dtype=np.int64)
    found = old.tally([True, "true", 4, "4.0", "False"], group, 1)
    assert (found.values[0].index.tolist(), found.values[0].count.tolist()) == (
        [0, 1, 2],
        [2, 2, 1],
    )
    assert found.unseen == [{}]


def test_texts_that_the_reference_tells_apart_stay_apart():
    versions = Categorical(("1.0", "1"), np.array([3, 2, 0]))
    found = versions.tally(["1", "1.0", 1, "1.00"], np.zeros(4, dtype=np.int64), 1)
    assert found.values[0].count.tolist() == [2, 2]
