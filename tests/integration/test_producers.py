"""Producers on a real Kafka: all records arrive, and published profiles never change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from driftline.cli import program
from driftline.commands import COMMANDS
from driftline.settings import Settings, load_settings
from monitor.counts.profile import Profile
from producers.contract.profiles import encode_profile
from producers.contract.records import decode_label, decode_prediction
from producers.kafka.errors import MissingTopic, ProfileConflict
from producers.kafka.profile_publication import Publication, derived_blobs, publish_profile
from producers.kafka.profile_table import ProfileTable
from tests.producers.contract.test_profiles import profile
from tests.producers.published import read_profiles

PARTITIONS = 3
DAY_MS = 86_400_000


@pytest.fixture
def settings(kafka: str, prefix: str) -> Settings:
    found = load_settings(kafka={"bootstrap_servers": kafka, "prefix": prefix})
    topics = [
        NewTopic(found.topic("profiles"), PARTITIONS, 1, config={"cleanup.policy": "compact"}),
        NewTopic(found.topic("predictions"), PARTITIONS, 1),
        NewTopic(found.topic("labels"), 2, 1),
    ]
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics(topics).values():
        made.result(30)
    return found


def messages(settings: Settings, topic: str) -> Iterator[Message]:
    """Everything committed in a topic, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "group.id": "test",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    name = settings.topic(topic)
    for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
        consumer.assign([TopicPartition(name, partition, 0)])
        while (message := consumer.poll(10)) is not None and message.error() is None:
            yield message
    consumer.close()


def variables(settings: Settings) -> dict[str, str]:
    return {
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": settings.kafka.prefix,
    }


def run(settings: Settings, *words: str) -> Result:
    main = program("driftline", COMMANDS, "help")
    return CliRunner().invoke(main, words, env=variables(settings))


def published(of: Profile) -> list[tuple[bytes, bytes]]:
    return encode_profile(of, derived=derived_blobs(load_settings().plan(), of))


def test_a_profile_is_complete_for_readers_that_catch_up_after_its_publication(settings):
    with ProfileTable(settings) as early:
        early.catch_up()
        assert early.versions() == {}
        assert publish_profile(settings, profile(model_file=b"x" * 1_200_000))
        early.catch_up()
        found = early.get("m", "1")
        assert found is not None
        assert encode_profile(found) == encode_profile(profile(model_file=b"x" * 1_200_000))
        assert early.registered_ms("m", "1") > 1_700_000_000_000


def test_publishing_the_same_content_again_writes_nothing(settings):
    assert publish_profile(settings, profile())
    count = len(list(messages(settings, "profiles")))
    assert publish_profile(settings, profile()) is Publication.UNCHANGED
    assert len(list(messages(settings, "profiles"))) == count == len(published(profile()))


def test_profiles_published_at_the_same_time_are_all_published(settings):
    """Each publisher fences the others off; those begin again."""
    versions = ("a", "b", "c")
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda name: publish_profile(settings, profile(name)), versions))
    assert found == [Publication.NEW] * 3
    assert sorted(read_profiles(settings)) == [("m", name) for name in versions]


def test_publishing_other_content_for_a_version_is_refused(settings):
    publish_profile(settings, profile())
    before = read_profiles(settings)["m", "1"][1]
    with pytest.raises(ProfileConflict, match=r"'m' version '1' is published already.*--version"):
        publish_profile(settings, profile(seed=1))
    assert read_profiles(settings)["m", "1"][1] == before
    assert len(list(messages(settings, "profiles"))) == len(published(profile()))


def test_profiles_are_listed_in_the_order_of_their_registration(settings):
    for version in ("b", "c", "a"):
        publish_profile(settings, profile(version))
    assert list(read_profiles(settings)) == [("m", "b"), ("m", "c"), ("m", "a")]


def test_a_publisher_that_died_in_a_transaction_is_fenced_and_leaves_nothing(settings):
    """The next publisher fences it, and does not wait for its transaction to time out."""
    topic = settings.topic("profiles")
    dead = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "transactional.id": topic}
    )
    dead.init_transactions(30)
    dead.begin_transaction()
    for key, value in encode_profile(profile(seed=1)):
        dead.produce(topic, value, key)
    dead.flush(30)

    assert publish_profile(settings, profile())
    assert encode_profile(read_profiles(settings)["m", "1"][0]) == encode_profile(profile())


