"""Answers turned into the rows of charts. Pure; the columns stand without rows too.

Times are milliseconds since 1970, as floats: a browser shows them in UTC whatever its time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import accumulate, pairwise

import pandas as pd

from api.answers import Distribution, Estimate, Feature, Metric, WindowItem
from dashboard import text
from dashboard.text import spelled

ROWS_AT_MOST = 40  # of a heat map
Pick = Callable[[WindowItem], Feature | None]

# -- performance -----------------------------------------------------------------------------------

METRIC_COLUMNS = [
    "start", "window", "line", "value", "low", "high", "kind", "shown", "interval", "labels",
]  # fmt: skip


def metric_rows(windows: Sequence[WindowItem], name: str) -> pd.DataFrame:
    """Three lines of one metric: as measured, its baseline, and below what it is degraded."""
    rows = [
        row
        for item in windows
        if item.performance is not None and name in item.performance.metrics
        for row in _metric_lines(item, name)
    ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def _metric_lines(item: WindowItem, name: str) -> list[tuple[object, ...]]:
    assert item.performance is not None
    metric, start = item.performance.metrics[name], _ms(item.window.start)
    said = (
        text.number(metric.value),
        text.interval(metric.low, metric.high),
        f"{text.count(item.performance.labels)} ({text.share(item.performance.coverage)})",
    )
    window = text.window(item.window)
    ends = (metric.low, metric.high)
    kind = _kind(metric, item.performance.status)
    measured = (start, window, "measured", metric.value, *ends, kind, *said)
    rules = (("baseline", metric.baseline), ("degraded below", metric.threshold))
    return [
        measured,
        *((start, window, line, value, None, None, None, *said) for line, value in rules),
    ]


def _kind(metric: Metric, status: str) -> str:
    """One of the names in ``charts.KINDS``."""
    if status != "final":
        return text.PROVISIONAL
    return text.DEGRADED[metric.severity] if metric.severity else text.FINAL


EXPECTED_COLUMNS = ["start", "window", "line", "value", "shown"]


def expected_rows(windows: Sequence[WindowItem], name: str) -> pd.DataFrame:
    """A metric as the scores alone let expect it, and as the labels have it; empty without."""
    rows = [
        (_ms(item.window.start), text.window(item.window), line, value, text.number(value))
        for item in windows
        if item.concept is not None and item.concept.expected
        for line, value in (
            ("expected", _value(item.concept.expected.get(name))),
            ("realised", (item.concept.realised or {}).get(name)),
        )
    ]
    return pd.DataFrame(rows, columns=EXPECTED_COLUMNS)


def _value(of: Estimate | None) -> float | None:
    return None if of is None else of.value


# -- drift -----------------------------------------------------------------------------------------

DISTANCE_COLUMNS = ["start", "window", "line", "value", "verdict", "shown", "rows", "chosen"]


def of_feature(name: str) -> Pick:
    return lambda item: next((f for f in item.data.features if f.name == name), None)


def of_scores(item: WindowItem) -> Feature | None:
    return item.concept.prediction if item.concept else None


def of_errors(item: WindowItem) -> Feature | None:
    return item.concept.errors if item.concept else None


def distance_rows(
    windows: Sequence[WindowItem], pick: Pick, chosen: str | None = None
) -> pd.DataFrame:
    """Three lines: the distance, what noise explains of it, and how far the reference strays."""
    found = [(item, feature) for item in windows if (feature := pick(item)) is not None]
    rows = [row for item, feature in found for row in _distance_lines(item, feature, chosen)]
    return pd.DataFrame(rows, columns=DISTANCE_COLUMNS)


def _distance_lines(
    item: WindowItem, feature: Feature, chosen: str | None
) -> list[tuple[object, ...]]:
    start, window = _ms(item.window.start), text.window(item.window)
    said = (
        state(item, feature),
        text.number(distance(feature)),
        text.count(feature.rows),
        spelled(item.window) == chosen,
    )
    lines = (
        ("distance", distance(feature)),
        ("sampling noise", feature.threshold),
        ("reference's straying", feature.allowance),
    )
    return [(start, window, line, value, *said) for line, value in lines if value is not None]


def distance(feature: Feature) -> float | None:
    """Without a test of it, PSI takes its place."""
    return feature.psi if feature.statistic is None else feature.statistic


def state(item: WindowItem, feature: Feature | None) -> str:
    """One of the names in ``charts.VERDICTS``."""
    if item.window.status == "incomplete":
        return text.UNJUDGED
    return text.EMPTY if feature is None else text.verdict(feature)


HEAT_COLUMNS = ["start", "end", "window", "at", "feature", "distance", "verdict", "shown", "chosen"]


def heat_rows(
    windows: Sequence[WindowItem], names: Sequence[str], chosen: tuple[str, str]
) -> pd.DataFrame:
    """A cell for every feature and window. A cell ends where the next window begins."""
    found = [{f.name: f for f in item.data.features} for item in windows]
    rows = [
        _cell(item, end, name, features.get(name), chosen)
        for item, end, features in zip(windows, _ends(windows), found, strict=True)
        for name in names
    ]
    return pd.DataFrame(rows, columns=HEAT_COLUMNS)


def _cell(
    item: WindowItem, end: float, name: str, feature: Feature | None, chosen: tuple[str, str]
) -> tuple[object, ...]:
    value, at = (distance(feature) if feature else None), spelled(item.window)
    psi = " (PSI)" if feature is not None and feature.statistic is None else ""
    return (
        _ms(item.window.start),
        end,
        text.window(item.window),
        at,
        name,
        value or 0.0,
        state(item, feature),
        f"{text.number(value)}{'' if value is None else psi}",
        chosen == (name, at),
    )


def _ends(windows: Sequence[WindowItem]) -> list[float]:
    """Windows may overlap, and some may be missing: the shortest step between two is a cell."""
    starts = [_ms(item.window.start) for item in windows]
    lengths = [_ms(item.window.end) - _ms(item.window.start) for item in windows]
    steps = [after - before for before, after in pairwise(starts) if after > before]
    step = min([*steps, *lengths], default=0.0)
    return [start + step for start in starts]


def features_shown(windows: Sequence[WindowItem], names: Sequence[str], chosen: str) -> list[str]:
    """All of them, in the profile's order; of very many, those with the worst verdicts."""
    if len(names) <= ROWS_AT_MOST:
        return list(names)
    rank = worst(windows)
    kept = {chosen, *sorted(names, key=lambda name: rank.get(name, CALM))[: ROWS_AT_MOST - 1]}
    return [name for name in names if name in kept]


