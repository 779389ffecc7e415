"""``driftline export`` over the real API: every item, oldest first, as CSV, Parquet and Arrow."""

# ruff: noqa: F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import csv
import io

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

import driftline.__main__
from api.app import create_app
from dashboard import client as dashboard_client
from dashboard.client import Client
from driftline.settings import Settings
from tests.consumers.stored import (  # noqa: F401
    NOW,
    alert,
    database,
    feed,
    reader,
    registration,
    window,
)
from tests.dashboard.fake import ADDRESS
from tests.dashboard.test_contract import RealApi


@pytest.fixture
def address(tmp_path):
    return f"sqlite:///{tmp_path / 'driftline.db'}"


@pytest.fixture
def client(reader):
    """Of the real API."""
    api = RealApi(create_app(reader, Settings(), clock_ms=lambda: NOW))
    return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(api)))


@pytest.fixture
def run(feed, client, monkeypatch):
    monkeypatch.setattr("dashboard.shell.reading.client", lambda *_: client)
    monkeypatch.setattr(dashboard_client, "PAGE_LIMIT", 2)
    feed.models(registration())
    feed(*(window(day) for day in range(5)), alert(), alert(incident="other", day=3))
    return lambda *words: CliRunner().invoke(driftline.__main__.main, ["export", *words])


def rows(result):
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout, newline="")))


def test_windows_of_all_pages_are_in_order_of_event_time(run):
    found = rows(run("windows"))
    assert [row["window.start"][:10] for row in found] == [f"2013-04-0{day}" for day in range(1, 6)]
    assert {row["performance.metrics.accuracy.value"] for row in found} == {"0.91"}


def test_drift_of_a_feature_has_its_figures_and_without_one_all_features_are_there(run):
    assert {row["name"] for row in rows(run("drift", "--feature", "temp"))} == {"temp"}
    found = rows(run("drift"))
    assert [row["name"] for row in found] == ["temp"] * 5 + ["carrier"] * 5
    assert found[0]["threshold"]


def test_a_range_is_half_open_and_utc(run):
    found = rows(run("metrics", "--from", "2013-04-02", "--until", "2013-04-04T00:00:00Z"))
    assert [row["window.start"][:10] for row in found] == ["2013-04-02", "2013-04-03"]


def test_incidents_are_those_of_all_versions_with_their_evidence(run):
    found = rows(run("incidents"))
    assert {row["id"] for row in found} == {"91ab", "other"}
    assert found[0]["evidence.value"] == "0.31"


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
def test_the_file_has_the_format_of_its_name_and_the_same_rows(run, tmp_path, suffix):
    path = tmp_path / f"found.{suffix}"
    result = run("windows", "--output", str(path))
    assert result.stdout == f"wrote 5 rows to {path}\n"
    read = {
        "parquet": lambda: pq.read_table(path).to_pylist(),
        "arrow": lambda: pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist(),
        "csv": lambda: list(csv.DictReader(io.StringIO(path.read_text()))),
    }[suffix]()
    assert [float(row["data.rows"]) for row in read] == [900] * 5
    if suffix != "csv":
        assert read[0]["window.start"].isoformat() == "2013-04-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["drift", "--feature", "temperature"], "the features are temp, carrier"),
        (["windows", "--model", "loans"], "loans/* is not registered; registered: flight-delay/1"),
        (["windows", "--output", "found.xlsx"], "add --format csv, parquet or arrow"),
        (["windows", "--feature", "temp"], "--feature applies to drift, not to windows"),
        (["windows", "--from", "spring"], "'spring' is not a time"),
        (["everything"], "'windows', 'drift', 'metrics', 'incidents'"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(run, words, sentence):
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_one_of_several_models_has_to_be_chosen(run, feed):
    feed.models(registration("loans"))
    result = run("windows")
    assert result.exit_code == 2
    assert "choose one with --model: " in result.stderr
    assert "loans/1" in result.stderr
    assert rows(run("windows", "--model", "flight-delay"))


def test_the_table_of_the_api_is_the_exported_one(run, reader):
    application = create_app(reader, Settings(), clock_ms=lambda: NOW)
    with TestClient(application, "http://localhost") as api:
        answer = api.get("/drift/history?feature=temp&format=csv&limit=100")
    expected = list(csv.DictReader(io.StringIO(answer.text, newline="")))[::-1]
    assert rows(run("drift", "--feature", "temp")) == expected
