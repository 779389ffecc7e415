"""``driftline budget --saved``: which reference is meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

import driftline.__main__
from producers.registration.profile_file import write_profile
from tests.consumers.stored import profile


@pytest.fixture
def saved(tmp_path):
    write_profile(tmp_path / "loans-3.profile", profile("loans", "3"))
    return tmp_path


def run(*words: object) -> Any:
    return CliRunner().invoke(driftline.__main__.main, ["budget", *map(str, words)])


def test_the_only_reference_needs_no_name_whether_it_is_a_file_or_in_a_directory(saved):
    for path in (saved, saved / "loans-3.profile"):
        result = run("--saved", path)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("loans/3: at most ")


def test_json_has_every_test(saved):
    found = json.loads(run("--saved", saved, "--json").stdout)
    assert {"subject", "statistic", "share"} <= set(found[0])


def test_one_of_several_references_has_to_be_named(saved):
    write_profile(saved / "loans-4.profile", profile("loans", "4"))
    result = run("--saved", saved)
    assert result.exit_code == 2
    assert "(references there: loans/3, loans/4): choose with --model and --version" in (
        result.stderr
    )
    assert run("--saved", saved, "--version", "4").stdout.startswith("loans/4: ")


@pytest.mark.parametrize("words", [("--model", "churn"), ("--version", "9")])
def test_a_reference_that_is_not_meant_is_refused_with_those_that_are_there(saved, words):
    result = run("--saved", saved / "loans-3.profile", *words)
    assert result.exit_code == 2
    assert "holds no reference that is meant (references there: loans/3)" in result.stderr
