"""Wires a role to Kafka, its state directory and the database, and runs it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from consumers.database.message_to_rows import TOPICS
from consumers.kafka.client import Client
from consumers.kafka.topic_configuration import TopicWatch, existing_topics
from consumers.kafka.version_table import VersionTable
from consumers.messages.records import TopicPartition
from consumers.processes.collecting import collector_of
from consumers.processes.heartbeat import Heartbeat
from consumers.processes.long_work import LongWork
from consumers.processes.loop import run_role, run_sink
from consumers.processes.needs import Needs
from consumers.processes.outages import Outages
from consumers.processes.restarts import Restarts
from consumers.processes.rights import rights_of
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect
from consumers.roles.ingest import Ingest
from consumers.roles.join import Join
from consumers.roles.pair import Pair
from consumers.roles.pair_step import Pairing
from consumers.roles.retrain import Retrain
from consumers.roles.role import Role, SinkRole
from consumers.roles.source_position import Positions
from consumers.sources.mapping.pairs import half_readers, pair_mappers
from consumers.sources.mapping.waiting_sources import WaitingSources
from driftline import fault_points
from driftline.settings import Settings
from monitor.plan import Plan, duration_ms
from producers.kafka.profile_table import ProfileTable
from producers.kafka.rights import MissingRight, not_given

log = logging.getLogger(__name__)

GC_OBJECTS = 100_000  # more objects created than deleted, before the collector looks for cycles
ROLES = ("aggregate", "join", "detect", "retrain", "store")
INGEST, PAIR = "ingest", "pair"  # only if there are ``[[sources]]``, and pairs among them
ALL_ROLES = (INGEST, PAIR, *ROLES)
IDLE_S = 10.0  # until a partition of pairs that has been read to its end is idle
READS: Mapping[str, Sequence[str]] = {  # ``store`` has its positions in the database
    "aggregate": Aggregate.reads,
    "join": Join.reads,
    "detect": Detect.reads,
    "retrain": Retrain.reads,
}


def roles_of(settings: Settings) -> tuple[str, ...]:
    """The roles that an installation needs: ``ingest`` only if it has ``[[sources]]``."""
    pair = (PAIR,) if settings.pairs() else ()
    return (INGEST, *pair, *ROLES) if settings.sources else ROLES


def reads_of(settings: Settings) -> Mapping[str, Sequence[str]]:
    """The topics of each role with a consumer group."""
    pair = {PAIR: Pair.reads} if settings.pairs() else {}
    return {INGEST: settings.source_topics(), **pair, **READS} if settings.sources else READS


def all_reads_of(settings: Settings) -> Mapping[str, Sequence[str]]:
    """The topics of each role, ``store`` as well."""
    return {**reads_of(settings), "store": TOPICS}


def run_worker(
    settings: Settings, role: str, slot: int, stopped: Callable[[], bool], *, gapless: bool = False
) -> None:
    """Run one member of one role until ``stopped``, through outages.

    For ``gapless`` see ``Client``. Raises ``StillAway`` after an outage that is longer than
    ``kafka.outage_patience``.
    """
    fault_points.set_up(role)
    # A poll creates ten thousands of objects that are all freed after the batch. By default they
    # are traversed again and again meanwhile, which takes as long as reading them.
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)
    file = f"{role}-{slot}.json"
    restarts = Restarts(settings.state.directory / "workers" / settings.kafka.prefix / file)
    heartbeat = Heartbeat(settings, role, slot, None, restarts)
    outages = Outages(
        Needs(settings, heartbeat.kafka).missing,
        settings.outage_patience_s,
        restarts,
        heartbeat.send_problem_if_due,
        stopped,
    )
    if not gapless:  # the embedded broker cannot be asked
        heartbeat.watch = TopicWatch(settings, lambda: existing_topics(settings)).problem
    run = _run_store if role == "store" else _run_transactional
    with restarts.recorded():
        try:
            outages.run(lambda: run(_Worker(settings, role, slot, gapless), heartbeat, stopped))
        finally:
            heartbeat.close()


class _Worker(NamedTuple):
    """Which worker a process is."""

    settings: Settings
    role: str
    slot: int
    gapless: bool


def _run_transactional(worker: _Worker, heartbeat: Heartbeat, stopped: Callable[[], bool]) -> None:
    settings, name, slot, gapless = worker
    _require_rights(worker)
    with ProfileTable(settings) as profiles, ExitStack() as ending:
        profiles.catch_up()
        client = Client(settings, name, slot, reads_of(settings)[name], gapless=gapless)
        ending.callback(client.close)
        heartbeat.read_by(client)
        run = LongWork(client, lambda: heartbeat.send_if_due(role, progressed=False))
        positions = Positions(client.read_all, client.partitions, client.first_offset)
        client.recover_with(positions.next_offsets)
        role = _role(name, settings, client, profiles, run, positions)
        ending.callback(_release, role, heartbeat)
        if isinstance(role, Retrain):
            ending.callback(role.collector.close)
            heartbeat.collecting = role.collector.status
        heartbeat.watch()
        log.info("%s-%d is reading", name, slot)
        run_role(
            client,
            role,
            heartbeat,
            poll_s=_commit_s(settings),
            idle_s=_idle_s(settings, name),
            stopped=stopped,
        )


def _run_store(worker: _Worker, heartbeat: Heartbeat, stopped: Callable[[], bool]) -> None:
    # Slow to import, and no other role needs them.
    from consumers.database.database import Database
    from consumers.roles.store import Store

    settings, _, slot, gapless = worker
    with ExitStack() as ending:
        database = Database.to_write(settings.store.url)  # a wrong address is told without Kafka
        ending.callback(database.close)
        _require_rights(worker)
        positions = database.starts
        client = Client(settings, "store", slot, Store.reads, positions=positions, gapless=gapless)
        ending.callback(client.close)
        heartbeat.read_by(client)
        database.claim(client.cluster_id(), settings.kafka.prefix)
        profiles = ending.enter_context(ProfileTable(settings))
        role = Store(database, profiles, keep_ms=settings.store_keep_ms())
        ending.callback(_release, role, heartbeat)
        heartbeat.watch()
        log.info("store-%d is reading", slot)
        run_sink(client, role, heartbeat, poll_s=_commit_s(settings), stopped=stopped)


def _require_rights(worker: _Worker) -> None:
    """Raises ``MissingRight``, or ``KafkaUnavailable``. The embedded broker has no rights."""
    settings, role, _, gapless = worker
    if gapless:
        return
    existing_topics(settings)  # an outage is told as soon as ever
    needed = rights_of(settings, role, all_reads_of(settings)[role])
    if missing := not_given(settings, needed):
        raise MissingRight(settings, *missing)


def _release(role: Role | SinkRole, heartbeat: Heartbeat) -> None:
    """Take the last status of a role, and have it close its files."""
    heartbeat.take(role)
    role.on_partitions_revoked([TopicPartition.of(name) for name in role.status()])


def _commit_s(settings: Settings) -> float:
    return duration_ms(settings.kafka.commit_interval) / 1000


def _idle_s(settings: Settings, role: str) -> float | None:
    """After how long a partition is idle; None: the role does not ask."""
    if role == INGEST:
        return IDLE_S if settings.pairs() else None
    idle_ms = settings.plan().time.idle_after_ms
    return None if idle_ms is None or role != "aggregate" else idle_ms / 1000


def _role(  # noqa: PLR0913 - what roles are made of
    name: str,
    settings: Settings,
    client: Client,
    profiles: ProfileTable,
    run: LongWork,
    positions: Positions,
) -> Role:
    plan_of = _plans(settings)
    if name == INGEST:
        return _ingest(settings, client, profiles, positions)
    if name == PAIR:
        return _pair(settings, client, positions)
    if name == "aggregate":
        versions = VersionTable(settings)
        versions.all()
        own = (positions, versions, settings.redact)
        return Aggregate(profiles, plan_of, client.partitions, *own)
    if name == "retrain":
        return Retrain(collector_of(settings, profiles, run))
    directory = _directory(settings, client, name)
    if name == "join":
        return Join(profiles, plan_of, client.partitions, directory, client.first_offset)
    made = (profiles, plan_of, client.partitions, client.read_all, directory)
    hashed, segments_of = settings.plan_hash(), lru_cache(maxsize=10_000)(settings.segments)
    return Detect(*made, client.first_offset, run, hashed, segments_of)


def _ingest(
    settings: Settings, client: Client, profiles: ProfileTable, positions: Positions
) -> Ingest:
    sources = WaitingSources(settings, profiles)

    def waiting() -> frozenset[str]:
        topics = sources.topics()
        client.hold(topics)
        return topics

    return Ingest(
        sources.mapper,
        client.partitions,
        positions,
        halves=half_readers(settings),
        redacts=bool(settings.redact),
        waiting=waiting,
    )


def _pair(settings: Settings, client: Client, positions: Positions) -> Pair:
    pairings = {
        settings.short_topic(topic): Pairing(
            list(map(settings.short_topic, source.topics)), source.pair.horizon_ms
        )
        for topic, source in settings.pairs().items()
        if source.pair is not None
    }
    return Pair(
        pair_mappers(settings),
        pairings,
        client.partitions,
        positions,
        _directory(settings, client, PAIR),
        redacts=bool(settings.redact),
    )


def _plans(settings: Settings) -> Callable[[str], Plan]:
    return lru_cache(maxsize=10_000)(settings.plan)


def _directory(settings: Settings, client: Client, role: str) -> Path:
    """State belongs to one role and to one topic of one cluster; other state is not opened."""
    (topic,) = reads_of(settings)[role]
    owner = Path(client.cluster_id()) / settings.kafka.prefix / role / client.topic_id(topic)
    return settings.state.directory / owner
