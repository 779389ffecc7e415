"""Topics: each with what its readers rely on, made once, or shown as commands."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

import consumers.kafka.topics
from consumers.kafka.topics import TopicsNotCreated, commands, create, topics
from driftline.settings import Settings, load_settings
from monitor.plan import DAY, HOUR
from producers.kafka.profile_table import KafkaUnavailable


def settings(**sections: Any) -> Settings:
    return load_settings(None, **{"kafka": {"prefix": "d"}, **sections})


def shapes(**sections: Any) -> dict[str, Any]:
    made = settings(**sections)
    return {topic.name.removeprefix("d."): topic for topic in topics(made, made.plan())}


def retention_ms(topic: Any) -> int:
    return int(topic.config["retention.ms"])


def test_they_are_the_eleven_of_the_design():
    assert set(shapes()) == {
        *("predictions", "labels", "joins", "summaries", "windows", "alerts", "retraining"),
        *("profiles", "heartbeats", "detect-state", "dead-letters"),
    }


def test_tables_are_compacted_and_logs_deleted_in_time():
    compacted = {n for n, t in shapes().items() if t.config["cleanup.policy"] == "compact"}
    assert compacted == {"profiles", "heartbeats", "detect-state"}
    assert all(retention_ms(t) > 0 for n, t in shapes().items() if n not in compacted)


def test_time_is_the_brokers_wherever_retention_or_clocks_are_judged_by_it():
    """With producers' own timestamps a replay of an old year would be deleted within minutes."""
    by_producers = {
        name
        for name, topic in shapes().items()
        if topic.config.get("message.timestamp.type") != "LogAppendTime"
    }
    assert by_producers == {"dead-letters"}


def test_the_state_of_a_partition_lies_in_the_partition_of_its_number():
    found = shapes(topics={"partitions": 7})
    assert found["detect-state"].partitions == found["summaries"].partitions == 7


@pytest.mark.parametrize("name", ["alerts", "retraining", "profiles", "heartbeats"])
def test_what_must_stay_in_one_order_has_one_partition(name):
    assert shapes(topics={"partitions": 7})[name].partitions == 1


@pytest.mark.parametrize(
    "time",
    [
        {},
        {"label_horizon": "60d"},
        {"accept_late": "90d", "label_horizon": "1d"},
        {"accept_late": "0s", "label_horizon": "0s"},
    ],
)
def test_a_lost_store_or_snapshot_can_be_rebuilt_from_what_is_retained(time):
    """A label lies up to the horizon behind its prediction, and is kept for the longer patience."""
    plan = settings(time=time).plan()
    reach_ms = max(plan.time.label_horizon_ms, plan.time.accept_late_ms)
    found = shapes(time=time)
    assert retention_ms(found["joins"]) >= plan.time.label_horizon_ms + reach_ms + 2 * HOUR
    windows_ms = 2 * plan.windows.length_ms
    waited_ms = plan.time.label_horizon_ms
    assert retention_ms(found["summaries"]) >= reach_ms + windows_ms + min(waited_ms, reach_ms)
    assert retention_ms(found["predictions"]) >= max(2 * plan.time.label_horizon_ms, 7 * DAY)


def test_the_model_with_the_longest_patience_decides_what_is_retained(tmp_path):
    file = tmp_path / "driftline.toml"
    file.write_text('[models."slow"]\ntime = {label_horizon = "90d"}')
    own = load_settings(file)
    patient = {t.name.removeprefix("driftline."): t for t in topics(own, own.plan())}
    for name in ("predictions", "labels", "joins", "summaries"):
        assert retention_ms(patient[name]) >= 90 * DAY > retention_ms(shapes()[name])


def test_a_dead_letter_may_be_larger_than_the_record_it_holds():
    assert int(shapes()["dead-letters"].config["max.message.bytes"]) > 2_000_000


# -- making them -------------------------------------------------------------------------------


class Admin:
    """Stands in for Kafka: knows some topics, refuses others."""

    def __init__(self, there: set[str], refused: set[str]) -> None:
        self.there, self.refused, self.asked = there, refused, []
        self.silent = False

    def __call__(self, _config: Any) -> Admin:
        return self

    def list_topics(self, _topic: str | None = None, *, timeout: float) -> None:
        assert timeout > 0
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "as the test wants it"))

    def create_topics(self, wanted: list[Any], request_timeout: float) -> dict[str, Future[None]]:
        assert request_timeout > 0
        self.asked += wanted
        return {topic.topic: self._answer(topic.topic) for topic in wanted}

    def _answer(self, name: str) -> Future[None]:
        answer: Future[None] = Future()
        code = KafkaError.TOPIC_ALREADY_EXISTS if name in self.there else None
        code = KafkaError.INVALID_REPLICATION_FACTOR if name in self.refused else code
        if code is None:
            answer.set_result(None)
        else:
            answer.set_exception(KafkaException(KafkaError(code, "as the test wants it")))
        return answer


@pytest.fixture(autouse=True)
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin({"d.alerts", "d.windows"}, set())
    monkeypatch.setattr(consumers.kafka.topics, "AdminClient", made)
    return made


def test_what_is_missing_is_made_and_what_is_there_is_said():
    made, there = create(settings(), settings().plan())
    assert there == ["d.windows", "d.alerts"]
    assert len(made) == 9


def test_they_are_made_as_configured(admin):
    own = settings(topics={"partitions": 3, "replication": 2})
    create(own, own.plan())
    predictions = next(topic for topic in admin.asked if topic.topic == "d.predictions")
    assert (predictions.num_partitions, predictions.replication_factor) == (3, 2)
    assert predictions.config["message.timestamp.type"] == "LogAppendTime"


def test_what_kafka_refuses_is_said_topic_by_topic(admin):
    admin.refused = {"d.joins", "d.labels"}
    with pytest.raises(TopicsNotCreated) as refused:
        create(settings(), settings().plan())
    sentence = str(refused.value)
    assert "d.labels: as the test wants it; d.joins: as the test wants it" in sentence
    assert "localhost:9092" in sentence


def test_without_a_broker_one_sentence_is_said_and_none_of_topics(admin):
    admin.silent = True
    with pytest.raises(KafkaUnavailable, match="could not reach Kafka at localhost:9092"):
        create(settings(), settings().plan())
    assert admin.asked == []


# -- for people who may not --------------------------------------------------------------------


def test_the_commands_make_the_same_topics():
    own = settings(topics={"partitions": 3, "replication": 2})
    lines = [line for line in commands(own, own.plan()) if line.startswith("kafka-topics.sh")]
    for line, topic in zip(lines, topics(own, own.plan()), strict=True):
        words = line.split()
        assert words[words.index("--topic") + 1] == topic.name
        assert words[words.index("--partitions") + 1] == str(topic.partitions)
        assert words[words.index("--replication-factor") + 1] == "2"
        assert {words[i + 1] for i, word in enumerate(words) if word == "--config"} == {
            f"{key}={value}" for key, value in topic.config.items()
        }


def test_the_acls_cover_topics_groups_and_transactions_of_the_prefix():
    lines = [line for line in commands(settings(), settings().plan()) if "kafka-acls.sh" in line]
    resources = {
        words[words.index(kind) + 1]
        for words in map(str.split, lines)
        for kind in ("--topic", "--group", "--transactional-id")
        if kind in words
    }
    assert resources == {"d."}
    assert all("--resource-pattern-type prefixed" in line for line in lines if "d." in line)
