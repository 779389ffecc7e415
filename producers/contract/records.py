"""Encoding of predictions and labels; profiles are in ``producers.contract.profiles``.

``decode_…`` checks the contract that services must follow. It returns a valid record, or raises an
error with one sentence. Unknown top-level fields are ignored, so that services may add their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from monitor.counts.task import BINARY, ROUNDING
from producers.contract.names import is_name
from producers.contract.profile_index import InvalidProfile
from producers.contract.profiles import ProfileReader, content_hash, encode_profile

Feature = bool | int | float | str | None
T = TypeVar("T")

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
    "score": BINARY.expected_score,
    "prediction": f"{BINARY.expected_class.replace(' or ', ', ')} or null",
    "label": BINARY.expected_class,
}


class Undecodable(ValueError):
    """The bytes are not JSON. The message says what they are."""


class ContractViolation(ValueError):
    """JSON that violates the contract. The message names the field and what was expected."""


class PredictionRecord(Struct, frozen=True, gc=False):
    """A prediction of a service."""

    id: str
    time_ms: int
    model: str
    version: str
    features: dict[str, Feature]
    score: float
    prediction: int | None = None


class LabelRecord(Struct, frozen=True, gc=False):
    """The label of a prediction, and when it became known."""

    id: str
    time_ms: int
    model: str
    label: int


def decode_prediction(value: bytes | None) -> PredictionRecord:
    """Raises ``Undecodable`` or ``ContractViolation``."""
    wire = _decoded(_decode_prediction, value)
    _check_name("model", wire.model)
    _check_name("version", wire.version)
    return PredictionRecord(
        wire.id,
        _since_epoch_ms(wire.time),
        wire.model,
        wire.version,
        wire.features,
        min(max(wire.score, BINARY.score_low), BINARY.score_high),
        wire.prediction,
    )


def decode_label(value: bytes | None) -> LabelRecord:
    """Raises ``Undecodable`` or ``ContractViolation``."""
    wire = _decoded(_decode_label, value)
    _check_name("model", wire.model)
    return LabelRecord(wire.id, _since_epoch_ms(wire.time), wire.model, wire.label)


def encode_prediction(record: PredictionRecord) -> bytes:
    """The inverse of ``decode_prediction``. NaN and infinity become null, as JSON has neither."""
    return _encode(
        PredictionFields(
            id=record.id,
            time=EPOCH + record.time_ms * MILLISECOND,
            model=record.model,
            version=record.version,
            features=record.features,
            score=record.score,
            prediction=record.prediction,
        )
    )


def encode_label(record: LabelRecord) -> bytes:
    """The inverse of ``decode_label``."""
    at = EPOCH + record.time_ms * MILLISECOND
    return _encode(LabelFields(id=record.id, time=at, model=record.model, label=record.label))


_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
# A record is decoded before its model is known; there is one task so far.
_Class = Annotated[int, Meta(ge=0, le=BINARY.classes - 1)]
_Score = Annotated[float, Meta(ge=BINARY.score_low - ROUNDING, le=BINARY.score_high + ROUNDING)]
_Time = Annotated[datetime, Meta(tz=True)] | int


class PredictionFields(Struct, kw_only=True, gc=False):
    """A prediction as JSON. A subclass may narrow ``features``."""

    schema: Literal[1] = 1
    id: _Id
    time: _Time
    model: str
    version: str
    features: dict[str, Feature]
    score: _Score
    prediction: _Class | None = None


class LabelFields(Struct, kw_only=True, gc=False):
    """A label as JSON."""

    schema: Literal[1] = 1
    id: _Id
    time: _Time
    model: str
    label: _Class


_decode_prediction = msgspec.json.Decoder(PredictionFields).decode
_decode_label = msgspec.json.Decoder(LabelFields).decode
_encode = msgspec.json.Encoder().encode


def _decoded(decode: Callable[[bytes], T], value: bytes | None) -> T:
    if value is None:
        raise Undecodable("a tombstone: the record has no value")
    try:
        return decode(value)
    except msgspec.ValidationError as error:
        raise ContractViolation(_sentence(str(error))) from None
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


def _sentence(message: str) -> str:
    """The message of msgspec, ``Expected `float`, got `str` - at `$.score```, as one of ours."""
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return f"'{missing[1]}' is missing: expected {_EXPECTED[missing[1]]}"
    if at := re.fullmatch(r"(.*) - at `\$\.(\w+)(.*)`", message):
        inside = "a value of " if at[3] else ""
        return f"{inside}'{at[2]}' is wrong ({at[1]}): expected {_EXPECTED[at[2]]}"
    return f"not a record ({message}): expected a JSON object"


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
    "encode_label",
    "encode_prediction",
    "encode_profile",
    "is_name",
]
