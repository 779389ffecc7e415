"""The event times that ``join`` knows at a position of its log, model by model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from consumers.messages.progress import LabelsSeen, SourceProgress, VersionSeen
from monitor.events.event_time import earliest, latest
from monitor.events.progress import (
    AppendTimes,
    EventTime,
    SeenIn,
    event_time,
    label_time,
)
from monitor.plan import Time
from monitor.windows.clocks import JoinedTime

TimeOf = Callable[[str], Time]  # the settings of a model


@dataclass(frozen=True, slots=True)
class VersionProgress:
    """What was read of one version since its last reset."""

    seen: SeenIn = field(default_factory=dict)
    life: int | None = None
    reset_ms: int | None = None

    def updated(self, of: VersionSeen) -> VersionProgress:
        """A worker that has not learned of the reset may report rows that were seen before."""
        reset_ms = latest(self.reset_ms, of.reset_ms)
        seen = _since({**self.seen, of.partition: of.seen}, reset_ms)
        return VersionProgress(seen, latest(self.life, of.life), reset_ms)


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """What was read of one model.

    ``floor_ms`` is the watermark before the newest progress: watermarks never go back.
    """

    versions: Mapping[str, VersionProgress] = field(default_factory=dict)
    labels: SeenIn = field(default_factory=dict)
    floor_ms: int | None = None

    def with_version(self, of: VersionSeen) -> ModelProgress:
        """With the rows of a version. If its time has started afresh, so does the watermark."""
        before = self.versions.get(of.version, VersionProgress())
        after = before.updated(of)
        floor_ms = None if _afresh(before.seen, after.seen) else self.floor_ms
        return replace(self, versions={**self.versions, of.version: after}, floor_ms=floor_ms)

    def with_labels(self, of: LabelsSeen) -> ModelProgress:
        """With the labels of the model. If their time has started afresh, so does the watermark."""
        labels = {**self.labels, of.partition: of.seen}
        floor_ms = None if _afresh(self.labels, labels) else self.floor_ms
        return replace(self, labels=labels, floor_ms=floor_ms)


@dataclass(frozen=True, slots=True)
class JoinClock:
    """Append times of the source topics, and the progress of each model."""

    predictions: AppendTimes = field(default_factory=AppendTimes)
    labels: AppendTimes = field(default_factory=AppendTimes)
    models: Mapping[str, ModelProgress] = field(default_factory=dict)

    @property
    def append_ms(self) -> int | None:
        """The append time that all partitions of both topics have reached."""
        return earliest((self.predictions.min_ms, self.labels.min_ms))

    def updated(self, progress: SourceProgress, time_of: TimeOf) -> JoinClock:
        changed = {model: self._with_floor(model, time_of) for model in _models(progress)}
        for of_version in progress.versions:
            model = changed[of_version.model]
            changed[of_version.model] = model.with_version(of_version)
        for of_labels in progress.label_models:
            changed[of_labels.model] = changed[of_labels.model].with_labels(of_labels)
        return JoinClock(
            self.predictions.updated(progress.predictions),
            self.labels.updated(progress.labels),
            {**self.models, **changed},
        )

    def is_taken_back(self, progress: SourceProgress) -> bool:
        """Whether a time of a model that is known starts afresh."""
        return any(
            of.version in model.versions
            and _afresh(
                model.versions[of.version].seen, model.versions[of.version].updated(of).seen
            )
            for of in progress.versions
            if (model := self.models.get(of.model)) is not None
        ) or any(
            _afresh(model.labels, {**model.labels, of.partition: of.seen})
            for of in progress.label_models
            if (model := self.models.get(of.model)) is not None
        )

    def joined(self, model: str, version: str, time: Time) -> JoinedTime:
        """The event time up to which the rows of a version have been joined.

        Labels that were seen before its reset do not count.
        """
        progress = self.models[model]
        own = progress.versions[version]
        predictions = event_time(own.seen, self.predictions, time)
        labels_seen = _since(progress.labels, own.reset_ms)
        labels = label_time(labels_seen, self.labels, own.seen, predictions, time)
        return JoinedTime(predictions, labels, own.life)

    def watermark_ms(self, model: str, time: Time) -> int | None:
        """Entries of a model that expire before it are complete. None: it is not known yet.

        It is that of the slowest version with rows; a version that is idle does not count.
        """
        progress = self.models.get(model)
        if progress is None:
            return None
        joined = [self.joined(model, version, time) for version in progress.versions]
        predictions = _slowest([one.predictions for one in joined], self.predictions.min_ms)
        labels = _slowest([one.labels for one in joined], self.predictions.min_ms)
        return latest(progress.floor_ms, earliest((predictions, labels)))

    def _with_floor(self, model: str, time_of: TimeOf) -> ModelProgress:
        progress = self.models.get(model, ModelProgress())
        return replace(progress, floor_ms=self.watermark_ms(model, time_of(model)))


def _since(seen: SeenIn, reset_ms: int | None) -> SeenIn:
    """Without the partitions whose rows were seen before a reset."""
    if reset_ms is None:
        return seen
    return {number: one for number, one in seen.items() if one.first_append_ms > reset_ms}


def _afresh(before: SeenIn, after: SeenIn) -> bool:
    """Whether the time of a partition has started afresh, or is forgotten."""
    return any(
        number not in after or after[number].first_append_ms > one.first_append_ms
        for number, one in before.items()
    )


def _models(progress: SourceProgress) -> set[str]:
    return {v.model for v in progress.versions} | {m.model for m in progress.label_models}


def _slowest(times: Iterable[EventTime | None], append_ms: int | None) -> int | None:
    known = list(times)
    if not known or any(time is None for time in known):
        return None
    all_times = [time for time in known if time is not None]
    active = [time.ms for time in all_times if not time.idle]
    return min(active) if active else max(time.at(append_ms) for time in all_times)
