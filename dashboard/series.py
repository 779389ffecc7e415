"""Rows of charts, from answers of the API. Pure; the columns exist without rows too.

Times are milliseconds since 1970, as floats: a browser shows them in UTC in any time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from math import inf

import pandas as pd

from api.answers import Distribution, Estimate, Feature, Incident, Metric, WindowItem
from dashboard import formats, labels
from dashboard.limits import excess, feature_sustained_limit
from dashboard.window_parameter import to_parameter

MAX_HEAT_MAP_ROWS = 40
GetFeature = Callable[[WindowItem], Feature | None]

# -- performance -----------------------------------------------------------------------------------

METRIC_COLUMNS = [
    "start", "window", "line", "value", "low", "high", "kind", "shown", "interval", "labels",
]  # fmt: skip


def metric_rows(windows: Sequence[WindowItem], name: str) -> pd.DataFrame:
    """Three lines of one metric: its values, its baseline, and its critical limit."""
    rows = [
        row
        for item in windows
        if item.performance is not None and name in item.performance.metrics
        for row in _metric_lines(item, name)
    ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def _metric_lines(item: WindowItem, name: str) -> list[tuple[object, ...]]:
    assert item.performance is not None
    metric, coverage = item.performance.metrics[name], item.performance.coverage
    key = (milliseconds(item.window.start), formats.window(item.window))
    tooltip = (
        formats.number(metric.value),
        formats.interval(metric.low, metric.high),
        f"{formats.count(item.performance.labels)} ({formats.proportion(coverage)})",
    )
    kind = _metric_kind(metric, item.performance.status)
    limits = (("baseline", metric.baseline), ("critical limit", metric.threshold))
    return [
        (*key, "measured", metric.value, metric.low, metric.high, kind, *tooltip),
        *((*key, line, value, None, None, None, *tooltip) for line, value in limits),
    ]


def _metric_kind(metric: Metric, status: str) -> str:
    """A key of ``chart_styles.METRIC_KINDS``."""
    if status != "final":
        return labels.PROVISIONAL
    return labels.degraded(metric.severity) if metric.severity else labels.FINAL


EXPECTED_COLUMNS = ["start", "window", "line", "value", "shown"]


def expected_rows(windows: Sequence[WindowItem], name: str) -> pd.DataFrame:
    """A metric estimated from the scores, and as measured with labels; empty without estimates."""
    rows = [
        (
            milliseconds(item.window.start),
            formats.window(item.window),
            line,
            value,
            formats.number(value),
        )
        for item in windows
        if item.concept is not None and item.concept.expected
        for line, value in (
            ("expected", _value(item.concept.expected.get(name))),
            ("realised", (item.concept.realised or {}).get(name)),
        )
    ]
    return pd.DataFrame(rows, columns=EXPECTED_COLUMNS)


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


# -- drift -----------------------------------------------------------------------------------------

DISTANCE_COLUMNS = ["start", "window", "line", "value", "verdict", "shown", "rows", "chosen"]


def feature_named(name: str) -> GetFeature:
    return lambda item: next((f for f in item.data.features if f.name == name), None)


def score(item: WindowItem) -> Feature | None:
    return item.concept.prediction if item.concept else None


def error(item: WindowItem) -> Feature | None:
    return item.concept.errors if item.concept else None


def further(name: str) -> GetFeature:
    """A further output or error of the task."""

    def found(item: WindowItem) -> Feature | None:
        features = item.concept.further if item.concept else []
        return next((feature for feature in features if feature.name == name), None)

    return found


def distance_rows(
    windows: Sequence[WindowItem], get_feature: GetFeature, chosen: str | None = None
) -> pd.DataFrame:
    """Four lines: the distance and its sustained part, each with its limit."""
    rows = [
        row
        for item in windows
        if (feature := get_feature(item)) is not None
        for row in _distance_lines(item, feature, chosen)
    ]
    return pd.DataFrame(rows, columns=DISTANCE_COLUMNS)


def _distance_lines(
    item: WindowItem, feature: Feature, chosen: str | None
) -> list[tuple[object, ...]]:
    key = (milliseconds(item.window.start), formats.window(item.window))
    tooltip = (
        verdict(item, feature),
        formats.number(distance(feature)),
        formats.count(feature.rows),
        to_parameter(item.window) == chosen,
    )
    lines = (
        ("distance", distance(feature)),
        ("distance limit", feature.threshold),
        ("sustained", feature.persistent),
        ("sustained limit", feature_sustained_limit(feature)),
    )
    return [(*key, line, value, *tooltip) for line, value in lines if value is not None]


def distance(feature: Feature) -> float | None:
    """The tested distance; PSI for a feature that is not tested."""
    return feature.psi if feature.statistic is None else feature.statistic


def verdict(item: WindowItem, feature: Feature | None) -> str:
    """A key of ``chart_styles.VERDICTS``."""
    if item.window.status == "incomplete":
        return labels.NOT_JUDGED
    return labels.NO_ROWS if feature is None else labels.verdict(feature)


HEAT_MAP_COLUMNS = [
    "start", "end", "window", "at", "feature", "excess", "verdict", "shown", "chosen", "incident",
]  # fmt: skip


def heat_map_rows(
    windows: Sequence[WindowItem],
    names: Sequence[str],
    chosen: tuple[str, str],
    open_incidents: Sequence[Incident] = (),
) -> pd.DataFrame:
    """A cell per feature and window; it ends where the next window starts.

    ``chosen`` is a feature and a window as in an address. ``incident`` marks the cells of a feature
    since its open incident.
    """
    since = _incident_starts(open_incidents)
    features = [{f.name: f for f in item.data.features} for item in windows]
    rows = [
        (*_cell(item, end, name, by_name.get(name), chosen), end > since.get(name, inf))
        for item, end, by_name in zip(windows, _cell_ends(windows), features, strict=True)
        for name in names
    ]
    return pd.DataFrame(rows, columns=HEAT_MAP_COLUMNS)


def _cell(
    item: WindowItem, end: float, name: str, feature: Feature | None, chosen: tuple[str, str]
) -> tuple[object, ...]:
    value, at = (distance(feature) if feature else None), to_parameter(item.window)
    psi = " (PSI)" if feature is not None and feature.statistic is None else ""
    return (
        milliseconds(item.window.start),
        end,
        formats.window(item.window),
        at,
        name,
        excess(feature) if feature else 0.0,
        verdict(item, feature),
        f"{formats.number(value)}{'' if value is None else psi}",
        chosen == (name, at),
    )


def _incident_starts(incidents: Sequence[Incident]) -> dict[str, float]:
    """By feature, also those that are grouped with another."""
    found: dict[str, float] = {}
    for incident in incidents:
        for subject in (incident.subject, *incident.evidence.get("grouped", ())):
            kind, _, name = subject.partition("/")
            if kind == "data":
                opened = milliseconds(incident.opened_at)
                found[name] = min(opened, found.get(name, inf))
    return found


def _cell_ends(windows: Sequence[WindowItem]) -> list[float]:
    """Windows may overlap or be missing: a cell is as wide as the shortest step between two."""
    starts = [milliseconds(item.window.start) for item in windows]
    ends = [milliseconds(item.window.end) for item in windows]
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    steps = [after - before for before, after in pairwise(starts) if after > before]
    step = min([*steps, *lengths], default=0.0)
    return [start + step for start in starts]


def heat_map_features(
    windows: Sequence[WindowItem], names: Sequence[str], chosen: str
) -> list[str]:
    """All features in the order of the profile; of very many, those with the most severe drift."""
    if len(names) <= MAX_HEAT_MAP_ROWS:
        return list(names)
    order = severity_order(windows)
    most_severe = sorted(names, key=lambda name: order.get(name, LEAST_SEVERE))
    kept = {chosen, *most_severe[: MAX_HEAT_MAP_ROWS - 1]}
    return [name for name in names if name in kept]


LEAST_SEVERE = (2, 0.0)


def severity_order(windows: Sequence[WindowItem]) -> dict[str, tuple[int, float]]:
    """A sort key by feature: the most severe verdict first, then the largest distance."""
    order: dict[str, tuple[int, float]] = {}
    for feature in (feature for item in windows for feature in item.data.features):
        rank = {"critical": 0, "warning": 1}.get(feature.severity or "", 2)
        key = (rank, -(distance(feature) or 0.0))
        order[feature.name] = min(order.get(feature.name, LEAST_SEVERE), key)
    return order


# -- distributions ---------------------------------------------------------------------------------

DISTRIBUTION_COLUMNS = ["bin", "source", "proportion", "edge", "cumulative", "at"]


def distribution_rows(distribution: Distribution | None) -> pd.DataFrame:
    """Proportions of reference and window by bin; empty if the API returns none.

    ``edge`` is the upper end of a bin; the last bin, and categories, have none. ``at`` is where
    the cumulative proportions differ most.
    """
    if distribution is None or not _is_consistent(distribution):
        return pd.DataFrame(columns=DISTRIBUTION_COLUMNS)
    bins = _bins(distribution)
    edges: list[float | None] = [*(distribution.edges or []), *[None] * len(bins)]
    sources = (("reference", distribution.reference), ("window", distribution.window))
    rows = [
        (bins[i], source, proportions[i], edges[i], cumulative, distribution.at)
        for source, proportions in sources
        for i, cumulative in enumerate(accumulate(proportions))
    ]
    return pd.DataFrame(rows, columns=DISTRIBUTION_COLUMNS)


def _is_consistent(distribution: Distribution) -> bool:
    bins = len(_bins(distribution))
    return bins == len(distribution.reference) == len(distribution.window)


def _bins(distribution: Distribution) -> list[str]:
    """A bin reaches from the previous edge, exclusive, to its own; the last one is open."""
    if distribution.categories is not None:
        return distribution.categories
    edges = [f"{edge:g}" for edge in distribution.edges or []]
    if not edges:
        return []
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]}", *between, f"above {edges[-1]}"]


def milliseconds(at: datetime) -> float:
    return at.timestamp() * 1000
