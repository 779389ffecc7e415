"""``driftline api``: invalid settings are refused in one sentence before the API listens."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from api.commands import _listen, api, token
from consumers.database.database import Database
from driftline.configuration.sections import ApiSection, StoreSection
from driftline.configuration.tokens import AccessToken, digest_of
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


def test_token_command_prints_a_token_and_the_setting_that_accepts_it():
    result = CliRunner().invoke(token, ["--scope", "read", "--scope", "write"])
    text = re.search(r"for the client: +(\S+)", result.output)[1]
    setting = re.search(r'in \[api\] tokens: +"(.*)"', result.output)[1]
    assert AccessToken.parse(setting).matches(digest_of(text.encode()))
    assert AccessToken.parse(setting).scopes == {"read", "write"}
    default = CliRunner().invoke(token).output
    assert '"read:sha256:' in default


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 and its key."""
    made = [tmp_path / "certificate.pem", tmp_path / "key.pem"]
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    subject = "-subj /CN=driftline -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *options.split(), *subject.split()]
    files = ["-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return made


def test_with_a_certificate_the_api_speaks_https_only(tmp_path, certificate):
    url = f"sqlite:///{tmp_path / 'driftline.db'}"
    Database.to_write(url).close()
    script = "from api.commands import api; api(['--port', '0'])"
    environment = {
        **os.environ,
        "DRIFTLINE_STORE__URL": url,
        "DRIFTLINE_API__TLS_CERTIFICATE": str(certificate[0]),
        "DRIFTLINE_API__TLS_KEY": str(certificate[1]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = re.search(r"https://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            trust = ssl.create_default_context(cafile=certificate[0])
            with urllib.request.urlopen(f"{address}/health", timeout=10, context=trust) as answer:
                assert answer.status == 200
            with pytest.raises((OSError, http.client.HTTPException)):
                urllib.request.urlopen(f"{address.replace('https', 'http')}/health", timeout=10)
        finally:
            process.terminate()


def test_certificate_that_cannot_be_used_is_refused_before_the_api_listens(tmp_path, certificate):
    (tmp_path / "broken.pem").write_text("no key")
    for key in (tmp_path / "absent.pem", tmp_path / "broken.pem"):
        section = ApiSection(tls_certificate=certificate[0], tls_key=key)
        result = run("--port", "0", settings=Settings(api=section))
        assert result.exit_code == 2
        assert f"tls_key '{key}' cannot be used: " in result.output


def test_certificate_without_its_key_is_refused():
    with pytest.raises(ValueError, match="set together, or neither"):
        ApiSection(tls_certificate="certificate.pem")


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
