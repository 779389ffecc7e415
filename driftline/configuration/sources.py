"""The tables ``[[sources]]``: topics of other services, and how their records are mapped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from driftline.configuration.fields import Constant, FieldSection, FieldSpec, checked_path
from driftline.configuration.json_path import JsonPath
from driftline.configuration.pairs import TOPIC_NAME, PairSection
from driftline.configuration.sections import Section
from monitor.plan import InvalidPlan, duration_ms

INFERENCE_LOGS = ("kserve-v2", "mlflow")  # envelopes that hold rows
WITH_REGISTRY = ("avro", "protobuf")  # formats that cannot be read without their schemas
MOST_COLLECTED = 1_000_000  # rows: they are in memory until the version is registered


class SourceSection(Section):
    """A topic of another service. The role `ingest` writes its records to `predictions` and
    `labels`.

    A field is a path such as `"$.user.id"`, or a table with these keys: `path`, `header` (a name),
    `key` (`true`: the key of the record) or `value` (a constant, or what stands for an absent
    value); `unit` (`s`, `ms`, `us`, `ns`) or `timezone` of a time; `scale` of a number; `values`,
    which maps texts. `$` is the record, `@` a row of it.
    """

    topic: str = Field(pattern=TOPIC_NAME, description="Name of the topic.")
    format: Literal["json", "avro", "protobuf", "json-schema"] = Field(
        default="json",
        description="How records are encoded. All but `json` begin with the id of a schema, or have"
        " it in a header; see `[schema_registry]`.",
    )
    envelope: Literal["cloudevents", "kserve-v2", "mlflow"] | None = Field(
        default=None,
        description="`cloudevents`: the record is an event, in structured or in binary mode; its"
        " attributes are `$.id`, `$.time`, `$.type`, …, its payload `$.data`. `kserve-v2`,"
        " `mlflow`: a log with request and response, whose rows have `@.inputs` and `@.outputs`.",
    )
    pair: PairSection | None = Field(
        default=None,
        description="Requests and responses are records of their own, joined by their id: see"
        " `[sources.pair]`. The record that is mapped has both, in `$.request` and `$.response`.",
    )
    where: dict[str, list[Constant]] = Field(
        default_factory=dict,
        description="Only records that have one of these values at each of these paths.",
    )
    rows: str | None = Field(
        default=None, description="Path of an array in the record; each element is a row."
    )
    since: str | None = Field(
        default=None,
        description="Rows of an earlier time are left out: RFC 3339. For a topic that is older than"
        " the reference.",
    )
    collect: int | str | None = Field(
        default=None,
        description="Of predictions whose version is not registered: build its reference from the"
        " next rows, so many, or those of a time such as `14d`. Until it is registered, `ingest`"
        " does not read the topic. `attach --next` writes it. `model` and `version` have"
        " to be constants.",
    )
    id: FieldSpec | None = Field(
        default=None, description="Id of a row; by default its topic, partition, offset and row."
    )
    time: FieldSpec | None = Field(
        default=None,
        description="Time of the prediction or label; by default the timestamp of the record.",
    )
    model: FieldSpec = Field(description="Name of the model.")
    version: FieldSpec = Field(default=FieldSection(value="1"), description="Version of the model.")
    features: str | list[str] | dict[str, str] | None = Field(
        default=None,
        description="Path of an object, whose inner objects and arrays are flattened with `.`; or"
        " a list of paths, each named by its last step; or a table of names and paths. Records"
        " with it are predictions.",
    )
    exclude: list[str] = Field(default_factory=list, description="Features to leave out.")
    score: FieldSpec | None = Field(default=None, description="Score of a prediction.")
    prediction: FieldSpec | None = Field(default=None, description="Prediction.")
    scores: FieldSpec | None = Field(
        default=None,
        description="Object with the probability of each class, of a model with several classes.",
    )
    label: FieldSpec | None = Field(
        default=None,
        description="Label. Without `features` every record is a label, beside them each record"
        " that has one is also a label.",
    )
    label_time: FieldSpec | None = Field(
        default=None, description="When the label became known; by default `time`."
    )

    @field_validator("where")
    @classmethod
    def _where(cls, where: dict[str, Any]) -> dict[str, Any]:
        return {checked_path(path): values for path, values in where.items()}

    @field_validator("rows")
    @classmethod
    def _rows(cls, path: str | None) -> str | None:
        return path if path is None else checked_path(path)

    @field_validator("since")
    @classmethod
    def _since(cls, text: str | None) -> str | None:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"{text!r} has no offset from UTC: expected RFC 3339")
        return text

    @field_validator("collect")
    @classmethod
    def _collect(cls, given: int | str | None) -> int | str | None:
        return given if given is None else checked_amount(given)

    @field_validator("features")
    @classmethod
    def _features(cls, given: Any) -> Any:
        for path in _paths(given):
            checked_path(path)
        if isinstance(given, list) and len({last_step(path) for path in given}) < len(given):
            raise ValueError("two paths have the same last step: use a table of names and paths")
        return given

    @model_validator(mode="after")
    def _purpose(self) -> SourceSection:
        if self.features is None and self.label is None:
            raise ValueError("expected features, for predictions, or a label")
        if self.label is not None and self.id is None:
            raise ValueError("expected an id: a label needs that of its prediction")
        if self.collect is not None and self.version_key is None:
            raise ValueError("collect expects features, and a model and a version by value")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> SourceSection:
        pair = self.pair
        if pair is not None and self.collect is not None:
            raise ValueError("collect cannot be used with pair: register the reference from a file")
        known = pair is None or pair.kind is not None or pair.responses is not None
        if not known and self.envelope not in INFERENCE_LOGS:
            raise ValueError(
                "expected pair.kind or pair.responses: they tell requests and responses apart"
            )
        return self

    @property
    def topics(self) -> tuple[str, ...]:
        """All that it reads."""
        responses = None if self.pair is None else self.pair.responses
        return (self.topic,) if responses is None else (self.topic, responses)

    @property
    def version_key(self) -> tuple[str, str] | None:
        """Model and version of the predictions, if all of them have the same."""
        model, version = self.model.constant, self.version.constant
        if self.features is None or model is None or version is None:
            return None
        return model, version


def checked_amount(given: int | str) -> int | str:
    """A number of rows, or a duration. Raises ``InvalidPlan``, which is a ``ValueError``."""
    if isinstance(given, str):
        if duration_ms(given) <= 0:
            raise InvalidPlan(f"{given!r} is no time: write it like '14d'")
    elif not 1 <= given <= MOST_COLLECTED:
        raise InvalidPlan(f"{given:,} rows: expected 1 to {MOST_COLLECTED:,}")
    return given


def require_one_amount(sources: Iterable[SourceSection]) -> None:
    """Raises ``ValueError`` if tables of one version differ in ``collect``."""
    amounts: dict[tuple[str, str], int | str | None] = {}
    for source in sources:
        if (key := source.version_key) is None:
            continue
        if amounts.setdefault(key, source.collect) != source.collect:
            raise ValueError(f"the sources of {'/'.join(key)} differ in collect: expected the same")


def last_step(path: str) -> str:
    """The name of the feature at a path of a list."""
    steps = JsonPath.parse(path).steps
    return str(steps[-1]) if steps else path


def _paths(features: str | list[str] | dict[str, str] | None) -> Iterable[str]:
    if features is None:
        return ()
    if isinstance(features, str):
        return (features,)
    return features.values() if isinstance(features, dict) else features
