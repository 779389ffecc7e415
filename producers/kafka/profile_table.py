"""The only module here that imports ``confluent_kafka``: records out, profiles out and in."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from driftline.errors import BadInput, InvalidSettings, Trouble
from driftline.settings import Settings
from monitor.counts.profile import Profile
from producers.contract.profiles import (
    MANIFEST,
    InvalidProfile,
    ProfileReader,
    content_hash,
    encode_profile,
)

LOG = logging.getLogger(__name__)
LIBRDKAFKA = logging.getLogger("librdkafka")
PROFILES = "profiles"
PATIENCE_S = 10.0  # with brokers that do not answer
NEW_TOPIC_S = 2.0  # until a broker that creates topics on first use has created one
LOOK_AGAIN_S = 1.0  # for a topic that does not exist yet

# What brokers answer while a topic is being made, or moves to another of them.
SETTLING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._TRANSPORT,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
}

ModelVersion = tuple[str, str]


class KafkaUnavailable(Trouble):
    """No broker answers."""


class TopicMissing(Trouble):
    """A topic that nobody has created."""


class DeliveryFailed(Trouble):
    """A record that Kafka did not take."""


class ProfileConflict(BadInput):
    """A model version that is published already, with other content."""


def client_config(settings: Settings, own: Mapping[str, Any]) -> dict[str, Any]:
    """What every client is built from; ``own`` is what our guarantees rest on, and wins."""
    servers = settings.kafka.bootstrap_servers
    return {**settings.kafka.client, "bootstrap.servers": servers, "logger": LIBRDKAFKA, **own}


class Publisher:
    """Sends records, each at least once and none twice; raises as soon as it knows of a failure.

    Reaches out to Kafka when it is made. Raises ``KafkaUnavailable``.
    """

    def __init__(self, settings: Settings) -> None:
        patience = {"linger.ms": 20, "message.timeout.ms": 60_000}  # a user's own may differ
        config = {**patience, **client_config(settings, {"enable.idempotence": True})}
        self._settings = settings
        self._producer = _made(Producer, config)
        self._failure: str | None = None
        self.delivered: Counter[str] = Counter()  # by topic: what Kafka has confirmed
        _metadata(self._producer, settings)

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        """To a topic without its prefix. Waits while the queue is full.

        Raises ``DeliveryFailed``, perhaps for an earlier record.
        """
        where = {} if partition is None else {"partition": partition}
        while not self._queued(self._settings.topic(topic), key, value, where):
            self._producer.poll(0.1)
            self._raise_failure()
        self._producer.poll(0)
        self._raise_failure()

    def partitions(self, topic: str) -> int:
        """How many there are. Raises ``TopicMissing``."""
        return len(_partitions(self._producer, self._settings, self._settings.topic(topic)))

    def flush(self) -> None:
        """Wait until Kafka has confirmed everything. Raises ``DeliveryFailed``."""
        waiting = self._producer.flush(6 * PATIENCE_S)
        self._raise_failure()
        if waiting:
            raise DeliveryFailed(f"Kafka did not confirm {waiting} records within a minute")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()

    def _queued(self, topic: str, key: bytes, value: bytes, where: Mapping[str, int]) -> bool:
        try:
            self._producer.produce(topic, value, key, on_delivery=self._on_delivery, **where)
        except BufferError:
            return False
        except KafkaException as error:
            raise DeliveryFailed(f"Kafka did not take a record: {_words(error)}") from error
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            prefix = self._settings.topic("")
            self.delivered[str(message.topic()).removeprefix(prefix)] += 1
        else:
            self._failure = f"Kafka did not take a record for {message.topic()}: {error.str()}"

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeliveryFailed(self._failure)


class ProfileTable:
    """All published profiles, read whole and kept up with. For one thread.

    It has a consumer of its own and no group, so no rebalance touches it. A topic that does not
    exist yet holds no profiles.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(PROFILES)
        self._consumer = _made(Consumer, _reader_config(settings))
        # Looks up ends only: a question would wait behind the consumer's long fetches.
        self._scout = _made(Consumer, _reader_config(settings))
        self._reader = ProfileReader()
        self._profiles: dict[ModelVersion, Profile] = {}
        self._registered_ms: dict[ModelVersion, int] = {}
        self._reached: dict[int, int] = {}  # by partition: everything before this offset was read
        self._looked_at_s = float("-inf")

    def get(self, model: str, version: str) -> Profile | None:
        return self._profiles.get((model, version))

    def all(self) -> dict[ModelVersion, Profile]:
        """By model and version, in the order of their registration."""
        order = sorted(self._profiles, key=lambda of: (self._registered_ms[of], of))
        return {of: self._profiles[of] for of in order}

    def content(self, model: str, version: str) -> str:
        """The hash of what was published. Raises ``KeyError``."""
        return self._reader.content[model, version]

    def registered_ms(self, model: str, version: str) -> int:
        """The broker's clock when the profile was published. Raises ``KeyError``."""
        return self._registered_ms[model, version]

    def refresh(self) -> None:
        """Take what has arrived, without waiting for more."""
        if not self._reached and time.monotonic() - self._looked_at_s > LOOK_AGAIN_S:
            self._find_partitions()
        while messages := self._consumer.consume(100, timeout=0):
            self._take(messages)

    def catch_up(self) -> None:
        """Read everything that was published before this call. Raises ``KafkaUnavailable``."""
        self._find_partitions()
        ends = {partition: self._end(partition) for partition in self._reached}
        patience_s = time.monotonic() + 6 * PATIENCE_S
        while any(self._reached[partition] < end for partition, end in ends.items()):
            self._take(self._consumer.consume(100, timeout=0.1))
            if time.monotonic() > patience_s:
                raise KafkaUnavailable(f"reading {self._topic} to its end took over a minute")

    def close(self) -> None:
        self._consumer.close()
        self._scout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_partitions(self) -> None:
        self._looked_at_s = time.monotonic()
        found = _metadata(self._scout, self._settings, self._topic).topics[self._topic]
        if set(found.partitions) <= set(self._reached):
            return
        for partition in found.partitions:
            self._reached.setdefault(partition, 0)
        self._consumer.assign(
            [
                TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
                for partition, offset in self._reached.items()
            ]
        )

    def _end(self, partition: int) -> int:
        """Asked afresh: behind the last record that is committed."""
        at = TopicPartition(self._topic, partition)
        patience_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return int(self._scout.get_watermark_offsets(at, timeout=PATIENCE_S)[1])
            except KafkaException as error:
                if error.args[0].code() not in SETTLING or time.monotonic() > patience_s:
                    raise _unavailable(self._settings, error) from error
            time.sleep(0.1)

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            error, partition, offset = message.error(), *_at(message)
            if error is None:
                self._add(message)
                self._reached[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                # Markers of transactions fill offsets that no message reaches.
                self._reached[partition] = offset
            elif error.code() not in SETTLING:
                raise KafkaUnavailable(f"{self._topic} cannot be read: {error.str()}")

    def _add(self, message: Message) -> None:
        key = message.key() or b""
        try:
            profile = self._reader.add(key, message.value())
        except InvalidProfile as error:
            LOG.warning("passed over a message of %s: %s", self._topic, error)
            return
        model, version, part = key.decode().split("/")
        if part == MANIFEST:
            self._registered_ms.setdefault((model, version), message.timestamp()[1])
        if profile is not None:
            self._profiles[model, version] = profile


def read_profiles(settings: Settings) -> dict[ModelVersion, tuple[Profile, str]]:
    """Every published profile with the hash of its content, in the order of registration."""
    with ProfileTable(settings) as table:
        table.catch_up()
        return {of: (profile, table.content(*of)) for of, profile in table.all().items()}


def publish_profile(settings: Settings, profile: Profile) -> bool:
    """Whether it is new: the same content under the same version is accepted, and not sent again.

    Looking and writing are one step, because the transaction's name fences off whoever else
    publishes. Afterwards everybody who catches up finds the profile. Raises ``ProfileConflict``
    for other content.
    """
    topic = settings.topic(PROFILES)
    own = {"transactional.id": topic, "transaction.timeout.ms": 60_000}
    producer = _made(Producer, client_config(settings, own))
    _partitions(producer, settings, topic)
    with ProfileTable(settings) as table:
        try:
            producer.init_transactions(3 * PATIENCE_S)
            table.catch_up()
            if _is_published(table, profile):
                return False
            _write(producer, topic, encode_profile(profile))
        except KafkaException as error:
            raise DeliveryFailed(f"the profile was not published: {_words(error)}") from error
        _await(table, profile)
    return True


def _is_published(table: ProfileTable, profile: Profile) -> bool:
    if table.get(profile.model, profile.version) is None:
        return False
    if table.content(profile.model, profile.version) != content_hash(profile):
        raise ProfileConflict(
            f"model {profile.model!r} version {profile.version!r} is published already, with other"
            " content: a reference never changes, choose another --version"
        )
    return True


def _await(table: ProfileTable, profile: Profile) -> None:
    """A commit is answered shortly before readers see it."""
    patience_s = time.monotonic() + 3 * PATIENCE_S
    while table.get(profile.model, profile.version) is None:
        if time.monotonic() > patience_s:
            raise DeliveryFailed("the profile was sent, but cannot be read back from Kafka")
        table.catch_up()


def _write(producer: Any, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
    producer.begin_transaction()
    for key, value in messages:
        producer.produce(topic, value, key)
    producer.commit_transaction(6 * PATIENCE_S)


def _reader_config(settings: Settings) -> dict[str, Any]:
    own = {
        "group.id": settings.topic("no-group"),  # librdkafka wants one; nothing is kept under it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,  # the end of a partition shows only in an empty answer
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
    return client_config(settings, own)


def _made(kind: type[Any], config: dict[str, Any]) -> Any:
    """A client. Raises ``InvalidSettings``, without the value: it may be a secret."""
    try:
        return kind(config)
    except KafkaException as error:
        named = re.search(r'property:? "([^"]+)"', _words(error))
        which = f" {named[1]!r}" if named else ""
        raise InvalidSettings(
            f"[kafka.client]{which} is refused by the Kafka client: no such property, or not with"
            " this value"
        ) from None


def _partitions(client: Any, settings: Settings, topic: str) -> list[int]:
    """Gives brokers that create topics on first use the time to do so."""
    patience_s = time.monotonic() + NEW_TOPIC_S
    while not (found := _metadata(client, settings, topic).topics[topic].partitions):
        if time.monotonic() > patience_s:
            raise TopicMissing(f"there is no topic {topic}: `driftline topics create` makes it")
        time.sleep(0.1)
    return sorted(found)


def require_answer(client: Any, settings: Settings) -> None:
    """Raises ``KafkaUnavailable`` where no broker answers ``client``."""
    _metadata(client, settings)


def _metadata(client: Any, settings: Settings, topic: str | None = None) -> Any:
    try:
        return client.list_topics(topic, timeout=PATIENCE_S)
    except KafkaException as error:
        raise _unavailable(settings, error) from error


def _unavailable(settings: Settings, error: KafkaException) -> KafkaUnavailable:
    return KafkaUnavailable(
        f"could not reach Kafka at {settings.kafka.bootstrap_servers}: is it running?"
        f" ({_complaint(settings) or _words(error)})"
    )


def _complaint(settings: Settings) -> str:
    """Why, in librdkafka's words; it tells only a callback, and a failed call merely times out."""
    heard: list[KafkaError] = []
    own = {"error_cb": heard.append, "log_level": 0}
    probe = Producer(client_config(settings, own))
    probe.poll(1.0)
    return str(heard[0].str()) if heard else ""


def _at(message: Message) -> tuple[int, int]:
    """Partition and offset; only messages that were never sent lack them."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _words(error: KafkaException) -> str:
    return str(error.args[0].str())
