"""All tests, in two parts: a failure in either is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_tests.py"
TESTS = """
import pytest

@pytest.mark.kafka
def test_on_kafka():
    assert {on_kafka}

def test_other():
    assert {other}

@pytest.mark.long
def test_takes_minutes():
    assert False

@pytest.mark.kafka
@pytest.mark.long
def test_takes_minutes_on_kafka():
    assert False
"""


@pytest.mark.parametrize(
    ("on_kafka", "other", "code"), [(1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 1)]
)
def test_run_fails_if_either_part_fails_and_prints_both(tmp_path, on_kafka, other, code):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = kafka\n long\n")
    (tmp_path / "test_it.py").write_text(TESTS.format(on_kafka=on_kafka, other=other))
    command = [sys.executable, str(SCRIPT), "--no-header", "-v", "-p", "xdist"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others load slowly
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    verdicts = {1: "PASSED", 0: "FAILED"}
    at_kafka = done.stdout.index(f"{verdicts[on_kafka]} test_it.py::test_on_kafka")
    assert at_kafka < done.stdout.index(f"{verdicts[other]} test_it.py::test_other")
