"""Predictions and labels as Driftline accepts them, checked where they are made."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from driftline_client.times import Time, rfc3339

MAX_ID_LENGTH = 200  # characters
ROUNDING = 1e-4  # a score so little outside of 0 to 1 is accepted
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One prediction. Raises ``ValueError`` with what was expected.

    ``score`` is the probability of the positive class, of a classifier of two. ``prediction`` is
    the predicted number of a regression or the class, ``scores`` the probability of each class.
    Numbers of NumPy are accepted. A feature that is None, NaN or infinite is missing.
    """

    model: str
    version: str
    id: str  # unique within the version; the label has the same
    features: Mapping[str, Any]
    score: float | None = None
    prediction: bool | float | str | None = None
    scores: Mapping[str, float] | None = None
    time: Time = field(default_factory=_now)

    value: bytes = field(init=False, repr=False)  # of its Kafka message

    topic: ClassVar[str] = "predictions"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self._encoded())

    def _encoded(self) -> bytes:
        features = {
            _text(name, "a name of a feature"): value for name, value in self.features.items()
        }
        outputs = {
            "score": None if self.score is None else _probability(self.score),
            "prediction": _class(self.prediction),
            "scores": self.scores
            and {_text(name, "a class"): _probability(p) for name, p in self.scores.items()},
        }
        return _json(
            **_head(self),
            version=_name("version", self.version),
            features={name: _feature(name, value) for name, value in features.items()},
            **{name: value for name, value in outputs.items() if value is not None},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The outcome of an earlier prediction. Raises ``ValueError`` with what was expected.

    ``time`` is when it became known.
    """

    model: str
    id: str  # of the prediction
    label: bool | float | str
    time: Time = field(default_factory=_now)

    value: bytes = field(init=False, repr=False)  # of its Kafka message

    topic: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self._encoded())

    def _encoded(self) -> bytes:
        label = _class(self.label)
        if label is None:
            raise ValueError("label is None: expected 0, 1, a number or a class")
        return _json(**_head(self), label=label)


Record = Prediction | Label


def _head(record: Record) -> dict[str, Any]:
    if not 1 <= len(_text(record.id, "id")) <= MAX_ID_LENGTH:
        raise ValueError(f"id {record.id!r}: expected 1 to {MAX_ID_LENGTH} characters")
    time = rfc3339(record.time)
    if not "1970" <= time < "9999":
        raise ValueError(f"time {time}: expected one of the years 1970 to 9998")
    return {"schema": 1, "id": record.id, "time": time, "model": _name("model", record.model)}


def _name(what: str, name: str) -> str:
    if _NAME.fullmatch(_text(name, what)) is None:
        raise ValueError(f"{what} {name!r}: expected 1 to 100 letters, digits, '.', '_' or '-'")
    return name


def _text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{what} {text!r}: expected a text")
    return text


def _feature(name: str, value: Any) -> bool | float | str | None:
    try:
        return _missing_if_not_finite(_plain(value))
    except TypeError:
        raise ValueError(
            f"feature {name!r} is of {type(value).__name__}: expected a number, a boolean, a text"
            " or None"
        ) from None


def _missing_if_not_finite(value: bool | float | str | None) -> bool | float | str | None:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _class(value: Any) -> bool | float | str | None:
    """Of a label or a prediction."""
    try:
        plain = _plain(value)
    except TypeError:
        plain = math.nan
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"{value!r}: expected a finite number or a class")
    return plain


def _probability(value: Any) -> float:
    try:
        plain = _plain(value)
    except TypeError:
        plain = None
    number = isinstance(plain, int | float) and not isinstance(plain, bool)
    if number and -ROUNDING <= float(plain or 0) <= 1 + ROUNDING:
        return float(plain or 0)
    raise ValueError(
        f"score {value!r}: expected a number from 0 to 1; what a regression predicts is its"
        " `prediction`"
    )


def _plain(value: Any) -> bool | float | str | None:
    """A number of NumPy as one of Python: of 32 bits or fewer, the one with the same digits.

    Raises ``TypeError`` if it is neither a number nor a boolean nor a text nor None.
    """
    if type(value).__name__ in ("float16", "float32"):
        return float(str(value))
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError


def _json(**document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
