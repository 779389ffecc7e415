"""Histories as CSV and Arrow."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from tests.consumers.stored import DAY, window

PATHS = ["/drift/history?feature=temp", "/metrics/history?limit=100"]


@pytest.fixture
def three(watched):
    watched(*(window(day) for day in range(3)))


def _csv(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def _arrow(answer) -> pa.Table:
    return pa.ipc.open_stream(answer.content).read_all()


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("path", PATHS)
def test_table_has_a_row_for_each_item_with_the_values_of_json(client, path):
    items = client.get(path).json()["items"]
    rows = _csv(client.get(f"{path}&format=csv"))
    table = _arrow(client.get(f"{path}&format=arrow"))
    assert len(items) == 3
    assert [row["window.start"] for row in rows] == [item["window"]["start"] for item in items]
    assert list(rows[0]) == table.column_names
    for row, found, item in zip(rows, table.to_pylist(), items, strict=True):
        numbers = {name: value for name, value in item.items() if type(value) in (int, float)}
        assert {name: float(row[name]) for name in numbers} == numbers
        assert {name: found[name] for name in numbers} == numbers


@pytest.mark.usefixtures("three")
def test_objects_within_an_item_are_columns_with_dotted_names(client):
    item = client.get(PATHS[0]).json()["items"][0]
    (row, *_) = _csv(client.get(f"{PATHS[0]}&format=csv"))
    assert float(row["effects.wasserstein.low"]) == item["effects"]["wasserstein"]["low"]
    assert row["significant"] == "true"
    assert row["severity"] == ""
    assert not any("[" in value for value in row.values())


@pytest.mark.usefixtures("three")
def test_times_in_arrow_are_times(client):
    table = _arrow(client.get(f"{PATHS[0]}&format=arrow"))
    starts = table["window.start"]
    assert starts.type == pa.timestamp("us", tz="UTC")
    assert starts[0].as_py().timestamp() - starts[2].as_py().timestamp() == 2 * DAY / 1000


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("table_format", "media"), [("csv", "text/csv"), ("arrow", "vnd.apache")])
def test_next_page_of_a_table_is_in_the_header_link(client, table_format, media):
    path, starts = f"{PATHS[0]}&limit=2&format={table_format}", []
    while path:
        answer = client.get(path)
        assert media in answer.headers["content-type"]
        read = _csv(answer) if table_format == "csv" else _arrow(answer).to_pylist()
        starts.extend(row["window.start"] for row in read)
        path = answer.links.get("next", {}).get("url")
    assert len(set(starts)) == 3


@pytest.mark.usefixtures("three")
def test_table_has_an_entity_tag(client):
    path = f"{PATHS[0]}&format=csv"
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("table_format", ["csv", "arrow"])
def test_table_without_items_is_empty(client, table_format):
    answer = client.get(f"/metrics/history?format={table_format}")
    assert answer.status_code == 200
    assert table_format == "csv" or _arrow(answer).num_rows == 0


@pytest.mark.usefixtures("watched")
def test_unknown_format_is_refused_with_the_formats(client):
    answer = client.get(f"{PATHS[0]}&format=xml")
    assert answer.status_code == 422
    assert "'json', 'csv' or 'arrow'" in answer.json()["detail"]
