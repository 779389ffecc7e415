"""``driftline dashboard``: a port of its own, no questions, and the API of the configuration."""

import os
import socket
import sys

import pytest
from click.testing import CliRunner
from streamlit.config import get_config_options

from dashboard import commands
from dashboard.api_address import reach
from dashboard.commands import APP, arguments, dashboard
from driftline.settings import Settings


@pytest.fixture(autouse=True)
def became(monkeypatch):
    """What this process would have become."""
    calls = []
    monkeypatch.setattr(commands.os, "execve", lambda *call: calls.append(call))
    return calls


@pytest.fixture
def started(monkeypatch, became):
    """Runs the command and tells what it would have become."""
    monkeypatch.setattr(commands, "require_free", lambda *_: None)
    for name in ("DRIFTLINE_DASHBOARD__API", "DRIFTLINE_DASHBOARD__TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def start(*options, settings=None):
        result = CliRunner().invoke(dashboard, options, obj=settings or Settings())
        return result, became

    return start


def test_it_becomes_streamlit_on_this_machine(started):
    result, became = started()
    assert result.exit_code == 0, result.output
    assert result.output == "dashboard: http://127.0.0.1:8501\n"
    program, words, environment = became[0]
    assert program == words[0] == sys.executable
    assert words[1:5] == ["-m", "streamlit", "run", str(APP)]
    assert environment["DRIFTLINE_DASHBOARD__API"] == "http://127.0.0.1:8000"


def test_the_token_of_the_configuration_is_handed_on(started):
    settings = Settings.model_validate({"api": {"port": 8001, "tokens": ["s3cret"]}})
    environment = started(settings=settings)[1][0][2]
    assert environment["DRIFTLINE_DASHBOARD__API"] == "http://127.0.0.1:8001"
    assert environment["DRIFTLINE_DASHBOARD__TOKEN"] == "s3cret"


def test_options_are_options_of_streamlit():
    known = get_config_options()
    names = [word.removeprefix("--") for word in arguments("::1", 1) if word.startswith("--")]
    assert [name for name in names if name not in known] == []
    assert {"server.headless", "browser.gatherUsageStats", "server.address"} <= set(names)


def test_a_port_in_use_is_one_sentence_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(dashboard, ["--port", str(port)], obj=Settings())
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} is in use: end what listens there, or choose another with --port\n"
    )


def test_an_address_of_another_machine_is_one_sentence():
    result = CliRunner().invoke(dashboard, ["--host", "192.0.2.1"], obj=Settings())
    assert result.exit_code == 1
    assert "cannot listen on 192.0.2.1:8501" in result.output


def settings(**api):
    return lambda: Settings.model_validate({"api": api})


def forbidden():
    raise AssertionError("the settings were read")


def test_the_environment_outranks_the_settings_which_then_are_not_read():
    environment = {"DRIFTLINE_DASHBOARD__API": "https://elsewhere"}
    assert reach(environment, forbidden) == ("https://elsewhere", None)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("api.internal", "http://api.internal:8000"),
    ],
)
def test_what_listens_everywhere_is_asked_here(host, address):
    assert reach({}, settings(host=host)).address == address


def test_a_token_of_the_configuration_is_never_sent_elsewhere():
    environment = {"DRIFTLINE_DASHBOARD__API": "https://elsewhere"}
    assert reach(environment, settings(tokens=["s3cret"])).token is None


def test_the_environment_is_left_as_it_was(started):
    before = dict(os.environ)
    started()
    assert dict(os.environ) == before
