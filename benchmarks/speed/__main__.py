"""How fast Driftline is, beside what its libraries do alone in the same run.

python -m benchmarks.speed kernel     counting and deciding, in one process
python -m benchmarks.speed aggregate  the role aggregate, on Arrow and on JSON
python -m benchmarks.speed ingest     the role ingest, beside rows in the form of Driftline
python -m benchmarks.speed join       the role join, beside RocksDB alone
python -m benchmarks.speed detect     the role detect: a pane, and the memory of a model
python -m benchmarks.speed pipeline   the batch pipeline on a file over a year
python -m benchmarks.speed produce    replay to a real Kafka, as Arrow and as JSON
python -m benchmarks.speed growth     the cost of a row by rows, features and partitions
python -m benchmarks.speed way        all roles and a real Kafka
python -m benchmarks.speed api        the API with 50 clients
"""

import click

from benchmarks.speed import (
    aggregate,
    api,
    detect,
    growth,
    ingest,
    join,
    kernel,
    pipeline,
    produce,
    way,
)

commands = click.Group(
    commands={
        "kernel": kernel.main,
        "aggregate": aggregate.main,
        "ingest": ingest.main,
        "join": join.main,
        "detect": detect.main,
        "pipeline": pipeline.main,
        "produce": produce.main,
        "growth": growth.main,
        "way": way.main,
        "api": api.main,
    }
)

if __name__ == "__main__":
    commands()
