"""What ``driftline pipeline`` costs: the CPU time of a file over a year.

    python -m benchmarks.speed pipeline [--rows 50000] [--features 10] [--pane 1h] [--profile FILE]

The file has scored and labelled rows, as many in each month. Its older half is the reference. The
command runs in a process of its own, beside the time to sort a million doubles in this one.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from benchmarks.speed.detect import sorting_ms

START_S = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
YEAR_S = 365 * 86_400
COLUMNS = ("--time", "time", "--score", "score", "--label", "label", "--label-time", "label_time")
INCIDENTS_OPENED = 3  # its exit code


@click.command("pipeline")
@click.option("--rows", default=50_000, show_default=True)
@click.option("--features", default=10, show_default=True)
@click.option("--pane", default="1h", show_default=True)
@click.option("--profile", type=click.Path(path_type=Path), help="Write a cProfile to this file.")
def main(rows: int, features: int, pane: str, profile: Path | None) -> None:
    """Run the batch pipeline on a file over a year, and print what it costs."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "rows.csv")
        path.write_text("\n".join(_lines(rows, features)) + "\n")
        before, (wall_s, printed) = _cpu_s(), _run(path, pane, profile)
    click.echo(printed)
    click.echo(
        f"{rows:,} rows of {features} features over a year, panes of {pane},"
        f" {platform.machine()}, Python {platform.python_version()}"
    )
    click.echo(
        f"CPU {_cpu_s() - before:.1f} s, wall {wall_s:.1f} s;"
        f" a million doubles sorted: {sorting_ms():.0f} ms"
    )


def _lines(rows: int, features: int) -> list[str]:
    """A CSV file of independent rows and calibrated scores."""
    rng = np.random.default_rng(0)
    time_s = np.sort(START_S + rng.integers(0, YEAR_S, rows)).tolist()
    score, values = rng.random(rows), rng.normal(size=(rows, features))
    label = (rng.random(rows) < score).astype(int).tolist()
    names = ",".join(f"f{number}" for number in range(features))
    lines = [f"id,time,score,label,label_time,{names}"]
    for i, (at_s, row) in enumerate(zip(time_s, values.tolist(), strict=True)):
        own = f"{i},{_moment(at_s)},{score[i]:.6f},{label[i]},{_moment(at_s + 3600)}"
        lines.append(f"{own},{','.join(f'{value:.6f}' for value in row)}")
    return lines


def _moment(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def _run(path: Path, pane: str, profile: Path | None) -> tuple[float, str]:
    """Wall time in seconds, and what the command prints."""
    profiler = [] if profile is None else ["-m", "cProfile", "-o", str(profile)]
    command = [sys.executable, *profiler, "-m", "driftline", "pipeline"]
    of_file = ["--data", str(path), "--model", "m", "--id", "id", *COLUMNS]
    environment = {**os.environ, "DRIFTLINE_WINDOWS__PANE": pane}
    output, began_s = ["--output", str(path.with_name("report"))], time.monotonic()
    done = subprocess.run(
        [*command, *of_file, *output], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, INCIDENTS_OPENED):
        raise click.ClickException(done.stderr)
    return time.monotonic() - began_s, done.stdout


def _cpu_s() -> float:
    """Of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
