"""All errors are answered with problem details: one sentence that states the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.app import create_app
from api.paging import encode_cursor
from api.problems import problem
from consumers.database.database import Database
from driftline.settings import Settings
from tests.api.conftest import LOCALHOST
from tests.consumers.stored import window

TEN_YEARS = "start=2013-04-01T00:00:00Z&end=2023-04-09T00:00:00"


def is_problem(answer, status: int, text: str) -> bool:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == "about:blank"
    assert body["title"]
    return (answer.status_code, body["status"]) == (status, status) and text in body["detail"]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("path", "parameter", "message"),
    [
        ("/alerts?limit=0", "limit", "greater than or equal to 1"),
        ("/alerts?limit=501", "limit", "less than or equal to 500"),
        ("/alerts?limit=many", "limit", "valid integer"),
        ("/alerts?state=closed", "state", "'open' or 'resolved'"),
        ("/alerts?verison=2", "verison", "there is no such parameter"),
        ("/health?verbose=1", "verbose", "there is no such parameter"),
        ("/drift/data?start=2013-04-01T00:00:00", "start", "with an offset"),
        ("/drift/data?start=2013-04-01", "start", "like 2013-04-01T00:00:00Z"),
        ("/drift/data?start=1364774400", "start", "with an offset"),
        ("/drift/data?start=2013-04-31T00:00:00Z", "start", "day"),
        ("/drift/data?end=2013-04-01T00:00:00+02:00", "end", "write %2B for a +"),
        (f"/drift/data?{TEN_YEARS}.001Z", "end", "has 3,661 days, and at most 3,660 are allowed"),
        (f"/metrics/history?{TEN_YEARS}.001Z", "end", "ask for parts of it"),
        (f"/alerts?{TEN_YEARS}.001Z", "end", "omit start or end"),
        ("/drift/data?model=a%00b", "model", "pattern"),
        ("/drift/data?model=", "model", "at least 1 character"),
    ],
)
def test_invalid_parameter_is_a_422_that_names_it(client, path, parameter, message):
    answer = client.get(path)
    assert is_problem(answer, 422, message)
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("path", ["/alerts", "/windows", "/metrics/history", "/drift/data"])
def test_range_of_ten_years_is_answered(client, path):
    assert client.get(f"{path}?{TEN_YEARS}Z").status_code == 200


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("path", ["/alerts", "/windows", "/models"])
@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("nonsense", id="no JSON"),
        pytest.param("[[[[", id="no base64"),
        pytest.param("ü", id="no ASCII"),
        pytest.param("bnVsbA", id="null"),
        pytest.param(encode_cursor(), id="an empty key"),
        pytest.param(encode_cursor("a", "b"), id="strings instead of numbers"),
        pytest.param(encode_cursor(10**30, 10**30), id="numbers out of range"),
        pytest.param(encode_cursor(10**30, "a"), id="a number out of range"),
        pytest.param(encode_cursor(9, "\x00"), id="a NUL character"),
    ],
)
def test_invalid_cursor_is_a_404(client, path, cursor):
    assert is_problem(client.get(path, params={"cursor": cursor}), 404, "there is no such page")


@pytest.mark.usefixtures("watched")
def test_cursor_of_another_list_is_a_404(client, watched):
    watched(window(0), window(1))
    cursor = client.get("/windows?limit=1").json()["next"]
    assert is_problem(client.get("/alerts", params={"cursor": cursor}), 404, "no such page")


def test_unknown_path_is_a_404_that_names_it(client):
    assert is_problem(client.get("/drift"), 404, "there is no path '/drift'")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_unsupported_method_is_a_405_that_names_get(client, method):
    answer = client.request(method, "/alerts")
    assert is_problem(answer, 405, "only GET and HEAD")
    assert answer.headers["allow"] == "GET"


def test_internal_error_is_a_500_without_details(client, database, watched):
    watched(window())
    with database.write() as connection:
        connection.execute(text("UPDATE windows SET data = '[\"s3cret\"]'"))
    answer = client.get("/drift/data")
    assert is_problem(answer, 500, "see the log of the API")
    assert "s3cret" not in answer.text


def test_secrets_are_hidden_in_problems(monkeypatch):
    monkeypatch.setattr("driftline.logs._hidden", ["s3cret"])
    assert problem(503, "postgresql://u:s3cret@h/d is away").body.count(b"s3cret") == 0


PATHS = ["/health", "/alerts", "/drift/data", "/metrics", "/metrics/latest", "/models", "/events"]


@pytest.mark.parametrize("path", PATHS)
def test_empty_database_is_a_503_that_names_the_command_to_start(client, address, path):
    if address.startswith("sqlite"):
        Path(address.removeprefix("sqlite:///")).touch()
    answer = client.get(path)
    assert is_problem(answer, 503, "start `driftline consume store`")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", PATHS)
def test_missing_database_is_a_503_until_it_exists(tmp_path, path):
    address = f"sqlite:///{tmp_path / 'driftline.db'}"
    client = TestClient(create_app(Database.to_read(address), Settings()), LOCALHOST)
    assert is_problem(client.get(path), 503, "there is no database")
    if path != "/events":
        Database.to_write(address).close()
        assert client.get(path).status_code == 200


def test_database_with_another_schema_is_a_503(client, database):
    with database.write() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE key = 'schema_version'"))
    assert is_problem(client.get("/alerts"), 503, "schema version 99")
