"""The plan: every statistical setting of a model's monitoring, validated on construction."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
CLEAR = 0.5  # of a limit: a deviation that is no trace of a change
_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


class InvalidPlan(ValueError):
    """An invalid setting. The message names the setting and what was expected."""


def duration_ms(text: str) -> int:
    """Milliseconds of ``"1h"``, ``"5m"``, ``"1h30m"``. Raises ``InvalidPlan`` for anything else."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise InvalidPlan(f"{text!r} is not a duration: write it like '30s', '5m', '1h', '7d'")
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def duration_text(ms: int) -> str:
    """``7d``, ``3h``, ``90m``; longer than a day and not a whole number of days: ``1.33d``."""
    if ms > DAY and ms % DAY:
        return f"{ms / DAY:.2f}d"
    for unit in ("d", "h", "m", "s"):
        if ms >= _UNITS[unit] and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms"


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows that are reported: of ``length``, one every ``slide``, made of panes."""

    pane_ms: int = HOUR
    length_ms: int = DAY
    slide_ms: int = DAY
    longest_ms: int = 14 * DAY

    def __post_init__(self) -> None:
        for name in ("pane_ms", "length_ms", "slide_ms"):
            if getattr(self, name) <= 0:
                raise InvalidPlan(f"windows.{name[:-3]} must be longer than zero")
        for name in ("length_ms", "slide_ms"):
            if getattr(self, name) % self.pane_ms:
                raise InvalidPlan(f"windows.{name[:-3]} must be a multiple of windows.pane")
        if self.slide_ms > self.length_ms:
            raise InvalidPlan("windows.slide must not exceed windows.length: rows would be skipped")

    @property
    def panes(self) -> int:
        """Panes in a window."""
        return self.length_ms // self.pane_ms

    def pane_of(self, at_ms: int) -> int:
        """The start of the pane that contains ``at_ms``."""
        return at_ms - at_ms % self.pane_ms

    def over(self, pane_ms: int) -> range:
        """The starts of all windows that contain the pane; there is at least one."""
        first_ms = pane_ms + self.pane_ms - self.length_ms
        last_ms = pane_ms - pane_ms % self.slide_ms
        return range(first_ms + -first_ms % self.slide_ms, last_ms + 1, self.slide_ms)


@dataclass(frozen=True, slots=True)
class Time:
    """Limits for late rows and labels, in event time; only ``idle_after_ms`` is wall-clock."""

    lateness_ms: int = 5 * MINUTE
    accept_late_ms: int = 7 * DAY
    idle_after_ms: int | None = 30 * SECOND  # None: partitions are never marked idle
    label_horizon_ms: int = 7 * DAY
    label_wait_ms: int | None = None  # None: learned from the reference
    max_clock_skew_ms: int | None = 10 * MINUTE  # None: off, for replays
    retire_after_ms: int | None = 14 * DAY  # None: a shadow without rows stays
    earliest_ms: int = 946_684_800_000  # 2000-01-01; earlier times are not plausible

    def __post_init__(self) -> None:
        for setting in fields(self):
            if (getattr(self, setting.name) or 0) < 0:
                raise InvalidPlan(f"time.{setting.name[:-3]} must not be negative")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``alarms`` false alarms, in expectation, in every ``period_ms`` of event time."""

    alarms: float
    period_ms: int

    def __post_init__(self) -> None:
        if self.alarms <= 0 or self.period_ms <= 0:
            raise InvalidPlan("a budget of false alarms needs a number and a period above zero")

    @classmethod
    def of(cls, text: str) -> Budget:
        """From ``"1 per 7d"``."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s+per\s+(\S+)\s*", text)
        if match is None:
            raise InvalidPlan(f"{text!r} is not a budget: write it like '1 per 7d'")
        return cls(float(match[1]), duration_ms(match[2]))

    def __str__(self) -> str:
        return f"{self.alarms:g} per {duration_text(self.period_ms)}"

    def times(self, share: float) -> Budget:
        """A part of it."""
        return Budget(self.alarms * share, self.period_ms)

    def per(self, span_ms: int) -> float:
        """The false alarms that are accepted in ``span_ms`` of event time."""
        return self.alarms * span_ms / self.period_ms


@dataclass(frozen=True, slots=True)
class Drift:
    p_value_threshold: float = 0.05  # marks features in tables; never opens an incident
    min_effect: float = 0.0
    critical_effect: float = 0.1
    warning: Budget = Budget(1, 7 * DAY)
    critical: Budget = Budget(1, 30 * DAY)

    def __post_init__(self) -> None:
        for name in ("p_value_threshold", "min_effect", "critical_effect"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidPlan(f"drift.{name} must lie between 0 and 1")
        if self.critical.per(DAY) > self.warning.per(DAY):
            raise InvalidPlan(
                "drift.false_alarms: critical must not be more frequent than warning, and is with"
                f" {self.critical} against {self.warning}: set both"
            )


@dataclass(frozen=True, slots=True)
class Performance:
    degradation_threshold: float = 0.90  # of the baseline's metric

    def __post_init__(self) -> None:
        if not 0 < self.degradation_threshold <= 1:
            raise InvalidPlan("performance.degradation_threshold must lie in (0, 1]")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Whether the number of rows is watched, and when their absence is an incident."""

    watch: bool = True
    none_after_ms: int | None = None  # event time; None: learned from the reference

    def __post_init__(self) -> None:
        if self.none_after_ms is not None and self.none_after_ms <= 0:
            raise InvalidPlan("traffic.none_after must be longer than zero")


@dataclass(frozen=True, slots=True)
class Retraining:
    critical_alert_threshold: int = 1
    lookback_ms: int = DAY
    min_labels: int = 1_000

    def __post_init__(self) -> None:
        if self.critical_alert_threshold < 1 or self.min_labels < 0:
            raise InvalidPlan("retraining: thresholds must be positive whole numbers")
        if self.lookback_ms < 0:
            raise InvalidPlan("retraining.lookback must not be negative")


@dataclass(frozen=True, slots=True)
class Incidents:
    repeat_after_ms: int = 7 * DAY
    resolve_after: int = 2  # consecutive clear windows
    reopen_within_ms: int = 7 * DAY

    def __post_init__(self) -> None:
        if self.resolve_after < 1:
            raise InvalidPlan("incidents.resolve_after must be at least 1")
        if self.reopen_within_ms < 0:
            raise InvalidPlan("incidents.reopen_within must not be negative")
        if self.repeat_after_ms < 0:
            raise InvalidPlan("incidents.repeat_after must not be negative")


@dataclass(frozen=True, slots=True)
class Plan:
    """All settings that influence the findings in a stream."""

    windows: Windows = field(default_factory=Windows)
    time: Time = field(default_factory=Time)
    drift: Drift = field(default_factory=Drift)
    performance: Performance = field(default_factory=Performance)
    traffic: Traffic = field(default_factory=Traffic)
    retraining: Retraining = field(default_factory=Retraining)
    incidents: Incidents = field(default_factory=Incidents)

    def __post_init__(self) -> None:
        if (self.traffic.none_after_ms or 0) > self.windows.longest_ms:
            raise InvalidPlan(
                "traffic.none_after must not be longer than windows.longest, which is"
                f" {duration_text(self.windows.longest_ms)}"
            )

    def with_share(self, share: float) -> Plan:
        """The plan with a part of the budget of false alarms."""
        if share == 1:
            return self
        budgets = {name: getattr(self.drift, name).times(share) for name in ("warning", "critical")}
        return replace(self, drift=replace(self.drift, **budgets))
