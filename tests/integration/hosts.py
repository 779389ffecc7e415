"""Hosts on this machine: network namespaces on a bridge, whose cables can be pulled."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import uuid4

SUBNET = "10.77.0"


class NoNamespaces(RuntimeError):
    """Network namespaces cannot be made here. The message says why."""


@dataclass
class Hosts:
    """Hosts by name, for ``with``; ``address`` is that of this machine, as they see it."""

    names: list[str]
    tag: str = field(default_factory=lambda: f"dl{uuid4().hex[:6]}")

    @property
    def address(self) -> str:
        return f"{SUBNET}.1"

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self.names:
            _ip(f"netns del {self._host(name)}", check=False)
        _ip(f"link del {self.tag}", check=False)

    def command(self, name: str) -> list[str]:
        """What begins a command that runs on a host."""
        return ["ip", "netns", "exec", self._host(name)]

    def pull_cable(self, name: str) -> None:
        """The host sends and receives nothing any more; its processes go on."""
        _ip(f"link set {self._cable(name)} down")

    def plug_in(self, name: str) -> None:
        _ip(f"link set {self._cable(name)} up")

    def _make(self) -> None:
        if os.geteuid() != 0:
            raise NoNamespaces("only root may make network namespaces")
        _ip(f"link add {self.tag} type bridge")
        _ip(f"addr add {self.address}/24 dev {self.tag}")
        _ip(f"link set {self.tag} up")
        for number, name in enumerate(self.names):
            host, cable = self._host(name), self._cable(name)
            _ip(f"netns add {host}")
            _ip(f"link add {cable} type veth peer name eth0 netns {host}")
            _ip(f"link set {cable} master {self.tag} up")
            _ip(f"-n {host} addr add {SUBNET}.{number + 10}/24 dev eth0")
            _ip(f"-n {host} link set eth0 up")
            _ip(f"-n {host} link set lo up")

    def _host(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def _cable(self, name: str) -> str:
        """At most 15 characters."""
        return f"{self.tag}v{self.names.index(name)}"


def _ip(command: str, *, check: bool = True) -> None:
    try:
        done = subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoNamespaces("there is no command ip: apt-get install iproute2") from error
    if check and done.returncode:
        raise NoNamespaces(f"ip {command}: {done.stderr.strip()}")
