"""The command line as a whole: missing options, completion."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import driftline.__main__

COMPLETE = {"_DRIFTLINE_COMPLETE": "bash_complete"}


def run(*words: str, **environment: str):
    return CliRunner().invoke(
        driftline.__main__.main, words, prog_name="driftline", env={**COMPLETE, **environment}
    )


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["register"], "Missing: '--model', '--version', '--reference', '--time'."),
        (["replay", "--model", "loans"], "Missing: '--version', 'FILE', '--time'."),
        (["models", "retire"], "Missing: 'MODEL', 'VERSION'."),
        (["models", "retire", "loans"], "Missing argument 'VERSION'."),
    ],
)
def test_all_missing_options_are_named_at_once(words, missing):
    result = CliRunner().invoke(driftline.__main__.main, words)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {missing}"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("driftline mod", ["models"]),
        ("driftline models re", ["reset", "restore", "retire"]),
        ("driftline alerts --change re", ["reopened", "repeated", "resolved"]),
        ("driftline --log-l", ["--log-level"]),
    ],
)
def test_commands_options_and_values_are_completed(typed, found):
    result = run(COMP_WORDS=typed, COMP_CWORD=str(len(typed.split()) - 1))
    assert sorted(line.partition(",")[2] for line in result.stdout.splitlines()) == found
