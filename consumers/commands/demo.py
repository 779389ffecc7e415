"""``driftline demo``: all processes on the bundled flights, with one command."""

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
from producers.example.names import EXAMPLES
from producers.simulation.scenario_text import parse_scenario

HOST = "127.0.0.1"
SIMULATOR_DELAY_S = 8.0  # the roles start meanwhile
END_TIMEOUT_S = 4.0  # short: nothing of a demo is kept, so no process has to finish its work
SPEED = 86_400  # a day of flights per second: April to December in less than five minutes

ABOUT = ("--owner", "demo", "--tag", "data=flights-2013")

PORT = click.IntRange(1, 65535)


@click.command()
@click.option(
    "--task",
    type=click.Choice(list(EXAMPLES)),
    default="binary",
    show_default=True,
    help="The example: whether a flight is late, how many minutes, or whether it is early, on time,"
    " late or cancelled.",
)
@click.option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of the embedded broker.")
@click.option(
    "--speed",
    type=ABOVE_ZERO,
    default=SPEED,
    show_default=True,
    help="Seconds of event time per second.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    help="Change the data in a known way, as `driftline simulate --help` lists.",
)
@click.option("--api-port", type=PORT, default=8000, show_default=True, help="Port of the API.")
@click.option(
    "--dashboard-port", type=PORT, default=8501, show_default=True, help="Port of the dashboard."
)
@click.pass_context
def demo(  # noqa: PLR0913 - one argument for each option
    context: click.Context,
    task: str,
    kafka: str | None,
    speed: float,
    scenarios: tuple[str, ...],
    api_port: int,
    dashboard_port: int,
) -> None:
    """Train an example model, replay the flights and show the findings in the browser.

    Starts all roles, the API, the dashboard and, without --kafka, an embedded broker. The files are
    in a new temporary directory. Ctrl-C stops everything.
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
        _print_addresses(settings, dashboard_port, embedded=broker is not None)
        if broker is None:
            create_topics(settings, settings.plan())
        else:
            broker.create(topic.name for topic in topics(settings, settings.plan()))
        environment = _environment(settings)
        driftline = _driftline(config)
        train = [*driftline, *train_words(task, Path(directory))]
        if not _trained(train, environment, stopped):
            return
        jobs = _jobs(driftline, config, dashboard_port, embedded=broker is not None)
        simulate = [*driftline, *simulate_words(task, speed, scenarios)]
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
            simulator.start_or_check()
            time.sleep(0.2)
        _print_end()
    except JobEnded as error:
        raise JobEnded(f"{error}; its error message is above") from error
    finally:
        end_processes([*simulator.processes, *supervisor.processes], END_TIMEOUT_S)


def train_words(task: str, directory: Path) -> list[str]:
    """The command that trains and registers the example of a task."""
    about = (*ABOUT, "--description", EXAMPLES[task].description)
    return ["train", "--task", task, *about, "--output", str(directory / "model")]


def simulate_words(task: str, speed: float, scenarios: Sequence[str]) -> list[str]:
    """The command that replays the flights with it."""
    changes = [word for scenario in scenarios for word in ("--scenario", scenario)]
    return ["simulate", "--model", EXAMPLES[task].model, "--speed", str(speed), *changes]


def _trained(
    train: Sequence[str], environment: Mapping[str, str], stopped: Callable[[], bool]
) -> bool:
    """False if it was stopped meanwhile. Raises ``Trouble`` if the training failed."""
    click.echo("training a model on January and February …")
    process = start(train, environment)
    try:
        while process.poll() is None and not stopped():
            time.sleep(0.1)
    finally:
        end_processes([process], END_TIMEOUT_S)
    if stopped():
        _print_end()
        return False
    if process.returncode:
        raise Trouble("the training of the model failed; its error message is above")
    return True


class _Simulator:
    """Runs ``simulate`` once, after the roles have started, as the embedded broker keeps little."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self.processes: list[Any] = []  # empty until it has started
        self._start_s, self._has_ended = time.monotonic() + SIMULATOR_DELAY_S, False

    def start_or_check(self) -> None:
        """Start the simulator when it is due. Raises ``Trouble`` if it has failed."""
        if not self.processes:
            if time.monotonic() > self._start_s:
                self.processes.append(start(self._command, self._environment))
        elif not self._has_ended and (code := self.processes[0].poll()) is not None:
            if code:
                raise Trouble(
                    f"the simulator ended with exit code {code}; its error message is above"
                )
            self._has_ended = True
            click.echo("the simulator has finished; the dashboard stays available until Ctrl-C")


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
    """The user's configuration with the broker, prefix, directory and port of the demo."""
    return load_settings(
        config,
        kafka={
            "bootstrap_servers": servers,
            "prefix": f"driftline-demo-{secrets.token_hex(3)}",
            "group_protocol": "classic",  # as the embedded broker is tested
        },
        state={"directory": directory / "state"},
        store={"url": f"sqlite:///{directory / 'driftline.db'}"},
        api={"host": HOST, "port": api_port},
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": settings.kafka.prefix,
        "DRIFTLINE_KAFKA__GROUP_PROTOCOL": settings.kafka.group_protocol,
        "DRIFTLINE_STATE__DIRECTORY": str(settings.state.directory),
        "DRIFTLINE_STORE__URL": settings.store.url,
        "DRIFTLINE_API__HOST": settings.api.host,
        "DRIFTLINE_API__PORT": str(settings.api.port),
        "DRIFTLINE_DASHBOARD__API": "",  # so that the dashboard uses the API of these settings
    }


def _print_addresses(settings: Settings, dashboard_port: int, *, embedded: bool) -> None:
    kind = "the embedded broker" if embedded else "Kafka"
    click.echo(f"{kind}  {settings.kafka.bootstrap_servers}, topics {settings.kafka.prefix}.*")
    click.echo(f"in a minute: the dashboard on http://{HOST}:{dashboard_port}")
    click.echo(f"             the API on http://{HOST}:{settings.api.port}/docs")
    click.echo("Ctrl-C stops everything\n")


def _print_end() -> None:
    click.echo("stopping everything")


def _require_free(ports: Mapping[str, int]) -> None:
    for option, port in ports.items():
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                raise Trouble(
                    f"port {port} is in use: stop the process that listens there, for example"
                    f" another demo (`ss -ltnp 'sport = :{port}'` shows it), or choose another"
                    f" port with {option}"
                )
