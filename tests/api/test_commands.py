"""driftline api: what is wrong is said in one sentence before anything listens."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from api.commands import api
from consumers.database.database import Database
from driftline.settings import ApiSection, Settings, StoreSection


def run(*arguments: str, settings: Settings | None = None):
    return CliRunner().invoke(api, arguments, obj=settings or Settings())


def test_it_listens_nowhere_but_on_loopback_without_tokens():
    result = run("--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "set [api] tokens" in result.output


def test_settings_that_ask_for_it_are_refused_alike():
    result = run(settings=Settings(api=ApiSection(host="10.0.0.5")))
    assert result.exit_code == 2


def test_a_busy_port_is_named_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} is in use" in result.output
    assert "--port" in result.output


def test_an_address_of_this_machine_that_is_not_its_own_is_refused():
    result = run("--host", "127.0.0.256")
    assert result.exit_code == 2


def test_a_database_that_is_not_taken_is_refused():
    result = run(settings=Settings(store=StoreSection(url="mysql://u:s3cret@h/d")))
    assert result.exit_code == 2
    assert "'mysql' is not taken" in result.output
    assert "s3cret" not in result.output


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_when_told_to_also_while_somebody_follows(tmp_path, wanted):
    url = f"sqlite:///{tmp_path / 'driftline.db'}"
    Database.to_write(url).close()
    script = "from api.commands import api; api(['--port', '0'])"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "DRIFTLINE_STORE__URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
            with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
                assert answer.status == 200
            with urllib.request.urlopen(f"{address}/events", timeout=10) as stream:
                assert stream.readline() == b"retry: 3000\n"
                process.send_signal(wanted)
                process.wait(timeout=10)
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()
