"""Peers at an equal rate of false alarms: their thresholds, false alarms and delays.

    benchmarks/peers/venv
    .venv-peers/bin/python -m benchmarks.peers.run [--seconds-per-peer 90] [--only river]

A run is a fresh reference and 100 panes. Each rule's threshold is tuned on healthy runs so that the
target's share of them alarms; with other seeds follow healthy runs to check it, and for each change
runs in which it begins after 20 to 40 healthy panes. A delay is counted in rows, from the change to
the end of the pane that alarms first; a run that alarmed before the change has none ("early"), and
one that is silent for 100 panes after it is missed. The same at the tool's own default.

A peer gets as many runs as its seconds allow, and at least one of each sort; run number n draws the
same rows for every peer. What was measured earlier of peers that are left out stays in the results.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import count
from pathlib import Path
from zlib import crc32

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.peer import Peer, Rule, Scores
from benchmarks.peers.report import delays, share, table
from benchmarks.quality.streams import CHANGES, NONE, PANE_ROWS, Scenario

ADAPTERS = (
    "scipy_ks",
    "evidently_preset",
    "nannyml_univariate",
    "alibi_detectors",
    "frouros_ks",
    "river_detectors",
)
RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
PANES = 100
HISTORY = (20, 40)
MOST = 2_000
# Of a peer's seconds, so much for each sort of run; what is left is shared by the changes.
TUNING, CHECKING = 0.4, 0.2
SEED_OF = {"tuning": 1, "checking": 2, "change": 3}


@dataclass(frozen=True, slots=True)
class Run:
    """The scores of one stream, up to the pane after which nothing more could be decided."""

    scores: NDArray[np.float64]  # shape (panes, rules)
    change_at: int  # the number of panes in a healthy run

    def alarm(self, rule: int, threshold: float) -> int | None:
        """The first pane that alarms."""
        alarming = np.flatnonzero(self.scores[:, rule] >= threshold)
        return int(alarming[0]) if alarming.size else None


@click.command()
@click.option("--target", default=0.04, show_default=True, help="Share of healthy runs that alarm.")
@click.option("--seconds-per-peer", default=90.0, show_default=True)
@click.option("--only", default="", help="Peers whose name has this in it.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
def main(target: float, seconds_per_peer: float, only: str, out: Path) -> None:
    """Measure the peers, write the figures and print a table of them."""
    peers = list(_peers())
    measured = json.loads(out.read_text())["rules"] if out.exists() else []
    for peer in peers:
        if only not in peer.name:
            continue
        click.echo(f"{peer.name} ...", err=True)
        measured = [each for each in measured if each["peer"] != peer.name]
        measured += _measure(peer, target, seconds_per_peer)
        measured.sort(key=lambda each: [peer.name for peer in peers].index(each["peer"]))
        _write(out, measured)
    click.echo(table(measured, [each.name for each in CHANGES]))


def _peers() -> Iterator[Peer]:
    for module in ADAPTERS:
        yield from import_module(f"benchmarks.peers.{module}").PEERS


def _write(out: Path, measured: list[dict]) -> None:
    about = {
        "panes": PANES,
        "pane_rows": PANE_ROWS,
        "reference_rows": NONE.reference_rows,
        "features": NONE.features,
        "versions": {each["package"]: version(each["package"]) for each in measured},
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({**about, "rules": measured}, indent=1) + "\n")


def _measure(peer: Peer, target: float, seconds: float) -> list[dict]:
    """One entry per rule of the peer."""
    started_s = time.perf_counter()
    never = [np.inf] * len(peer.rules)
    tuning = _as_many(TUNING * seconds, lambda n: healthy_run(peer, "tuning", n, never))
    per_run_s = (time.perf_counter() - started_s) / len(tuning)
    tuned = [tuned_threshold(tuning, rule, target) for rule in range(len(peer.rules))]
    last = [max(pair) for pair in zip(tuned, _defaults(peer.rules, tuned), strict=True)]
    checks = _as_many(CHECKING * seconds, lambda n: healthy_run(peer, "checking", n, last))
    each_s = (1 - TUNING - CHECKING) * seconds / len(CHANGES)
    changes = {
        change.name: _as_many(each_s, lambda n, change=change: changed_run(peer, change, n, last))
        for change in CHANGES
    }
    return [
        {
            "peer": peer.name,
            "package": peer.package,
            "rule": rule.name,
            "target": target,
            "seconds_per_peer": seconds,
            "seconds_per_healthy_run": round(per_run_s, 2),
            "tuned": _figures(number, tuned[number], len(tuning), checks, changes),
            "default": _at_default(number, rule, tuning, changes),
        }
        for number, rule in enumerate(peer.rules)
    ]


def _defaults(rules: Sequence[Rule], otherwise: Sequence[float]) -> list[float]:
    return [
        tuned if rule.default is None else rule.default
        for rule, tuned in zip(rules, otherwise, strict=True)
    ]


def _as_many(seconds: float, run: Callable[[int], Run]) -> list[Run]:
    started_s, runs = time.perf_counter(), []
    for number in count():
        passed_s = time.perf_counter() - started_s
        if number >= MOST or (number and passed_s > seconds):
            return runs
        runs.append(run(number))
    raise AssertionError("counting has no end")


def healthy_run(peer: Peer, sort: str, number: int, last: Sequence[float]) -> Run:
    """``last``: per rule the threshold after which it has nothing more to say."""
    rng = np.random.default_rng([SEED_OF[sort], number])
    reference = NONE.reference(rng)
    return Run(_until(last, peer.scores(reference, NONE.live(rng, PANES))), PANES)


def changed_run(peer: Peer, change: Scenario, number: int, last: Sequence[float]) -> Run:
    rng = np.random.default_rng([SEED_OF["change"], number, crc32(change.name.encode())])
    change_at = int(rng.integers(HISTORY[0], HISTORY[1], endpoint=True))
    reference = change.reference(rng)
    panes = change.live(rng, change_at + PANES, change_at)
    return Run(_until(last, peer.scores(reference, panes)), change_at)


def _until(last: Sequence[float], scores: Iterable[Scores]) -> NDArray[np.float64]:
    """The scores, shape (panes, rules), up to the pane by which every rule has reached its last."""
    taken, silent = [], np.ones(len(last), dtype=bool)
    for each in scores:
        taken.append(each)
        silent &= np.array(each) < last
        if not silent.any():
            break
    return np.array(taken, dtype=np.float64)


def tuned_threshold(healthy: Sequence[Run], rule: int, target: float) -> float:
    """Expects the target's share of further runs to reach it, or 1 / (runs + 1) if that is more."""
    highest = sorted(float(run.scores[:, rule].max()) for run in healthy)
    silent = min(len(highest), int(np.ceil((len(highest) + 1) * (1 - target))))
    return float(np.nextafter(highest[silent - 1], np.inf))


