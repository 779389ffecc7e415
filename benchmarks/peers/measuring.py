"""From runs to figures.

Each rule's threshold is tuned on healthy runs so that the target's share of them alarms. With other
seeds follow healthy runs to check it, and for each change runs in which it begins after healthy
history. A delay lasts from the change to the end of the pane that alarms first; a run that alarmed
before the change has none ("early"), and one that stays silent is missed. The same at the tool's
own default, whose false alarms come from the tuning runs: nothing of it was fitted to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.peer import Peer, Rule, Scores
from benchmarks.peers.report import delays, share
from benchmarks.peers.stages import Stage, Stream

MOST = 2_000
# Of a peer's seconds, so much for each sort of run; what is left is shared by the changes.
TUNING, CHECKING = 0.4, 0.2
TUNING_SEED, CHECKING_SEED = 1, 2


@dataclass(frozen=True, slots=True)
class Run:
    """The scores of one stream, up to the pane after which nothing more could be decided."""

    scores: NDArray[np.float64]  # shape (panes, rules)
    change_at: int | None

    def alarm(self, rule: int, threshold: float) -> int | None:
        """The first pane that alarms."""
        alarming = np.flatnonzero(self.scores[:, rule] >= threshold)
        return int(alarming[0]) if alarming.size else None


@dataclass(frozen=True, slots=True)
class Measured:
    """All runs of a peer."""

    tuning: list[Run]
    checks: list[Run]
    changes: dict[str, list[Run]]
    pane: float  # how much of a delay one pane is

    def figures(self, rule: int, threshold: float, healthy: list[Run]) -> dict:
        alarmed = [run.alarm(rule, threshold) is not None for run in healthy]
        changes = {
            name: delays([(run.change_at, run.alarm(rule, threshold)) for run in runs], self.pane)
            for name, runs in self.changes.items()
        }
        return {"threshold": threshold, "healthy": share(alarmed), "changes": changes}


def measure(peer: Peer, stage: Stage, target: float, seconds: float) -> list[dict]:
    """One entry per rule of the peer."""
    started_s = time.perf_counter()
    never = [np.inf] * len(peer.rules)
    tuning = _runs(TUNING * seconds, lambda n: run(peer, stage.healthy(TUNING_SEED, n), never))
    run_s = (time.perf_counter() - started_s) / len(tuning)
    tuned = [tuned_threshold(tuning, rule, target) for rule in range(len(peer.rules))]
    measured = _measured(peer, stage, seconds, tuning, tuned)
    about = {
        "peer": peer.name,
        "package": peer.package,
        "target": target,
        "seconds_per_peer": seconds,
        "seconds_per_healthy_run": round(run_s, 2),
        "tuning_runs": len(tuning),
    }
    return [
        {
            **about,
            "rule": rule.name,
            "tuned": measured.figures(number, tuned[number], measured.checks),
            "default": _at_default(number, rule, measured),
        }
        for number, rule in enumerate(peer.rules)
    ]


def _measured(
    peer: Peer, stage: Stage, seconds: float, tuning: list[Run], tuned: Sequence[float]
) -> Measured:
    last = [
        threshold if rule.default is None else max(threshold, rule.default)
        for rule, threshold in zip(peer.rules, tuned, strict=True)
    ]
    check_s = CHECKING * seconds
    checks = _runs(check_s, lambda n: run(peer, stage.healthy(CHECKING_SEED, n), last))
    each_s = (1 - TUNING - CHECKING) * seconds / len(stage.changes)
    changes = {
        name: _runs(each_s, lambda n, name=name: run(peer, stage.changed(name, n), last))
        for name in stage.changes
    }
    return Measured(tuning, checks, changes, stage.pane)


def _runs(seconds: float, run_number: Callable[[int], Run]) -> list[Run]:
    started_s, runs = time.perf_counter(), []
    for number in count():
        if number >= MOST or (number and time.perf_counter() - started_s > seconds):
            break
        runs.append(run_number(number))
    return runs


def run(peer: Peer, stream: Stream, last: Sequence[float]) -> Run:
    """``last``: per rule the threshold after which it has nothing more to say."""
    return Run(_until(last, peer.scores(stream.reference, stream.panes)), stream.change_at)


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
    highest = sorted(float(each.scores[:, rule].max()) for each in healthy)
    silent = min(len(highest), int(np.ceil((len(highest) + 1) * (1 - target))))
    return float(np.nextafter(highest[silent - 1], np.inf))


def _at_default(number: int, rule: Rule, measured: Measured) -> dict | None:
    if rule.default is None:
        return None
    scores = np.concatenate([each.scores[:, number] for each in measured.tuning])
    tested = scores[scores > -np.inf]
    share_of_tested = float((tested >= rule.default).mean()) if tested.size else 0.0
    figures = measured.figures(number, rule.default, measured.tuning)
    return {**figures, "share_of_tested_panes": round(share_of_tested, 4)}
