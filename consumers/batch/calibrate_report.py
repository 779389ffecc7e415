"""What ``driftline calibrate`` has measured: a table, a JSON document, a fragment of TOML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from consumers.batch.calibrate import MOST_FEATURES, Calibration, Measured
from monitor.calibration.calibration import Delays
from monitor.plan import DAY, HOUR, MINUTE, SECOND, Plan

MOST_SUBJECTS = 5
PROMISED = (
    "Not promised: what other months bring. This is one history with its own seasons, its splits"
    " share days, and the interval tells only how sure the mean over them is. A season or a"
    " campaign that the reference never saw is drift. Whatever was wrong within the history counts"
    " as false here. Errors, performance, coverage and traffic are not rehearsed."
)


def lines(found: Calibration) -> Iterator[str]:
    """As people read it."""
    yield from _heading(found)
    yield ""
    yield from _rates(found)
    yield ""
    yield from _delays(found)
    yield ""
    yield from textwrap.wrap(verdict(found), 98)
    yield ""
    yield from textwrap.wrap(PROMISED, 98)


def document(found: Calibration) -> dict[str, Any]:
    """As programs read it. Durations are in milliseconds of event time, shares from 0 to 1."""
    plan, wanted = found.plan, found.wanted
    budget, since, until = plan.drift.warning, *found.span
    return {
        "model": wanted.model,
        "version": wanted.version,
        "history": {
            "source": found.scored.said,
            "rows": len(found.scored.rows.predictions),
            "from": since,
            "until": until,
            "blocks": found.blocks,
            "block_ms": found.block_ms,
        },
        "splits": wanted.splits,
        "delay_splits": wanted.delay_splits,
        "seed": wanted.seed,
        "live_ms": found.live_ms,
        "budget": asdict(budget),
        "min_effect": plan.drift.min_effect,
        "rules": {
            "driftline": _measured(found.rule),
            "p_below_0.05": _measured(found.naive),
            "always_alarm": {"alarms": _always(found), "windows_with_an_alarm": 1.0},
            "never_alarm": {"alarms": 0.0, "windows_with_an_alarm": 0.0},
        },
        "forward": {
            "incidents": found.forward.incidents,
            "storms": found.forward.storms,
            "live_ms": found.forward_ms,
            "subjects": dict(found.forward.subjects),
        },
        "delays": {
            name: {f"{shift:g}": _delay(found, of) for shift, of in each.items()}
            for name, each in found.delays.items()
        },
        "delays_not_measured": list(found.unmeasured),
        "recommended": {
            "verdict": found.advice.verdict,
            "min_effect": found.advice.min_effect,
            "rate": None if found.advice.rate is None else asdict(found.advice.rate),
            "sentence": verdict(found),
        },
        "not_promised": PROMISED,
    }


def fragment(found: Calibration, *, everywhere: bool = False) -> str:
    """Keys for ``driftline.toml``; comments alone if there is nothing to change."""
    said = f"driftline calibrate, {found.wanted.model}/{found.wanted.version}: {verdict(found)}"
    comment = "".join(f"# {line}\n" for line in textwrap.wrap(said, 96))
    if found.advice.min_effect is None:
        return comment
    table = "drift" if everywhere else f'models."{found.wanted.model}".drift'
    return f"{comment}[{table}]\nmin_effect = {found.advice.min_effect:g}\n"


def verdict(found: Calibration) -> str:
    """What follows for the configuration, in words."""
    budget, advice, of = found.plan.drift.warning, found.advice, found.rule.rate
    measured = f"the rate may be as high as {of.high:.2f} per {span(budget.period_ms)}"
    if advice.verdict == "far_below":
        return (
            f"Far below the budget: {measured}, and {budget.alarms:g} is accepted. Nothing is"
            " recommended."
        )
    if advice.verdict == "fits":
        return (
            f"Within the budget: {measured}, and {budget.alarms:g} is accepted. Nothing is"
            " recommended."
        )
    if advice.verdict == "unproven":
        return (
            f"Not proven: {of.mean:.2f} were measured, {measured}, and {budget.alarms:g} is"
            " accepted; even without any incident so few days would not show that it is kept."
            " Nothing is recommended: take a longer history, or more --splits."
        )
    if advice.rate is None or advice.min_effect is None:
        return (
            f"Beyond the budget: {measured}, {budget.alarms:g} is accepted, and no drift.min_effect"
            " measured brings it there. See which features raise it: leave them out, or take a"
            " longer history as the reference."
        )
    return (
        f"Beyond the budget: {measured}, and {budget.alarms:g} is accepted. With drift.min_effect ="
        f" {advice.min_effect:g} it was {advice.rate.mean:.2f} ({advice.rate.low:.2f} to"
        f" {advice.rate.high:.2f}) in the same splits; a shift of about"
        f" {advice.min_effect / 0.4:.2g} standard deviations of a normal feature is then no longer"
        f" reported.{_above_critical(found.plan, advice.min_effect)}"
    )


def _above_critical(plan: Plan, min_effect: float) -> str:
    critical = plan.drift.critical_effect
    if min_effect <= critical:
        return ""
    return (
        f" That is above drift.critical_effect, {critical:g}: what is then reported is large"
        " enough to be critical; raise that, too, if warnings should remain."
    )


def span(duration_ms: float) -> str:
    """``7d``, ``1.5d``, ``3h``."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if duration_ms >= size:
            return f"{duration_ms / size:.3g}{unit}"
    return f"{duration_ms / SECOND:.3g}s"


