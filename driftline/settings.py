"""The configuration: ``driftline.toml`` and ``DRIFTLINE_…`` variables as one validated object."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from driftline.configuration import plans
from driftline.configuration.model_section import ModelSection
from driftline.configuration.schema_registry import SchemaRegistrySection
from driftline.configuration.secrets import client_secrets, url_secrets
from driftline.configuration.sections import (
    ApiSection,
    DriftSection,
    IncidentsSection,
    KafkaSection,
    PerformanceSection,
    RetrainingSection,
    Section,
    StateSection,
    StoreSection,
    TimeSection,
    TopicsSection,
    TrafficSection,
    WindowsSection,
)
from driftline.configuration.sources import WITH_REGISTRY, SourceSection, require_one_amount
from driftline.configuration.toml_file import read_values
from driftline.errors import InvalidSettings
from monitor.counts.segmentation import Segments
from monitor.plan import InvalidPlan, Plan

FILE = "driftline.toml"
OTHER_TOPIC = "topic:"  # in a short name: the full name of a topic without the prefix follows
S = TypeVar("S", bound=Section)


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
    traffic: TrafficSection = Field(default_factory=TrafficSection)
    retraining: RetrainingSection = Field(default_factory=RetrainingSection)
    incidents: IncidentsSection = Field(default_factory=IncidentsSection)
    topics: TopicsSection = Field(default_factory=TopicsSection)
    state: StateSection = Field(default_factory=StateSection)
    store: StoreSection = Field(default_factory=StoreSection)
    api: ApiSection = Field(default_factory=ApiSection)
    models: dict[str, ModelSection] = Field(default_factory=dict)
    schema_registry: SchemaRegistrySection = Field(default_factory=SchemaRegistrySection)
    sources: list[SourceSection] = Field(default_factory=list)
    redact: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _formats(self) -> Settings:
        formats: dict[str, tuple[object, ...]] = {}
        for source in self.sources:
            how = source.format, source.envelope, source.pair, source.topic
            for topic in source.topics:
                if formats.setdefault(topic, how) != how:
                    raise ValueError(
                        f"sources of topic {topic!r} have different formats, envelopes or pairs:"
                        " expected the same ones"
                    )
            if source.format in WITH_REGISTRY and self.schema_registry.url is None:
                raise ValueError(
                    f"the source {source.topic!r} is {source.format}: expected the address of its"
                    " Schema Registry in schema_registry.url"
                )
        require_one_amount(self.sources)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the values of the file, which are the initial ones."""
        return env_settings, init_settings

    def plan(self, model: str | None = None) -> Plan:
        """The plan of ``model``, or the one of all other models. Raises ``InvalidSettings``."""
        own = self.models.get(model, ModelSection()) if model else ModelSection()
        try:
            return self._plan(own)
        except InvalidPlan as error:
            raise InvalidSettings(str(error)) from error
        except ValidationError as error:
            section = error.title.removesuffix("Section").lower()
            raise InvalidSettings(_sentence(error, within=f"models.{model}.{section}.")) from error

    def segments(self, model: str) -> Segments:
        """How the rows of a model are divided. Raises ``InvalidSettings``."""
        try:
            return plans.segments_plan(model, self.models.get(model, ModelSection()))
        except InvalidPlan as error:
            raise InvalidSettings(str(error)) from error

    def store_keep_ms(self) -> int | None:
        """How long findings stay in the database; None: for ever. Raises ``InvalidSettings``."""
        try:
            return plans.store_keep_ms(self.store)
        except InvalidPlan as error:
            raise InvalidSettings(str(error)) from error

    def plan_hash(self) -> str:
        """Equal for settings with which all models are judged alike."""
        plans = [self.plan(), *((model, self.plan(model)) for model in sorted(self.models))]
        return hashlib.sha256(repr(plans).encode()).hexdigest()[:16]

    def secrets(self) -> Iterator[str]:
        """The values that must not appear in a log."""
        yield from (token.get_secret_value() for token in self.api.tokens)
        yield from client_secrets(self.kafka.client)
        yield from url_secrets(self.store.url)
        registry = self.schema_registry
        yield from filter(None, (registry.password, registry.token))
        yield from url_secrets(registry.url or "")

    def topic(self, name: str) -> str:
        """The full name of a topic by its short one.

        ``alerts`` is ``driftline.alerts``, and ``topic:orders``, of another service, ``orders``.
        """
        if name.startswith(OTHER_TOPIC):
            return name.removeprefix(OTHER_TOPIC)
        return f"{self.kafka.prefix}.{name}"

    def short_topic(self, name: str) -> str:
        """The inverse of ``topic``."""
        own = self.topic("")
        return name.removeprefix(own) if name.startswith(own) else f"{OTHER_TOPIC}{name}"

    def source_topics(self) -> tuple[str, ...]:
        """The short names of the topics in ``[[sources]]``."""
        topics = (topic for source in self.sources for topic in source.topics)
        return tuple(dict.fromkeys(map(self.short_topic, topics)))

    def pairs(self) -> Mapping[str, SourceSection]:
        """The sources of pairs, by the full topic of the requests; the last one of each."""
        return {source.topic: source for source in self.sources if source.pair is not None}

    @property
    def outage_patience_s(self) -> float:
        """How long to wait for a system that is away. Raises ``InvalidSettings``."""
        try:
            return plans.duration(self.kafka, "outage_patience") / 1000
        except InvalidPlan as error:
            raise InvalidSettings(str(error)) from error

    def _plan(self, own: ModelSection) -> Plan:
        return Plan(
            windows=plans.windows_plan(_merged(self.windows, own.windows)),
            time=plans.time_plan(_merged(self.time, own.time)),
            drift=plans.drift_plan(_merged(self.drift, own.drift)),
            performance=plans.performance_plan(_merged(self.performance, own.performance)),
            traffic=plans.traffic_plan(_merged(self.traffic, own.traffic)),
            retraining=plans.retraining_plan(_merged(self.retraining, own.retraining)),
            incidents=plans.incidents_plan(self.incidents),
        )