def test_a_missing_topic_is_reported_by_its_name(settings):
    elsewhere = load_settings(
        kafka={"bootstrap_servers": settings.kafka.bootstrap_servers, "prefix": "nowhere"}
    )
    with pytest.raises(
        MissingTopic, match=r"no topic nowhere\.profiles: run `driftline topics create`"
    ):
        publish_profile(elsewhere, profile())
    assert read_profiles(elsewhere) == {}


def test_a_simulated_day_of_flights_is_sent_completely(settings, tmp_path: Path):
    """Every flight of 1 April with its label; keyed by id; in order of event time as sent."""
    trained = run(settings, "train", "--output", str(tmp_path))
    assert trained.exit_code == 0, trained.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "flight-delay-1.skops",
        "flight-delay-1.profile",
    }
    words = ("--from", "2013-04-01", "--until", "2013-04-02", "--finish")
    sent = run(settings, "simulate", *words)
    assert sent.exit_code == 0, sent.output

    predictions = [(m, decode_prediction(m.value())) for m in messages(settings, "predictions")]
    labels = [(m, decode_label(m.value())) for m in messages(settings, "labels")]
    assert f"sent {len(predictions)} predictions and {len(labels)} labels" in sent.output.replace(
        ",", ""
    )
    flights = {record.id for _, record in predictions if not record.id.startswith("finish/")}
    assert len(flights) == 955
    assert flights == {record.id for _, record in labels if not record.id.startswith("finish/")}
    assert all(message.key() == record.id.encode() for message, record in predictions + labels)
    _check_order(predictions)
    _check_order(labels)
    _check_finish(predictions, PARTITIONS)
    _check_finish(labels, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_simulation_which_reports_what_was_sent(settings, number, trained):
    publish_profile(settings, trained.profile)
    words = [sys.executable, "-m", "producers", "simulate", "--rate", "300", "--finish"]
    environment = {**os.environ, **variables(settings)}
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    while next(messages(settings, "labels"), None) is None:
        assert running.poll() is None
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    sent = [len(list(messages(settings, topic))) for topic in ("predictions", "labels")]
    assert said.endswith(f"sent {sent[0]:,} predictions and {sent[1]:,} labels\n")
    assert not any(m.key().startswith(b"finish") for m in messages(settings, "predictions"))


def test_another_file_is_registered_once_and_replayed(settings, tmp_path: Path):
    n = 500
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "asked": pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC").astype(str),
            "risk": rng.random(n),
            "outcome": rng.choice(["repaid", "defaulted"], n),
            "income": rng.lognormal(10, 1, n),
        }
    )
    file = tmp_path / "loans.csv"
    frame.to_csv(file, index=False)
    model = ("--model", "loans", "--version", "3")
    columns = (
        "--time",
        "asked",
        "--score",
        "risk",
        "--label",
        "outcome",
        "--positive",
        "defaulted",
    )

    early = run(settings, "replay", str(file), *model, *columns, "--limit", "1")
    assert early.exit_code == 2
    assert "loans version 3 is not registered" in early.stderr
    assert list(messages(settings, "predictions")) == []
    anyway = run(settings, "replay", str(file), *model, *columns, "--limit", "1", "--anyway")
    assert (anyway.exit_code, len(list(messages(settings, "predictions")))) == (0, 1)
    registered = run(settings, "register", *model, *columns, "--reference", str(file))
    assert f"published to {settings.topic('profiles')}" in registered.output
    again = run(settings, "register", *model, *columns, "--reference", str(file))
    assert (again.exit_code, "is already in" in again.output) == (0, True)

    frame.iloc[:-1].to_csv(file, index=False)
    other = run(settings, "register", *model, *columns, "--reference", str(file))
    assert other.exit_code == 2
    assert "is published already, with other content" in other.stderr
    replayed = run(settings, "replay", str(file), *model, *columns, "--label-delay", "2h")
    assert (replayed.exit_code, replayed.stderr) == (0, "")
    assert "sent 499 predictions and 499 labels" in replayed.output
    assert len(list(messages(settings, "labels"))) == 500


def _check_order(records: list) -> None:
    """Within a partition event time never goes back."""
    for (a, first), (b, second) in pairwise(records):
        assert a.partition() != b.partition() or first.time_ms <= second.time_ms


def _check_finish(records: list, partitions: int) -> None:
    """One record in every partition, 60 days after everything else."""
    last = [(m.partition(), r.time_ms) for m, r in records if r.id.startswith("finish/")]
    assert Counter(partition for partition, _ in last) == dict.fromkeys(range(partitions), 1)
    end_ms = int(datetime(2013, 5, 31, tzinfo=UTC).timestamp() * 1000)
    assert all(end_ms < time_ms < end_ms + 3 * DAY_MS for _, time_ms in last)
