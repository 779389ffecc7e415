"""``driftline.toml`` and ``DRIFTLINE_…`` variables: addresses for the edge, a ``Plan`` for monitor."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.plan import (
    Budget,
    Drift,
    Incidents,
    InvalidPlan,
    Performance,
    Plan,
    Retraining,
    Time,
    Windows,
    duration_ms,
)

FILE = "driftline.toml"
S = TypeVar("S", bound="Section")


class InvalidSettings(ValueError):
    """A configuration that cannot be used. The message names the key and what was expected."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSection(Section):
    bootstrap_servers: str = Field("localhost:9092", description="Kafka's addresses.")
    prefix: str = Field(
        "driftline", pattern=r"^[A-Za-z0-9._-]{1,100}$", description="What topic names begin with."
    )
    commit_interval: str = Field(
        "1s", description="Longest time between transactions: the floor of latency."
    )
    client: dict[str, str] = Field(
        default_factory=dict, description="Any librdkafka property: security.protocol, sasl.*, …"
    )


class WindowsSection(Section):
    pane: str = Field("1h", description="The stretch of event time that windows are made of.")
    length: str = Field("1d", description="Length of the windows people look at.")
    slide: str | None = Field(None, description="A window starts this often; by default `length`.")
    longest: str = Field("14d", description="The longest scale of the drift tests.")


class TimeSection(Section):
    lateness: str = Field("5m", description="Rows this far behind their partition are on time.")
    accept_late: str = Field("7d", description="Later rows amend; older ones are too late.")
    idle_after: str = Field(
        "30s", description="A partition silent for so long holds nobody up; `off`: never."
    )
    label_horizon: str = Field("7d", description="A label that takes longer joins nothing.")
    label_wait: str | None = Field(
        None, description="Performance is final so long after a window; learned by default."
    )
    max_clock_skew: str = Field(
        "10m", description="Most that a row may lie ahead of the broker's clock; `off` for replays."
    )


class FalseAlarms(Section):
    warning: str = Field("1 per 7d", description="False alarms accepted per model.")
    critical: str = Field("1 per 30d", description="The critical ones among them.")


class DriftSection(Section):
    p_value_threshold: float = Field(
        0.05, description="Marks features in tables; opens no incident."
    )
    min_effect: float = Field(0.0, description="Smallest KS distance worth acting on.")
    critical_effect: float = Field(0.1, description="Smallest KS distance of a critical incident.")
    false_alarms: FalseAlarms = Field(default_factory=FalseAlarms)


class PerformanceSection(Section):
    degradation_threshold: float = Field(
        0.90, description="Share of the baseline below which a metric is degraded."
    )


class RetrainingSection(Section):
    critical_alert_threshold: int = Field(1, description="Critical incidents that ask for it.")
    lookback: str = Field("24h", description="How recent they must be, in event time.")
    min_labels: int = Field(1000, description="Fresh labels that training needs.")
    cooldown: str = Field("7d", description="Least event time between two retrainings.")


class IncidentsSection(Section):
    repeat_after: str = Field("7d", description="An open incident is repeated this often at most.")
    resolve_after: int = Field(2, description="Calm windows in a row that resolve an incident.")


class TopicsSection(Section):
    partitions: int = Field(4, ge=1, description="Partitions of topics that `create` makes.")
    replication: int = Field(1, ge=1, description="Copies of each partition.")


class StateSection(Section):
    directory: Path = Field(Path(".driftline"), description="Where the roles keep their caches.")


class StoreSection(Section):
    url: str = Field("sqlite:///driftline.db", description="SQLAlchemy address of the database.")


class ApiSection(Section):
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the API listens on.")
    tokens: list[SecretStr] = Field(
        default_factory=list, description="Bearer tokens; none: no token is asked for on loopback."
    )


class ModelSection(Section):
    """What one model does differently: any keys of these sections."""

    windows: dict[str, Any] = Field(default_factory=dict)
    time: dict[str, Any] = Field(default_factory=dict)
    drift: dict[str, Any] = Field(default_factory=dict)
    performance: dict[str, Any] = Field(default_factory=dict)
    retraining: dict[str, Any] = Field(default_factory=dict)