def load_settings(file: Path | None = None, **overrides: Mapping[str, Any]) -> Settings:
    """Settings from ``file`` (by default ``driftline.toml``, if it exists) and the environment.

    ``overrides`` are keys by section; they win over file and environment. Raises
    ``InvalidSettings``.
    """
    path = file or Path(FILE)
    if file is not None and not file.is_file():
        raise InvalidSettings(f"the configuration file {str(file)!r} does not exist")
    try:
        settings = _with_overrides(_read(path), overrides)
    except ValidationError as error:
        raise InvalidSettings(_sentence(error, path)) from error
    _ = settings.outage_patience_s
    for model in (None, *settings.models):
        settings.plan(model)
    for model in settings.models:
        settings.segments(model)
    settings.store_keep_ms()
    return settings


def _read(path: Path) -> Settings:
    """Raises ``InvalidSettings``, or ``ValidationError`` for an invalid value."""
    values = read_values(path)
    try:
        return Settings(**values)
    except SettingsError as error:
        section = "".join(re.findall(r'field "(\w+)"', str(error))).upper()
        raise InvalidSettings(
            f"a DRIFTLINE_{section} variable is not valid JSON, which is the format of lists and"
            """ tables in variables; for example DRIFTLINE_API__TOKENS='["…"]'"""
        ) from None


def _with_overrides(settings: Settings, overrides: Mapping[str, Mapping[str, Any]]) -> Settings:
    update = {
        section: _merged(getattr(settings, section), keys) for section, keys in overrides.items()
    }
    return settings.model_copy(update=update)


def _merged(section: S, own: Mapping[str, Any]) -> S:
    """A section with some keys replaced. Raises ``ValidationError``."""
    return type(section).model_validate({**section.model_dump(), **own})


def _sentence(error: ValidationError, file: Path | str = FILE, within: str = "") -> str:
    first = error.errors()[0]
    key = within + ".".join(str(part) for part in first["loc"])
    source = f"(in {file} or a DRIFTLINE_ variable)"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r} {source}: docs/configuration.md lists all settings"
    return f"setting {key!r}: {first['msg'].removeprefix('Value error, ')} {source}"
