"""``driftline consume`` and ``python -m consumers``: invalid options and error messages."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from consumers.__main__ import main
from consumers.commands.consume import consume
from driftline.settings import Settings


@pytest.mark.parametrize("options", [("--workers", "0"), ("--slot", "-1")])
def test_consume_refuses_less_than_one_worker_and_negative_slots(options):
    result = CliRunner().invoke(consume, options, obj=Settings())
    assert result.exit_code == 2
    assert f"Invalid value for '{options[0]}'" in result.output


def test_a_file_that_is_not_a_database_is_reported_without_a_traceback(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "notes.db").write_text("this is no database, however one looks at it")
    monkeypatch.setenv("DRIFTLINE_STORE__URL", f"sqlite:///{tmp_path / 'notes.db'}")
    monkeypatch.setattr("consumers.__main__.logs.set_up", lambda *_, **__: None)
    with caplog.at_level(logging.ERROR):
        result = CliRunner().invoke(main, ["store"])
    assert result.exit_code == 1
    assert "notes.db: file is not a database: set store.url to another" in caplog.messages[-1]
