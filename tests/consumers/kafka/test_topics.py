"""Topics: their configuration, creating them once, and the same as commands."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigEntry, ConfigResource

import consumers.kafka.topic_configuration
import consumers.kafka.topics
from consumers.commands.consume import topics as topics_command
from consumers.kafka.configuration import producer_config
from consumers.kafka.topic_configuration import (
    TopicWatch,
    UnfitTopics,
    configuration_warnings,
)
from consumers.kafka.topics import TopicsNotCreated, commands, create, topics
from consumers.processes.rights import all_rights
from consumers.processes.worker import all_reads_of
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings, load_settings
from monitor.plan import DAY, HOUR
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.rights import MissingRight


def settings(**sections: Any) -> Settings:
    return load_settings(None, **{"kafka": {"prefix": "d"}, **sections})


def by_name(**sections: Any) -> dict[str, Any]:
    made = settings(**sections)
    return {topic.name.removeprefix("d."): topic for topic in topics(made, made.plan())}


def retention_ms(topic: Any) -> int:
    return int(topic.config["retention.ms"])


def test_there_are_thirteen_topics():
    assert set(by_name()) == {
        *("predictions", "labels", "joins", "summaries", "windows", "alerts", "retraining"),
        *("profiles", "versions", "positions", "heartbeats", "detect-state", "dead-letters"),
    }


def test_halves_of_pairs_have_a_topic_only_if_there_are_any():
    pair = {"id": "$.id", "kind": "$.kind", "horizon": "36h"}
    own = Settings(sources=[{"topic": "t", "model": "$.m", "features": "$.f", "pair": pair}])
    (halves,) = (one for one in topics(own, own.plan()) if one.name == "driftline.halves")
    assert retention_ms(halves) == 4 * DAY  # twice the horizon, and a day


def test_tables_are_compacted_and_logs_have_a_retention():
    compacted = {n for n, t in by_name().items() if t.config["cleanup.policy"] == "compact"}
    assert compacted == {"profiles", "versions", "positions", "heartbeats", "detect-state"}
    assert all(retention_ms(t) > 0 for n, t in by_name().items() if n not in compacted)


def test_all_topics_but_the_dead_letters_use_the_append_time_of_the_broker():
    """With producers' own timestamps a replay of an old year would be deleted within minutes."""
    by_producers = {
        name
        for name, topic in by_name().items()
        if topic.config.get("message.timestamp.type") != "LogAppendTime"
    }
    assert by_producers == {"dead-letters"}


@pytest.mark.parametrize("name", ["detect-state", "versions"])
def test_state_of_detect_has_as_many_partitions_as_summaries(name):
    found = by_name(topics={"partitions": 7})
    assert found[name].partitions == found["summaries"].partitions == 7


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


@pytest.mark.parametrize("name", ["windows", "detect-state"])
def test_messages_that_grow_with_the_features_may_be_as_large_as_the_producer_sends(name):
    limit = producer_config(settings(), "id")["message.max.bytes"]
    assert by_name()[name].config["max.message.bytes"] == str(limit)


def test_a_dead_letter_may_be_larger_than_its_record():
    assert int(by_name()["dead-letters"].config["max.message.bytes"]) > 2_000_000


# -- creating them -----------------------------------------------------------------------------


class Admin:
    """Stands in for Kafka: some topics exist, others are refused."""

    def __init__(self, existing: set[str], refused: set[str]) -> None:
        self.existing, self.refused, self.created = existing, refused, []
        self.unreachable = False
        self.hidden: set[str] = set()  # existing ones that are not shown
        self.describing = KafkaError.TOPIC_AUTHORIZATION_FAILED
        self.refusal = KafkaError.INVALID_REPLICATION_FACTOR
        self.configs: dict[str, dict[str, str]] = {}  # of existing topics, that differ

    def __call__(self, _config: Any) -> Admin:
        return self

    def list_topics(self, _topic: str | None = None, *, timeout: float) -> Any:
        assert timeout > 0
        if self.unreachable:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "refused by the test"))
        return SimpleNamespace(topics=dict.fromkeys(self.existing - self.hidden))

    def create_topics(
        self, new_topics: list[Any], request_timeout: float
    ) -> dict[str, Future[None]]:
        assert request_timeout > 0
        self.created += new_topics
        return {topic.topic: self._answer(topic.topic) for topic in new_topics}

    def describe_configs(
        self, resources: list[ConfigResource], request_timeout: float
    ) -> dict[ConfigResource, Future[dict[str, ConfigEntry]]]:
        assert request_timeout > 0
        return {resource: self._described(resource.name) for resource in resources}

    def _described(self, name: str) -> Future[dict[str, ConfigEntry]]:
        answer: Future[dict[str, ConfigEntry]] = Future()
        assert name in self.existing
        if name in self.refused:
            code = self.describing
            answer.set_exception(KafkaException(KafkaError(code, "refused by the test")))
            return answer
        config = {**by_name()[name.removeprefix("d.")].config, **self.configs.get(name, {})}
        answer.set_result({key: ConfigEntry(key, value) for key, value in config.items()})
        return answer

    def _answer(self, name: str) -> Future[None]:
        answer: Future[None] = Future()
        code = KafkaError.TOPIC_ALREADY_EXISTS if name in self.existing else None
        code = self.refusal if name in self.refused else code
        if code is None:
            answer.set_result(None)
        else:
            answer.set_exception(KafkaException(KafkaError(code, "refused by the test")))
        return answer


