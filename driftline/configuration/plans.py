"""Sections of the configuration translated into the ``Plan`` that ``monitor`` works by."""

from __future__ import annotations

from datetime import UTC, datetime

from driftline.configuration.model_section import ModelSection
from driftline.configuration.sections import (
    DriftSection,
    IncidentsSection,
    PerformanceSection,
    RetrainingSection,
    Section,
    StoreSection,
    TimeSection,
    TrafficSection,
    WindowsSection,
)
from monitor.counts.segmentation import Segmentation, Segments
from monitor.plan import (
    Budget,
    Drift,
    Incidents,
    InvalidPlan,
    Performance,
    Retraining,
    Time,
    Traffic,
    Windows,
    duration_ms,
)

# Each of these raises ``InvalidPlan``.


def windows_plan(section: WindowsSection) -> Windows:
    return Windows(
        pane_ms=duration(section, "pane"),
        length_ms=duration(section, "length"),
        slide_ms=duration(section, "slide" if section.slide else "length"),
        longest_ms=duration(section, "longest"),
    )


def time_plan(section: TimeSection) -> Time:
    return Time(
        lateness_ms=duration(section, "lateness"),
        accept_late_ms=duration(section, "accept_late"),
        idle_after_ms=_duration_or_off(section, "idle_after"),
        label_horizon_ms=duration(section, "label_horizon"),
        label_wait_ms=None if section.label_wait is None else duration(section, "label_wait"),
        max_clock_skew_ms=_duration_or_off(section, "max_clock_skew"),
        retire_after_ms=_duration_or_off(section, "retire_after"),
        earliest_ms=_moment_ms(section, "earliest"),
    )


def drift_plan(section: DriftSection) -> Drift:
    return Drift(
        p_value_threshold=section.p_value_threshold,
        min_effect=section.min_effect,
        critical_effect=section.critical_effect,
        warning=Budget.of(section.false_alarms.warning),
        critical=Budget.of(section.false_alarms.critical),
    )


def performance_plan(section: PerformanceSection) -> Performance:
    return Performance(degradation_threshold=section.degradation_threshold)


def traffic_plan(section: TrafficSection) -> Traffic:
    none_after_ms = None if section.none_after is None else duration(section, "none_after")
    return Traffic(section.watch, none_after_ms)


def store_keep_ms(section: StoreSection) -> int | None:
    """None: for ever."""
    return _duration_or_off(section, "keep")


def retraining_plan(section: RetrainingSection) -> Retraining:
    return Retraining(
        critical_alert_threshold=section.critical_alert_threshold,
        lookback_ms=duration(section, "lookback"),
        min_labels=section.min_labels,
    )


def incidents_plan(section: IncidentsSection) -> Incidents:
    return Incidents(
        duration(section, "repeat_after"),
        section.resolve_after,
        duration(section, "reopen_within"),
    )


def segments_plan(model: str, section: ModelSection) -> Segments:
    try:
        return Segments(tuple(map(Segmentation.of, section.segments)), section.max_segments)
    except InvalidPlan as error:
        raise InvalidPlan(f"setting 'models.{model}': {error}") from error


def _moment_ms(section: Section, key: str) -> int:
    text = getattr(section, key)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidPlan(
            f"setting 'time.{key}': {text!r} is not a date or an RFC 3339 time"
        ) from error
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return max(round(aware.timestamp() * 1000), 0)


def _duration_or_off(section: Section, key: str) -> int | None:
    return None if getattr(section, key) == "off" else duration(section, key)


def duration(section: Section, key: str) -> int:
    try:
        return duration_ms(getattr(section, key))
    except InvalidPlan as error:
        name = type(section).__name__.removesuffix("Section").lower()
        raise InvalidPlan(f"setting '{name}.{key}': {error}") from error
