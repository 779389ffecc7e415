"""From topics of a service to ``[[sources]]`` and a registered reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from consumers.attach.inspection import MappingTrial, span_line
from consumers.attach.proposal import Choices, Table, labels_table, possible_ids, predictions_table
from consumers.attach.toml_text import sources_toml
from consumers.attach.topic_sample import TopicSample, sample_of
from consumers.kafka.topic_reader import TopicReader
from consumers.messages.times import rfc3339
from consumers.sources.mapping.mapping import MappedRow
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.mapping.scope import Unmappable
from consumers.sources.schemas.registry import registry_of
from consumers.sources.stream_reference import (
    ID,
    LABEL,
    LABEL_TIME,
    PREDICTION,
    SCORE,
    TIME,
    StreamReference,
)
from driftline.clock import wall_clock_ms
from driftline.configuration.sources import SourceSection, checked_amount
from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.plan import InvalidPlan, duration_ms, duration_text
from producers.contract.records import END_MS, Undecodable
from producers.contract.times import parse_time_ms
from producers.kafka.profile_table import registered_versions

FIELDS = (
    *("id", "time", "score", "prediction", "features", "rows"),
    *("label", "label_id", "label_time", "label_rows"),
)


@dataclass(slots=True)
class Proposal:
    """Tables for the topics, and the stretch of time of the reference."""

    model: str
    version: str
    tables: Sequence[dict[str, Any]]
    samples: Sequence[TopicSample]
    from_ms: int
    until_ms: int

    def lines(self, settings: Settings, most: int) -> Iterator[str]:
        """The tables, and rows as they would be read."""
        registry = registry_of(settings.schema_registry)
        for table, sample in zip(self.tables, self.samples, strict=True):
            mapper = RecordMapper([SourceSection(**table)], registry)
            trial = MappingTrial(mapper, sample.records)
            yield f"{sample.topic}: {span_line(sample.records)}"
            yield from ["", *sources_toml(table).splitlines(), ""]
            yield from [*trial.lines(most), ""]

    def reference(self, settings: Settings) -> StreamReference:
        """The rows of the stretch of time in the topics. Raises ``BadInput`` if there are none."""
        reference = StreamReference(self.from_ms, self.until_ms)
        for table in self.tables:
            reference.add(_all_rows(settings, SourceSection(**table)))
        if not reference.predictions:
            raise BadInput(
                f"none of {reference.seen:,} predictions is of the time of the reference,"
                f" {rfc3339(self.from_ms)} to {rfc3339(self.until_ms)}: choose --from and --until"
            )
        return reference

    def toml(self, reference: StreamReference) -> str:
        """The tables, for rows after the reference."""
        newest_ms = max(row.time_ms for row in reference.predictions.values())
        since = rfc3339(min(self.until_ms, newest_ms + 1))
        return sources_toml(*({**table, "since": since} for table in self.tables))

    def collecting_toml(self, settings: Settings, collect: int | str) -> str:
        """The tables, with rows that are to be collected: those that follow the newest one."""
        since = {"since": rfc3339(self.from_ms or self._after_newest_ms(settings))}
        predictions, *labels = self.tables
        return sources_toml(
            {**predictions, "collect": collect, **since}, *({**one, **since} for one in labels)
        )

    def needed_ms(self, settings: Settings, collect: str) -> dict[str, int]:
        """How long each topic has to keep its records for a reference of this time."""
        time = settings.plan(self.model).time
        wait_ms = time.label_wait_ms or time.label_horizon_ms
        need_ms = duration_ms(collect) + (wait_ms if len(self.tables) > 1 else 0)
        return {sample.topic: need_ms for sample in self.samples}

    def _after_newest_ms(self, settings: Settings) -> int:
        """A time in the future is an error of its row."""
        registry = registry_of(settings.schema_registry)
        mapper = RecordMapper([SourceSection(**self.tables[0])], registry)
        times = [row.time_ms for row in MappingTrial(mapper, self.samples[0].records).rows]
        now_ms = wall_clock_ms()
        return max((ms for ms in times if ms <= now_ms), default=now_ms) + 1


def _all_rows(settings: Settings, source: SourceSection) -> Iterator[MappedRow]:
    """Of the records in the topic; ``ingest`` makes dead letters of those that do not fit."""
    mapper = RecordMapper([source], registry_of(settings.schema_registry))
    with TopicReader(settings, settings.short_topic(source.topic)) as reader:
        for record in reader.records():
            with suppress(Undecodable, Unmappable):
                yield from mapper.rows_of(record) or ()


def proposed(settings: Settings, most: int, given: Mapping[str, Any]) -> Proposal:
    """``given`` has the options of ``attach``. Raises ``BadInput`` if too little is seen."""
    choices = Choices(_named(given["paths"]), given["positive"])
    samples = [sample_of(settings, given["topic"], most)]
    if given["labels"]:
        samples.append(sample_of(settings, given["labels"], most))
    start, end = given["start"], given["end"]
    return Proposal(
        given["model"],
        given["version"],
        _tables(samples, given, choices),
        samples,
        0 if start is None else parse_time_ms(start),
        END_MS if end is None else parse_time_ms(end),
    )


def _tables(
    samples: Sequence[TopicSample], given: Mapping[str, Any], choices: Choices
) -> list[Table]:
    model, ids, of_labels = given["model"], None, list[Table]()
    for sample in samples[1:]:
        known = possible_ids(samples[0].documents, choices.named.get("rows"))
        table, ids = labels_table(model, sample.documents, choices, known)
        of_labels.append({**sample.table, **table})
    table = predictions_table(model, samples[0].documents, choices, ids)
    version = {"version": {"value": given["version"]}}
    return [{**samples[0].table, **table, **version}, *of_labels]


def _named(paths: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in paths:
        name, _, path = text.partition("=")
        if name not in FIELDS or not path:
            known = ", ".join(FIELDS)
            raise BadInput(f"--path {text!r}: expected FIELD=PATH, with one of {known}")
        found[name] = path
    return found


def amount_of(text: str) -> int | str:
    """Of ``--next``: a number of rows, or a time. Raises ``BadInput``."""
    try:
        return checked_amount(int(text) if text.isdecimal() else text)
    except InvalidPlan as error:
        raise BadInput(f"--next: {error}; or a number of rows, such as 5000") from None


def require_uncollected(settings: Settings, model: str, version: str) -> None:
    """Raises ``BadInput`` if a version cannot be collected."""
    name, other = f"{model}/{version}", "choose another --version"
    for source in settings.sources:
        if source.version_key == (model, version):
            raise BadInput(f"{name} comes from {source.topic} in [[sources]] already: {other}")
    if (model, version) in registered_versions(settings):
        raise BadInput(f"{name} is registered already, and a reference never changes: {other}")


def waiting_line(settings: Settings, proposal: Proposal, collect: int | str) -> str:
    """When the version will be registered, for people."""
    rows = f"the next {collect:,} rows" if isinstance(collect, int) else f"rows of {collect}"
    time = settings.plan(proposal.model).time
    key, wait_ms = "label_wait", time.label_wait_ms
    if wait_ms is None:
        key, wait_ms = "label_horizon", time.label_horizon_ms
    labels = f", with their labels or {duration_text(wait_ms)} later (time.{key})"
    return (
        f"{proposal.model}/{proposal.version} is registered as soon as {rows} are there"
        f"{labels if len(proposal.tables) > 1 else ''}: driftline models list shows how far it is"
    )


def register_options(columns: Sequence[str]) -> list[str]:
    """The options of ``driftline register`` for the columns that the reference has."""
    named = {"--id": ID, "--time": TIME, "--score": SCORE, "--prediction": PREDICTION}
    named |= {"--label": LABEL, "--label-time": LABEL_TIME}
    return [word for option, name in named.items() if name in columns for word in (option, name)]
