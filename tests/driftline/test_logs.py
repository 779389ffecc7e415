"""Lines for people or objects for machines, from every process, and no secret in either."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from consumers.commands.consume import worker_options
from driftline import logs
from driftline.__main__ import main

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://driftline:hunter22@127.0.0.1:1/driftline"


@pytest.fixture(autouse=True)
def nothing_hidden():
    logs._hidden.clear()
    yield
    logs._hidden.clear()


def record(message, *values, error=None):
    info = (type(error), error, None) if error else None
    made = logging.LogRecord("consumers.roles.join", logging.WARNING, "", 0, message, values, info)
    made.created = 0.25
    return made


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_log_line_is_one_object():
    line = logs.JsonLines("aggregate", 2).format(record("lost %d\npartitions", 3))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "consumers.roles.join",
        "role": "aggregate",
        "slot": 2,
        "message": "lost 3\npartitions",
    }


def test_exception_is_a_field_of_the_json_line():
    line = logs.JsonLines("api").format(record("failed", error=ValueError("Ünexpected")))
    assert line.isascii()  # whatever the terminal's encoding, it stays JSON
    assert json.loads(line)["exception"] == "ValueError: Ünexpected"
    assert "slot" not in json.loads(line)


@pytest.mark.parametrize("formatter", [logs.Text(), logs.Text("join", 0), logs.JsonLines()])
def test_secrets_are_hidden_in_log_lines(formatter):
    logs.hide(['pass"word', "pass", "a"])
    line = formatter.format(record('%s, a pass"word', "pass", error=ValueError('pass"word')))
    assert "pass" not in line.replace('"message"', "")
    assert "word" not in line
    assert "***, a ***" in line


@pytest.mark.parametrize("formatter", [logs.Text(), logs.JsonLines()])
def test_names_in_log_lines_do_not_control_a_terminal(formatter):
    line = formatter.format(record("feature a\x1b[2Jb\x9bc"))
    assert not {"\x1b", "\x9b"} & set(line)
    assert "[2Jb" in line


def test_worker_processes_inherit_the_log_options():
    command = click.Context(main)
    command.params = {"log_format": "json", "log_level": "debug"}
    options = worker_options(click.Context(main, parent=command))
    assert options == ["--log-level", "debug", "--log-format", "json"]


def test_unknown_log_format_is_refused():
    result = CliRunner().invoke(main, ["--log-format", "xml", "topics", "create"])
    assert result.exit_code == 2
    assert "'xml' is not one of 'text', 'json'" in result.output


def test_worker_that_cannot_start_logs_the_error_as_json_without_secrets():
    done = run(
        *("-m", "consumers", "store", "--slot", "1", "--log-format", "json"),
        DRIFTLINE_STORE__URL=NOWHERE,
        DRIFTLINE_KAFKA__OUTAGE_PATIENCE="0s",
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (lines[-1]["role"], lines[-1]["slot"]) == ("store", 1)
    assert lines[-1]["level"] in ("error", "critical")
    assert "hunter22" not in done.stderr


def test_error_of_a_command_is_logged_as_json():
    done = run(
        *("-m", "driftline", "--log-format", "json", "topics", "create"),
        DRIFTLINE_WINDOWS__PANE="soon",
    )
    assert done.returncode == 2
    line = json.loads(done.stderr)
    assert line["role"] == "topics"
    assert line["message"].startswith("setting 'windows.pane': 'soon' is not a duration")


def test_error_of_a_command_is_printed_as_text():
    done = run("-m", "driftline", "topics", "create", DRIFTLINE_WINDOWS__PANE="soon")
    assert done.stderr.startswith("driftline: setting 'windows.pane': 'soon' is not a duration")


def test_unexpected_error_is_logged_as_json():
    code = (
        "from driftline import logs; logs.set_up('info', 'json', role='detect', slot=0);"
        " logs.hide(['hunter22']); raise KeyError('hunter22')"
    )
    done = run("-c", code)
    assert done.returncode == 1
    line = json.loads(done.stderr)
    assert (line["level"], line["role"]) == ("critical", "detect")
    assert line["exception"].endswith("KeyError: '***'")
