"""Topics: their configuration, creating them once, and the same as commands."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

import consumers.kafka.topics
from consumers.kafka.topics import TopicsNotCreated, commands, create, topics
from driftline.settings import Settings, load_settings
from monitor.plan import DAY, HOUR
from producers.kafka.errors import KafkaUnavailable


def settings(**sections: Any) -> Settings:
    return load_settings(None, **{"kafka": {"prefix": "d"}, **sections})


def by_name(**sections: Any) -> dict[str, Any]:
    made = settings(**sections)
    return {topic.name.removeprefix("d."): topic for topic in topics(made, made.plan())}


def retention_ms(topic: Any) -> int:
    return int(topic.config["retention.ms"])


def test_there_are_eleven_topics():
    assert set(by_name()) == {
        *("predictions", "labels", "joins", "summaries", "windows", "alerts", "retraining"),
        *("profiles", "heartbeats", "detect-state", "dead-letters"),
    }


def test_tables_are_compacted_and_logs_have_a_retention():
    compacted = {n for n, t in by_name().items() if t.config["cleanup.policy"] == "compact"}
    assert compacted == {"profiles", "heartbeats", "detect-state"}
    assert all(retention_ms(t) > 0 for n, t in by_name().items() if n not in compacted)


def test_all_topics_but_the_dead_letters_use_the_append_time_of_the_broker():
    """With producers' own timestamps a replay of an old year would be deleted within minutes."""
    by_producers = {
        name
        for name, topic in by_name().items()
        if topic.config.get("message.timestamp.type") != "LogAppendTime"
    }
    assert by_producers == {"dead-letters"}


def test_detect_state_has_as_many_partitions_as_summaries():
    found = by_name(topics={"partitions": 7})
    assert found["detect-state"].partitions == found["summaries"].partitions == 7


@pytest.mark.parametrize("name", ["alerts", "retraining", "profiles", "heartbeats"])
def test_topics_with_a_total_order_have_one_partition(name):
    assert by_name(topics={"partitions": 7})[name].partitions == 1


@pytest.mark.parametrize(
    "time",
    [
        {},
        {"label_horizon": "60d"},
        {"accept_late": "90d", "label_horizon": "1d"},
        {"accept_late": "0s", "label_horizon": "0s"},
    ],
)
def test_retention_is_long_enough_to_rebuild_a_lost_store_or_snapshot(time):
    """A label comes up to the horizon after its prediction, and waits for the later of both."""
    plan = settings(time=time).plan()
    reach_ms = max(plan.time.label_horizon_ms, plan.time.accept_late_ms)
    found = by_name(time=time)
    assert retention_ms(found["joins"]) >= plan.time.label_horizon_ms + reach_ms + 2 * HOUR
    windows_ms = 2 * plan.windows.length_ms
    wait_ms = plan.time.label_horizon_ms
    assert retention_ms(found["summaries"]) >= reach_ms + windows_ms + min(wait_ms, reach_ms)
    assert retention_ms(found["predictions"]) >= max(2 * plan.time.label_horizon_ms, 7 * DAY)


def test_the_model_with_the_longest_label_horizon_sets_the_retention(tmp_path):
    file = tmp_path / "driftline.toml"
    file.write_text('[models."slow"]\ntime = {label_horizon = "90d"}')
    own = load_settings(file)
    slow = {t.name.removeprefix("driftline."): t for t in topics(own, own.plan())}
    for name in ("predictions", "labels", "joins", "summaries"):
        assert retention_ms(slow[name]) >= 90 * DAY > retention_ms(by_name()[name])


def test_a_dead_letter_may_be_larger_than_its_record():
    assert int(by_name()["dead-letters"].config["max.message.bytes"]) > 2_000_000


# -- creating them -----------------------------------------------------------------------------


class Admin:
    """Stands in for Kafka: some topics exist, others are refused."""

    def __init__(self, existing: set[str], refused: set[str]) -> None:
        self.existing, self.refused, self.created = existing, refused, []
        self.unreachable = False

    def __call__(self, _config: Any) -> Admin:
        return self

    def list_topics(self, _topic: str | None = None, *, timeout: float) -> None:
        assert timeout > 0
        if self.unreachable:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "refused by the test"))

    def create_topics(
        self, new_topics: list[Any], request_timeout: float
    ) -> dict[str, Future[None]]:
        assert request_timeout > 0
        self.created += new_topics
        return {topic.topic: self._answer(topic.topic) for topic in new_topics}

    def _answer(self, name: str) -> Future[None]:
        answer: Future[None] = Future()
        code = KafkaError.TOPIC_ALREADY_EXISTS if name in self.existing else None
        code = KafkaError.INVALID_REPLICATION_FACTOR if name in self.refused else code
        if code is None:
            answer.set_result(None)
        else:
            answer.set_exception(KafkaException(KafkaError(code, "refused by the test")))
        return answer


@pytest.fixture(autouse=True)
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin({"d.alerts", "d.windows"}, set())
    monkeypatch.setattr(consumers.kafka.topics, "AdminClient", made)
    return made


def test_missing_topics_are_created_and_existing_ones_are_reported():
    created, existing = create(settings(), settings().plan())
    assert existing == ["d.windows", "d.alerts"]
    assert len(created) == 9


def test_topics_are_created_as_configured(admin):
    own = settings(topics={"partitions": 3, "replication": 2})
    create(own, own.plan())
    predictions = next(topic for topic in admin.created if topic.topic == "d.predictions")
    assert (predictions.num_partitions, predictions.replication_factor) == (3, 2)
    assert predictions.config["message.timestamp.type"] == "LogAppendTime"


def test_refused_topics_are_reported_with_their_reasons(admin):
    admin.refused = {"d.joins", "d.labels"}
    with pytest.raises(TopicsNotCreated) as refused:
        create(settings(), settings().plan())
    message = str(refused.value)
    assert "d.labels: refused by the test; d.joins: refused by the test" in message
    assert "localhost:9092" in message


def test_an_unreachable_broker_is_reported_once_not_for_each_topic(admin):
    admin.unreachable = True
    with pytest.raises(KafkaUnavailable, match="could not reach Kafka at localhost:9092"):
        create(settings(), settings().plan())
    assert admin.created == []


# -- commands for administrators-----------------------------------------------------------------


def test_the_commands_create_the_same_topics():
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
