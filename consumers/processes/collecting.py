"""Wires the collection of references to Kafka: its topics, and the registration.

Slow imports are inside the functions: only a worker that registers needs them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.kafka.topic_reader import TopicReader
from consumers.processes.long_work import LongWork
from consumers.roles.collection import Amount, Collection
from consumers.roles.collector import Collected, Collector
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.schemas.registry import registry_of
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings
from monitor.counts.task import ANY_CONTRACT, Contract
from monitor.identity import VersionKey
from monitor.tasks.registry import TASKS
from producers.kafka.profile_table import ProfileTable

if TYPE_CHECKING:
    from producers.registration.rows_file import FileRows

log = logging.getLogger(__name__)


def collecting_keys(settings: Settings) -> dict[VersionKey, Amount]:
    """The versions that are collected by ``[[sources]]``, whether they are registered or not."""
    return {
        source.version_key: Amount.of(source.collect)
        for source in settings.sources
        if source.collect is not None and source.version_key is not None
    }


def collector_of(settings: Settings, profiles: ProfileTable, run: LongWork) -> Collector:
    """For the versions that are not registered. Raises ``MissingTopic`` or ``MissingRight``."""

    def is_registered(key: VersionKey) -> bool:
        profiles.refresh()
        return key in profiles.versions()

    def register(collection: Collection) -> None:
        run(lambda: register_collection(settings, collection))
        profiles.catch_up()

    due = {k: a for k, a in collecting_keys(settings).items() if not is_registered(k)}
    collected = [_collected(settings, key, amount) for key, amount in due.items()]
    return Collector(collected, is_registered, register)


def _collected(settings: Settings, key: VersionKey, amount: Amount) -> Collected:
    tables = list(tables_of_version(settings.sources, key))
    labels_follow = any(table.features is None for table in tables)
    contract = _contract(tables)
    collection = Collection(key, amount, settings.plan(key[0]).time, contract, labels_follow)
    registry = registry_of(settings.schema_registry)
    topics = dict.fromkeys(table.topic for table in tables)
    return Collected(
        collection,
        [
            (
                TopicReader(settings, settings.short_topic(topic)),
                RecordMapper([one for one in tables if one.topic == topic], registry),
            )
            for topic in topics
        ],
    )


def tables_of_version(sources: Iterable[SourceSection], key: VersionKey) -> Iterator[SourceSection]:
    """Its predictions, and the labels of its model."""
    for source in sources:
        is_labels = source.features is None and source.model.constant == key[0]
        if is_labels or source.version_key == key:
            yield source


def _contract(tables: Iterable[SourceSection]) -> Contract:
    """That of two classes if there is a score. Others are known once all values are there."""
    scored = any(table.score is not None and table.scores is None for table in tables)
    return TASKS["binary"]().contract if scored else ANY_CONTRACT


def register_collection(settings: Settings, collection: Collection) -> None:
    """As ``driftline register`` with a file of these rows.

    The file and the summary are kept in ``state.directory``.

    Raises ``BadInput`` or ``InvalidReference``.
    """
    import pyarrow.parquet

    from producers.kafka.profile_publication import publish_profile
    from producers.registration.reference_warnings import reference_warnings
    from producers.registration.register import profile_of_file
    from producers.registration.summary import summary_lines

    model, version = collection.key
    path = _saved(settings, collection, pyarrow.parquet.write_table)
    file = _read(settings, model, path)
    profile = profile_of_file(settings, model, version, file)
    plan = settings.plan(model)
    warnings = (f"warning: {text}" for text in reference_warnings(file, profile, plan))
    summary = [*summary_lines(file, profile, plan), *warnings]
    # Not in the log, which never holds values of features.
    path.with_suffix(".txt").write_text("\n".join([*summary, ""]), encoding="utf-8")
    log.info("saved the reference in %s, and beside it what was understood of it", path)
    publish_profile(settings, profile, reference_end_ms=collection.end_ms)


def _saved(
    settings: Settings, collection: Collection, write: Callable[[object, Path], None]
) -> Path:
    directory = settings.state.directory / "references"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{'-'.join(collection.key)}.parquet"
    write(collection.table(), path)
    return path


def _read(settings: Settings, model: str, path: Path) -> FileRows:
    import pyarrow.parquet

    from consumers.sources.stream_reference import (
        ID,
        LABEL,
        LABEL_TIME,
        PREDICTION,
        SCORE,
        TIME,
    )
    from producers.registration.columns import Columns
    from producers.registration.rows_file import read_file
    from producers.registration.task_choice import inferred_task

    names = set(pyarrow.parquet.read_schema(path).names)
    score, prediction, label, label_time = (
        name if name in names else None for name in (SCORE, PREDICTION, LABEL, LABEL_TIME)
    )
    columns = Columns(
        id=ID,
        time=TIME,
        score=score,
        prediction=prediction,
        label=label,
        label_time=label_time,
        task=inferred_task(score, prediction, label),
        inferred=True,
        earliest_ms=settings.plan(model).time.earliest_ms,
    )
    return read_file(path, columns)
