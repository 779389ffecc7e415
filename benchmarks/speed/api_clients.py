"""Clients of the API, in a process of their own: python -m benchmarks.speed.api_clients

Reads one JSON object from standard input: ``host``, ``port``, ``paths`` (one request after the
other takes the next one), ``tag`` (sent as If-None-Match if not empty), ``clients``, ``per_s``,
``seconds`` and ``seed``. Writes the seconds that each request took as a JSON list.

Each client has one connection, opened before the clock starts, and sends a request every
1 / ``per_s`` seconds. When a client starts is random within this time, as it is for people who
opened a page independently. A request takes from the moment at which it is due, so an answer that
comes after the next request is due delays that one too.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any


async def requests(options: dict[str, Any]) -> list[float]:
    """Seconds of each request."""
    spent: list[float] = []
    paths = itertools.cycle(options["paths"])
    count, period_s = options["clients"], 1 / options["per_s"]
    rng = random.Random(options["seed"])
    opened = [await _Connection.open(options) for _ in range(count)]
    began_s = time.monotonic()

    async def client(connection: _Connection, first_s: float) -> None:
        for due_s in _times(began_s + first_s, period_s, began_s + options["seconds"]):
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await connection.get(next(paths))
            spent.append(time.monotonic() - due_s)

    await asyncio.gather(*(client(one, rng.uniform(0, period_s)) for one in opened))
    return spent


def _times(first_s: float, period_s: float, end_s: float) -> Iterator[float]:
    due_s = first_s
    while due_s < end_s:
        yield due_s
        due_s += period_s


class _Connection:
    """HTTP/1.1 without a library, whose own time would be measured too."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: str
    ) -> None:
        self._reader, self._writer, self._headers = reader, writer, headers

    @classmethod
    async def open(cls, options: dict[str, Any]) -> _Connection:
        reader, writer = await asyncio.open_connection(options["host"], options["port"])
        known = f"If-None-Match: {options['tag']}\r\n" if options["tag"] else ""
        return cls(reader, writer, f"Host: localhost\r\n{known}\r\n")

    async def get(self, path: str) -> None:
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._headers}".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        assert status in (200, 304), head
        if status == 200:
            length = head.partition("content-length:")[2].partition("\r\n")[0]
            await self._reader.readexactly(int(length))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(requests(json.load(sys.stdin)))))
