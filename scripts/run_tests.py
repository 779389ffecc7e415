"""All tests: first those on a real Kafka, which mostly wait, then the others.

    python scripts/run_tests.py [OPTIONS OF PYTEST]

Each part runs in two processes, each file in one of them; each process has a broker of its own.
Tests marked ``long`` are left out: ``pytest -m long`` runs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

PARTS = ("kafka and not long", "not kafka and not long")
IN_TWO = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
FAILED = 1


def main(options: Sequence[str]) -> int:
    """Returns 0 if no test has failed."""
    codes = [_pytest("-m", part, *IN_TWO, *options) for part in PARTS]
    return FAILED if any(codes) else 0


def _pytest(*options: str) -> int:
    # Hundreds of processes are started: each would compile all modules again.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
