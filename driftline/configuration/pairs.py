"""How requests and responses that are records of their own are joined."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from driftline.configuration.fields import FieldSpec
from driftline.configuration.sections import Section
from monitor.plan import InvalidPlan, duration_ms

SIDES = ("request", "response")
TOPIC_NAME = r"^[A-Za-z0-9._-]{1,249}$"


class PairSection(Section):
    """Requests and responses that are records of their own, joined by their id by the role
    `pair`. Both are decoded alike, by `format`.

    Which of the two a record is: with `responses` its topic says it, with `kind` a field. Without
    both it is what it has, the inputs or the outputs of `kserve-v2` or `mlflow`.
    """

    id: FieldSpec = Field(description="Id that a request and its response have in common.")
    kind: FieldSpec | None = Field(
        default=None,
        description="`request` or `response`, by `values`. Records of another kind are left out.",
    )
    responses: str | None = Field(
        default=None,
        pattern=TOPIC_NAME,
        description="Topic of the responses, if `topic` has the requests alone.",
    )
    horizon: str = Field(
        default="1h",
        description="How long a half waits for the other one. After that it becomes a dead letter,"
        " `unpaired`.",
    )

    @field_validator("horizon")
    @classmethod
    def _horizon(cls, text: str) -> str:
        try:
            if duration_ms(text) > 0:
                return text
        except InvalidPlan as error:
            raise ValueError(str(error)) from None
        raise ValueError(f"{text!r} is no time to wait: expected a duration above zero")

    @model_validator(mode="after")
    def _one_rule(self) -> PairSection:
        if self.kind is not None and self.responses is not None:
            raise ValueError(
                "expected kind or responses, not both: the topic says what a record is"
            )
        return self

    @property
    def horizon_ms(self) -> int:
        return duration_ms(self.horizon)
