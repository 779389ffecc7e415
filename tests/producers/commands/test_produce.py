"""What people type: one sentence for every mistake, and an exit code that says whose it is."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from driftline.cli import program
from driftline.commands import COMMANDS
from driftline.errors import BadInput, Trouble
from producers.registration.profile_file import read_profile

ROOT = Path(__file__).parents[3]
MODEL = ["--model", "loans", "--version", "1"]
COLUMNS = ["--time", "when", "--score", "p"]
NOWHERE = {"DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.fixture(autouse=True)
def no_leftovers(monkeypatch, tmp_path):
    """No configuration of whoever runs the tests, no patience, no logging that outlives a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("producers.kafka.metadata.FIRST_S", 0.5)
    level = logging.getLogger("librdkafka").level
    yield
    logging.getLogger("librdkafka").setLevel(level)


@pytest.fixture
def loans(tmp_path):
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC").astype(str),
            "p": rng.random(n),
            "outcome": rng.choice(["repaid", "defaulted"], n),
            "income": rng.lognormal(10, 1, n),
            "branch": rng.integers(0, 5, n),
        }
    )
    path = tmp_path / "loans.csv"
    frame.to_csv(path, index=False)
    return str(path)


def run(*words: str, **environment: str):
    return CliRunner().invoke(program("driftline", COMMANDS, "help"), words, env=environment)


def test_register_builds_a_profile_from_a_file_of_rows(loans, tmp_path):
    result = run(
        "register",
        *(*MODEL, *COLUMNS),
        *("--reference", loans, "--label", "outcome", "--positive", "defaulted"),
        *("--categorical", "branch", "--output", str(tmp_path / "loans.profile"), "--no-publish"),
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"feature   income +numeric ", result.output)
    assert re.search(r"feature   branch +categorical .* 5 categories", result.output)
    profile = read_profile(tmp_path / "loans.profile")
    assert (profile.model, profile.version, profile.labelled) == ("loans", "1", True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--time", "then"], "there is no column 'then' in .*: its columns are when, p, outcome"),
        (["--score", "income"], "expects a number from 0 to 1"),
        (["--label", "branch"], "those of the task binary have two"),
        (["--label", "outcome"], "give the positive one with --positive"),
        (["--label", "outcome", "--positive", "x"], "not the positive one 'x'"),
        (["--reference", "gone.csv"], "the file does not exist"),
        (["--model", "a b"], "'a b' is not a valid name: expected 1 to 100 letters"),
        (["--threshold", "2"], "2.0 is not in the range"),
        (["--runbook", "wiki"], "the runbook 'wiki' is not a link"),
        (["--tag", "tier"], "the tag 'tier' has no '='"),
    ],
)
def test_invalid_input_of_register_is_one_sentence_and_exit_code_2(loans, words, why):
    result = run("register", *MODEL, *COLUMNS, "--reference", loans, *words)
    assert result.exit_code == 2
    assert re.search(why, result.stderr)
    assert result.stderr.strip().count("\n") <= 3  # click adds its usage
    assert "Traceback" not in result.output


def test_register_refuses_labels_of_one_class(loans):
    path = loans.replace("loans", "one")
    pd.read_csv(loans).assign(outcome=1).to_csv(path, index=False)
    result = run("register", *MODEL, *COLUMNS, "--reference", path, "--label", "outcome")
    assert result.exit_code == 2
    assert result.stderr == (
        "driftline: the labels hold only one class: a reference needs both, 0 and 1\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["register", *MODEL, *COLUMNS, "--ignore", "outcome", "--reference"],
        ["replay", *MODEL, *COLUMNS],
    ],
)
def test_unreachable_kafka_is_reported_with_its_address_and_exit_code_1(loans, words):
    result = run(*words, loans, **NOWHERE)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "driftline: could not reach Kafka at 127.0.0.1:1: is it running?"
    )
    assert result.stderr.count("\n") == 1


def test_replay_checks_the_file_before_it_connects_to_kafka(loans):
    result = run("replay", loans, *MODEL, "--time", "then", "--score", "p", **NOWHERE)
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--scenario", "melt:proportion=1"], "unknown scenario 'melt'"),
        (["--from", "spring"], "'spring' is not a time"),
        (["--speed", "1", "--rate", "1"], "--speed and --rate cannot be combined"),
        (["--rate", "0"], "--rate"),
        (["--limit", "0"], "--limit"),
        (["--finish-after", "long"], "'long' is not a duration"),
    ],
)
def test_simulate_checks_its_options_before_it_sends_anything(words, why):
    result = run("simulate", *words, **NOWHERE)
    assert result.exit_code == 2
    assert why in result.stderr


def test_error_for_an_unknown_setting_names_it():
    result = run("simulate", DRIFTLINE_KAFKA__FOO="1")
    assert (result.exit_code, result.stderr) == (
        2,
        "driftline: unknown setting 'kafka.foo' (in driftline.toml or a DRIFTLINE_ variable):"
        " docs/configuration.md lists all settings\n",
    )


def test_error_for_a_missing_configuration_file_names_it():
    result = run("--config", "gone.toml", "simulate")
    assert (result.exit_code, result.stderr) == (
        2,
        "driftline: the configuration file 'gone.toml' does not exist\n",
    )


def failing(error: Exception) -> click.Group:
    main = program("driftline", {}, "help")

    @main.command()
    def fail() -> None:
        raise error

    return main


@pytest.mark.parametrize(("error", "code"), [(BadInput("so"), 2), (Trouble("so"), 1)])
def test_expected_errors_are_printed_as_one_sentence(error, code):
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stderr) == (code, "driftline: so\n")


def test_unexpected_error_keeps_its_traceback():
    result = CliRunner().invoke(failing(ValueError("a bug")), ["fail"])
    assert isinstance(result.exception, ValueError)
    assert result.stderr == ""


def test_help_lists_every_command_without_slow_imports():
    code = (
        "import sys; from click.testing import CliRunner; from driftline.__main__ import main;"
        "print(CliRunner().invoke(main, ['--help']).output);"
        "print('heavy:', {'numpy', 'pandas', 'sklearn', 'confluent_kafka'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    for name in ("train", "register", "simulate", "replay"):
        assert f"\n  {name} " in result.stdout
    assert "heavy: set()" in result.stdout


def test_python_m_producers_runs_commands():
    result = subprocess.run(
        [sys.executable, "-m", "producers", "simulate", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0
    assert "Publish the bundled flights from April on" in result.stdout
