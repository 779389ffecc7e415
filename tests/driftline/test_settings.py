"""Settings from ``driftline.toml``, variables and files, and the errors for invalid ones."""

import os

import pytest

from driftline.configuration.model_section import ModelSection
from driftline.errors import InvalidSettings
from driftline.settings import load_settings

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """An empty directory, and no variables from the environment of the test run."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DRIFTLINE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    def written(text):
        (tmp_path / "driftline.toml").write_text(text, encoding="utf-8")

    return written


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"  {PASSWORD}\n", encoding="utf-8")
    return path


def error_message():
    with pytest.raises(InvalidSettings) as raised:
        load_settings()
    return str(raised.value)


def test_settings_without_file_and_variables_are_the_defaults():
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.topic("alerts") == "driftline.alerts"


def test_variable_overrides_the_file(write, monkeypatch):
    write('[windows]\npane = "2h"\nlength = "4h"')
    monkeypatch.setenv("DRIFTLINE_WINDOWS__LENGTH", "6h")
    windows = load_settings().windows
    assert (windows.pane, windows.length) == ("2h", "6h")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[windows]\npain = 1", "windows.pain"),
        ("[widows]\npane = 1", "widows"),
        ('[models."churn".windows]\npain = 1', "models.churn.windows.pain"),
        ('[models."churn".api]\nport = 1', "models.churn.api"),
    ],
)
def test_unknown_key_is_refused_by_name(write, text, key):
    write(text)
    assert f"unknown setting '{key}'" in error_message()


def test_invalid_plan_of_a_single_model_is_refused(write):
    write('[models."churn".windows]\npane = "7h"')
    assert "windows.length must be a multiple of windows.pane" in error_message()


def test_configuration_file_that_is_not_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driftline.toml").write_bytes(b"\xff\xfe\x00")
    assert error_message().startswith("driftline.toml is not UTF-8 text, as TOML requires: ")


def test_configuration_file_that_is_not_toml_is_refused(write):
    write("[kafka")
    assert error_message().startswith("driftline.toml is not valid TOML: ")


def test_error_for_a_variable_that_is_not_json_hides_its_value(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_API__TOKENS", PASSWORD)
    message = error_message()
    assert message.startswith("a DRIFTLINE_API variable is not valid JSON")
    assert PASSWORD not in message


class TestSecretsFromFiles:
    def test_value_with_file_prefix_is_read_from_the_file_and_stripped(self, write, secret):
        write(
            f'[kafka.client]\n"sasl.username" = "driftline"\n"sasl.password" = "file:{secret}"\n'
            f'[api]\ntokens = ["file:{secret}", "another"]\n[store]\nurl = "file:{secret}"'
        )
        settings = load_settings()
        assert settings.kafka.client == {"sasl.username": "driftline", "sasl.password": PASSWORD}
        tokens = [token.get_secret_value() for token in settings.api.tokens]
        assert tokens == [PASSWORD, "another"]
        assert settings.store.url == PASSWORD

    def test_variable_with_file_prefix_is_read_from_the_file(self, secret, monkeypatch):
        monkeypatch.setenv("DRIFTLINE_API__TOKENS", f'["file:{secret}"]')
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT__SASL__PASSWORD", f"file:{secret}")
        settings = load_settings()
        assert settings.api.tokens[0].get_secret_value() == PASSWORD
        assert settings.kafka.client == {"sasl.password": PASSWORD}

    @pytest.mark.parametrize("key", ["store.url", "kafka.client.sasl.password", "api.tokens.0"])
    def test_missing_secret_file_is_refused_with_its_setting(self, write, key):
        gone = {"store.url": "[store]\nurl = ", "api.tokens.0": "[api]\ntokens = "}.get(
            key, '[kafka.client]\n"sasl.password" = '
        )
        value = '["file:gone"]' if "tokens" in key else '"file:gone"'
        write(gone + value)
        assert error_message().startswith(
            f"setting '{key}': the file 'gone' cannot be read: No such file or directory"
        )

    @pytest.mark.parametrize(
        ("content", "why"), [(b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8 text")]
    )
    def test_secret_file_without_text_is_refused(self, write, secret, content, why):
        secret.write_bytes(content)
        write(f'[store]\nurl = "file:{secret}"')
        assert f"setting 'store.url': the file '{secret}' {why}" in error_message()


class TestKafkaClient:
    def test_kafka_client_names_with_dots_may_be_quoted_or_not(self, write):
        write(
            '[kafka.client]\nsecurity.protocol = "SASL_SSL"\n"sasl.mechanism" = "PLAIN"\n'
            'ssl.key.location = "key.pem"'
        )
        assert load_settings().kafka.client == {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "ssl.key.location": "key.pem",
        }

    @pytest.mark.parametrize("quote", ["", '"'])
    def test_kafka_client_variables_override_the_file_key_by_key(self, write, monkeypatch, quote):
        write(
            f'[kafka.client]\n{quote}sasl.password{quote} = "old"\n'
            f'{quote}sasl.username{quote} = "me"'
        )
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT__SASL__PASSWORD", "new")
        assert load_settings().kafka.client == {"sasl.password": "new", "sasl.username": "me"}

    def test_kafka_client_variable_may_be_a_json_table(self, write, monkeypatch):
        write('[kafka.client]\nsasl.password = "old"')
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT", '{"sasl.password": "new"}')
        assert load_settings().kafka.client == {"sasl.password": "new"}


class TestSecretsAreHidden:
    @pytest.mark.parametrize(
        ("section", "key"),
        [("kafka.client", "sasl.password"), ("models.churn.windows", "pane")],
    )
    def test_error_for_an_invalid_value_hides_the_value(self, write, section, key):
        write(f'[{section}]\n{key} = ["{PASSWORD}"]')
        with pytest.raises(InvalidSettings) as raised:
            load_settings()
        assert f"setting '{section}.{key}'" in str(raised.value)
        assert PASSWORD not in f"{raised.value!r} {raised.value.__cause__}"

    def test_empty_api_token_is_refused(self, write):
        write('[api]\ntokens = [""]')
        assert "setting 'api.tokens.0'" in error_message()

    def test_printed_settings_contain_no_secrets(self, write):
        write(
            f'[api]\ntokens = ["{PASSWORD}"]\n[kafka.client]\nsasl.password = "{PASSWORD}"\n'
            f'[store]\nurl = "postgresql://driftline:{PASSWORD}@db/driftline"'
        )
        assert PASSWORD not in f"{load_settings()!r} {load_settings()}"

    def test_secrets_lists_tokens_passwords_and_keys(self, write):
        write(
            '[api]\ntokens = ["t0ken"]\n[kafka.client]\nsasl.password = "p1"\n'
            'sasl.username = "me"\nssl.key.pem = "p2"\nsecurity.protocol = "SASL_SSL"\n'
            '[store]\nurl = "postgresql://driftline:a%20b@db/driftline"'
        )
        assert set(load_settings().secrets()) == {"t0ken", "p1", "p2", "a%20b", "a b"}


def test_the_hash_of_plans_tells_settings_apart_that_judge_differently_and_no_others():
    usual = load_settings().plan_hash()
    assert load_settings(windows={"length": "24h"}).plan_hash() == usual
    assert load_settings(kafka={"prefix": "other"}).plan_hash() == usual
    assert load_settings(windows={"length": "12h"}).plan_hash() != usual
    own = {"models": {"churn": ModelSection(time={"label_horizon": "60d"})}}
    assert load_settings().model_copy(update=own).plan_hash() != usual


class TestSources:
    SCORED = '[[sources]]\ntopic = "t"\nmodel = "$.m"\nfeatures = "$.f"\n'

    def test_a_source_is_read_with_its_defaults(self, write):
        write(self.SCORED)
        (source,) = load_settings().sources
        assert source.model.path == "$.m"
        assert source.version.value == "1"
        assert load_settings().source_topics() == ("topic:t",)

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ('id = "request.id"', "'sources.0.id.path': 'request.id' is not a path: expected '$'"),
            ("id = {}", "'sources.0.id': expected one of path, header and key, or a value"),
            ('id = { path = "$", header = "h" }', "'sources.0.id': expected one of path"),
            ('time = { path = "$.t", timezone = "Mars" }', "'Mars' is no time zone"),
            ('score = { path = "$.s", unit = "h" }', "'sources.0.score.unit'"),
            ('label = "$.l"', "expected an id: a label needs that of its prediction"),
            ('since = "2026-11-01"', "'2026-11-01' has no offset from UTC: expected RFC 3339"),
            ('where = { type = ["a"] }', "'type' is not a path"),
            ('format = "xml"', "'sources.0.format'"),
            ("collect = 0", "0 rows: expected 1 to 1,000,000"),
            ("collect = 1000001", "1,000,001 rows: expected 1 to 1,000,000"),
            ('collect = "soon"', "'soon' is not a duration"),
            ('collect = "0d"', "'0d' is no time"),
            ("collect = 5", "collect expects features, and a model and a version by value"),
            ('pair = { id = "$.id" }', "expected pair.kind or pair.responses"),
            ('pair = { id = "$.id", kind = "$.k", responses = "r" }', "not both: the topic says"),
            ('pair = { id = "$.id", kind = "$.k", horizon = "0s" }', "'0s' is no time to wait"),
            ('pair = { id = "$.id", kind = "$.k", horizon = "1" }', "'1' is not a duration"),
        ],
    )
    def test_a_wrong_source_is_refused_with_its_key(self, write, more, expected):
        write(self.SCORED + more)
        assert expected in error_message()

    @pytest.mark.parametrize(
        ("version", "key"),
        [
            ("{ value = 7 }", ("m", "7")),
            ('{ value = "7" }', ("m", "7")),
            ("{ value = 7.0 }", None),
            ("{ value = true }", None),
            ('{ value = "7", path = "$.v" }', None),
            ('{ value = "7", values = { 7 = "8" } }', None),
        ],
    )
    def test_a_version_is_known_beforehand_only_if_it_is_always_the_same(self, write, version, key):
        table = '[[sources]]\ntopic = "t"\nmodel = { value = "m" }\nfeatures = "$.f"\n'
        write(f"{table}version = {version}\n")
        assert load_settings().sources[0].version_key == key

    def test_sources_of_one_version_collect_the_same(self, write):
        table = '[[sources]]\ntopic = "t"\nmodel = {{ value = "m" }}\nfeatures = "$.f"\n{}\n'
        write(table.format("collect = 5") + table.format('collect = "5d"'))
        assert "the sources of m/1 differ in collect: expected the same" in error_message()
        write(table.format("collect = 5") + table.format("collect = 5"))
        assert [source.collect for source in load_settings().sources] == [5, 5]

    def test_a_source_needs_a_purpose(self, write):
        write('[[sources]]\ntopic = "t"\nmodel = "$.m"')
        assert "expected features, for predictions, or a label" in error_message()

    def test_paths_with_the_same_last_step_need_names(self, write):
        write('[[sources]]\ntopic = "t"\nmodel = "$.m"\nfeatures = ["$.a.x", "$.b.x"]')
        assert "two paths have the same last step" in error_message()

    def test_a_source_of_pairs_reads_the_topics_of_both(self, write):
        write(self.SCORED + 'pair = { id = "$.id", responses = "r" }')
        assert load_settings().source_topics() == ("topic:t", "topic:r")
        assert list(load_settings().pairs()) == ["t"]

    def test_the_reference_of_pairs_is_not_collected(self, write):
        pair = 'pair = { id = "$.id", kind = "$.k" }'
        write(self.SCORED.replace('"$.m"', '{ value = "m" }') + f"collect = 5\n{pair}")
        assert "collect cannot be used with pair" in error_message()

    def test_a_topic_belongs_to_one_kind_of_pairs(self, write):
        pair = 'pair = { id = "$.id", responses = "r" }\n'
        write(self.SCORED + pair + self.SCORED.replace('"t"', '"u"') + pair)
        assert "sources of topic 'r' have different formats, envelopes or pairs" in error_message()

    def test_sources_of_one_topic_have_one_format(self, write):
        write(self.SCORED + self.SCORED + 'envelope = "cloudevents"')
        assert "sources of topic 't' have different formats" in error_message()


def test_full_and_short_names_of_topics_are_inverse():
    settings = load_settings()
    for full in ("driftline.alerts", "orders", "driftlines.x", "driftline.a.b"):
        assert settings.topic(settings.short_topic(full)) == full
    assert settings.short_topic("driftline.alerts") == "alerts"
    assert settings.short_topic("orders") == "topic:orders"


def test_secrets_of_the_schema_registry_are_known_to_the_logs(write):
    write('[schema_registry]\nurl = "https://me:hunter22@r"\npassword = "pass2"\ntoken = "tok3n"')
    settings = load_settings()
    assert {"hunter22", "pass2", "tok3n"} <= set(settings.secrets())
    assert "hunter22" not in repr(settings)


def test_avro_needs_the_address_of_a_registry(write):
    write('[[sources]]\ntopic = "t"\nformat = "avro"\nmodel = "$.m"\nfeatures = "$.f"')
    assert "in schema_registry.url" in error_message()


def test_segments_of_a_model_are_those_of_its_section(write):
    write('[models.m]\nsegments = ["a", ["c", "b:1,2"]]\nmax_segments = 7')
    found = load_settings().segments("m")
    assert ([str(one) for one in found.by], found.most) == (["a", "b:1,2 and c"], 7)
    assert load_settings().segments("other").by == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('segments = ["a", "a"]', "setting 'models.m': segments divides by 'a' twice"),
        ('segments = ["a:2,1"]', "setting 'models.m': 'a:2,1' needs cuts"),
        ('segments = ["a"]\nmax_segments = 0', "setting 'models.m': max_segments must lie"),
        ("segments = [1]", "setting 'models.m.segments.0"),
    ],
)
def test_invalid_segments_of_a_model_are_refused(write, text, sentence):
    write(f"[models.m]\n{text}")
    assert sentence in error_message()
