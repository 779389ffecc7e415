"""``driftline api``: the database over HTTP."""

from __future__ import annotations

import errno
import socket
from types import FrameType

import click
import uvicorn
from fastapi import FastAPI

from api.access import is_loopback
from api.app import create_app
from consumers.database.database import Database, InvalidDatabase
from driftline.settings import InvalidSettings, Settings, load_settings

LEAVE_S = 5  # how long answers under way have when the API is told to end


@click.command("api")
@click.option("--host", help="Address to listen on; by default [api] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="By default [api] port; 0: any.")
@click.pass_context
def api(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the findings over HTTP, read from the database that `store` writes."""
    try:
        settings = context.find_object(Settings) or load_settings()
        database = Database.to_read(settings.store.url)
    except (InvalidSettings, InvalidDatabase) as error:
        raise click.UsageError(str(error)) from error
    host, port = host or settings.api.host, settings.api.port if port is None else port
    if not settings.api.tokens and not is_loopback(host):
        raise click.UsageError(
            f"without tokens the API listens on loopback only, not on {host}: set [api] tokens,"
            " or use 127.0.0.1"
        )
    serve(create_app(database, settings), _listen(host, port))


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Until SIGINT or SIGTERM; then streams of events end, and other answers have 5 s."""
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", timeout_graceful_shutdown=LEAVE_S
    )
    host, port = listening.getsockname()[:2]
    click.echo(f"API: http://{f'[{host}]' if ':' in host else host}:{port}/docs")
    _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.pace.stopping.set()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    """Taken before anything is started, so that nobody else can take it in between."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is in use: end what listens there, or choose another with --port"
            ) from error
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error
