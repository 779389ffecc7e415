"""A real Schema Registry without Docker: Apicurio's, from Maven, with its data in memory.

As Kafka (``broker.py``) it is fetched once, and ends with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import httpx

from tests.integration.broker import WATCHDOG, BrokerUnavailable, fetched, free_port, java

VERSION = "3.0.9"
READY_WITHIN_S = 180  # 10 s is usual, a busy machine took a minute
JAR = f"apicurio-registry-app-{VERSION}-runner.jar"
# 2.10: later releases want the parent POM, which is not published.
UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:2.10:unpack"


class LocalRegistry:
    """Raises ``BrokerUnavailable`` if it cannot be started."""

    def __init__(self) -> None:
        self._port, self._command = free_port(), [java(), "-Xmx512m", "-jar", JAR]
        self._folder, self._directory = _unpacked(), Path(tempfile.mkdtemp(prefix="driftline-"))
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        own = {"QUARKUS_HTTP_PORT": str(self._port), "QUARKUS_HTTP_HOST": "127.0.0.1"}
        with (self._directory / "log").open("wb") as log:
            registry = self._launch(self._command, log.fileno(), own)
        arguments = [str(n) for n in (os.getpid(), registry.pid, self._directory)]
        self._launch([sys.executable, "-I", "-S", "-c", WATCHDOG, *arguments])
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            if registry.poll() is not None or time.monotonic() > deadline:
                log_text = (self._directory / "log").read_text(errors="replace")[-3000:]
                self.__exit__()
                raise BrokerUnavailable(f"the registry did not start:\n{log_text}")
            time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def freeze(self) -> None:
        """It answers nobody until ``thaw``, and loses nothing."""
        self._processes[0].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._processes[0].send_signal(signal.SIGCONT)

    def register(self, subject: str, schema: str, kind: str, *references: dict[str, Any]) -> int:
        """Its id."""
        body = {"schema": schema, "schemaType": kind, "references": list(references)}
        answer = httpx.post(f"{self.url}/subjects/{subject}/versions", json=body, timeout=30)
        return int(answer.raise_for_status().json()["id"])

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def _launch(
        self,
        command: list[str],
        output: int = subprocess.DEVNULL,
        own: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            env={**os.environ, "APICURIO_STORAGE_KIND": "sql", **(own or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes.append(process)
        return process


def _unpacked() -> Path:
    """The folder of the registry."""
    folder = f"apicurio-registry-{VERSION}"
    return fetched("the registry", folder, "registry-pom.xml", (UNPACK,), "registry")