@pytest.fixture(autouse=True)
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin({"d.alerts", "d.windows"}, set())
    monkeypatch.setattr(consumers.kafka.topics, "AdminClient", made)
    monkeypatch.setattr(consumers.kafka.topic_configuration, "AdminClient", made)
    return made


def test_missing_topics_are_created_and_existing_ones_are_reported():
    created, existing = create(settings(), settings().plan())
    assert existing == ["d.windows", "d.alerts"]
    assert len(created) == 11


def test_topics_that_exist_are_not_asked_for_because_that_needs_a_right(admin):
    admin.existing = {f"d.{name}" for name in by_name()}
    assert create(settings(), settings().plan()) == ([], [f"d.{name}" for name in by_name()])
    assert admin.created == []


def test_topics_that_were_created_meanwhile_exist(admin):
    admin.hidden = {"d.alerts"}
    assert create(settings(), settings().plan())[1] == ["d.windows", "d.alerts"]


def test_the_right_to_create_a_topic_is_named(admin):
    admin.refused, admin.refusal = {"d.joins"}, KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(MissingRight, match=r"denies User:driftline Create on topic d\.joins: "):
        create(settings(), settings().plan())


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


# -- the configuration of existing topics ------------------------------------------------------


def warnings(admin: Admin, **sections: Any) -> list[str]:
    """The warnings for topics that all exist, created with the defaults."""
    admin.existing = {f"d.{name}" for name in by_name()}
    own = settings(**sections)
    return configuration_warnings(own, own.plan(), admin.existing)


def test_topics_that_were_created_with_the_same_plan_fit(admin):
    assert warnings(admin) == []


def test_a_longer_label_horizon_warns_of_each_topic_that_needs_a_longer_retention(admin):
    lines = warnings(admin, time={"label_horizon": "60d"})
    assert [line.split(":")[0] for line in lines] == [
        *("d.predictions", "d.labels", "d.joins", "d.summaries"),
    ]
    needed = by_name(time={"label_horizon": "60d"})
    for line in lines:
        name = line.split(":")[0]
        config = f"retention.ms={needed[name.removeprefix('d.')].config['retention.ms']}"
        assert line.endswith(
            "kafka-configs.sh --bootstrap-server localhost:9092 --alter --entity-type topics"
            f" --entity-name {name} --add-config {config}"
        )


def test_the_warning_of_a_short_retention_has_the_current_and_the_needed_one(admin):
    admin.configs = {"d.windows": {"retention.ms": "604800000"}}
    (line,) = warnings(admin)
    assert line.startswith(
        "d.windows: retention.ms is 604800000 (7d), needed at least 31536000000 (365d): kafka-"
    )


@pytest.mark.parametrize("retention", ["-1", "99999999999999"])
def test_a_topic_with_a_longer_retention_fits(admin, retention):
    admin.configs = {name: {"retention.ms": retention} for name in ("d.joins", "d.windows")}
    assert warnings(admin) == []


def test_a_lower_message_limit_is_reported_and_a_higher_one_fits(admin):
    admin.configs = {name: {"max.message.bytes": "1048588"} for name in ("d.windows", "d.alerts")}
    (line,) = warnings(admin)
    assert line.startswith(
        "d.windows: max.message.bytes is 1048588, needed at least 4000000: kafka-"
    )
    admin.configs = {"d.windows": {"max.message.bytes": "9999999"}}
    assert warnings(admin) == []


def test_the_retention_of_a_compacted_topic_does_not_matter(admin):
    admin.configs = {"d.profiles": {"retention.ms": "1"}}
    assert warnings(admin) == []


