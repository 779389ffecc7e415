"""Peers at an equal rate of false alarms: their thresholds, false alarms and delays.

    benchmarks/peers/venv
    .venv-peers/bin/python -m benchmarks.peers.run [--stage flights] [--only river]

What is done stands in ``measuring.py``, and what is shown in ``stages.py``. A peer gets as many
runs as its seconds allow, and at least one of each sort; run number n draws the same rows for every
peer. What was measured earlier of peers that are left out stays in the results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.peers.measuring import measure
from benchmarks.peers.peer import Peer
from benchmarks.peers.report import table
from benchmarks.peers.stages import STAGES, Stage

ADAPTERS = (
    "scipy_ks",
    "evidently_preset",
    "nannyml_univariate",
    "alibi_detectors",
    "frouros_ks",
    "river_detectors",
)
RESULTS = Path(__file__).parents[1] / "results"
FILES = {"normal": RESULTS / "peers.json", "flights": RESULTS / "peers_flights.json"}


@click.command()
@click.option("--stage", "on", type=click.Choice(list(STAGES)), default="normal")
@click.option(
    "--target", type=float, help="Share of healthy runs that may alarm; else the stage's."
)
@click.option("--seconds-per-peer", "seconds", default=90.0, show_default=True)
@click.option("--only", default="", help="Peers whose name has this in it.")
def main(on: str, target: float | None, seconds: float, only: str) -> None:
    """Measure the peers, write the figures and print a table of them."""
    stage, out = STAGES[on], FILES[on]
    target = stage.target if target is None else target
    peers = [peer for peer in _peers() if peer.handles_missing or not stage.missing_values]
    order = [peer.name for peer in peers]
    rules = json.loads(out.read_text())["rules"] if out.exists() else []
    for peer in peers:
        if only in peer.name:
            click.echo(f"{peer.name} ...", err=True)
            others = [rule for rule in rules if rule["peer"] != peer.name]
            rules = [*others, *measure(peer, stage, target, seconds)]
            rules.sort(key=lambda rule: order.index(rule["peer"]))
            _write(out, stage, rules)
    click.echo(table(rules, stage.changes))


def _peers() -> Iterator[Peer]:
    for module in ADAPTERS:
        yield from import_module(f"benchmarks.peers.{module}").PEERS


def _write(out: Path, stage: Stage, rules: list[dict]) -> None:
    results = {
        "stage": stage.about,
        "delays_in": stage.unit,
        "versions": {rule["package"]: version(rule["package"]) for rule in rules},
        "rules": rules,
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
