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
    fields = {
        "score": contract.score,
        "prediction": contract.prediction,
        "scores": contract.scores,
        "label": contract.label,
    }
    return {name: (field or NOT_READ).expected for name, field in fields.items()}


@cache
def prediction_type(base: type[Any], contract: Contract) -> type[Any]:
    """A struct like ``base`` with the fields of a contract: score, prediction and scores."""
    fields = [_defined("score", contract.score), _defined("prediction", contract.prediction)]
    fields.append(_of_classes("scores", contract.scores))
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


def _of_classes(name: str, field: Field | None) -> tuple[str, Any, Any]:
    """A number for each class, or nothing."""
    kind: Any = Any if field is None else dict[str, _kind(field)] | None  # type: ignore[misc]
    return name, kind, msgspec.field(default=None)


def _defined(name: str, field: Field | None) -> tuple[str, Any, Any]:
    """A definition for ``msgspec.defstruct``."""
    if field is None:
        return name, Any, msgspec.field(default=None)
    kind = _kind(field)
    if field.required:
        return name, kind, msgspec.field()
    return name, kind | None, msgspec.field(default=None)


def _kind(field: Field) -> Any:
    if field.names:
        return str | int | float | bool
    kind: Any = int if field.whole else float
    low, high = (_limit(field, limit) for limit in field.limits)
    return Annotated[kind, Meta(ge=low, le=high)]


def _limit(field: Field, limit: float) -> float | int | None:
    if abs(limit) == float("inf"):
        return None
    return int(limit) if field.whole else limit
