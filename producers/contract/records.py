"""Encoding of predictions and labels; profiles are in ``producers.contract.profiles``.

``decode_…`` checks the contract that services must follow. It returns a valid record, or raises an
error with one sentence. Unknown top-level fields are ignored, so that services may add their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from monitor.counts.task import Contract, Field
from monitor.tasks.binary import BINARY
from producers.contract.names import is_name
from producers.contract.profile_index import InvalidProfile
from producers.contract.profiles import ProfileReader, content_hash, encode_profile
from producers.contract.task_fields import expected, label_type, prediction_type

Class = bool | int | float | str
Feature = Class | None

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# Later times are refused: a time plus the length of a window must stay a valid date.
END_MS = (datetime(9999, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
MAX_ID_LENGTH = 200  # characters

_EXPECTED = {
    "schema": "1",
    "id": f"a string of 1 to {MAX_ID_LENGTH} characters",
    "time": "RFC 3339 with an offset, or whole milliseconds since 1970; years 1970 to 9998",
    "model": "1 to 100 letters, digits, '.', '_' or '-'",
    "version": "1 to 100 letters, digits, '.', '_' or '-', as a string",
    "features": "a flat object of numbers, booleans, strings or nulls",
}


class Undecodable(ValueError):
    """The bytes are not JSON. The message says what they are."""


class ContractViolation(ValueError):
    """JSON that violates the contract. The message names the field and what was expected."""


class PredictionRecord(Struct, frozen=True, gc=False):
    """A prediction of a service. ``score`` and ``prediction`` are those of its task, or None."""

    id: str
    time_ms: int
    model: str
    version: str
    features: dict[str, Feature]
    score: float | None = None
    prediction: Class | None = None
    scores: dict[str, float] | None = None  # of each class


class LabelRecord(Struct, frozen=True, gc=False):
    """The label of a prediction, and when it became known."""

    id: str
    time_ms: int
    model: str
    label: Class


class RecordKey(Struct, gc=False):
    """What a record is about; ``version`` is that of a prediction."""

    model: str
    version: str = ""


def key_of(value: bytes | None) -> RecordKey | None:
    """The model and version of a record, for its task. None if it has none that can be read."""
    try:
        return _decode_key(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def decode_prediction(
    value: bytes | None, contract: Contract = BINARY.contract
) -> PredictionRecord:
    """By the contract of its task. Raises ``Undecodable`` or ``ContractViolation``."""
    wire = _decoded(_prediction_decoder(contract), value, contract)
    _check_name("model", wire.model)
    _check_name("version", wire.version)
    return PredictionRecord(
        wire.id,
        _since_epoch_ms(wire.time),
        wire.model,
        wire.version,
        wire.features,
        _rounded(contract.score, wire.score),
        None if contract.prediction is None else wire.prediction,
        None if contract.scores is None else wire.scores,
    )


def decode_label(value: bytes | None, contract: Contract = BINARY.contract) -> LabelRecord:
    """By the contract of its task. Raises ``Undecodable`` or ``ContractViolation``."""
    wire = _decoded(_label_decoder(contract), value, contract)
    _check_name("model", wire.model)
    return LabelRecord(wire.id, _since_epoch_ms(wire.time), wire.model, wire.label)


def _rounded(field: Field | None, sent: float | None) -> float | None:
    if field is None or sent is None or not field.rounding:
        return None if field is None else sent
    return min(max(sent, field.low), field.high)


def encode_prediction(record: PredictionRecord) -> bytes:
    """The inverse of ``decode_prediction``. NaN and infinity become null, as JSON has neither."""
    return _encode(
        EncodedPrediction(
            id=record.id,
            time=EPOCH + record.time_ms * MILLISECOND,
            model=record.model,
            version=record.version,
            features=record.features,
            score=UNSET if record.score is None else record.score,
            prediction=record.prediction,
            scores=UNSET if record.scores is None else record.scores,
        )
    )


def encode_label(record: LabelRecord) -> bytes:
    """The inverse of ``decode_label``."""
    at = EPOCH + record.time_ms * MILLISECOND
    return _encode(EncodedLabel(id=record.id, time=at, model=record.model, label=record.label))


_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_Time = Annotated[datetime, Meta(tz=True)] | int


class PredictionFields(Struct, kw_only=True, gc=False):
    """A prediction as JSON. Subclasses add the fields of the task, and may narrow ``features``."""

    schema: Literal[1] = 1
    id: _Id
    time: _Time
    model: str
    version: str
    features: dict[str, Feature]


class EncodedPrediction(PredictionFields, kw_only=True, gc=False):
    score: float | UnsetType
    prediction: Class | None
    scores: dict[str, float] | UnsetType


class LabelFields(Struct, kw_only=True, gc=False):
    """A label as JSON. Subclasses add the label."""

    schema: Literal[1] = 1
    id: _Id
    time: _Time
    model: str


class EncodedLabel(LabelFields, kw_only=True, gc=False):
    label: Class


_decode_key = msgspec.json.Decoder(RecordKey).decode
_encode = msgspec.json.Encoder().encode


@cache
def _prediction_decoder(contract: Contract) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(prediction_type(PredictionFields, contract)).decode


@cache
def _label_decoder(contract: Contract) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(label_type(LabelFields, contract)).decode


def _decoded(decode: Callable[[bytes], Any], value: bytes | None, contract: Contract) -> Any:
    try:
        return decoded_json(decode, value)
    except msgspec.ValidationError as error:
        raise ContractViolation(_sentence(str(error), contract)) from None


def decoded_json(decode: Callable[[bytes], Any], value: bytes | None) -> Any:
    """By ``decode``. Raises ``Undecodable``, or ``msgspec.ValidationError`` as it is."""
    if value is None:
        raise Undecodable("a tombstone: the record has no value")
    try:
        return decode(value)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise Undecodable(f"not JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    except UnicodeDecodeError:
        raise Undecodable("not UTF-8, which JSON must be") from None
    except RecursionError:
        raise Undecodable("not a record: nested too deeply to read") from None


def _since_epoch_ms(time: datetime | int) -> int:
    ms = time if isinstance(time, int) else (time - EPOCH) // MILLISECOND
    if 0 <= ms < END_MS:
        return ms
    raise ContractViolation(f"'time' is out of range: expected {_EXPECTED['time']}")


def _check_name(field: str, text: str) -> None:
    if not is_name(text):
        raise ContractViolation(f"'{field}' is not a name: expected {_EXPECTED[field]}")


_KINDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number with a fraction",
    "bool": "a boolean",
    "null": "null",
    "array": "an array",
    "object": "an object",
}


def _sentence(message: str, contract: Contract) -> str:
    """The message of msgspec, ``Expected `float`, got `str` - at `$.score```, as one of ours."""
    must = {**_EXPECTED, **expected(contract)}
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return f"'{missing[1]}' is missing: expected {must[missing[1]]}"
    if at := re.fullmatch(r"(.*) - at `\$\.(\w+)(.*)`", message):
        inside = "a value of " if at[3] else ""
        return f"{inside}'{at[2]}' is wrong{_got(at[1])}: expected {must[at[2]]}"
    return f"not a record{_got(message)}: expected a JSON object"


def _got(message: str) -> str:
    """What was found, if it is of another kind than what was expected."""
    got = re.search(r"got `(\w+)`", message)
    return f" ({_KINDS[got[1]]})" if got and got[1] in _KINDS else ""


__all__ = [
    "ContractViolation",
    "Feature",
    "InvalidProfile",
    "LabelFields",
    "LabelRecord",
    "PredictionFields",
    "PredictionRecord",
    "ProfileReader",
    "Undecodable",
    "content_hash",
    "decode_label",
    "decode_prediction",
    "decoded_json",
    "encode_label",
    "encode_prediction",
    "encode_profile",
    "is_name",
]
