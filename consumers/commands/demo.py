"""``driftline demo``: everything at once, on the bundled flights, in one command."""

from __future__ import annotations

import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from consumers.kafka.embedded import EmbeddedBroker
from consumers.kafka.topics import create as create_topics
from consumers.kafka.topics import topics
from consumers.processes.stop_signal import StopSignal
from consumers.processes.supervisor import (
    Job,
    JobEnded,
    Supervisor,
    end_processes,
    role_jobs,
    start,
)
from consumers.processes.worker import ROLES
from driftline.errors import Trouble
from driftline.settings import Settings, load_settings
from producers.commands.options import ABOVE_ZERO
from producers.simulation.scenario_text import parse_scenario

HOST = "127.0.0.1"
HEAD_START_S = 8.0
PATIENCE_S = 4.0  # nothing of a demonstration outlives it, so nobody has to finish anything
SPEED = 86_400  # a day of flights a second: from April to December in under five minutes

PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of the embedded broker.")
@click.option(
    "--speed",
    type=ABOVE_ZERO,
    default=SPEED,
    show_default=True,
    help="Seconds of event time per second.",
)
@click.option("--scenario", "scenarios", multiple=True, help="As of `driftline simulate`.")
@click.option("--api-port", type=PORT, default=8000, show_default=True)
@click.option("--dashboard-port", type=PORT, default=8501, show_default=True)
@click.pass_context
def demo(  # noqa: PLR0913 - one argument for each option
    context: click.Context,
    kafka: str | None,
    speed: float,
    scenarios: tuple[str, ...],
    api_port: int,
    dashboard_port: int,
) -> None:
    """A model trained on winter flights meets spring and summer; watch it in the browser.

    Everything lives in a fresh temporary directory and ends with Ctrl-C.
    """
    for scenario in scenarios:
        parse_scenario(scenario)
    _require_free({"--api-port": api_port, "--dashboard-port": dashboard_port})
    stopped = StopSignal(hangup=True)
    config = context.find_root().params.get("config")
    with tempfile.TemporaryDirectory(prefix="driftline-demo-") as directory:
        broker = None if kafka else EmbeddedBroker()
        servers = kafka or broker.bootstrap_servers  # type: ignore[union-attr]
        settings = _settings(config, servers, Path(directory), api_port)
        _say_where(settings, dashboard_port, embedded=broker is not None)
        if broker is None:
            create_topics(settings, settings.plan())
        else:
            broker.create(topic.name for topic in topics(settings, settings.plan()))
        environment = _environment(settings)
        driftline = _driftline(config)
        if not _trained(driftline, Path(directory), environment, stopped):
            return
        jobs = _jobs(driftline, config, dashboard_port, embedded=broker is not None)
        simulate = [*driftline, "simulate", "--speed", str(speed)]
        simulate += [word for scenario in scenarios for word in ("--scenario", scenario)]
        _run(jobs, _Simulator(simulate, environment), environment, stopped)


def _run(
    jobs: list[Job],
    simulator: _Simulator,
    environment: Mapping[str, str],
    stopped: Callable[[], bool],
) -> None:
    supervisor = Supervisor(jobs, environment)
    try:
        while not stopped():
            supervisor.tick()
            simulator.look()
            time.sleep(0.2)
        _say_end()
    except JobEnded as error:
        raise JobEnded(f"{error}; its message stands above") from error
    finally:
        end_processes([*simulator.processes, *supervisor.processes], PATIENCE_S)


def _trained(
    driftline: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    stopped: Callable[[], bool],
) -> bool:
    """False if it was told to stop meanwhile. Raises ``Trouble`` if training failed."""
    click.echo("training a model on January and February …")
    process = start([*driftline, "train", "--output", str(directory / "model")], environment)
    try:
        while process.poll() is None and not stopped():
            time.sleep(0.1)
    finally:
        end_processes([process], PATIENCE_S)
    if stopped():
        _say_end()
        return False
    if process.returncode:
        raise Trouble("the model could not be trained; the reason stands above")
    return True


class _Simulator:
    """Runs once, after the roles had time to start: the embedded broker keeps little for them."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self.processes: list[Any] = []  # none, or the one
        self._start_s, self._told = time.monotonic() + HEAD_START_S, False

    def look(self) -> None:
        """Raises ``Trouble`` once it has failed."""
        if not self.processes:
            if time.monotonic() > self._start_s:
                self.processes.append(start(self._command, self._environment))
        elif not self._told and (code := self.processes[0].poll()) is not None:
            if code:
                raise Trouble(f"the simulator ended with code {code}; its message stands above")
            self._told = True
            click.echo("the simulator has ended; what was found stays up until Ctrl-C")


def _jobs(
    driftline: Sequence[str], config: Path | None, dashboard_port: int, *, embedded: bool
) -> list[Job]:
    options = ["--log-level", "WARNING", *_configured(config)]
    roles = role_jobs(
        ROLES, 1, 0, [*options, *(["--gapless"] if embedded else [])], restart=not embedded
    )
    return [
        *roles,
        Job("api", [*driftline, "api"]),
        Job("dashboard", [*driftline, "dashboard", "--port", str(dashboard_port)]),
    ]


def _driftline(config: Path | None) -> list[str]:
    return [sys.executable, "-m", "driftline", *_configured(config)]


def _configured(config: Path | None) -> list[str]:
    return [] if config is None else ["--config", str(config)]


def _settings(config: Path | None, servers: str, directory: Path, api_port: int) -> Settings:
    """The configuration at hand, moved to this broker, and a prefix, directory and port."""
    return load_settings(
        config,
        kafka={
            "bootstrap_servers": servers,
            "prefix": f"driftline-demo-{secrets.token_hex(3)}",
        },
        state={"directory": directory / "state"},
        store={"url": f"sqlite:///{directory / 'driftline.db'}"},
        api={"host": HOST, "port": api_port},
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": settings.kafka.prefix,
        "DRIFTLINE_STATE__DIRECTORY": str(settings.state.directory),
        "DRIFTLINE_STORE__URL": settings.store.url,
        "DRIFTLINE_API__HOST": settings.api.host,
        "DRIFTLINE_API__PORT": str(settings.api.port),
        "DRIFTLINE_DASHBOARD__API": "",  # the one of these settings, whatever is set here
    }


def _say_where(settings: Settings, dashboard_port: int, *, embedded: bool) -> None:
    kind = "the embedded broker" if embedded else "Kafka"
    click.echo(f"{kind}  {settings.kafka.bootstrap_servers}, topics {settings.kafka.prefix}.*")
    click.echo(f"in a minute: the dashboard on http://{HOST}:{dashboard_port}")
    click.echo(f"             the API on http://{HOST}:{settings.api.port}/docs")
    click.echo("Ctrl-C ends everything\n")


def _say_end() -> None:
    click.echo("ending everything")


def _require_free(ports: Mapping[str, int]) -> None:
    for option, port in ports.items():
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                raise Trouble(
                    f"port {port} is busy: end what listens there, for example another demo"
                    f" (`ss -ltnp 'sport = :{port}'` tells what it is), or choose another with"
                    f" {option}"
                )
