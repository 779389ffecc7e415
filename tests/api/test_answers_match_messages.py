"""The fields of messages are in the answers of the API with compatible types."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Struct, UnsetType
from pydantic import BaseModel

from api.answers import Collecting, Health, Incident, Retraining, WindowItem
from api.answers.health import Worker
from consumers.messages.alerts import AlertMessage, IncidentData
from consumers.messages.decisions import RetrainingDecision
from consumers.messages.heartbeats import CollectingVersion, HeartbeatMessage
from consumers.messages.windows import WindowMessage

PAIRS = [
    (WindowMessage, WindowItem),
    (AlertMessage, Incident),
    (IncidentData, Incident),
    (RetrainingDecision, Retraining),
    (HeartbeatMessage, Worker),
    (CollectingVersion, Collecting),
]
RENAMED = {
    "IncidentData.incident": "id",
    "AlertMessage.time": "updated_at",
    "HeartbeatMessage.at": "heartbeat_at",
}
EXCEPTIONS = {
    "WindowMessage.schema": "the OpenAPI document has a version of its own",
    "WindowMessage.revision": "in `window`",
    "WindowMessage.start": "in `window`",
    "WindowMessage.end": "in `window`",
    "AlertMessage.specversion": "in `transitions` of the history, which holds the whole event",
    "AlertMessage.id": "in `transitions`; the id of an incident is another one",
    "AlertMessage.type": "in `transitions`",
    "AlertMessage.source": "in `transitions`; the answer has the model",
    "AlertMessage.datacontenttype": "in `transitions`",
    "AlertMessage.data": "its fields are those of the incident: see IncidentData",
    "IncidentData.schema": "the OpenAPI document has a version of its own",
    "IncidentData.version_info": "in `transitions`; the fields of a model have the newest",
    "IncidentData.version_state": "in `transitions`; the state of a model is the newest",
    "RetrainingDecision.schema": "the OpenAPI document has a version of its own",
    "HeartbeatMessage.schema": "the OpenAPI document has a version of its own",
    "HeartbeatMessage.collecting": "in `collecting` of the health of all workers",
}


def differences(
    message: type[Struct], answer: type[BaseModel], exceptions: Mapping[str, str] = EXCEPTIONS
) -> Iterator[str]:
    hints = get_type_hints(message)
    for field in msgspec.structs.fields(message):
        name = f"{message.__name__}.{field.name}"
        if name in exceptions:
            continue
        counterpart = answer.model_fields.get(RENAMED.get(name, field.name))
        if counterpart is None:
            yield f"{name} is not in {answer.__name__}"
            continue
        alternatives = set(parts(hints[field.name]))
        if UnsetType in alternatives and counterpart.is_required():
            yield f"{name} may be absent, and {answer.__name__} requires it"
        for alternative in alternatives - {UnsetType}:
            yield from refusals(name, alternative, list(parts(counterpart.annotation)))


def parts(hint: Any) -> Iterator[Any]:
    """The alternatives of a type; without the constraints of ``Annotated``."""
    if get_origin(hint) is Annotated:
        yield from parts(get_args(hint)[0])
    elif get_origin(hint) in (Union, types.UnionType):
        for alternative in get_args(hint):
            yield from parts(alternative)
    else:
        yield hint


def refusals(name: str, written: Any, accepted: list[Any]) -> Iterator[str]:
    """Nothing if one of the ``accepted`` types takes what is ``written``."""
    found = [list(mismatches(name, written, one)) for one in accepted]
    if [] not in found:
        yield from min(found, key=len)


def mismatches(name: str, written: Any, accepted: Any) -> Iterator[str]:
    kinds = kind(written), kind(accepted)
    if accepted is Any or kinds == ("integer", "number"):
        return
    if kinds[0] != kinds[1]:
        yield f"{name}: {kinds[0]} is written, {kinds[1]} is accepted"
    elif is_a(written, Struct) and is_a(accepted, BaseModel):
        yield from differences(written, accepted)
    elif get_args(written) and get_args(accepted) and get_origin(written) is not Literal:
        for inside in parts(get_args(written)[-1]):
            yield from refusals(f"{name}[]", inside, list(parts(get_args(accepted)[-1])))


def is_a(hint: Any, base: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, base)


def kind(hint: Any) -> str:
    """The JSON type."""
    if get_origin(hint) is Literal:
        return kind(type(get_args(hint)[0]))
    origin = get_origin(hint) or hint
    if origin is type(None):
        return "null"
    for name, bases in {
        "boolean": (bool,),
        "integer": (int,),
        "number": (float,),
        "string": (str, datetime, Enum),
        "array": (list, tuple),
        "object": (dict, Mapping, Struct, BaseModel),
    }.items():
        if any(is_a(origin, base) for base in bases):
            return name
    return str(origin)


@pytest.mark.parametrize(("message", "answer"), PAIRS)
def test_every_field_of_a_message_is_in_the_answer_with_a_compatible_type(message, answer):
    assert list(differences(message, answer)) == []


def test_every_exception_names_a_field_that_exists():
    messages = {message.__name__: message for message, _ in PAIRS}
    for name in (*EXCEPTIONS, *RENAMED):
        message, _, field = name.partition(".")
        assert field in messages[message].__struct_fields__, name


class Written(Struct):
    """A message that an answer may fail to match in every way."""

    number: float
    maybe: int | None
    items: list[float | None]
    extra: str
    absent: int | UnsetType = msgspec.UNSET


class Answered(BaseModel):
    number: int
    maybe: int
    items: list[float]
    absent: int


def test_a_field_that_is_missing_or_has_another_type_is_found():
    assert list(differences(Written, Answered)) == [
        "Written.number: number is written, integer is accepted",
        "Written.maybe: null is written, integer is accepted",
        "Written.items[]: null is written, number is accepted",
        "Written.extra is not in Answered",
        "Written.absent may be absent, and Answered requires it",
    ]


def test_health_lists_its_workers():
    assert get_args(Health.model_fields["roles"].annotation) == (Worker,)
