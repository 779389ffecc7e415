"""Where a field of a record is found, and how it is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from driftline.configuration.json_path import JsonPath
from driftline.configuration.sections import Section

Constant = str | int | float | bool


def checked_path(text: str) -> str:
    """Raises ``ValueError`` with a sentence."""
    JsonPath.parse(text)
    return text


class FieldSection(Section):
    """Where a value is found: one of `path`, `header`, `key` and `value`; and how it is read."""

    path: str | None = Field(default=None, description="Path in the record, such as `$.user.id`.")
    header: str | None = Field(default=None, description="Name of a header of the record.")
    key: bool = Field(default=False, description="The key of the record, as text.")
    value: Constant | None = Field(
        default=None,
        description="This value. Beside another place: the value where that place is empty.",
    )
    unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None, description="Of a time that is a number: its unit since 1970 UTC."
    )
    timezone: str | None = Field(
        default=None, description="Of a time that is a text without an offset: IANA name."
    )
    scale: float | None = Field(
        default=None, description="A number is multiplied by this; `0.01` for percents."
    )
    values: dict[str, Constant] | None = Field(
        default=None, description="What stands for what: `{ approved = 0, declined = 1 }`."
    )

    @field_validator("path")
    @classmethod
    def _path(cls, text: str | None) -> str | None:
        return text if text is None else checked_path(text)

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str | None) -> str | None:
        try:
            return name if name is None else ZoneInfo(name).key
        except (ValueError, LookupError, OSError):
            raise ValueError(f"{name!r} is no time zone: expected an IANA name") from None

    @model_validator(mode="after")
    def _place(self) -> FieldSection:
        places = [self.path is not None, self.header is not None, self.key]
        if sum(places) > 1 or (not any(places) and self.value is None):
            raise ValueError("expected one of path, header and key, or a value")
        return self

    @property
    def constant(self) -> str | None:
        """The name that the value is in each record; None if it is not the same, or no name."""
        is_place = self.path is not None or self.header is not None or self.key
        is_name = type(self.value) in (str, int) and self.values is None
        return str(self.value) if is_name and not is_place else None

    @property
    def place(self) -> str:
        """As an error names it."""
        if self.path is not None:
            return self.path
        return "the key" if self.key else f"the header {self.header!r}"


def _as_table(given: Any) -> Any:
    return {"path": given} if isinstance(given, str) else given


FieldSpec = Annotated[FieldSection, BeforeValidator(_as_table)]
