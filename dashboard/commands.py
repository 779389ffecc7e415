"""``driftline dashboard``: serves the pages until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from dashboard.api_address import API_VARIABLE, TOKEN_VARIABLE, resolve_api_address
from driftline.errors import InvalidSettings
from driftline.settings import Settings, load_settings

APP = Path(__file__).with_name("app.py")
OPTIONS: Mapping[str, str] = {
    "server.headless": "true",  # opens no browser and asks for no e-mail address
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "logger.level": "warning",
    "logger.hideWelcomeMessage": "true",  # prints the address a second time
}


@click.command("dashboard")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. The dashboard has no authentication: for any other address than"
    " this machine's, put a proxy with authentication in front of it.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.pass_context
def dashboard(context: click.Context, host: str, port: int) -> None:
    """Serve the dashboard.

    It reads the API of the configuration, or the one at DRIFTLINE_DASHBOARD__API, and sends the
    token DRIFTLINE_DASHBOARD__TOKEN if it is set.
    """
    try:
        api = resolve_api_address(
            os.environ, lambda: context.find_object(Settings) or load_settings()
        )
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from error
    require_free(host, port)
    click.echo(f"dashboard: http://{_url_host(host)}:{port}")
    token = {TOKEN_VARIABLE: api.token} if api.token else {}
    environment = {**os.environ, API_VARIABLE: api.address, **token}
    os.execve(sys.executable, [sys.executable, *streamlit_arguments(host, port)], environment)


def streamlit_arguments(host: str, port: int) -> list[str]:
    """Arguments of the Python interpreter."""
    options = {"server.address": host, "server.port": str(port), **OPTIONS}
    flags = [flag for name, value in options.items() for flag in (f"--{name}", value)]
    return ["-m", "streamlit", "run", str(APP), *flags]


def require_free(host: str, port: int) -> None:
    """Raises ``ClickException``. Streamlit itself would start on another port, or on the same."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is in use: stop the process that listens on it, or choose another"
                " port with --port"
            ) from error
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
