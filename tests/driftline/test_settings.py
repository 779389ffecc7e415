"""What stands in ``driftline.toml``, in variables and in files, and what is said when it cannot."""

import os

import pytest

from driftline.settings import InvalidSettings, load_settings

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """A directory without a configuration, and no variable of whoever runs the tests."""
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


def refusal():
    with pytest.raises(InvalidSettings) as raised:
        load_settings()
    return str(raised.value)


def test_without_anything_the_defaults_hold():
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.topic("alerts") == "driftline.alerts"


def test_a_variable_outranks_the_file(write, monkeypatch):
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
def test_an_unknown_key_is_refused_by_its_name(write, text, key):
    write(text)
    assert f"unknown setting '{key}'" in refusal()


def test_a_plan_that_cannot_be_is_refused_also_that_of_one_model(write):
    write('[models."churn".windows]\npane = "7h"')
    assert "windows.length must be a multiple of windows.pane" in refusal()


def test_a_file_that_is_not_text_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driftline.toml").write_bytes(b"\xff\xfe\x00")
    assert refusal().startswith("driftline.toml is not text in UTF-8, as TOML has to be: ")


def test_a_file_that_is_not_toml_is_a_sentence(write):
    write("[kafka")
    assert refusal().startswith("driftline.toml is not TOML: ")


def test_a_variable_that_is_not_json_is_a_sentence_without_its_value(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_API__TOKENS", PASSWORD)
    said = refusal()
    assert said.startswith("a DRIFTLINE_API variable is not JSON")
    assert PASSWORD not in said


class TestSecretsFromFiles:
    def test_what_begins_with_file_is_read_from_there_without_space_around(self, write, secret):
        write(
            f'[kafka.client]\n"sasl.username" = "driftline"\n"sasl.password" = "file:{secret}"\n'
            f'[api]\ntokens = ["file:{secret}", "another"]\n[store]\nurl = "file:{secret}"'
        )
        settings = load_settings()
        assert settings.kafka.client == {"sasl.username": "driftline", "sasl.password": PASSWORD}
        tokens = [token.get_secret_value() for token in settings.api.tokens]
        assert tokens == [PASSWORD, "another"]
        assert settings.store.url == PASSWORD

    def test_variables_may_name_files_too(self, secret, monkeypatch):
        monkeypatch.setenv("DRIFTLINE_API__TOKENS", f'["file:{secret}"]')
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT__SASL__PASSWORD", f"file:{secret}")
        settings = load_settings()
        assert settings.api.tokens[0].get_secret_value() == PASSWORD
        assert settings.kafka.client == {"sasl.password": PASSWORD}

    @pytest.mark.parametrize("key", ["store.url", "kafka.client.sasl.password", "api.tokens.0"])
    def test_a_file_that_is_missing_is_named_with_its_setting(self, write, key):
        gone = {"store.url": "[store]\nurl = ", "api.tokens.0": "[api]\ntokens = "}.get(
            key, '[kafka.client]\n"sasl.password" = '
        )
        value = '["file:gone"]' if "tokens" in key else '"file:gone"'
        write(gone + value)
        assert refusal().startswith(
            f"setting '{key}': its file 'gone' cannot be read: No such file or directory"
        )

    @pytest.mark.parametrize(
        ("content", "why"), [(b" \n", "is empty"), (b"\xff\xfe", "is not text in UTF-8")]
    )
    def test_a_file_that_holds_no_text_is_refused(self, write, secret, content, why):
        secret.write_bytes(content)
        write(f'[store]\nurl = "file:{secret}"')
        assert f"setting 'store.url': its file '{secret}' {why}" in refusal()


class TestKafkaClient:
    def test_names_with_dots_may_be_quoted_or_not(self, write):
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
    def test_variables_outrank_the_file_key_by_key(self, write, monkeypatch, quote):
        write(
            f'[kafka.client]\n{quote}sasl.password{quote} = "old"\n'
            f'{quote}sasl.username{quote} = "me"'
        )
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT__SASL__PASSWORD", "new")
        assert load_settings().kafka.client == {"sasl.password": "new", "sasl.username": "me"}

    def test_one_variable_may_hold_them_all_in_json(self, write, monkeypatch):
        write('[kafka.client]\nsasl.password = "old"')
        monkeypatch.setenv("DRIFTLINE_KAFKA__CLIENT", '{"sasl.password": "new"}')
        assert load_settings().kafka.client == {"sasl.password": "new"}


class TestSecretsStayWhereTheyAre:
    @pytest.mark.parametrize(
        ("section", "key"),
        [("kafka.client", "sasl.password"), ("models.churn.windows", "pane")],
    )
    def test_a_wrong_value_is_not_repeated(self, write, section, key):
        write(f'[{section}]\n{key} = ["{PASSWORD}"]')
        with pytest.raises(InvalidSettings) as raised:
            load_settings()
        assert f"setting '{section}.{key}'" in str(raised.value)
        assert PASSWORD not in f"{raised.value!r} {raised.value.__cause__}"

    def test_an_empty_token_would_let_everybody_in_and_is_refused(self, write):
        write('[api]\ntokens = [""]')
        assert "setting 'api.tokens.0'" in refusal()

    def test_printed_settings_hold_none(self, write):
        write(
            f'[api]\ntokens = ["{PASSWORD}"]\n[kafka.client]\nsasl.password = "{PASSWORD}"\n'
            f'[store]\nurl = "postgresql://driftline:{PASSWORD}@db/driftline"'
        )
        assert PASSWORD not in f"{load_settings()!r} {load_settings()}"

    def test_logs_are_told_what_to_hide(self, write):
        write(
            '[api]\ntokens = ["t0ken"]\n[kafka.client]\nsasl.password = "p1"\n'
            'sasl.username = "me"\nssl.key.pem = "p2"\nsecurity.protocol = "SASL_SSL"\n'
            '[store]\nurl = "postgresql://driftline:a%20b@db/driftline"'
        )
        assert set(load_settings().secrets()) == {"t0ken", "p1", "p2", "a%20b", "a b"}
