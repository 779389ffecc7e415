"""All that ``docs/guarantees.md`` promises, at full length.

    python scripts/guarantees.py [OPTIONS OF PYTEST]

The tests that the page names have the marker ``guarantee``. Those that are also marked ``long`` are
run here, and not by ``make test``. The output, with what the tests print, is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

KEPT = Path("benchmarks/results/guarantees.txt")
REQUIRED = "kafka,postgres"  # what is absent fails: a promise that was not tested is not kept
PRINTED = ("-v", "-rP", "--show-capture=stdout", "--durations=10")


def main(options: Sequence[str]) -> int:
    """Returns the exit code of pytest."""
    command = [sys.executable, "-m", "pytest", "-m", "guarantee", *PRINTED, *options]
    environment = {"DRIFTLINE_REQUIRE": REQUIRED, **os.environ}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("w", encoding="utf-8") as kept:
        _print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}\n", kept)
        running = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert running.stdout is not None
        for line in running.stdout:
            _print(line, kept)
    return running.wait()


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _print(line: str, kept: IO[str]) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
    kept.write(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
