"""The client reads everything of the real API, oldest first; every error is the API's sentence."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import httpx
import pandas as pd
import pytest
from driftline_client import Driftline, DriftlineError, connection, table
from driftline_client.times import rfc3339
from fastapi.testclient import TestClient

from api.app import create_app
from driftline.settings import Settings
from scripts.client_answers import modules, openapi
from tests.api.conftest import LOCALHOST
from tests.client.conftest import InMemory
from tests.consumers.stored import alert, decision, heartbeat, registration


def starts(rows) -> list[int]:
    return [datetime.fromisoformat(row["window"]["start"]).day for row in rows]


def answering(status: int = 200, **response) -> Driftline:
    handler = httpx.MockTransport(lambda _: httpx.Response(status, **response))
    return Driftline("http://driftline.test", transport=handler)


@pytest.mark.usefixtures("three_days")
class TestReading:
    def test_histories_are_oldest_first(self, driftline):
        assert starts(driftline.drift("temp")) == [1, 2, 3]
        assert starts(driftline.metrics()) == [1, 2, 3]
        assert starts(driftline.windows()) == [1, 2, 3]

    def test_drift_is_that_of_the_feature(self, driftline):
        rows = driftline.drift("carrier")
        assert {row["name"] for row in rows} == {"carrier"}
        assert rows[0]["verdict"] == "drift"

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2013-04-02", "2013-04-03"),
            (date(2013, 4, 2), date(2013, 4, 3)),
            (datetime(2013, 4, 2, tzinfo=UTC), datetime(2013, 4, 3, tzinfo=UTC)),
            (pd.Timestamp("2013-04-02", tz="UTC"), "2013-04-02T23:00:00-01:00"),
        ],
    )
    def test_range_is_half_open_and_of_any_kind_of_time(self, driftline, start, end):
        assert starts(driftline.drift("temp", start=start, end=end)) == [2]

    def test_all_pages_are_read(self, driftline, transport, monkeypatch):
        monkeypatch.setattr(connection, "PAGE_LIMIT", 2)
        assert starts(driftline.drift("temp")) == [1, 2, 3]
        assert len(transport.requests) == 2

    def test_distributions_of_windows_are_asked_for_only_on_request(self, driftline):
        (without, *_), (with_them, *_) = (
            driftline.windows(distributions=wanted)[0]["data"]["features"]
            for wanted in (False, True)
        )
        assert without["distribution"] is None
        assert with_them["distribution"]["edges"]

    def test_incidents_are_selected_by_their_properties(self, driftline, three_days):
        three_days(alert(), alert(incident="c0de", subject="data/temp", severity="critical"))
        assert {one["id"] for one in driftline.alerts()} == {"91ab", "c0de"}
        (found,) = driftline.incidents(severity="critical", state="open")
        assert found["subject"] == "data/temp"
        assert driftline.incident("c0de")["transitions"][0]["type"].endswith("opened")

    def test_every_other_answer_is_read(self, driftline, three_days):
        three_days(decision(), heartbeat("detect"))
        assert driftline.health()["roles"][0]["role"] == "detect"
        assert [model["model"] for model in driftline.models()] == ["flight-delay"]
        assert driftline.data_drift(end="2013-04-03")["rows"] == 900
        assert driftline.concept_drift()["expected"]
        assert driftline.baseline()["metrics"]
        assert driftline.latest_metrics()["labels"] == 700
        assert driftline.retraining()["decision"] == "wait"
        assert driftline.segments()["items"] == []

    def test_requested_model_version_and_segment_are_asked_for(self, driftline, three_days):
        three_days.models(registration("loans"))
        assert len(driftline.drift("temp", model="loans", version="1")) == 0
        assert len(driftline.drift("temp", model="flight-delay")) == 3
        assert len(driftline.drift("temp", model="flight-delay", segment="carrier=UA")) == 0


@pytest.mark.usefixtures("three_days")
class TestTables:
    def test_table_has_the_columns_and_values_of_the_api(self, driftline, client):
        frame = driftline.drift("temp").to_pandas()
        text = client.get("/drift/history?feature=temp&format=csv").text
        assert list(frame.columns) == text.splitlines()[0].split(",")
        assert frame["effects.wasserstein.low"].tolist() == [0.3, 0.3, 0.3]

    def test_times_are_timestamps_in_utc(self, driftline):
        column = driftline.metrics().to_pandas()["window.start"]
        assert str(column.dt.tz) == "UTC"
        assert column[0] == pd.Timestamp("2013-04-01", tz="UTC")

    def test_a_slice_is_a_table(self, driftline):
        assert len(driftline.drift("temp")[-2:].to_pandas()) == 2

    def test_without_pandas_it_names_the_extra(self, driftline, monkeypatch):
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(DriftlineError, match=r"driftline-client\[pandas\]"):
            driftline.metrics().to_pandas()

    def test_fields_taken_for_times_are_those_that_the_api_declares(self):
        declared = {
            (field, "date-time" in json.dumps(schema))
            for one in openapi()["components"]["schemas"].values()
            for field, schema in one["properties"].items()
            if "$ref" not in json.dumps(schema)
        }
        objects = {"reference", "window"}  # an object here, a list there
        wrong = {f for f, time in declared if time != table.is_time(f) and f not in objects}
        assert wrong == set()


@pytest.mark.usefixtures("watched")
def test_table_without_items_is_an_empty_frame(driftline):
    assert driftline.drift("temp").to_pandas().empty


@pytest.mark.usefixtures("three_days")
class TestErrors:
    def test_error_is_the_sentence_of_the_api(self, driftline):
        with pytest.raises(DriftlineError) as caught:
            driftline.drift("tmep")
        assert str(caught.value) == "there is no feature 'tmep'; the features are temp, carrier"
        assert caught.value.status == 404

    def test_error_names_the_models_that_could_be_asked_for(self, driftline, three_days):
        three_days.models(registration("loans"))
        with pytest.raises(DriftlineError, match=r"select one .*\(registered: .*loans 1"):
            driftline.metrics()

    def test_unknown_parameter_is_refused_by_name(self, driftline):
        with pytest.raises(DriftlineError, match="'modle': there is no such parameter here"):
            driftline.metrics(modle="loans")

    def test_token_is_sent(self, reader):
        application = create_app(reader, Settings(api={"tokens": ["s3cret"]}))
        over = InMemory(TestClient(application, LOCALHOST))
        assert len(Driftline(LOCALHOST, "s3cret", transport=over).models()) == 1
        with pytest.raises(DriftlineError, match="a bearer token is required") as caught:
            Driftline(LOCALHOST, transport=over).models()
        assert caught.value.status == 401

    def test_unreachable_api_is_named_with_its_address(self):
        with pytest.raises(DriftlineError, match=r"at http://127.0.0.1:9 is not reachable"):
            Driftline("http://127.0.0.1:9/").health()

    def test_silent_api_is_not_called_unreachable(self):
        def silent(request):
            raise httpx.ReadTimeout("", request=request)

        silent_api = Driftline("http://slow.test", transport=httpx.MockTransport(silent))
        with pytest.raises(DriftlineError, match="did not answer in time"):
            silent_api.health()

    def test_other_servers_are_recognised(self):
        with pytest.raises(DriftlineError, match="is it Driftline's API"):
            answering(text="<html>").health()
        with pytest.raises(DriftlineError, match="answered with 502"):
            answering(502, text="Bad gateway").health()

    def test_address_that_is_none_is_told(self):
        with pytest.raises(DriftlineError, match="nonsense is not reachable"):
            Driftline("nonsense").health()


class TestTimes:
    def test_time_is_written_in_utc(self):
        east = datetime(2013, 4, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        assert rfc3339(east) == rfc3339(date(2013, 4, 1)) == "2013-04-01T00:00:00Z"

    @pytest.mark.parametrize("time", ["2013-04-01T00:00:00", datetime(2013, 4, 1)])  # noqa: DTZ001
    def test_time_without_time_zone_is_refused(self, time):
        with pytest.raises(ValueError, match="has no time zone"):
            rfc3339(time)


def test_types_of_answers_are_up_to_date():
    for path, text in modules().items():
        assert path.read_text() == text, "run: python scripts/client_answers.py"
