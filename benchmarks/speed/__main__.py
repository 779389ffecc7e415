"""How fast Driftline is, beside what its libraries do alone in the same run.

python -m benchmarks.speed kernel    counting and deciding, in one process
python -m benchmarks.speed join      the role join, beside RocksDB alone
python -m benchmarks.speed detect    the role detect: a pane, and the memory of a model
python -m benchmarks.speed api       the API with 50 clients
"""

import click

from benchmarks.speed import api, detect, join, kernel

commands = click.Group(
    commands={
        "kernel": kernel.main,
        "join": join.main,
        "detect": detect.main,
        "api": api.main,
    }
)

if __name__ == "__main__":
    commands()
