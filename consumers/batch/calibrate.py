"""``driftline calibrate``: whose history is replayed, and what is measured in it.

What is computed stands in ``monitor.calibration.calibration``, how it is shown in
``consumers.batch.calibrate_report``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from consumers.batch.inputs import between
from consumers.kafka.topic_reader import TopicReader
from consumers.messages.internal import rfc3339
from consumers.messages.records import Record
from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.calibration.backtest import Heard
from monitor.calibration.calibration import (
    EFFECTS,
    FAR_BELOW,
    SHIFTS,
    Alarms,
    Backtest,
    Delay,
    Delays,
    History,
    Rate,
    TooShort,
    alarms,
    alarms_with,
    delays,
    forward_split,
    naive,
    random_split,
    rate,
    said,
    summarised,
)
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.plan import Plan
from producers.contract.records import (
    ContractViolation,
    PredictionRecord,
    Undecodable,
    decode_prediction,
)
from producers.example.flight_delay import train_flight_delay
from producers.example.flights import CATEGORICAL, REFERENCE_MS
from producers.kafka.profile_table import read_profiles
from producers.registration.rows_file import Columns, read_rows
from producers.simulation.simulate import Simulation, scored_flights

MOST_FEATURES = 20  # whose delays are measured
Tell = Callable[[str], None]
_Said = tuple[Backtest, list[Heard]]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Somebody's history: at least one row, in time order."""

    said: str  # where it comes from
    rows: ReferenceRows
    categorical: tuple[str, ...]


class Source(Protocol):
    def read(self, settings: Settings, model: str, version: str) -> Scored: ...


@dataclass(frozen=True, slots=True)
class FlightsHistory:
    """The bundled flights, scored by the example model: the month it is judged by, or others."""

    from_ms: int | None
    until_ms: int | None

    def read(self, settings: Settings, model: str, version: str) -> Scored:
        profile = train_flight_delay(settings, model, version, seed=0).profile
        first_ms = REFERENCE_MS[0] if self.from_ms is None else self.from_ms
        end_ms = REFERENCE_MS[1] if self.until_ms is None else self.until_ms
        chosen = Simulation(model=model, version=version, from_ms=first_ms, until_ms=end_ms)
        return Scored("the bundled flights", scored_flights(profile, chosen), CATEGORICAL)


@dataclass(frozen=True, slots=True)
class FileHistory:
    """A file of rows that somebody's own model has scored."""

    path: Path
    columns: Columns
    from_ms: int | None
    until_ms: int | None

    def read(self, settings: Settings, model: str, version: str) -> Scored:  # noqa: ARG002
        rows = between(read_rows(self.path, self.columns), self.from_ms, self.until_ms)
        return Scored(str(self.path), rows, self.columns.categorical)


@dataclass(frozen=True, slots=True)
class TopicHistory:
    """The predictions of a model version that stand in Kafka now, registered or not."""

    categorical: tuple[str, ...]
    ignore: tuple[str, ...]
    from_ms: int | None
    until_ms: int | None

    def read(self, settings: Settings, model: str, version: str) -> Scored:
        with TopicReader(settings, "predictions") as reader:
            rows = predictions_of(reader.records(), model, version, self.ignore)
        known = read_profiles(settings).get((model, version))
        names = () if known is None else (name for name, _ in known[0].schema.categorical)
        categorical = tuple(sorted({*self.categorical, *names} & set(rows.predictions.features)))
        chosen = between(rows, self.from_ms, self.until_ms)
        return Scored(f"the topic {settings.topic('predictions')}", chosen, categorical)


def predictions_of(
    records: Iterable[Record], model: str, version: str, ignore: Sequence[str] = ()
) -> ReferenceRows:
    """Those of a model version, in the order of event time, without labels.

    What breaks the contract is passed over, as `aggregate` sets it aside. Raises ``BadInput`` if
    there is none.
    """
    met = Counter[str]()
    mine: list[PredictionRecord] = []
    for row in _decoded(records):
        met[f"{row.model}/{row.version}"] += 1
        if (row.model, row.version) == (model, version):
            mine.append(row)
    if not mine:
        there = ", ".join(f"{name} ({rows:,} rows)" for name, rows in met.most_common(10))
        raise BadInput(
            f"there are no predictions of {model}/{version} in Kafka (there are:"
            f" {there or 'none'}): choose with --model and --version"
        )
    mine.sort(key=lambda row: row.time_ms)
    names = sorted(set().union(*(row.features for row in mine)) - set(ignore))
    score = np.array([row.score for row in mine], dtype=np.float64)
    predictions = Predictions(
        [row.id for row in mine],
        np.array([row.time_ms for row in mine], dtype=np.int64),
        score,
        (score >= 0.5).astype(np.int64),
        {name: _column([row.features.get(name) for row in mine]) for name in names},
    )
    return ReferenceRows(predictions)


def _decoded(records: Iterable[Record]) -> Iterator[PredictionRecord]:
    for record in records:
        try:
            yield decode_prediction(record.value)
        except (Undecodable, ContractViolation):
            continue


