"""The application as ``streamlit run`` runs it: chosen model, address, missing API."""

from pathlib import Path

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import app_shell
from dashboard.client import Client
from tests.dashboard.documents import COLLECTING, health, incident, model, window
from tests.dashboard.fake import ADDRESS, FakeApi, address, boxes, page_text

APP = str(Path(app_shell.__file__).with_name("app.py"))


@pytest.fixture
def opened(monkeypatch):
    """Opens the dashboard over an API, at an address."""

    def open_(api, **parameters):
        def connect(_address, _token):
            return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(api)))

        monkeypatch.setenv("DRIFTLINE_DASHBOARD__API", ADDRESS)
        monkeypatch.setattr(app_shell, "connect", connect)
        st.cache_resource.clear()
        app = AppTest.from_file(APP, default_timeout=120)
        for name, value in parameters.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    yield open_
    st.cache_resource.clear()


def two_models():
    api = FakeApi(model("flight-delay"), model("credit"))
    api.windows = {"flight-delay": [window()], "credit": [window(model="credit")]}
    return api


def test_dashboard_opens_on_the_overview_of_the_newest_model(opened):
    app = opened(two_models())
    assert app.title[0].value == "flight-delay"
    assert address(app) == {"model": "flight-delay", "version": "1"}


def test_browser_title_names_page_and_model(opened, monkeypatch):
    titles = []
    monkeypatch.setattr(app_shell.st, "set_page_config", lambda title, *_: titles.append(title))
    opened(two_models(), model="credit", version="1")
    assert titles[-1] == "Overview · credit · Driftline"


def test_address_selects_the_model(opened):
    app = opened(two_models(), model="credit", version="1")
    assert app.title[0].value == "credit"


def test_selecting_a_model_updates_page_and_address(opened):
    app = opened(two_models(), feature="temp")
    app.sidebar.selectbox[0].select("credit · version 1").run()
    assert app.title[0].value == "credit"
    assert address(app) == {"model": "credit", "version": "1"}


def test_session_restores_parameters_that_a_change_of_pages_drops(opened):
    app = opened(two_models(), model="credit", version="1", feature="temp", last="200")
    app.query_params.clear()
    app.run()
    assert app.title[0].value == "credit"
    kept = {"model": "credit", "version": "1", "feature": "temp", "last": "200"}
    assert address(app) == kept


def test_address_takes_precedence_over_the_session(opened):
    app = opened(two_models(), model="credit", version="1")
    app.query_params["model"] = "flight-delay"
    app.run()
    assert app.title[0].value == "flight-delay"


def test_single_model_has_no_select_box(opened):
    api = FakeApi(model())
    assert not opened(api).sidebar.selectbox


def test_unknown_model_in_the_address_shows_a_warning(opened):
    app = opened(two_models(), model="gone", version="7")
    assert "There is no model gone · version 7." in page_text(app)
    assert app.title[0].value == "flight-delay"


def test_links_carry_model_version_and_incident(opened):
    api = two_models()
    api.incidents["flight-delay"] = [incident("x")]
    app = opened(api)
    links = {link.proto.query_string for link in app.get("page_link")}
    assert "model=flight-delay&version=1&incident=x" in links


def test_address_with_only_an_incident_selects_its_model(opened):
    api = two_models()
    api.incidents["credit"] = [incident("x", model="credit")]
    assert address(opened(api, incident="x"))["model"] == "credit"


def test_address_with_an_unknown_incident_selects_the_newest_model(opened):
    assert address(opened(two_models(), incident="gone"))["model"] == "flight-delay"


def test_page_without_models_names_the_commands_that_register_one(opened):
    app = opened(FakeApi())
    assert boxes(app) == ["info"]
    assert "driftline train" in page_text(app)
    assert "driftline register" in page_text(app)


def test_page_without_models_shows_a_version_that_is_collecting(opened):
    api = FakeApi()
    api.health = health(collecting=[COLLECTING])
    app = opened(api)
    assert "**new · version 1 is collecting its reference:** 7 of 9 rows." in page_text(app)
    assert "driftline train" not in page_text(app)


def test_unreachable_api_shows_its_address_and_the_command_that_starts_it(opened):
    api = two_models()
    api.down = True
    app = opened(api)
    assert boxes(app) == ["error"]
    assert f"at {ADDRESS} is not reachable. Start it with `driftline api`" in page_text(app)


def test_page_recovers_when_the_api_becomes_reachable(opened):
    api = two_models()
    api.down = True
    app = opened(api)
    api.down = False
    app.run()
    assert boxes(app) == ["success"]


def test_invalid_configuration_is_shown(monkeypatch, tmp_path):
    (tmp_path / "driftline.toml").write_text("[api]\nprot = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRIFTLINE_DASHBOARD__API", raising=False)
    app = AppTest.from_file(APP, default_timeout=120).run()
    assert not app.exception
    assert "unknown setting 'api.prot'" in page_text(app).replace("\\", "")
