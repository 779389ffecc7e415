"""Shares and delays with their 95% intervals, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

Z = 1.96


def share(happened: Sequence[bool]) -> dict:
    """With Wilson's interval."""
    runs, p = len(happened), sum(happened) / len(happened)
    middle = (p + Z**2 / (2 * runs)) / (1 + Z**2 / runs)
    half = Z * sqrt(p * (1 - p) / runs + Z**2 / (4 * runs**2)) / (1 + Z**2 / runs)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {"runs": runs, "share": round(p, 4), "interval": [round(low, 4), round(high, 4)]}


def delays(runs: Sequence[tuple[int, int | None]], pane: float) -> dict:
    """Of (pane of the change, pane of the first alarm or None). A missed run waits for ever (null).

    The interval of the median is that of its order statistics.
    """
    on_time = [(change, alarm) for change, alarm in runs if alarm is None or alarm >= change]
    waited = np.sort([_waited(change, alarm, pane) for change, alarm in on_time])
    spread = Z * sqrt(waited.size) / 2
    return {
        "runs": len(runs),
        "early": round(1 - len(on_time) / len(runs), 4),
        "missed": round(float(np.isinf(waited).mean()), 4) if waited.size else None,
        "median": _at(waited, waited.size / 2),
        "median_interval": [
            _at(waited, waited.size / 2 - spread),
            _at(waited, waited.size / 2 + spread + 1),
        ],
        "p90": _at(waited, 0.9 * waited.size),
    }


def _waited(change: int, alarm: int | None, pane: float) -> float:
    return inf if alarm is None else (alarm - change + 1) * pane


def _at(ordered: np.ndarray, rank: float) -> float | None:
    """The value of that rank, counted from 1 and rounded up; null if there is none, or no end."""
    if not ordered.size:
        return None
    value = ordered[min(max(int(np.ceil(rank)), 1), ordered.size) - 1]
    return float(value) if value < inf else None


def table(measured: Sequence[dict], changes: Sequence[str]) -> str:
    """Per rule: tuned, then at its default."""
    head = ["rule", "healthy runs that alarm", *changes]
    lines = [head, ["---"] * len(head)]
    for rule in measured:
        lines += [_line(rule, sort, changes) for sort in ("tuned", "default") if rule[sort]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _line(rule: dict, sort: str, changes: Sequence[str]) -> list[str]:
    figures = rule[sort]
    healthy = figures["healthy"]
    low, high = healthy["interval"]
    return [
        f"{rule['peer']}: {rule['rule']} ({sort})",
        f"{healthy['share']:.1%} ({low:.1%} to {high:.1%}) of {healthy['runs']}",
        *(_cell(figures["changes"][change]) for change in changes),
    ]


def _cell(figures: dict) -> str:
    """Median / 90th percentile, and what went otherwise."""
    if figures["missed"] is None:
        return "always on"
    told = f"{_delay(figures['median'])} / {_delay(figures['p90'])}"
    notes = [f"{figures[sort]:.0%} {sort}" for sort in ("missed", "early") if figures[sort] > 0]
    return f"{told} ({', '.join(notes)})" if notes else told


def _delay(waited: float | None) -> str:
    return "-" if waited is None else f"{waited:,.1f}".removesuffix(".0")
