"""The sections of ``driftline.toml``: keys, defaults and descriptions.

``docs/configuration.md`` is generated from them (``scripts/configuration_reference.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from driftline.configuration.secrets import Secret
from driftline.configuration.tokens import ApiToken
from driftline.configuration.toml_file import with_dotted_keys


class Section(BaseModel):
    # Errors name the key, not the value, because the value may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KafkaSection(Section):
    """The Kafka cluster and the connection to it."""

    bootstrap_servers: str = Field(
        default="localhost:9092", description="Addresses of brokers, separated by commas."
    )
    prefix: str = Field(
        default="driftline",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="Prefix of all topic names.",
    )
    commit_interval: str = Field(
        default="1s",
        description="Longest time between two transactions. Results are visible only after a"
        " commit, so latency is at least this long.",
    )
    outage_patience: str = Field(
        default="10m",
        description="How long a process waits for Kafka, the database or room on the disk before it"
        " ends with an error.",
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="Protocol of the consumer groups; `consumer` is that of KIP-848, for which the"
        " broker decides about sessions and assignments (Kafka 4 or later).",
    )
    oauth_cb: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description="`module:function` that returns a token for OAUTHBEARER; see `deployment.md`.",
    )
    client: Annotated[dict[str, Secret], BeforeValidator(with_dotted_keys)] = Field(
        default_factory=dict,
        repr=False,
        description="Any properties of librdkafka, as text: security.protocol, sasl.*, ssl.*, …",
    )


class WindowsSection(Section):
    """How event time is divided into windows."""

    pane: str = Field(
        default="1h", description="Length of a pane. Windows are made of whole panes."
    )
    length: str = Field(
        default="1d", description="Length of the windows in reports and on the dashboard."
    )
    slide: str | None = Field(
        default=None, description="Time between the starts of two windows; by default `length`."
    )
    longest: str = Field(
        default="14d",
        description="Longest scale of the drift tests, which use windows of 1, 2, 4, … panes.",
    )


class TimeSection(Section):
    """How long to wait for rows and labels.

    Event time, which each model version has for itself, except for `idle_after`.
    """

    lateness: str = Field(
        default="5m",
        description="A row is on time if it is at most this far behind the newest row of its model"
        " version in its partition.",
    )
    accept_late: str = Field(
        default="7d",
        description="Later rows, up to this far behind, amend windows. Rows later than that are"
        " only counted.",
    )
    idle_after: str = Field(
        default="30s",
        description="A partition without rows of a model version for this long (the broker's"
        " clock) no longer holds back the version's event time; `off`: it always does.",
    )
    label_horizon: str = Field(
        default="7d",
        description="A label is joined if it comes at most this long after its prediction.",
    )
    label_wait: str | None = Field(
        default=None,
        description="Time after the end of a window at which its performance becomes final; by"
        " default learned from the reference.",
    )
    max_clock_skew: str = Field(
        default="10m",
        description="A row may be at most this far ahead of the broker's clock, and moves event"
        " time to the broker's clock at most; `off`: ten years, for replays of the future.",
    )
    retire_after: str = Field(
        default="14d",
        description="A version that is not live any more is retired after this long without rows"
        " (the broker's clock); `off`: never.",
    )
    earliest: str = Field(
        default="2000-01-01",
        description="Rows and labels with an earlier time (UTC) are not plausible: they become dead"
        " letters (`implausible_time`), and a file with such a row is refused. Times in seconds and"
        " clocks that were not set look like this.",
    )


class FalseAlarms(Section):
    """The budget: how many false alarms a model may raise in how much event time."""

    warning: str = Field(default="1 per 7d", description="Accepted false alarms per model.")
    critical: str = Field(
        default="1 per 30d", description="Accepted critical false alarms per model."
    )


class DriftSection(Section):
    """When a distribution has drifted."""

    p_value_threshold: float = Field(
        default=0.05,
        description="Features with a p-value up to this are marked in tables. It opens no"
        " incident.",
    )
    min_effect: float = Field(
        default=0.0, description="A KS distance below this opens no incident."
    )
    critical_effect: float = Field(
        default=0.1, description="Smallest KS distance of a critical incident."
    )
    false_alarms: FalseAlarms = Field(default_factory=FalseAlarms)


class PerformanceSection(Section):
    """When a metric has degraded."""

    degradation_threshold: float = Field(
        default=0.90,
        description="A metric is degraded if it is below this proportion of its baseline.",
    )


class TrafficSection(Section):
    """When the number of rows is an incident."""

    watch: bool = Field(
        default=True,
        description="Whether traffic is watched. Turn it off if rows come irregularly by nature.",
    )
    none_after: str | None = Field(
        default=None,
        description="No rows for this much event time open an incident, in whole panes, at most"
        " `windows.longest`; by default"
        " twice the longest gap of the reference, and two panes more.",
    )


class RetrainingSection(Section):
    """When retraining is recommended."""

    critical_alert_threshold: int = Field(
        default=1,
        description="Critical incidents that are needed; grouped subjects count as one.",
    )
    lookback: str = Field(
        default="24h", description="They must have been open within this much event time."
    )
    min_labels: int = Field(default=1000, description="Fresh labels that are needed.")
    cooldown: str = Field(
        default="7d",
        description="Without effect: nothing tells Driftline of a retraining. Files that have it"
        " can still be read.",
    )


class IncidentsSection(Section):
    """When incidents are repeated, resolved and opened again."""

    repeat_after: str = Field(
        default="7d",
        description="An open incident that has become worse by a quarter, or that concerns more"
        " subjects, is published again after this event time.",
    )
    resolve_after: int = Field(
        default=2,
        description="Consecutive windows that resolve an incident: of the length of the shortest"
        " window that found it, and far from every limit.",
    )
    reopen_within: str = Field(
        default="7d",
        description="Drift of the same subject within this event time after the end of an"
        " incident opens the same incident again.",
    )


class TopicsSection(Section):
    """The topics that `driftline topics create` creates."""

    partitions: int = Field(default=4, ge=1, description="Number of partitions of a topic.")
    replication: int = Field(default=1, ge=1, description="Replication factor.")


class StateSection(Section):
    """Files on the local disk."""

    directory: Path = Field(
        default=Path(".driftline"),
        description="Directory of the roles' caches and of the models that `train` saves.",
    )


class StoreSection(Section):
    """The database of findings."""

    url: Secret = Field(
        default="sqlite:///driftline.db",
        repr=False,
        description="`sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.",
    )
    keep: str = Field(
        default="365d",
        description="Windows, resolved incidents and decisions that are older than this are"
        " deleted, counted in event time from the newest window of the version; `off`: never.",
    )


class ApiSection(Section):
    """The address of the REST API and the access to it."""

    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the API listens on.")
    tokens: list[ApiToken] = Field(
        default_factory=list,
        description="Bearer tokens; a request must carry one of them. Each is a hash with its"
        " scopes, as `driftline token` prints it, or the token itself, which has all scopes."
        " Without tokens the API listens on loopback addresses only, and the `Host` header of a"
        " request has to be `localhost`, a loopback address or `host`.",
    )
    requests_per_minute: int = Field(
        default=6_000,
        ge=1,
        description="Requests that each token may send; more are answered with 429.",
    )
    max_streams: int = Field(
        default=100,
        ge=1,
        description="Streams of `/events` that are open at once; more are answered with 503.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="File of the certificate with its chain, PEM. With it the API speaks HTTPS"
        " only (TLS 1.2 and later).",
    )
    tls_key: Path | None = Field(
        default=None, description="File of the private key of the certificate, PEM, unencrypted."
    )
    cors_origins: list[str] = Field(
        default_factory=list,
        description="Origins whose web pages may read the API from a browser, such as"
        " `https://portal.example.com`; `*`: all.",
    )

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are set together, or neither")
        return self