CALM = (2, 0.0)


def worst(windows: Sequence[WindowItem]) -> dict[str, tuple[int, float]]:
    """Smallest for the feature with the gravest verdict, and among equals the largest distance."""
    rank: dict[str, tuple[int, float]] = {}
    for feature in (feature for item in windows for feature in item.data.features):
        grave = {"critical": 0, "warning": 1}.get(feature.severity or "", 2)
        rank[feature.name] = min(rank.get(feature.name, CALM), (grave, -(distance(feature) or 0.0)))
    return rank


# -- distributions ---------------------------------------------------------------------------------

SHARE_COLUMNS = ["place", "bin", "of", "share", "edge", "up to here", "at"]


def share_rows(feature: Feature) -> pd.DataFrame:
    """Shares of reference and window, bin by bin; empty where the API tells none.

    ``edge`` is where a bin ends; the last one, and categories, have none.
    """
    told = feature.distribution
    bins = [] if told is None else _bins(told)
    if told is None or not len(bins) == len(told.reference) == len(told.window):
        return pd.DataFrame(columns=SHARE_COLUMNS)
    ends: list[float | None] = [*(told.edges or []), *[None] * len(bins)]
    rows = [
        (place, bins[place], side, shares[place], ends[place], summed, told.at)
        for side, shares in (("reference", told.reference), ("window", told.window))
        for place, summed in enumerate(accumulate(shares))
    ]
    return pd.DataFrame(rows, columns=SHARE_COLUMNS)


def _bins(told: Distribution) -> list[str]:
    """A bin reaches from the edge before, exclusive, to its own; the last one is open."""
    if told.categories is not None:
        return told.categories
    edges = [f"{edge:g}" for edge in told.edges or []]
    if not edges:
        return []
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"above {edges[-1]}"]


def _ms(at: datetime) -> float:
    return at.timestamp() * 1000
