"""Predictions and labels as columns: of the contract, a registered model, and a plausible time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from consumers.messages.records import RecordBlock
from consumers.messages.times import rfc3339
from consumers.roles.profiles import Profiles
from consumers.sources.arrow_rows import ArrowMessages
from consumers.sources.groups import (
    Decoded,
    DecodedPredictions,
    Ints,
    LabelRows,
    Origin,
    PredictionRows,
    RejectedRow,
    concatenated,
    concatenated_labels,
)
from consumers.sources.json_rows import JsonPredictions, decode_labels
from consumers.sources.one_by_one import labels_one_by_one, predictions_one_by_one
from monitor.counts.schema import Schema
from monitor.counts.task import ANY_CONTRACT, Contract
from monitor.plan import DAY, Plan, Time
from monitor.tasks.registry import TASKS
from producers.contract.arrow_columns import LABEL, PREDICTION

F = TypeVar("F")
R = TypeVar("R", PredictionRows, LabelRows)
Key = tuple[str, str]  # model, version

UNKNOWN = "unknown_model"
IMPLAUSIBLE = "implausible_time"
MOST_AHEAD_MS = 3_653 * DAY  # of the broker's clock, if time.max_clock_skew is off: ten years


class SourceValidator:
    """Decodes and validates the blocks of one batch.

    Before a model is reported as unknown, the profiles are read to their end, once a batch.
    """

    def __init__(
        self, profiles: Profiles, plan_of: Callable[[str], Plan], json: JsonPredictions
    ) -> None:
        self._profiles, self._plan_of, self._json = profiles, plan_of, json
        self._registered: set[str] = set()  # models
        self._by_model: dict[str, Collection[Contract]] = {}  # of those that are registered
        self._caught_up = False

    def predictions(self, block: RecordBlock) -> Decoded[PredictionRows]:
        """The rows of each version, in the order of the log."""
        decoded, rest = self._json.decode(block.values, _json_positions(block))
        more, rejected = predictions_one_by_one(_numbered(block, rest), self._contract)
        arrow = ArrowMessages(block, PREDICTION)
        from_arrow, refused = arrow.predictions(self._contract)
        rejected += refused
        valid: dict[Schema, list[PredictionRows]] = defaultdict(list)
        for schema, group in self._with_schemas([*decoded, *more, *from_arrow]):
            if schema is not None and schema.task.contract != group.contract:
                anew, wrong = _decoded_again(block, arrow, group, schema.task.contract)
                rejected += wrong
                if not anew:
                    continue
                (group,) = anew
            error = self._unfit(group.key, schema)
            if schema is None or error is not None:
                rejected += _all_rejected(group.origin, UNKNOWN, str(error))
                continue
            rows, others = self._plausible(schema.model, group.rows(schema), block.append_ms)
            if len(rows):
                valid[schema].append(rows)
            rejected += others
        columns = [concatenated(parts).in_order() for parts in valid.values()]
        return Decoded(columns, arrow.with_values(rejected))

    def labels(self, block: RecordBlock) -> Decoded[LabelRows]:
        """The rows of each model, in the order of the log."""
        decoded, rest = decode_labels(
            block.values, _json_positions(block), self._contracts, self._known_contracts()
        )
        more, rejected = labels_one_by_one(_numbered(block, rest), self._contracts)
        arrow = ArrowMessages(block, LABEL)
        from_arrow, refused = arrow.labels(self._contracts)
        rejected += refused
        valid: dict[str, list[LabelRows]] = defaultdict(list)
        for group in [*decoded, *more, *from_arrow]:
            if not self._is_registered(group.model):
                rejected += _all_rejected(group.origin, UNKNOWN, _unregistered(group.model))
                continue
            rows, others = self._plausible(group.model, group, block.append_ms)
            if len(rows):
                valid[group.model].append(rows)
            rejected += others
        columns = [concatenated_labels(parts).in_order() for parts in valid.values()]
        return Decoded(columns, arrow.with_values(rejected))

    def _contract(self, model: str, version: str) -> Contract:
        """That of a version. One that is not registered is rejected for that reason."""
        schema = self._profiles.schema(model, version)
        return ANY_CONTRACT if schema is None else schema.task.contract

    def _contracts(self, model: str) -> Collection[Contract]:
        """Those of the versions of a model, of each task once; of an unknown model, any."""
        if not self._is_registered(model):
            return [ANY_CONTRACT]
        if model not in self._by_model:
            heads = self._profiles.versions().items()
            tasks = dict.fromkeys(head.task_name for (name, _), head in heads if name == model)
            self._by_model[model] = [TASKS[task].contract for task in tasks]
        return self._by_model[model]

    def _known_contracts(self) -> Sequence[Contract]:
        heads = self._profiles.versions().values()
        return [TASKS[task].contract for task in dict.fromkeys(head.task_name for head in heads)]

    def _with_schemas(
        self, groups: Sequence[DecodedPredictions]
    ) -> Iterable[tuple[Schema | None, DecodedPredictions]]:
        """Rows before the first one of an unknown version have their schema of before it."""
        before = {group.key: self._profiles.schema(*group.key) for group in groups}
        unknown = [int(group.origin.record[0]) for group in groups if before[group.key] is None]
        if not unknown or self._caught_up:
            return [(before[group.key], group) for group in groups]
        self._catch_up()
        found: list[tuple[Schema | None, DecodedPredictions]] = []
        for group in groups:
            first = int(np.searchsorted(group.origin.record, min(unknown)))
            earlier, later = np.split(np.arange(group.origin.record.size), [first])
            if earlier.size:
                found.append((before[group.key], group.take(earlier)))
            if later.size:
                found.append((self._profiles.schema(*group.key), group.take(later)))
        return found

    def _unfit(self, key: Key, schema: Schema | None) -> str | None:
        """Why rows of a version cannot be counted. None if they can."""
        if schema is None:
            return _unregistered(*key)
        pane_ms = self._plan_of(schema.model).windows.pane_ms
        if schema.pane_ms == pane_ms:
            return None
        return (
            f"the profile of {schema.model}/{schema.version} was built with panes of"
            f" {schema.pane_ms / 1000:g} s, but windows.pane is {pane_ms / 1000:g} s:"
            " make them equal, or register a new version, then replay the dead letters"
        )

    def _plausible(self, model: str, rows: R, append_ms: Ints) -> tuple[R, list[RejectedRow]]:
        """The rows whose time is plausible, and the others."""
        time: Time = self._plan_of(model).time
        time_ms, skew_ms = rows.origin.time_ms, time.max_clock_skew_ms
        early: NDArray[np.bool_] = time_ms < time.earliest_ms
        most_ahead_ms = MOST_AHEAD_MS if skew_ms is None else skew_ms
        ahead = time_ms > append_ms[rows.origin.record] + most_ahead_ms
        if not (early.any() or ahead.any()):
            return rows, []
        too_early = partial(_too_early, time.earliest_ms)
        rejected = list(_rejected_times(rows.origin, early, IMPLAUSIBLE, too_early))
        if skew_ms is None:
            rejected += _rejected_times(rows.origin, ahead, IMPLAUSIBLE, _far_ahead)
        else:
            too_late = partial(_ahead, skew_ms)
            rejected += _rejected_times(rows.origin, ahead, "clock_skew", too_late)
        return rows.take(np.flatnonzero(~early & ~ahead)), rejected

    def _is_registered(self, model: str) -> bool:
        """Whether any version of a model is registered."""
        if model in self._registered:
            return True
        if not self._has_versions(model) and not self._caught_up:
            self._catch_up()
        if self._has_versions(model):
            self._registered.add(model)
        return model in self._registered

    def _has_versions(self, model: str) -> bool:
        return any(name == model for name, _ in self._profiles.versions())

    def _catch_up(self) -> None:
        self._caught_up = True
        self._profiles.catch_up()


def _decoded_again(
    block: RecordBlock, arrow: ArrowMessages, group: DecodedPredictions, contract: Contract
) -> tuple[list[DecodedPredictions], list[RejectedRow]]:
    """Rows that were decoded before the version was known, or was registered anew."""
    origin = group.origin
    values = arrow.values_of(origin) or [block.values[i] for i in origin.record.tolist()]
    groups, wrong = predictions_one_by_one(enumerate(values), lambda *_: contract)
    return [replace(one, origin=origin.take(one.origin.record)) for one in groups], [
        replace(one, record=int(origin.record[one.record]), row=int(origin.row[one.record]))
        for one in wrong
    ]


def _numbered(block: RecordBlock, positions: Ints) -> Iterable[tuple[int, bytes | None]]:
    return ((i, block.values[i]) for i in positions.tolist())


def _json_positions(block: RecordBlock) -> Ints:
    positions = np.arange(len(block))
    return np.delete(positions, block.arrow) if block.arrow.size else positions


def _all_rejected(origin: Origin, reason: str, error: str) -> list[RejectedRow]:
    places = zip(origin.record.tolist(), origin.row.tolist(), strict=True)
    return [RejectedRow(record, reason, error, row) for record, row in places]


def _unregistered(model: str, version: str | None = None) -> str:
    which = f"model {model!r}" if version is None else f"model {model!r}, version {version!r}"
    return f"no profile of {which}: register it, then replay the dead letters"


def _rejected_times(
    origin: Origin, chosen: NDArray[np.bool_], reason: str, error_of: Callable[[int], str]
) -> Iterable[RejectedRow]:
    found = origin.take(np.flatnonzero(chosen))
    at = zip(found.record.tolist(), found.row.tolist(), found.time_ms.tolist(), strict=True)
    for record, row, time_ms in at:
        yield RejectedRow(record, reason, error_of(time_ms), row)


def _far_ahead(time_ms: int) -> str:
    return (
        f"its time, {rfc3339(time_ms)}, is more than ten years ahead of the broker's clock, and"
        " would make all rows that follow too late: correct it"
    )


def _ahead(skew_ms: int, time_ms: int) -> str:
    return (
        f"its time, {rfc3339(time_ms)}, is more than {skew_ms / 1000:g} s ahead of the"
        " broker's clock: correct the clock of the service, or set time.max_clock_skew"
    )


def _too_early(earliest_ms: int, time_ms: int) -> str:
    return (
        f"its time, {rfc3339(time_ms)}, is before {rfc3339(earliest_ms)} (time.earliest), which is"
        " not plausible: send milliseconds since 1970, not seconds, or set time.earliest"
    )
