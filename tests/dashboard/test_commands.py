"""``driftline dashboard``: Streamlit's command line, the port, and the address of the API."""

import os
import socket
import sys

import pytest
from click.testing import CliRunner
from streamlit.config import get_config_options

from dashboard import commands
from dashboard.api_address import resolve_api_address
from dashboard.commands import APP, dashboard, streamlit_arguments
from driftline.settings import Settings


@pytest.fixture(autouse=True)
def executed(monkeypatch):
    """The calls of ``execve``, which is replaced."""
    calls = []
    monkeypatch.setattr(commands.os, "execve", lambda *call: calls.append(call))
    return calls


@pytest.fixture
def started(monkeypatch, executed):
    """Runs the command; gives its result and the calls of ``execve``."""
    monkeypatch.setattr(commands, "require_free", lambda *_: None)
    for name in ("DRIFTLINE_DASHBOARD__API", "DRIFTLINE_DASHBOARD__TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def start(*options, settings=None):
        result = CliRunner().invoke(dashboard, options, obj=settings or Settings())
        return result, executed

    return start


def test_command_runs_streamlit_on_the_loopback_address(started):
    result, executed = started()
    assert result.exit_code == 0, result.output
    assert result.output == "dashboard: http://127.0.0.1:8501\n"
    program, arguments, environment = executed[0]
    assert program == arguments[0] == sys.executable
    assert arguments[1:5] == ["-m", "streamlit", "run", str(APP)]
    assert environment["DRIFTLINE_DASHBOARD__API"] == "http://127.0.0.1:8000"


def test_token_of_the_configuration_is_passed_to_streamlit(started):
    settings = Settings.model_validate({"api": {"port": 8001, "tokens": ["s3cret"]}})
    environment = started(settings=settings)[1][0][2]
    assert environment["DRIFTLINE_DASHBOARD__API"] == "http://127.0.0.1:8001"
    assert environment["DRIFTLINE_DASHBOARD__TOKEN"] == "s3cret"


def test_hash_of_a_token_is_not_sent_as_one():
    hashed = f"read:sha256:{'0' * 64}"
    settings = Settings.model_validate({"api": {"tokens": [hashed]}})
    assert resolve_api_address({}, lambda: settings).token is None
    settings = Settings.model_validate({"api": {"tokens": [hashed, "s3cret"]}})
    assert resolve_api_address({}, lambda: settings).token == "s3cret"


def test_api_with_a_certificate_is_reached_over_https():
    files = {"tls_certificate": "certificate.pem", "tls_key": "key.pem"}
    settings = Settings.model_validate({"api": files})
    assert resolve_api_address({}, lambda: settings).address == "https://127.0.0.1:8000"


def test_all_options_are_options_of_streamlit():
    streamlit_options = get_config_options()
    names = [
        word.removeprefix("--") for word in streamlit_arguments("::1", 1) if word.startswith("--")
    ]
    assert [name for name in names if name not in streamlit_options] == []
    assert {"server.headless", "browser.gatherUsageStats", "server.address"} <= set(names)


def test_port_in_use_is_reported_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(dashboard, ["--port", str(port)], obj=Settings())
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} is in use: stop the process that listens on it, or choose another port"
        " with --port\n"
    )


def test_address_of_another_machine_is_reported():
    result = CliRunner().invoke(dashboard, ["--host", "192.0.2.1"], obj=Settings())
    assert result.exit_code == 1
    assert "cannot listen on 192.0.2.1:8501" in result.output


def settings(**api):
    return lambda: Settings.model_validate({"api": api})


def forbidden():
    raise AssertionError("the settings were read")


def test_environment_takes_precedence_and_settings_are_not_loaded():
    environment = {"DRIFTLINE_DASHBOARD__API": "https://elsewhere"}
    assert resolve_api_address(environment, forbidden) == ("https://elsewhere", None)


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
def test_api_on_all_addresses_is_requested_on_the_loopback_address(host, address):
    assert resolve_api_address({}, settings(host=host)).address == address


def test_token_of_the_configuration_is_not_sent_to_another_api():
    environment = {"DRIFTLINE_DASHBOARD__API": "https://elsewhere"}
    assert resolve_api_address(environment, settings(tokens=["s3cret"])).token is None


def test_environment_of_the_process_is_unchanged(started):
    before = dict(os.environ)
    started()
    assert dict(os.environ) == before