def test_another_cleanup_policy_or_timestamp_type_is_reported_in_one_line_a_topic(admin):
    admin.configs = {
        "d.profiles": {"cleanup.policy": "compact,delete"},
        "d.joins": {"message.timestamp.type": "CreateTime", "retention.ms": "3600000"},
        "d.dead-letters": {"message.timestamp.type": "CreateTime"},  # as needed
    }
    joins, profiles = warnings(admin)
    assert joins.startswith(
        "d.joins: message.timestamp.type is CreateTime, needed LogAppendTime,"
        " retention.ms is 3600000 (1h), needed at least "
    )
    assert "--add-config message.timestamp.type=LogAppendTime,retention.ms=" in joins
    assert profiles.startswith("d.profiles: cleanup.policy is compact,delete, needed compact: ")


def test_topics_that_do_not_exist_are_not_compared(admin):
    admin.configs = {"d.joins": {"retention.ms": "1"}}
    assert configuration_warnings(settings(), settings().plan(), []) == []


def test_a_configuration_that_may_not_be_read_is_reported(admin):
    admin.refused = {"d.joins"}
    (line,) = warnings(admin)
    assert line == (
        "the configuration of existing topics could not be read: Kafka denies User:driftline"
        " DescribeConfigs on topic d.joins: `driftline topics create --print` prints the commands"
        " that give what it needs"
    )


def test_topics_create_prints_the_warnings_and_succeeds(admin):
    admin.configs = {"d.alerts": {"retention.ms": "86400000"}}
    done = CliRunner().invoke(topics_command, ["create"], obj=settings())
    assert done.exit_code == 0
    assert "created d.joins" in done.stdout
    assert "d.alerts exists" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: d.alerts: retention.ms is 86400000 (1d), needed at least")


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


def with_source(**sections: Any) -> Settings:
    source = SourceSection(topic="orders", model="$.m", features="$.f")
    return settings(**sections).model_copy(update={"sources": [source]})


def test_the_acls_allow_reading_the_topics_of_sources_and_writing_to_replay_dead_letters():
    own = with_source()
    read, write = [line for line in commands(own, own.plan()) if "--topic orders" in line]
    assert "--operation Read --topic orders" in read
    assert "--operation Write --topic orders" in write
    assert commands(own, own.plan())[-2].startswith("# only for `driftline dead-letters replay`")


def test_the_acls_are_those_of_the_user_of_scram_and_are_given_by_an_administrator():
    client = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "monitor"}
    own = with_source(kafka={"prefix": "d", "client": client})
    lines = [line for line in commands(own, own.plan()) if not line.startswith("#")]
    assert all("--command-config admin.properties" in line for line in lines)
    acls = [line for line in lines if line.startswith("kafka-acls.sh")]
    assert all("--allow-principal User:monitor " in line for line in acls)


def test_the_acls_cover_what_each_role_needs():
    own = with_source()
    lines = [line for line in commands(own, own.plan()) if line.startswith("kafka-acls.sh")]
    for right in all_rights(own, all_reads_of(own)):
        exact, prefixed = f"--{right.resource} {right.name}", f"prefixed --{right.resource} d."
        covering = [line for line in lines if line.endswith((exact, prefixed))]
        assert any(f"--operation {right.operation} " in line for line in covering), right


def test_a_configuration_that_may_not_be_read_is_a_problem(admin, watch):
    admin.refused = {"d.joins"}
    assert "DescribeConfigs on topic d.joins" in watch.problem()


# -- the comparison of a role, every minute ------------------------------------------------------


@pytest.fixture
def watch(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> TopicWatch:
    admin.now_s = 0.0  # type: ignore[attr-defined]
    clock = consumers.kafka.topic_configuration.time
    monkeypatch.setattr(clock, "monotonic", lambda: admin.now_s)  # type: ignore[attr-defined]
    admin.existing = {"d.joins", "d.summaries"}
    return TopicWatch(settings(), lambda: admin.existing)


def test_a_retention_that_became_too_short_is_a_problem_within_a_minute(admin, watch):
    assert watch.problem() is None
    admin.configs = {"d.summaries": {"retention.ms": "1000"}}
    admin.now_s = 59.0
    assert watch.problem() is None
    admin.now_s = 60.0
    assert "d.summaries: retention.ms is 1000 (1s), needed at least" in watch.problem()
    admin.configs = {}
    admin.now_s = 120.0
    assert watch.problem() is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("cleanup.policy", "compact"), ("message.timestamp.type", "CreateTime")],
)
def test_a_topic_with_which_results_would_be_wrong_is_refused(admin, watch, key, value):
    admin.configs = {"d.joins": {key: value}}
    with pytest.raises(UnfitTopics, match=f"d.joins: {key} is {value}, needed .*--add-config"):
        watch.problem()


def test_a_configuration_that_cannot_be_read_now_is_no_problem(admin, watch):
    admin.refused, admin.describing = {"d.joins"}, KafkaError.REQUEST_TIMED_OUT
    assert watch.problem() is None
