"""``driftline init``: a template with every setting, which changes and overwrites nothing."""

from __future__ import annotations

import os
import re
import tomllib

import pytest
from click.testing import CliRunner

import driftline.__main__
from driftline.configuration.reference import UNSET, fields, sections, template
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings, load_settings
from tests.checks import PREFIX

KEY = re.compile(r"^# ([a-z_.]+ = .*)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def run(*words):
    return CliRunner().invoke(driftline.__main__.main, ["init", *words])


def test_the_file_as_it_is_written_changes_no_setting(tmp_path):
    assert run().exit_code == 0
    assert tomllib.loads((tmp_path / "driftline.toml").read_text())
    assert load_settings() == Settings()


def test_every_line_without_its_comment_sign_sets_the_default(tmp_path):
    text, _, _ = template().partition("# Settings of one model")
    kept = [line for line in KEY.findall(text) if UNSET not in line]
    assert len(kept) > 30
    plain = KEY.sub(lambda line: "" if UNSET in line[1] else line[1], text)
    (tmp_path / "driftline.toml").write_text(plain)
    assert load_settings() == Settings()


def test_the_template_has_every_setting_and_its_meaning():
    text = template()
    for name, section in sections():
        for key, field in fields(section):
            assert f"\n# {key} = " in text.partition(f"[{name}]")[2]
            assert str(field.description)[:40] in text.replace("\n# ", " ")
    source = text.partition("# [[sources]]")[2]
    assert all(f"\n# {key} = " in source for key in SourceSection.model_fields)


def test_a_source_of_the_template_is_valid_toml():
    source, _, pair = template().partition("# [[sources]]")[2].partition("# [sources.pair]")
    keys = (KEY.sub(lambda line: line[1], part) for part in (source, pair))
    (written,) = tomllib.loads("[[sources]]\n" + next(keys))["sources"]
    assert written["version"] == {"value": "1"}
    assert tomllib.loads(next(keys))["horizon"] == "1h"


def test_a_file_that_exists_is_kept(tmp_path):
    (tmp_path / "own.toml").write_text("# mine")
    result = run("own.toml")
    assert (result.exit_code, result.stderr) == (
        2,
        "driftline: own.toml exists and is kept: name another file\n",
    )
    assert (tmp_path / "own.toml").read_text() == "# mine"


def test_a_folder_that_does_not_exist_is_told():
    assert "cannot be written: No such file or directory" in run("gone/own.toml").stderr
