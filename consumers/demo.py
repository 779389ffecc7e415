"""``driftline demo``: everything at once, on the bundled flights, in one command."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click

from consumers.commands import until_signal
from consumers.embedded import EmbeddedBroker
from consumers.supervisor import Job, JobEnded, Supervisor, role_jobs
from consumers.topics import create as create_topics
from consumers.topics import topics
from consumers.work import ROLES
from producers.errors import Trouble
from producers.settings import Settings, load_settings

PORTS = {"API": 8000, "dashboard": 8501}
HEAD_START_S = 8.0
PATIENCE_S = 4.0  # nothing of a demonstration outlives it, so nobody has to finish anything
SPEED = 86_400  # a day of flights a second: from April to December in under five minutes


@click.command()
@click.option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of the embedded broker.")
@click.option("--speed", default=SPEED, show_default=True, help="Event seconds per second.")
@click.option("--scenario", "scenarios", multiple=True, help="As of `driftline simulate`.")
def demo(kafka: str | None, speed: int, scenarios: tuple[str, ...]) -> None:
    """A model trained on winter flights meets spring and summer; watch it in the browser.

    Everything lives in a fresh temporary directory and ends with Ctrl-C.
    """
    _refuse_busy_ports()
    stopped = until_signal()
    with tempfile.TemporaryDirectory(prefix="driftline-demo-") as directory:
        broker = None if kafka else EmbeddedBroker()
        settings = _settings(kafka or broker.bootstrap_servers, Path(directory))  # type: ignore[union-attr]
        _say_where(settings, embedded=broker is not None)
        if broker is None:
            create_topics(settings, settings.plan())
        else:
            broker.create(topic.name for topic in topics(settings, settings.plan()))
        environment = _environment(settings)
        _train(Path(directory), environment)
        command = [*_driftline(), "simulate", "--speed", str(speed)]
        command += [word for scenario in scenarios for word in ("--scenario", scenario)]
        _run(_jobs(embedded=broker is not None), command, environment, stopped)


def _run(
    jobs: list[Job], simulate: list[str], environment: Mapping[str, str], stopped: until_signal
) -> None:
    supervisor = Supervisor(jobs, environment, patience_s=PATIENCE_S)
    simulator = _Simulator(simulate, environment)
    try:
        while not stopped():
            supervisor.look()
            simulator.look()
            time.sleep(0.2)
        click.echo("ending everything")
    except JobEnded as error:
        raise JobEnded(f"{error}; its message stands above") from error
    finally:
        simulator.end()
        supervisor.end()


class _Simulator:
    """Runs once, after the roles had time to start: the embedded broker keeps little for them."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._start_s, self._told = time.monotonic() + HEAD_START_S, False

    def look(self) -> None:
        if self._process is None:
            if time.monotonic() > self._start_s:
                self._process = subprocess.Popen(
                    self._command, env=self._environment, start_new_session=True
                )
        elif not self._told and self._process.poll() is not None:
            self._told = True
            click.echo("the simulator has ended; what was found stays up until Ctrl-C")

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def _jobs(*, embedded: bool) -> list[Job]:
    options = ["--log-level", "WARNING", *(["--gapless"] if embedded else [])]
    return [
        *role_jobs(ROLES, 1, 0, options, come_back=not embedded),
        Job("api", [*_driftline(), "--log-level", "WARNING", "api"]),
        Job("dashboard", [*_driftline(), "--log-level", "WARNING", "dashboard"]),
    ]


def _settings(servers: str, directory: Path) -> Settings:
    """The configuration at hand, moved to this broker, a prefix and directory of its own."""
    return load_settings(
        None,
        kafka={
            "bootstrap_servers": servers,
            "prefix": f"driftline-demo-{secrets.token_hex(3)}",
        },
        state={"directory": directory / "state"},
        store={"url": f"sqlite:///{directory / 'driftline.db'}"},
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": settings.kafka.prefix,
        "DRIFTLINE_STATE__DIRECTORY": str(settings.state.directory),
        "DRIFTLINE_STORE__URL": settings.store.url,
    }


def _train(directory: Path, environment: Mapping[str, str]) -> None:
    click.echo("training a model on January and February …")
    command = [*_driftline(), "train", "--output", str(directory / "model")]
    done = subprocess.run(command, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise Trouble("the model could not be trained; the reason stands above")


def _driftline() -> list[str]:
    return [sys.executable, "-m", "driftline"]


def _say_where(settings: Settings, *, embedded: bool) -> None:
    click.echo(f"dashboard  http://127.0.0.1:{PORTS['dashboard']}")
    click.echo(f"API        http://127.0.0.1:{PORTS['API']}/docs")
    kind = "the embedded broker" if embedded else "Kafka"
    click.echo(f"{kind}  {settings.kafka.bootstrap_servers}, topics {settings.kafka.prefix}.*")
    click.echo("Ctrl-C ends everything\n")


def _refuse_busy_ports() -> None:
    for what, port in PORTS.items():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise Trouble(
                    f"port {port}, which the {what} needs, is busy: end what listens there, for"
                    f" example another demo (`ss -ltnp 'sport = :{port}'` tells what it is)"
                )
