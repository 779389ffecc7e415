"""``driftline api``: invalid settings are refused in one sentence before the API listens."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from api.commands import _listen, api
from consumers.database.database import Database
from driftline.configuration.sections import ApiSection, StoreSection
from driftline.settings import Settings


def run(*arguments: str, settings: Settings | None = None):
    return CliRunner().invoke(api, arguments, obj=settings or Settings())


def test_api_without_tokens_refuses_a_host_option_beyond_loopback():
    result = run("--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "set [api] tokens" in result.output


def test_api_without_tokens_refuses_a_configured_host_beyond_loopback():
    result = run(settings=Settings(api=ApiSection(host="10.0.0.5")))
    assert result.exit_code == 2


def test_port_in_use_is_reported_with_its_number_and_the_port_option():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} is in use" in result.output
    assert "--port" in result.output


def test_host_that_is_not_an_ip_address_is_refused():
    result = run("--host", "127.0.0.256")
    assert result.exit_code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tcp_nodelay_is_set_on_accepted_connections(host):
    """Without it, answers on a kept-alive connection wait 40 ms for a delayed ACK."""
    with _listen(host, 0) as listening:
        assert asyncio.run(_accepted_nodelay(listening))


async def _accepted_nodelay(listening: socket.socket) -> int:
    """TCP_NODELAY of a connection that asyncio accepts on ``listening``."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_connect(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(on_connect, sock=listening):
        _, client = await asyncio.open_connection(*listening.getsockname()[:2])
        try:
            return await asyncio.wait_for(accepted, 10)
        finally:
            client.close()


def test_unsupported_database_is_refused_without_showing_its_password():
    result = run(settings=Settings(store=StoreSection(url="mysql://u:s3cret@h/d")))
    assert result.exit_code == 2
    assert "'mysql' is not supported" in result.output
    assert "s3cret" not in result.output


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_api_stops_on_a_signal_while_a_client_reads_the_event_stream(tmp_path, stop_signal):
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
                process.send_signal(stop_signal)
                process.wait(timeout=10)
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()
