"""All tests in three processes beside each other, because those on a real Kafka mostly wait.

    python scripts/run_tests.py [OPTIONS OF PYTEST]

Tests marked ``long`` are left out: ``pytest -m long`` runs them.

Two of the processes run the tests on Kafka, each file in one of them, each with a broker of its
own. Their output follows that of the others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

FAILED = 1


def main(options: Sequence[str]) -> int:
    """Returns 0 if both processes have ended without a failure."""
    with tempfile.TemporaryFile() as output:
        # Its cache is its own: `pytest --last-failed` reads the cache of the last to end.
        own = ("-o", "cache_dir=.pytest_cache/kafka", "--numprocesses=2", "--dist=loadfile")
        on_kafka = _pytest("kafka and not long", *own, *options, output=output)
        others = _pytest("not kafka and not long", *options)
        codes = [_code(others), _code(on_kafka)]
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
    return FAILED if any(codes) else 0


def _pytest(marked: str, *options: str, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-m", marked, *options]
    # Hundreds of processes are started: each would compile all modules again.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    errors = output and subprocess.STDOUT
    return subprocess.Popen(command, stdout=output, stderr=errors, env=environment)


def _code(process: subprocess.Popen[bytes]) -> int:
    """The exit code. After Ctrl-C both processes get it too, and end by themselves."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