def _column(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured."""

    model: str
    version: str
    splits: int = 20
    delay_splits: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one rule in the healthy streams of all splits."""

    incidents: tuple[int, ...]  # by split
    storms: int
    rate: Rate  # incidents in the period of the warning budget
    marks: float  # in the same period: subjects raised in windows of the user's own slide
    marked: float  # share of those windows with any
    subjects: Counter[str]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to set, if anything."""

    verdict: str  # fits, far_below, unproven, raise_min_effect or nothing_fits
    min_effect: float | None = None
    rate: Rate | None = None  # with it, on the same splits


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """All that was measured."""

    wanted: Wanted
    plan: Plan
    scored: Scored
    block_ms: int
    blocks: int
    live_ms: int  # of one split
    rule: Measured
    naive: Measured
    subjects: int  # features and the score
    forward: Alarms
    forward_ms: int
    delays: dict[str, dict[float, Delays]]
    unmeasured: tuple[str, ...]  # numeric features beyond the first twenty
    advice: Advice

    @property
    def periods(self) -> float:
        return self.live_ms / self.plan.drift.warning.period_ms

    @property
    def windows(self) -> float:
        """Of the user's own slide, in one live stream."""
        return self.live_ms / self.plan.windows.slide_ms

    @property
    def span(self) -> tuple[str, str]:
        times = self.scored.rows.predictions.time_ms
        return rfc3339(int(times[0])), rfc3339(int(times[-1]))


def calibrated(plan: Plan, scored: Scored, wanted: Wanted, tell: Tell) -> Calibration:
    """Raises ``BadInput`` or ``InvalidReference``."""
    history = _history(plan, scored)
    rng = np.random.default_rng(wanted.seed)
    splits = [random_split(len(history), rng) for _ in range(wanted.splits)]
    heard: list[Alarms] = []
    marked: list[Alarms] = []
    found: dict[str, dict[float, list[Delay]]] = {}
    restless: list[_Said] = []
    for i, split in enumerate(splits):
        rehearsal = Backtest.of(plan, history, split, wanted.model, scored.categorical)
        of = said(rehearsal)
        heard.append(alarms(rehearsal, of))
        marked.append(naive(rehearsal))
        if heard[-1].incidents:
            restless.append((rehearsal, of))
        if i < wanted.delay_splits:
            _add_delays(found, rehearsal, rng)
        tell(f"split {i + 1} of {wanted.splits}: {heard[-1].incidents} incidents")
    last = Backtest.of(plan, history, forward_split(len(history)), wanted.model, scored.categorical)
    live_ms = len(splits[0].live) * history.block_ms
    rule, by_p = _measured(plan, heard, live_ms), _measured(plan, marked, live_ms)
    return Calibration(
        wanted,
        plan,
        scored,
        history.block_ms,
        len(history),
        live_ms,
        rule,
        by_p,
        len(last.evaluator.profile.schema.features) + 1,
        alarms(last, said(last)),
        last.span_ms,
        {
            name: {shift: summarised(of, plan.windows.pane_ms) for shift, of in each.items()}
            for name, each in found.items()
        },
        tuple(last.numeric[MOST_FEATURES:]),
        _advice(plan, rule, restless, live_ms, tell),
    )


def _history(plan: Plan, scored: Scored) -> History:
    if not len(scored.rows.predictions):
        raise BadInput("there are no rows in that time: choose others with --from and --until")
    try:
        return History.of(scored.rows, plan.windows)
    except TooShort as error:
        raise BadInput(f"{scored.said}: {error}") from error


def _add_delays(
    found: dict[str, dict[float, list[Delay]]], rehearsal: Backtest, rng: np.random.Generator
) -> None:
    for name in rehearsal.numeric[:MOST_FEATURES]:
        into = found.setdefault(name, {shift: [] for shift in SHIFTS})
        for shift, one in delays(rehearsal, name, rng).items():
            into[shift].append(one)


def _measured(plan: Plan, heard: Sequence[Alarms], live_ms: int) -> Measured:
    periods = live_ms / plan.drift.warning.period_ms
    windows = max(live_ms / plan.windows.slide_ms, 1.0)
    incidents = tuple(one.incidents for one in heard)
    marks = sum(one.marks for one in heard) / (len(heard) * periods)
    marked = sum(one.windows for one in heard) / (len(heard) * windows)
    subjects = sum((one.subjects for one in heard), Counter[str]())
    storms = sum(one.storms for one in heard)
    return Measured(incidents, storms, rate(incidents, periods), marks, min(marked, 1.0), subjects)


def _advice(
    plan: Plan, rule: Measured, restless: Sequence[_Said], live_ms: int, tell: Tell
) -> Advice:
    """The smallest ``drift.min_effect`` of the grid at which the upper bound fits the budget.

    A split in which nothing was raised raises nothing at a larger effect, so only the others are
    asked again.
    """
    budget, periods = plan.drift.warning.alarms, live_ms / plan.drift.warning.period_ms
    if rule.rate.high <= budget:
        return Advice("far_below" if rule.rate.high < FAR_BELOW * budget else "fits")

    if rate([0] * len(rule.incidents), periods).high > budget:
        return Advice("unproven")

    def with_it(effect: float) -> Rate:
        counts = [alarms_with(one, of, effect).incidents for one, of in restless]
        tell(f"drift.min_effect = {effect:g}: {sum(counts)} incidents")
        return rate([*counts, *[0] * (len(rule.incidents) - len(counts))], periods)

    larger = [effect for effect in EFFECTS if effect > plan.drift.min_effect]
    at = bisect_left(larger, True, key=lambda effect: with_it(effect).high <= budget)
    if at == len(larger):
        return Advice("nothing_fits")
    return Advice("raise_min_effect", larger[at], with_it(larger[at]))
