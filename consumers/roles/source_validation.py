"""Validation of predictions and labels: decoded, of a registered model, and not from the future."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from consumers.messages.records import Record
from consumers.messages.times import rfc3339
from consumers.roles.profiles import Profiles
from monitor.counts.schema import Schema
from monitor.plan import Plan
from producers.contract.records import (
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
)

F = TypeVar("F")
R = TypeVar("R", PredictionRecord, LabelRecord)


class Rejected(ValueError):
    """A record becomes a dead letter, for ``reason`` and with this message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceValidator:
    """Validates the records of one batch.

    Before a model is reported as unknown, the profiles are read to their end, once a batch.
    """

    def __init__(self, profiles: Profiles, plan_of: Callable[[str], Plan]) -> None:
        self._profiles, self._plan_of = profiles, plan_of
        # Schemas of the valid predictions. The table may lose one when it catches up.
        self.schemas: dict[tuple[str, str], Schema] = {}
        self._registered: set[str] = set()  # models
        self._caught_up = False

    def prediction(self, record: Record) -> PredictionRecord:
        """Raises ``Rejected``."""
        row = _decoded(decode_prediction, record)
        schema = self._found(lambda: self._profiles.schema(row.model, row.version))
        if schema is None:
            raise Rejected(
                "unknown_model",
                f"no profile of model {row.model!r}, version {row.version!r}: register it, then"
                " replay the dead letters",
            )
        self._require_pane(schema)
        self._require_past(record, row)
        self.schemas[row.model, row.version] = schema
        return row

    def label(self, record: Record) -> LabelRecord:
        """Raises ``Rejected``."""
        row = _decoded(decode_label, record)
        if not self._is_registered(row.model):
            raise Rejected(
                "unknown_model",
                f"no profile of model {row.model!r}: register it, then replay the dead letters",
            )
        self._require_past(record, row)
        return row

    def _require_pane(self, schema: Schema) -> None:
        pane_ms = self._plan_of(schema.model).windows.pane_ms
        if schema.pane_ms != pane_ms:
            raise Rejected(
                "unknown_model",
                f"the profile of {schema.model}/{schema.version} was built with panes of"
                f" {schema.pane_ms / 1000:g} s, but windows.pane is {pane_ms / 1000:g} s:"
                " make them equal, or register a new version, then replay the dead letters",
            )

    def _require_past(self, record: Record, row: PredictionRecord | LabelRecord) -> None:
        skew_ms = self._plan_of(row.model).time.max_clock_skew_ms
        if skew_ms is not None and row.time_ms > record.append_ms + skew_ms:
            raise Rejected(
                "clock_skew",
                f"its time, {rfc3339(row.time_ms)}, is more than {skew_ms / 1000:g} s ahead of the"
                " broker's clock: correct the clock of the service, or set time.max_clock_skew",
            )

    def _is_registered(self, model: str) -> bool:
        """Whether any version of a model is registered."""

        def registered() -> bool:
            return any(name == model for name, _ in self._profiles.versions())

        if model not in self._registered and self._found(registered):
            self._registered.add(model)
        return model in self._registered

    def _found(self, look_up: Callable[[], F]) -> F:
        """The result of a look-up, repeated after catching up if it is empty."""
        result = look_up()
        if not result and not self._caught_up:
            self._caught_up = True
            self._profiles.catch_up()
            result = look_up()
        return result


def _decoded(decode: Callable[[bytes | None], R], record: Record) -> R:
    try:
        return decode(record.value)
    except Undecodable as error:
        raise Rejected("undecodable", str(error)) from error
    except ContractViolation as error:
        raise Rejected("contract", str(error)) from error
