"""``driftline dashboard``: the pages, on this machine, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from dashboard.api_address import API, TOKEN, reach
from driftline.errors import InvalidSettings
from driftline.settings import Settings, load_settings

APP = Path(__file__).with_name("app.py")
OPTIONS: Mapping[str, str] = {
    "server.headless": "true",  # no browser is opened and no address of mail asked for
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "logger.level": "warning",
    "logger.hideWelcomeMessage": "true",  # it repeats the address
}


@click.command("dashboard")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. The dashboard asks nobody who they are: elsewhere than on this"
    " machine, put something in front of it that does.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.pass_context
def dashboard(context: click.Context, host: str, port: int) -> None:
    """Show what the API tells as pages in a browser.

    The API is the one of the configuration, or DRIFTLINE_DASHBOARD__API; where it wants a token,
    DRIFTLINE_DASHBOARD__TOKEN is sent.
    """
    try:
        api = reach(os.environ, lambda: context.find_object(Settings) or load_settings())
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from error
    require_free(host, port)
    click.echo(f"dashboard: http://{_shown(host)}:{port}")
    environment = {**os.environ, API: api.address, **({TOKEN: api.token} if api.token else {})}
    os.execve(sys.executable, [sys.executable, *arguments(host, port)], environment)


def arguments(host: str, port: int) -> list[str]:
    """For Python, to run Streamlit with."""
    options = {"server.address": host, "server.port": str(port), **OPTIONS}
    flags = [flag for name, value in options.items() for flag in (f"--{name}", value)]
    return ["-m", "streamlit", "run", str(APP), *flags]


def require_free(host: str, port: int) -> None:
    """Streamlit itself starts beside whatever listens there, or somewhere else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is in use: end what listens there, or choose another with --port"
            ) from error
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
