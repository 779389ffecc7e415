"""A deviation beside the limits that decide, in words: alerts and the dashboard use the same.

A window drifts if ``value > threshold`` and ``persistent > allowance + part * threshold``
(``monitor.statistics.drift_rule``): ``threshold`` is the noise, ``allowance`` the normal variation
of the reference, and ``part`` one half, or three quarters for categories. The sustained part is at
most the value. So if normal variation makes the second limit the larger one, it is the only one
that matters; otherwise both are printed.
"""

from __future__ import annotations

from monitor.statistics.noise_parts import HALF, OF_CATEGORIES


def noise_part(test: str | None) -> float:
    """The part of the noise in the limit of the sustained deviation."""
    return OF_CATEGORIES if test == "categories" else HALF


def sustained_limit(
    test: str | None, threshold: float | None, allowance: float | None
) -> float | None:
    """None without both figures."""
    if threshold is None or allowance is None:
        return None
    return allowance + noise_part(test) * threshold


def distance_limits(
    value: float | None, threshold: float | None, persistent: float | None, allowance: float | None
) -> tuple[str, str]:
    """A distance as text, and the sentences about its limits; without figures they are empty."""
    limit = sustained_limit("ks", threshold, allowance)
    if limit is None or threshold is None or limit < threshold:
        shown, of_noise = beside(value, threshold)
        first = "" if threshold is None else f"Limit {of_noise} (noise)."
        second = "" if limit is None else _with_limit(persistent, limit, allowance)
        return shown, " ".join(filter(None, (first, second or _alone(persistent))))
    shown, text = beside(value, limit)
    sustained, same = beside(persistent, limit)
    text = max(text, same, key=len)  # with as many decimals as either needs
    parts = f"normal variation {figure(allowance)} + noise {figure(limit - (allowance or 0.0))}"
    return shown, f"Limit {text} ({parts}). Sustained: {sustained}."


def _with_limit(persistent: float | None, limit: float, allowance: float | None) -> str:
    if persistent is None:
        return ""
    sustained, text = beside(persistent, limit)
    parts = f"normal variation {figure(allowance)} + half of the noise"
    return f"Sustained: {sustained}, limit {text} ({parts})."


def _alone(persistent: float | None) -> str:
    return "" if persistent is None else f"Sustained: {figure(persistent)}."


def proportion_limits(
    test: str | None,
    p_value: float | None,
    threshold: float | None,
    persistent: float | None,
    allowance: float | None,
) -> str:
    """The limits of an exact test. Each category has limits of its own, the largest is printed."""
    exact = "" if p_value is None else f"Exact test p-value {p_value:.1e}."
    limit = sustained_limit(test, threshold, allowance)
    if limit is None:
        return " ".join(filter(None, (exact, _alone(persistent))))
    sustained, text = beside(persistent, limit)
    at_most = "at most " if test == "categories" else ""
    parts = f"normal variation {figure(allowance)} + noise {figure(limit - (allowance or 0.0))}"
    return f"{exact} Sustained: {sustained}, limit {at_most}{text} ({parts}).".strip()


def beside(value: float | None, limit: float | None) -> tuple[str, str]:
    """Both with three decimals, or with more where they would look equal."""
    for digits in (3, 4, 5):
        figures = figure(value, digits), figure(limit, digits)
        if figures[0] != figures[1]:
            break
    return figures


def figure(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
