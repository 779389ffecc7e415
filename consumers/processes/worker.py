"""Puts a role together with Kafka, its state directory and the database, and runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from consumers.database.database import Database
from consumers.kafka.client import Client
from consumers.messages.records import Record, TopicPartition
from consumers.processes.heartbeat import Heartbeat
from consumers.processes.loop import run
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect, Memory
from consumers.roles.join import Join
from consumers.roles.retrain import Retrain
from consumers.roles.role import Role
from consumers.roles.store import TOPICS, Registration, Store
from driftline.settings import Settings
from monitor.plan import Plan, duration_ms
from producers.kafka.profile_table import ProfileTable

log = logging.getLogger(__name__)

ROLES = ("aggregate", "join", "detect", "retrain", "store")
_READS = {
    "aggregate": Aggregate.reads,
    "join": Join.reads,
    "detect": Detect.reads,
    "retrain": Retrain.reads,
}


def work(
    settings: Settings, role: str, slot: int, stopped: Callable[[], bool], *, gapless: bool = False
) -> None:
    """Run one member of one role until ``stopped``. ``gapless``: see
    ``consumers.kafka.client.Client``.
    """
    if role == "store":
        _store(settings, slot, stopped, gapless)
    else:
        _transactional(settings, role, slot, stopped, gapless)


def _transactional(
    settings: Settings, name: str, slot: int, stopped: Callable[[], bool], gapless: bool
) -> None:
    with ProfileTable(settings) as profiles:
        profiles.catch_up()
        client = Client(settings, name, slot, _READS[name], gapless=gapless)
        pulse = Heartbeat(settings, name, slot, client)
        role = _role(name, settings, client, profiles)
        log.info("%s-%d is reading", name, slot)
        idle_ms = settings.plan().time.idle_after_ms
        try:
            run(
                client,
                role,
                pulse,
                commit_s=duration_ms(settings.kafka.commit_interval) / 1000,
                idle_s=None if idle_ms is None or name != "aggregate" else idle_ms / 1000,
                stopped=stopped,
            )
        finally:
            pulse.close(role)
            client.close()


def _role(name: str, settings: Settings, client: Client, profiles: ProfileTable) -> Role:
    plan_of = _plans(settings)
    if name == "aggregate":
        return Aggregate(profiles, plan_of, client.partitions)
    if name == "retrain":
        return Retrain(plan_of)
    directory = _directory(settings, client, name)
    if name == "join":
        return Join(profiles, plan_of, client.partitions, directory, client.first_offset)
    return Detect(profiles, plan_of, _remembered(client), directory)


def _plans(settings: Settings) -> Callable[[str], Plan]:
    return lru_cache(maxsize=10_000)(settings.plan)


def _directory(settings: Settings, client: Client, role: str) -> Path:
    """State belongs to one role and one topic, made once in one cluster; no other is opened."""
    (topic,) = _READS[role]
    belongs = Path(client.cluster_id()) / settings.kafka.prefix / role / client.topic_id(topic)
    return settings.state.directory / belongs


def _remembered(client: Client) -> Callable[[int], Iterable[Memory]]:
    def read(partition: int) -> Iterable[Memory]:
        for record in client.whole(TopicPartition("detect-state", partition)):
            if record.key is not None and record.value is not None:
                yield Memory(record.key, record.value)

    return read


def _store(settings: Settings, slot: int, stopped: Callable[[], bool], gapless: bool) -> None:
    database = Database.to_write(settings.store.url)
    store = Store(database)

    def positions(topic_partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {TopicPartition(*of): at for of, at in store.positions(topic_partitions).items()}

    client = Client(settings, "store", slot, TOPICS, positions=positions, gapless=gapless)
    try:
        database.claim(client.cluster_id(), settings.kafka.prefix)
        with ProfileTable(settings) as profiles:
            writer = _Writer(store, profiles)
            pulse = Heartbeat(settings, "store", slot, client)
            log.info("store-%d is reading", slot)
            while not stopped():
                records = client.poll(duration_ms(settings.kafka.commit_interval) / 1000)
                gained, lost = client.take_rebalance()
                writer.moved(
                    {topic_partition: at.next_offset for topic_partition, at in gained.items()},
                    lost,
                )
                client.resume_all()
                writer.write(records)
                pulse.beat(writer, progressed=bool(records))
            pulse.close(writer)
    finally:
        client.close()
        database.close()


class _Writer:
    """Keeps the offsets that the database stands at, partition by partition."""

    def __init__(self, store: Store, profiles: ProfileTable) -> None:
        self._store, self._profiles = store, profiles
        self._at: dict[TopicPartition, int] = {}
        self._registered = 0

    def moved(self, gained: Mapping[TopicPartition, int], lost: Iterable[TopicPartition]) -> None:
        for topic_partition in lost:
            self._at.pop(topic_partition, None)
        self._at.update(gained)

    def write(self, records: Sequence[Record]) -> None:
        self._write_models()
        if not records:
            return
        ends = {record.topic_partition: record.offset + 1 for record in records}
        self._store.write(
            records,
            {
                topic_partition: (self._at[topic_partition], end)
                for topic_partition, end in ends.items()
            },
        )
        self._at.update(ends)

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            topic_partition.name: {"offset": max(at, 0)} for topic_partition, at in self._at.items()
        }

    def _write_models(self) -> None:
        self._profiles.refresh()
        known = self._profiles.all()
        if len(known) == self._registered:
            return
        self._store.write_models(
            Registration(
                profile,
                self._profiles.content(*of),
                self._profiles.registered_ms(*of),
            )
            for of, profile in known.items()
        )
        self._registered = len(known)
