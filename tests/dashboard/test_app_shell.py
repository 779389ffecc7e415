"""The whole of it, as ``streamlit run`` runs it: which model, which address, and without either."""

from pathlib import Path

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import app_shell
from dashboard.client import Client
from tests.dashboard.fake import (
    ADDRESS,
    FakeApi,
    address,
    boxes,
    incident,
    model,
    said,
    window,
)

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
    api.windows = {"flight-delay": [window()], "credit": [window(of="credit")]}
    return api


def test_it_opens_on_the_overview_of_the_newest_model(opened):
    app = opened(two_models())
    assert app.title[0].value == "Is flight-delay all right?"
    assert address(app) == {"model": "flight-delay", "version": "1"}


def test_an_address_reopens_its_model(opened):
    app = opened(two_models(), model="credit", version="1")
    assert app.title[0].value == "Is credit all right?"


def test_choosing_another_model_changes_the_page_and_the_address(opened):
    app = opened(two_models(), feature="temp")
    app.sidebar.selectbox[0].select("credit · version 1").run()
    assert app.title[0].value == "Is credit all right?"
    assert address(app) == {"model": "credit", "version": "1"}


def test_what_was_chosen_outlives_a_change_of_pages_which_empties_the_address(opened):
    app = opened(two_models(), model="credit", version="1", feature="temp", last="200")
    app.query_params.clear()
    app.run()
    assert app.title[0].value == "Is credit all right?"
    kept = {"model": "credit", "version": "1", "feature": "temp", "last": "200"}
    assert address(app) == kept


def test_an_address_outranks_what_was_chosen(opened):
    app = opened(two_models(), model="credit", version="1")
    app.query_params["model"] = "flight-delay"
    app.run()
    assert app.title[0].value == "Is flight-delay all right?"


def test_one_model_needs_no_box_to_choose_from(opened):
    api = FakeApi(model())
    assert not opened(api).sidebar.selectbox


def test_a_model_that_is_not_there_is_said(opened):
    app = opened(two_models(), model="gone", version="7")
    assert "There is no model gone · version 7." in said(app)
    assert app.title[0].value == "Is flight-delay all right?"


def test_links_carry_the_model_and_what_they_are_about(opened):
    api = two_models()
    api.incidents["flight-delay"] = [incident("x")]
    app = opened(api)
    links = {link.proto.query_string for link in app.get("page_link")}
    assert "model=flight-delay&version=1&incident=x" in links


def test_an_incident_alone_reopens_its_model(opened):
    api = two_models()
    api.incidents["credit"] = [incident("x", model="credit")]
    assert address(opened(api, incident="x"))["model"] == "credit"


def test_an_incident_that_is_gone_opens_the_newest_model(opened):
    assert address(opened(two_models(), incident="gone"))["model"] == "flight-delay"


def test_without_models_it_says_what_to_start(opened):
    app = opened(FakeApi())
    assert boxes(app) == ["info"]
    assert "driftline train" in said(app)
    assert "driftline register" in said(app)


def test_without_the_api_it_says_where_it_looked_and_what_to_start(opened):
    api = two_models()
    api.down = True
    app = opened(api)
    assert boxes(app) == ["error"]
    assert f"does not answer at {ADDRESS}. Start it with `driftline api`" in said(app)


def test_it_goes_on_by_itself_when_the_api_comes(opened):
    api = two_models()
    api.down = True
    app = opened(api)
    api.down = False
    app.run()
    assert boxes(app) == ["success"]


def test_a_configuration_that_cannot_be_used_is_said(monkeypatch, tmp_path):
    (tmp_path / "driftline.toml").write_text("[api]\nprot = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRIFTLINE_DASHBOARD__API", raising=False)
    app = AppTest.from_file(APP, default_timeout=120).run()
    assert not app.exception
    assert "unknown setting 'api.prot'" in said(app).replace("\\", "")
