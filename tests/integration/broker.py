"""A real Apache Kafka without Docker: one process, from Maven's jars.

Theory of operation
-------------------
Maven puts the jars that ``pom.xml`` names into a cache of the user's, once. Each ``LocalKafka`` has
a temporary directory, two free ports and a JVM of 512 MB, broker and controller (KRaft) in one.

A watchdog, a process of its own, looks five times a second whether its parent still lives. When it
does not, even after ``kill -9``, the watchdog kills the JVM and removes the directory: nothing is
left behind, whatever happens to a test run.

From the root of the repository, ``python -m tests.integration.broker`` runs one until Ctrl-C.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from types import MappingProxyType, TracebackType
from typing import Self

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

VERSION = "4.1.0"
CLUSTER_ID = "ZHJpZnRsaW5lLXRlc3RzMQ"
READY_WITHIN_S = 180  # 5 s is usual; a machine with other work took a minute
STOPPED_WITHIN_S = 10

# What one broker alone needs, and what makes tests fast. All else is Kafka's default on purpose:
# message.max.bytes, transaction.max.timeout.ms, the partitioner, log.message.timestamp.type.
SETTINGS: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # Of the group protocol "consumer": 45 s and 5 s by default.
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.session.timeout.ms": 6000,
    "group.consumer.min.heartbeat.interval.ms": 500,
    "group.consumer.heartbeat.interval.ms": 1000,
    # How often the broker looks for transactions past their timeout: 10 s by default.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
}

LOGGING = """
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss,SSS} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""

WATCHDOG = """
import os, shutil, sys, time
parent, broker, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
while os.getppid() == parent:
    time.sleep(0.2)
try:
    os.kill(broker, 9)
finally:
    time.sleep(0.2)
    shutil.rmtree(directory, ignore_errors=True)
"""


class BrokerUnavailable(RuntimeError):
    """No Kafka can be started here. The message names the remedy."""


