"""``driftline api``: serves the findings over HTTP."""

from __future__ import annotations

import errno
import socket
import ssl
from types import FrameType

import click
import uvicorn
from fastapi import FastAPI

from api.access import is_loopback
from api.app import create_app
from consumers.database.database import Database, InvalidDatabase
from driftline.configuration.sections import ApiSection
from driftline.configuration.tokens import SCOPES, new_token
from driftline.errors import InvalidSettings
from driftline.settings import Settings, load_settings

SHUTDOWN_TIMEOUT_S = 5  # for answers that are not finished when the API is stopped


@click.command("api")
@click.option("--host", help="Address to listen on; by default [api] host.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; by default [api] port. 0: any free port.",
)
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
    _check_certificate(settings.api)
    serve(create_app(database, settings), _listen(host, port), settings.api)


def _check_certificate(section: ApiSection) -> None:
    if section.tls_certificate is None or section.tls_key is None:
        return
    try:
        ssl.create_default_context().load_cert_chain(section.tls_certificate, section.tls_key)
    except OSError as error:  # ``SSLError`` is one
        reason = getattr(error, "reason", None) or error.strerror
        raise click.UsageError(
            f"[api] tls_certificate {str(section.tls_certificate)!r} and tls_key"
            f" {str(section.tls_key)!r} cannot be used: {reason}"
        ) from error


def serve(app: FastAPI, listening: socket.socket, section: ApiSection) -> None:
    """Runs until SIGINT or SIGTERM. Then event streams end, and other answers have 5 s."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        server_header=False,
        ssl_certfile=section.tls_certificate,
        ssl_keyfile=section.tls_key,
    )
    host, port = listening.getsockname()[:2]
    scheme = "https" if config.is_ssl else "http"
    click.echo(f"API: {scheme}://{f'[{host}]' if ':' in host else host}:{port}/docs")
    _Server(config).run(sockets=[listening])


@click.command("token")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What the token permits; may be repeated.",
)
def token(scopes: tuple[str, ...]) -> None:
    """Make a token of the API. Only its hash is kept, in the configuration."""
    text, setting = new_token(scopes)
    click.echo(f"token, shown only now, for the client:  {text}")
    click.echo(f'for the API, in [api] tokens:           "{setting}"')


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.streams.stopping.set()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything else starts, so that no other process takes the port meanwhile.

    Raises ``ClickException`` if the port is in use or the address is not one of this machine.
    """
    try:
        return _tcp_server(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"port {port} is in use: stop the process that listens on it, or choose another"
                " port with --port"
            ) from error
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _tcp_server(host: str, port: int) -> socket.socket:
    """Like ``socket.create_server``, but with the protocol number of TCP.

    Accepted sockets inherit the number, and asyncio sets TCP_NODELAY only where it is IPPROTO_TCP.
    Without TCP_NODELAY every answer on a kept-alive connection waits about 40 ms for a delayed ACK.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
