"""``driftline.toml`` and ``DRIFTLINE_…`` variables: addresses for the edge, a ``Plan`` inside."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
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
IN_FILE = "file:"  # what a value begins with that is read from a file
S = TypeVar("S", bound="Section")


class InvalidSettings(ValueError):
    """A configuration that cannot be used. The message names the key and what was expected."""


def _from_file(value: object) -> object:
    """``file:/run/secrets/token`` stands for the text of that file, without space around it."""
    if not isinstance(value, str) or not value.startswith(IN_FILE):
        return value
    path = value.removeprefix(IN_FILE)
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"its file {path!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"its file {path!r} is not text in UTF-8") from None
    if not text:
        raise ValueError(f"its file {path!r} is empty")
    return text


def _flat(table: object) -> object:
    """``{"sasl": {"password": …}}``, as TOML and variables write it, is ``{"sasl.password": …}``.

    Where both are there the nested one counts: it comes from the environment.
    """
    if not isinstance(table, Mapping):
        return table
    flat = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            deeper = _flat(inner)
            assert isinstance(deeper, dict)
            flat |= {f"{key}.{rest}": value for rest, value in deeper.items()}
    return flat


Secret = Annotated[str, BeforeValidator(_from_file)]
SecretToken = Annotated[SecretStr, Field(min_length=1), BeforeValidator(_from_file)]


class Section(BaseModel):
    # What is wrong is said by its name: its value may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KafkaSection(Section):
    """Where Kafka is, and how it is talked to."""

    bootstrap_servers: str = Field(default="localhost:9092", description="Addresses, with commas.")
    prefix: str = Field(
        default="driftline",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="What topic names begin with.",
    )
    commit_interval: str = Field(
        default="1s", description="Longest time between transactions: the floor of latency."
    )
    client: Annotated[dict[str, Secret], BeforeValidator(_flat)] = Field(
        default_factory=dict,
        repr=False,
        description="Any property of librdkafka, as text: security.protocol, sasl.*, ssl.*, …",
    )


class WindowsSection(Section):
    """How event time is cut."""

    pane: str = Field(
        default="1h", description="The stretch of event time that windows are made of."
    )
    length: str = Field(default="1d", description="Length of the windows people look at.")
    slide: str | None = Field(
        default=None, description="A window starts this often; by default `length`."
    )
    longest: str = Field(
        default="14d",
        description="The longest scale of the drift tests: windows of 1, 2, 4, … panes up to it.",
    )


class TimeSection(Section):
    """Patience with rows and labels, in event time."""

    lateness: str = Field(
        default="5m", description="Rows so far behind the newest of their partition are on time."
    )
    accept_late: str = Field(
        default="7d",
        description="Rows later than that, up to this, amend windows; older ones are too late.",
    )
    idle_after: str = Field(
        default="30s",
        description="A partition silent for so long in real time holds nobody up; `off`: it does.",
    )
    label_horizon: str = Field(
        default="7d",
        description="A label that comes later than this after its prediction joins nothing.",
    )
    label_wait: str | None = Field(
        default=None,
        description="Performance is final so long after a window; learned from the reference.",
    )
    max_clock_skew: str = Field(
        default="10m",
        description="Most that a row may lie ahead of the broker's clock; `off` for replays.",
    )


class FalseAlarms(Section):
    """The budget: how many false alarms a model may raise in how much event time."""

    warning: str = Field(default="1 per 7d", description="False alarms accepted per model.")
    critical: str = Field(default="1 per 30d", description="The critical ones among them.")


class DriftSection(Section):
    """When a distribution counts as moved."""

    p_value_threshold: float = Field(
        default=0.05,
        description="A p-value up to this marks a feature in tables; it opens no incident.",
    )
    min_effect: float = Field(default=0.0, description="Smallest KS distance worth acting on.")
    critical_effect: float = Field(
        default=0.1, description="Smallest KS distance of a critical incident."
    )
    false_alarms: FalseAlarms = Field(default_factory=FalseAlarms)


class PerformanceSection(Section):
    """When a metric counts as degraded."""

    degradation_threshold: float = Field(
        default=0.90, description="Share of the baseline below which a metric is degraded."
    )


class RetrainingSection(Section):
    """When training again is advised."""

    critical_alert_threshold: int = Field(
        default=1,
        description="Critical incidents that ask for it; subjects told as one count once.",
    )
    lookback: str = Field(default="24h", description="How recent they must be, in event time.")
    min_labels: int = Field(default=1000, description="Fresh labels that training needs.")
    cooldown: str = Field(default="7d", description="Least event time between two retrainings.")


class IncidentsSection(Section):
    """How long an incident lasts, and how often it is told again."""

    repeat_after: str = Field(
        default="7d", description="An open incident is repeated this often at most."
    )
    resolve_after: int = Field(
        default=2, description="Calm windows in a row that resolve an incident."
    )


class TopicsSection(Section):
    """What `driftline topics create` makes."""

    partitions: int = Field(
        default=4, ge=1, description="Partitions of topics that `create` makes."
    )
    replication: int = Field(default=1, ge=1, description="Copies of each partition.")


class StateSection(Section):
    """What the roles keep on disk."""

    directory: Path = Field(
        default=Path(".driftline"),
        description="Where the roles keep their caches, and `train` its models.",
    )


class StoreSection(Section):
    """The database of findings."""

    url: Secret = Field(
        default="sqlite:///driftline.db",
        repr=False,
        description="`sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.",
    )


class ApiSection(Section):
    """Where the API listens, and who may ask it."""

    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on.")
    tokens: list[SecretToken] = Field(
        default_factory=list,
        description="Bearer tokens, one of which every call has to bring. Without any the API"
        " listens on loopback only.",
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
        env_prefix="DRIFTLINE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
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
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
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
        except ValidationError as error:
            section = error.title.removesuffix("Section").lower()
            raise InvalidSettings(_sentence(error, within=f"models.{model}.{section}.")) from error

    def secrets(self) -> Iterator[str]:
        """What must never stand in a log."""
        yield from (token.get_secret_value() for token in self.api.tokens)
        yield from (value for name, value in self.kafka.client.items() if _SECRET.search(name))
        if password := _password(self.store.url):
            yield from (password, unquote(password))

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
        settings = _read(path)
        for section, keys in overrides.items():
            merged = _merged(getattr(settings, section), dict(keys))
            settings = settings.model_copy(update={section: merged})
    except ValidationError as error:
        raise InvalidSettings(_sentence(error, path)) from error
    for model in (None, *settings.models):
        settings.plan(model)
    return settings


def _read(path: Path) -> Settings:
    """Raises ``InvalidSettings``, or ``ValidationError`` for a value that does not fit."""
    try:
        return Settings(**_values(path))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{path} is not text in UTF-8, as TOML has to be: {error}") from error
    except SettingsError as error:
        section = "".join(re.findall(r'field "(\w+)"', str(error))).upper()
        raise InvalidSettings(
            f"a DRIFTLINE_{section} variable is not JSON, as lists and tables are to be written"
            """ there; for example DRIFTLINE_API__TOKENS='["…"]'"""
        ) from None


def _values(path: Path) -> dict[str, Any]:
    values = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kafka = values.get("kafka")
    if isinstance(kafka, dict) and "client" in kafka:
        # As the environment may have it, key by key: so that it outranks the file key by key.
        values["kafka"] = {**kafka, "client": _flat(kafka["client"])}
    return values


_SECRET = re.compile("password|secret|[.]pem|token|oauthbearer.config|jaas")


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _merged(section: S, own: Mapping[str, Any]) -> S:
    return type(section).model_validate({**section.model_dump(), **own})


def _sentence(error: ValidationError, file: Path | str = FILE, within: str = "") -> str:
    first = error.errors()[0]
    key = within + ".".join(str(part) for part in first["loc"])
    where = f"(in {file} or a DRIFTLINE_ variable)"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r} {where}"
    return f"setting {key!r}: {first['msg'].removeprefix('Value error, ')} {where}"


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