class Settings(BaseSettings):
    """Every setting, with its default. Unknown keys are refused by name."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTLINE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: KafkaSection = Field(default_factory=KafkaSection)
    windows: WindowsSection = Field(default_factory=WindowsSection)
    time: TimeSection = Field(default_factory=TimeSection)
    drift: DriftSection = Field(default_factory=DriftSection)
    performance: PerformanceSection = Field(default_factory=PerformanceSection)
    retraining: RetrainingSection = Field(default_factory=RetrainingSection)
    incidents: IncidentsSection = Field(default_factory=IncidentsSection)
    topics: TopicsSection = Field(default_factory=TopicsSection)
    state: StateSection = Field(default_factory=StateSection)
    store: StoreSection = Field(default_factory=StoreSection)
    api: ApiSection = Field(default_factory=ApiSection)
    models: dict[str, ModelSection] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment outranks the file, which is passed in as the initial values."""
        return env_settings, init_settings

    def plan(self, model: str | None = None) -> Plan:
        """How ``model`` is watched. Raises ``InvalidSettings``."""
        own = self.models.get(model, ModelSection()) if model else ModelSection()
        try:
            return Plan(
                windows=_windows(_merged(self.windows, own.windows)),
                time=_time(_merged(self.time, own.time)),
                drift=_drift(_merged(self.drift, own.drift)),
                performance=Performance(**_merged(self.performance, own.performance).model_dump()),
                retraining=_retraining(_merged(self.retraining, own.retraining)),
                incidents=Incidents(
                    duration_ms(self.incidents.repeat_after), self.incidents.resolve_after
                ),
            )
        except InvalidPlan as error:
            raise InvalidSettings(str(error)) from error

    def topic(self, name: str) -> str:
        """The full name of a topic: ``topic("alerts")`` is ``driftline.alerts``."""
        return f"{self.kafka.prefix}.{name}"


def load_settings(file: Path | None = None, **overrides: Mapping[str, Any]) -> Settings:
    """Settings from ``file`` (or ``driftline.toml``, if it is here), the environment, overrides.

    ``overrides`` name sections and win over everything. Raises ``InvalidSettings``.
    """
    path = file or Path(FILE)
    if file is not None and not file.is_file():
        raise InvalidSettings(f"there is no configuration file {str(file)!r}")
    try:
        values = tomllib.loads(path.read_text()) if path.is_file() else {}
        settings = Settings(**values)
        for section, keys in overrides.items():
            merged = _merged(getattr(settings, section), dict(keys))
            settings = settings.model_copy(update={section: merged})
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise InvalidSettings(_sentence(error, path)) from error
    for model in (None, *settings.models):
        settings.plan(model)
    return settings


def _merged(section: S, own: Mapping[str, Any]) -> S:
    return type(section).model_validate({**section.model_dump(), **own})


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r} (in {path} or a DRIFTLINE_ variable)"
    return f"setting {key!r}: {first['msg']} (in {path} or a DRIFTLINE_ variable)"


def _off(text: str) -> int | None:
    return None if text == "off" else duration_ms(text)


def _windows(section: WindowsSection) -> Windows:
    return Windows(
        pane_ms=duration_ms(section.pane),
        length_ms=duration_ms(section.length),
        slide_ms=duration_ms(section.slide or section.length),
        longest_ms=duration_ms(section.longest),
    )


def _time(section: TimeSection) -> Time:
    return Time(
        lateness_ms=duration_ms(section.lateness),
        accept_late_ms=duration_ms(section.accept_late),
        idle_after_ms=_off(section.idle_after),
        label_horizon_ms=duration_ms(section.label_horizon),
        label_wait_ms=None if section.label_wait is None else duration_ms(section.label_wait),
        max_clock_skew_ms=_off(section.max_clock_skew),
    )


def _drift(section: DriftSection) -> Drift:
    return Drift(
        p_value_threshold=section.p_value_threshold,
        min_effect=section.min_effect,
        critical_effect=section.critical_effect,
        warning=Budget.of(section.false_alarms.warning),
        critical=Budget.of(section.false_alarms.critical),
    )


def _retraining(section: RetrainingSection) -> Retraining:
    return Retraining(
        critical_alert_threshold=section.critical_alert_threshold,
        lookback_ms=duration_ms(section.lookback),
        min_labels=section.min_labels,
        cooldown_ms=duration_ms(section.cooldown),
    )
