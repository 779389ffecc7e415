"""The output of ``driftline calibrate``: a table, a JSON document, a fragment of TOML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from consumers.batch.calibrate import MOST_FEATURES, Calibration, RuleResult
from monitor.calibration.delays import Delays
from monitor.plan import DAY, HOUR, MINUTE, SECOND, Plan

MOST_SUBJECTS = 5
LIMITATIONS = (
    "Limitations: this is one history with its own seasons, and its splits share days. The interval"
    " shows the precision of the mean over the splits; it says nothing about other months. A season"
    " or a campaign that the reference does not contain is drift. Real problems within the history"
    " count as false alarms here. Errors, performance, coverage and traffic are not replayed."
)


def lines(found: Calibration) -> Iterator[str]:
    """The report as text."""
    yield from _heading(found)
    yield ""
    yield from _rates(found)
    yield ""
    yield from _delays(found)
    yield ""
    yield from textwrap.wrap(verdict(found), 98)
    yield ""
    yield from textwrap.wrap(LIMITATIONS, 98)


def document(found: Calibration) -> dict[str, Any]:
    """The report as JSON. Durations are in milliseconds of event time, proportions from 0 to 1."""
    plan, request = found.plan, found.request
    return {
        "model": request.model,
        "version": request.version,
        "history": _history(found),
        "splits": request.splits,
        "delay_splits": request.delay_splits,
        "seed": request.seed,
        "live_ms": found.live_ms,
        "budget": asdict(plan.drift.warning),
        "min_effect": plan.drift.min_effect,
        "rules": {
            "driftline": _rule(found.rule),
            "p_below_0.05": _rule(found.naive),
            "always_alarm": {"alarms": _always(found), "windows_with_an_alarm": 1.0},
            "never_alarm": {"alarms": 0.0, "windows_with_an_alarm": 0.0},
        },
        "forward": _forward(found),
        "delays": {
            name: {f"{shift:g}": _delay(found, each) for shift, each in by_shift.items()}
            for name, by_shift in found.delays.items()
        },
        "delays_not_measured": list(found.unmeasured),
        "recommended": _recommended(found),
        "not_promised": LIMITATIONS,
    }


def _history(found: Calibration) -> dict[str, Any]:
    since, until = found.span
    return {
        "source": found.scored.source,
        "rows": len(found.scored.rows.predictions),
        "from": since,
        "until": until,
        "blocks": found.blocks,
        "block_ms": found.block_ms,
    }


def _forward(found: Calibration) -> dict[str, Any]:
    return {
        "incidents": found.forward.incidents,
        "storms": found.forward.storms,
        "live_ms": found.forward_ms,
        "subjects": dict(found.forward.subjects),
    }


def _recommended(found: Calibration) -> dict[str, Any]:
    advice = found.recommendation
    return {
        "verdict": advice.verdict,
        "min_effect": advice.min_effect,
        "rate": None if advice.rate is None else asdict(advice.rate),
        "sentence": verdict(found),
    }


def fragment(found: Calibration, *, everywhere: bool = False) -> str:
    """Keys for ``driftline.toml``; only comments if there is nothing to change."""
    text = f"driftline calibrate, {found.request.model}/{found.request.version}: {verdict(found)}"
    comment = "".join(f"# {line}\n" for line in textwrap.wrap(text, 96))
    if found.recommendation.min_effect is None:
        return comment
    table = "drift" if everywhere else f'models."{found.request.model}".drift'
    return f"{comment}[{table}]\nmin_effect = {found.recommendation.min_effect:g}\n"


def verdict(found: Calibration) -> str:
    """The conclusion for the configuration, as a sentence."""
    budget, rate = found.plan.drift.warning, found.rule.rate
    measured = f"the rate may be as high as {rate.high:.2f} per {span(budget.period_ms)}"
    accepted = f"{measured}, and {budget.alarms:g} is accepted"
    match found.recommendation.verdict:
        case "far_below":
            return f"Far below the budget: {accepted}. Nothing is recommended."
        case "fits":
            return f"Within the budget: {accepted}. Nothing is recommended."
        case "unproven":
            return (
                f"Not proven: {rate.mean:.2f} were measured, {accepted}; even without any incident"
                " so few days would not show that it is kept. Nothing is recommended: take a"
                " longer history, or more --splits."
            )
    return f"Beyond the budget: {measured}, {_recommendation(found)}"


def _recommendation(found: Calibration) -> str:
    accepted = f"{found.plan.drift.warning.alarms:g} is accepted"
    rate, min_effect = found.recommendation.rate, found.recommendation.min_effect
    if rate is None or min_effect is None:
        return (
            f"{accepted}, and no drift.min_effect measured brings it there. See which features"
            " raise it: leave them out, or take a longer history as the reference."
        )
    return (
        f"and {accepted}. With drift.min_effect = {min_effect:g} it was {rate.mean:.2f}"
        f" ({rate.low:.2f} to {rate.high:.2f}) in the same splits; a shift of about"
        f" {min_effect / 0.4:.2g} standard deviations of a normal feature is then no longer"
        f" reported.{_above_critical(found.plan, min_effect)}"
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
    request, plan = found.request, found.plan
    since, until = found.span
    yield (
        f"{request.model}/{request.version}: {len(found.scored.rows.predictions):,} rows of"
        f" {found.scored.source}, {since} to {until}"
    )
    yield (
        f"{request.splits} splits (seed {request.seed}): {found.blocks - found.blocks // 2} of"
        f" {found.blocks} blocks of {span(found.block_ms)} live, the others the reference;"
        f" {plan.drift.warning.alarms:g} false alarms accepted per"
        f" {span(plan.drift.warning.period_ms)}"
    )


def _rates(found: Calibration) -> Iterator[str]:
    period, windows = span(found.plan.drift.warning.period_ms), span(found.plan.windows.slide_ms)
    yield f"{'':16} {'incidents':>9} {'95% interval':>15} {'alarms':>8} {f'{windows} with any':>12}"
    for name, rule in (("driftline", found.rule), ("p < 0.05", found.naive)):
        rate, interval = rule.rate, f"{rule.rate.low:.2f} to {rule.rate.high:.2f}"
        yield f"{name:16} {rate.mean:9.2f} {interval:>15} {rule.marks:8.1f} {rule.marked:12.0%}"
    yield f"{'always alarm':16} {'one each':>9} {'':15} {_always(found):8.1f} {1:12.0%}"
    yield f"{'never alarm':16} {0:9.2f} {'':15} {0:8.1f} {0:12.0%}"
    yield (f"all false, per {period}; alarms: features (and the score) with an alarm in {windows}")
    total = sum(found.rule.incidents)
    yield ""
    yield (
        f"driftline: {total} incidents in {len(found.rule.incidents)} x {span(found.live_ms)},"
        f" {found.rule.storms} of them storms that no window longer than a day found"
        f"{_most(found.rule)}"
    )
    yield (
        f"forward (older half the reference, newer half live): {found.forward.incidents} incidents"
        f" in {span(found.forward_ms)}, {found.forward.storms} of them storms"
    )


def _most(rule: RuleResult) -> str:
    named = [f"{name} {count}" for name, count in rule.subjects.most_common(MOST_SUBJECTS)]
    return f"; most: {', '.join(named)}" if named else ""


def _always(found: Calibration) -> float:
    """Alarms of every subject in every window, in the period of the budget."""
    windows = found.plan.drift.warning.period_ms / found.plan.windows.slide_ms
    return found.subjects * windows


def _delays(found: Calibration) -> Iterator[str]:
    if not found.delays:
        yield "delays were not measured: no numeric feature, or --delay-splits is 0"
        return
    runs = min(found.request.delay_splits, found.request.splits)
    yield (
        f"delay until a shift is found, in {runs} splits: median / 90th percentile (missed), by"
        " windows of"
    )
    shifts = list(next(iter(found.delays.values())))
    yield f"  {'feature':20}" + "".join(f" {f'+ {shift:g} sd':>22}" for shift in shifts)
    for name, by_shift in found.delays.items():
        cells = "".join(f" {_quantiles(each):>22}" for each in by_shift.values())
        yield f"  {name[:20]:20}{cells}  {_windows(found, by_shift)}"
    always = span(found.plan.windows.slide_ms)
    yield f"  always alarm: {always} at most; never alarm: all missed"
    if found.unmeasured:
        yield (
            f"  only the first {MOST_FEATURES} numeric features; not {', '.join(found.unmeasured)}"
        )


def _quantiles(delays: Delays) -> str:
    if not delays.runs:
        return "open before"
    quantiles = (delays.median_ms, delays.p90_ms)
    median, p90 = ("-" if ms is None else span(ms) for ms in quantiles)
    return f"{median} / {p90} ({delays.missed:.0%})"


def _windows(found: Calibration, by_shift: dict[float, Delays]) -> str:
    panes = sorted({window for each in by_shift.values() for window in each.windows})
    return ", ".join(span(window * found.plan.windows.pane_ms) for window in panes)


def _rule(result: RuleResult) -> dict[str, Any]:
    return {
        "rate": asdict(result.rate),
        "incidents": list(result.incidents),
        "storms": result.storms,
        "alarms": result.marks,
        "windows_with_an_alarm": result.marked,
        "subjects": dict(result.subjects.most_common()),
    }


def _delay(found: Calibration, delays: Delays) -> dict[str, Any]:
    pane_ms = found.plan.windows.pane_ms
    windows = [{"window_ms": panes * pane_ms, "found": n} for panes, n in delays.windows.items()]
    return {**asdict(delays), "windows": windows}