def _figures(
    rule: int,
    threshold: float,
    tuning_runs: int,
    checks: Sequence[Run],
    changes: dict[str, list[Run]],
) -> dict:
    alarmed = [run.alarm(rule, threshold) is not None for run in checks]
    return {
        "threshold": threshold,
        "tuning_runs": tuning_runs,
        "healthy": share(alarmed),
        "changes": _delays(rule, threshold, changes),
    }


def _at_default(
    number: int, rule: Rule, healthy: Sequence[Run], changes: dict[str, list[Run]]
) -> dict | None:
    """False alarms come from the tuning runs, which no default was fitted to."""
    if rule.default is None:
        return None
    panes = np.concatenate([run.scores[:, number] for run in healthy])
    return {
        "threshold": rule.default,
        "healthy": share([run.alarm(number, rule.default) is not None for run in healthy]),
        "share_of_tested_panes": float((panes[panes > -np.inf] >= rule.default).mean())
        if (panes > -np.inf).any()
        else 0.0,
        "changes": _delays(number, rule.default, changes),
    }


def _delays(rule: int, threshold: float, changes: dict[str, list[Run]]) -> dict[str, dict]:
    return {
        name: delays([(run.change_at, run.alarm(rule, threshold)) for run in runs], PANE_ROWS)
        for name, runs in changes.items()
    }


if __name__ == "__main__":
    main()
