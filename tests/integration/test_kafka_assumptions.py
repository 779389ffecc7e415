"""Behaviour of Kafka and its client that the design depends on, on a real broker."""

from time import monotonic

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WATERMARKS = '{"watermark_ms": 1364774400000}'
MEMBER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 500,  # a member learns of a rebalance by its heartbeat
}


@pytest.fixture
def topic(kafka, prefix):
    """Two partitions, three records in each."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(prefix, 2)])[prefix].result(10)
    producer = Producer({"bootstrap.servers": kafka})
    for n in range(6):
        producer.produce(prefix, str(n), partition=n % 2)
    assert producer.flush(10) == 0
    return prefix


@pytest.fixture
def member(kafka, prefix):
    """Consumers of the test's group, closed at its end.

    All have to be polled: ``close`` of one that slept through a rebalance may never return.
    """
    consumers = []

    def join(topic, slot=0):
        own = {"bootstrap.servers": kafka, "group.id": prefix, "group.instance.id": f"role-{slot}"}
        consumers.append(Consumer(MEMBER | own))
        consumers[-1].subscribe([topic])
        return consumers[-1]

    yield join
    for consumer in consumers:
        consumer.close()


def transactional(kafka, name):
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": name})
    producer.init_transactions(10)
    producer.begin_transaction()
    return producer


def read(consumer, count, within_s=10):
    """At least ``count`` values in the order of arrival, or fewer after the timeout."""
    values, deadline = [], monotonic() + within_s
    while len(values) < count and monotonic() < deadline:
        for message in consumer.consume(100, timeout=0.2):
            if error := message.error():
                raise KafkaException(error)
            values.append(message.value())
    return values


def test_an_aborted_transaction_has_no_visible_records_and_offsets(kafka, topic, member):
    consumer = member(topic)
    assert len(read(consumer, 6)) == 6
    producer = transactional(kafka, topic)
    producer.produce(topic, "aborted", partition=0)
    offsets = [TopicPartition(topic, 0, 3, WATERMARKS)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
    producer.abort_transaction(10)
    producer.begin_transaction()
    producer.produce(topic, "committed", partition=0)
    producer.commit_transaction(10)
    assert read(consumer, 1) == [b"committed"]
    assert consumer.committed([TopicPartition(topic, 0)], 10)[0].offset < 0


def test_a_successor_with_the_same_ids_starts_at_once_and_fences_the_other(kafka, topic, member):
    lost, zombie = member(topic), transactional(kafka, topic)
    assert len(read(lost, 6)) == 6
    zombie.produce(topic, "zombie", partition=0)
    zombie.flush(10)
    started = monotonic()
    assert len(read(member(topic), 6)) == 6
    transactional(kafka, topic).commit_transaction(10)
    assert monotonic() - started < 5
    with pytest.raises(KafkaException) as fenced:
        zombie.commit_transaction(10)
    assert fenced.value.args[0].code() == KafkaError._FENCED
    with pytest.raises(KafkaException) as gone:
        read(lost, 1)
    assert gone.value.args[0].code() == KafkaError._FATAL


def test_a_second_member_gets_one_partition_and_the_first_keeps_the_other(topic, member):
    first = member(topic)
    assert len(read(first, 6)) == 6
    second, deadline = member(topic, slot=1), monotonic() + 10
    while not second.assignment() and monotonic() < deadline:
        read(first, 1, within_s=0.1)
        read(second, 1, within_s=0.1)
    assert [len(first.assignment()), len(second.assignment())] == [1, 1]


def test_looking_up_a_topic_does_not_create_it(kafka, prefix):
    metadata = AdminClient({"bootstrap.servers": kafka}).list_topics(f"{prefix}.unmade", 10)
    error = metadata.topics[f"{prefix}.unmade"].error
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