def _heading(found: Calibration) -> Iterator[str]:
    wanted, plan = found.wanted, found.plan
    since, until = found.span
    yield (
        f"{wanted.model}/{wanted.version}: {len(found.scored.rows.predictions):,} rows of"
        f" {found.scored.said}, {since} to {until}"
    )
    yield (
        f"{wanted.splits} splits (seed {wanted.seed}): {found.blocks - found.blocks // 2} of"
        f" {found.blocks} blocks of {span(found.block_ms)} live, the others the reference;"
        f" {plan.drift.warning.alarms:g} false alarms accepted per"
        f" {span(plan.drift.warning.period_ms)}"
    )


def _rates(found: Calibration) -> Iterator[str]:
    period, windows = span(found.plan.drift.warning.period_ms), span(found.plan.windows.slide_ms)
    yield f"{'':16} {'incidents':>9} {'95% interval':>15} {'alarms':>8} {f'{windows} with any':>12}"
    for name, of in (("driftline", found.rule), ("p < 0.05", found.naive)):
        interval = f"{of.rate.low:.2f} to {of.rate.high:.2f}"
        yield f"{name:16} {of.rate.mean:9.2f} {interval:>15} {of.marks:8.1f} {of.marked:12.0%}"
    yield f"{'always alarm':16} {'one each':>9} {'':15} {_always(found):8.1f} {1:12.0%}"
    yield f"{'never alarm':16} {0:9.2f} {'':15} {0:8.1f} {0:12.0%}"
    yield (
        f"all false, per {period}; alarms: features (and the score) raised in {windows}, each once"
    )
    total = sum(found.rule.incidents)
    yield ""
    yield (
        f"driftline: {total} incidents in {len(found.rule.incidents)} x {span(found.live_ms)}, of"
        f" them {found.rule.storms} storms that no window longer than a day saw"
        f"{_most(found.rule)}"
    )
    yield (
        f"forward (older half the reference, newer half live): {found.forward.incidents} incidents"
        f" in {span(found.forward_ms)}, {found.forward.storms} of them storms"
    )


def _most(measured: Measured) -> str:
    named = [f"{name} {count}" for name, count in measured.subjects.most_common(MOST_SUBJECTS)]
    return f"; most: {', '.join(named)}" if named else ""


def _always(found: Calibration) -> float:
    """Alarms in the period of the budget: of every subject in every window."""
    windows = found.plan.drift.warning.period_ms / found.plan.windows.slide_ms
    return found.subjects * windows


def _delays(found: Calibration) -> Iterator[str]:
    if not found.delays:
        yield "no numeric feature, or no split for delays: nothing is said of delays"
        return
    runs = min(found.wanted.delay_splits, found.wanted.splits)
    yield (
        f"delay until a shift is found, in {runs} splits: median / 90th percentile (missed), by"
        " windows of"
    )
    shifts = list(next(iter(found.delays.values())))
    yield f"  {'feature':20}" + "".join(f" {f'+ {shift:g} sd':>22}" for shift in shifts)
    for name, each in found.delays.items():
        told = "".join(f" {_told(of):>22}" for of in each.values())
        yield f"  {name[:20]:20}{told}  {_windows(found, each)}"
    always = span(found.plan.windows.slide_ms)
    yield f"  always alarm: {always} at most; never alarm: all missed"
    if found.unmeasured:
        yield (
            f"  only the first {MOST_FEATURES} numeric features; not {', '.join(found.unmeasured)}"
        )


def _told(of: Delays) -> str:
    if not of.runs:
        return "open before"
    middle, late = ("-" if ms is None else span(ms) for ms in (of.median_ms, of.p90_ms))
    return f"{middle} / {late} ({of.missed:.0%})"


def _windows(found: Calibration, each: dict[float, Delays]) -> str:
    panes = sorted({window for of in each.values() for window in of.windows})
    return ", ".join(span(window * found.plan.windows.pane_ms) for window in panes)


def _measured(of: Measured) -> dict[str, Any]:
    return {
        "rate": asdict(of.rate),
        "incidents": list(of.incidents),
        "storms": of.storms,
        "alarms": of.marks,
        "windows_with_an_alarm": of.marked,
        "subjects": dict(of.subjects.most_common()),
    }


def _delay(found: Calibration, of: Delays) -> dict[str, Any]:
    pane_ms = found.plan.windows.pane_ms
    windows = [{"window_ms": panes * pane_ms, "found": n} for panes, n in of.windows.items()]
    return {**asdict(of), "windows": windows}