class LocalKafka:
    """A broker for ``with``, empty at first. Raises ``BrokerUnavailable`` if it cannot be started.

    ``kill`` and ``stop`` keep what was written until the end of ``with``: ``start`` goes on from
    it, under the same address, within about 3 s of a stop and 13 s of a kill (the controller first
    waits for the session of the killed one to end).
    """

    def __init__(self, port: int | None = None, host: str = "localhost") -> None:
        self._port, self._host = port or free_port(), host
        self._command = _java_command()
        self._directory = Path(tempfile.mkdtemp(prefix="driftline-kafka-"))
        self._processes: list[subprocess.Popen[bytes]] = []  # the JVM, then its watchdog

    @property
    def bootstrap_servers(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def pid(self) -> int:
        """Of the JVM that runs."""
        return self._processes[0].pid

    def client(self) -> Mapping[str, str]:
        """What a client with every right needs beside the address."""
        return {}

    def __enter__(self) -> Self:
        try:
            self._format()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def start(self) -> None:
        """Returns when the broker answers."""
        command = [*self._command, "kafka.Kafka", "server.properties"]
        with (self._directory / "kafka.log").open("ab") as log:
            broker = self._launch(command, log.fileno())
        arguments = [str(n) for n in (os.getpid(), broker.pid, self._directory)]
        self._launch([sys.executable, "-I", "-S", "-c", WATCHDOG, *arguments])
        if not becomes_ready(self.bootstrap_servers, lambda: broker.poll() is None, self.client()):
            raise BrokerUnavailable(f"Kafka did not start:\n{self._newest_log()}")

    def stop(self) -> None:
        """Shut down in order. Does nothing if the broker is not running."""
        if self._processes:
            self._processes[0].terminate()
            self._end(STOPPED_WITHIN_S)

    def kill(self) -> None:
        """``kill -9``. Does nothing if the broker is not running."""
        self._end(0)

    def _end(self, timeout_s: float) -> None:
        for process in self._processes:
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            timeout_s = 0
        self._processes.clear()

    def _remove(self) -> None:
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _format(self) -> None:
        (self._directory / "log4j2.properties").write_text(LOGGING)
        (self._directory / "server.properties").write_text(
            "".join(f"{key}={value}\n" for key, value in self._settings().items())
        )
        subcommand = ["format", "-t", CLUSTER_ID, "-c", "server.properties", "--standalone"]
        formatted = subprocess.run(
            [*self._command, "kafka.tools.StorageTool", *subcommand, *self._format_options()],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode:
            raise BrokerUnavailable(f"Kafka's storage: {formatted.stdout}{formatted.stderr}")

    def _format_options(self) -> Sequence[str]:
        return ()

    def _settings(self) -> dict[str, object]:
        controller = f"localhost:{free_port()}"
        return {
            **SETTINGS,
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": self._directory / "data",
        }

    def _launch(
        self, command: Sequence[str], output: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        # A session of its own, so that Ctrl-C reaches the tests first and they can end in order.
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def _newest_log(self) -> str:
        lines = (self._directory / "kafka.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])


def becomes_ready(
    servers: str,
    alive: Callable[[], bool] = lambda: True,
    client: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Waits while ``alive``, for up to three minutes; tells whether the broker answered."""
    deadline = time.monotonic() + READY_WITHIN_S
    while alive() and time.monotonic() < deadline:
        if answers(servers, client=client):
            return True
        time.sleep(0.1)
    return False


def answers(
    servers: str, timeout_s: float = 1.0, client: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether a broker at ``servers`` names the members of its cluster."""
    try:
        quiet = AdminClient({"bootstrap.servers": servers, "log_level": 0, **client})
        return bool(quiet.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def free_port() -> int:
    """Below the ports of outgoing connections, or a client that tries again would take it."""
    for port in random.sample(range(20_000, 32_000), 100):
        if is_free(port):
            return port
    raise BrokerUnavailable("no port between 20000 and 32000 is free")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("localhost", port))
        except OSError:
            return False
    return True


def _java_command() -> list[str]:
    logging = "-Dlog4j2.configurationFile=log4j2.properties"
    return [java(), "-Xms256m", "-Xmx512m", logging, "-cp", f"{_jars()}/*"]


def java() -> str:
    """A Java of at least 17, found by running it."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java", "java") if home else ("java",):
        if _java_version(candidate) >= 17:
            return candidate
    raise BrokerUnavailable("Java 17 or newer is needed; on Debian: apt-get install openjdk-17-jre")


def _java_version(candidate: str) -> int:
    """The major version, 0 if it does not run."""
    try:
        said = subprocess.run([candidate, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r'version "(\d+)', said.stderr)
    return int(version[1]) if version else 0


def _jars() -> Path:
    """The folder of Kafka's jars."""
    arguments = ("dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars")
    return fetched("Kafka", f"kafka-{VERSION}", "pom.xml", arguments, "jars")


def fetched(what: str, name: str, pom: str, arguments: Sequence[str], made: str) -> Path:
    """The folder ``name`` of the user's cache, downloaded at the first call.

    Maven makes the folder ``made`` by the file ``pom`` beside this one. Raises
    ``BrokerUnavailable``.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftline"
    folder = cache / name
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            shutil.copy(Path(__file__).with_name(pom), Path(unfinished) / "pom.xml")
            _run_maven(what, Path(unfinished), arguments)
            _publish(Path(unfinished) / made, folder)
    return folder


def _run_maven(what: str, directory: Path, arguments: Sequence[str]) -> None:
    try:
        subprocess.run(
            ["mvn", "-B", "-q", "--strict-checksums", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as error:
        remedy = f"Maven is needed, once, to fetch {what}; on Debian: apt-get install maven"
        raise BrokerUnavailable(remedy) from error
    except subprocess.CalledProcessError as error:
        raise BrokerUnavailable(f"Maven could not fetch {what}:\n{error.stdout}") from error


def _publish(finished: Path, folder: Path) -> None:
    """Renamed when whole, so that a broken download is never taken for a whole one."""
    try:
        finished.rename(folder)
    except OSError:  # another test run was first
        if not folder.is_dir():
            raise


@click.command(help="Run a real Kafka until Ctrl-C; what was written goes with it.")
@click.option("--port", default=9092, show_default=True)
def main(port: int) -> None:
    if not is_free(port):
        raise click.ClickException(f"port {port} is taken: end what listens there, or use --port")
    click.echo("Starting Kafka ...")
    try:
        with LocalKafka(port) as kafka:
            click.echo(f"Kafka {VERSION} answers on {kafka.bootstrap_servers}. Ctrl-C ends it.")
            Event().wait()
    except BrokerUnavailable as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Kafka has ended.")


if __name__ == "__main__":
    main()
