"""The fields of records that a task decides, as types of msgspec: score, prediction and label."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from monitor.counts.task import Contract, Field

NOT_READ = Field("any value", required=False)


def expected(contract: Contract) -> Mapping[str, str]:
    """What each field must hold, in words."""
    fields = {"score": contract.score, "prediction": contract.prediction, "label": contract.label}
    return {name: (field or NOT_READ).expected for name, field in fields.items()}


@cache
def prediction_type(base: type[Any], contract: Contract) -> type[Any]:
    """A struct like ``base`` with the fields ``score`` and ``prediction`` of a contract."""
    fields = [_defined("score", contract.score), _defined("prediction", contract.prediction)]
    return msgspec.defstruct(
        f"Task{base.__name__}", fields, bases=(base,), kw_only=True, gc=False, module=__name__
    )


@cache
def label_type(base: type[Any], contract: Contract) -> type[Any]:
    """A struct like ``base`` with the field ``label`` of a contract."""
    fields = [_defined("label", contract.label)]
    return msgspec.defstruct(
        f"Task{base.__name__}", fields, bases=(base,), kw_only=True, gc=False, module=__name__
    )


def _defined(name: str, field: Field | None) -> tuple[str, Any, Any]:
    """A definition for ``msgspec.defstruct``."""
    if field is None:
        return name, Any, msgspec.field(default=None)
    kind: Any = int if field.whole else float
    low, high = (_limit(field, limit) for limit in field.limits)
    kind = Annotated[kind, Meta(ge=low, le=high)]
    if field.required:
        return name, kind, msgspec.field()
    return name, kind | None, msgspec.field(default=None)


def _limit(field: Field, limit: float) -> float | int | None:
    if abs(limit) == float("inf"):
        return None
    return int(limit) if field.whole else limit
