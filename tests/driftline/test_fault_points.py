"""Fault points: a worker ends at the named point, at the named time, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from driftline import fault_points
from driftline.errors import InvalidSettings
from driftline.fault_points import SINK_POINTS, TRANSACTION_POINTS, fault_point, set_up

PROGRAM = """
from driftline.fault_points import fault_point, set_up
set_up("detect")
for number in range(3):
    fault_point("after-begin", lambda: print("prepared", flush=True))
    print(number, flush=True)
    fault_point("after-commit")
"""


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("DRIFTLINE_FAULT", raising=False)
    monkeypatch.setattr(fault_points, "_remaining", {})


@pytest.fixture
def ended(monkeypatch):
    """The points at which the process would have ended."""
    points: list[str] = []
    monkeypatch.setattr(fault_points, "_end", lambda name, _prepare: points.append(name))
    return points


def test_a_process_ends_at_the_point_at_the_given_time_with_the_code_of_a_kill():
    done = run(DRIFTLINE_FAULT="detect:after-begin:2")
    assert (done.returncode, done.stdout) == (137, "0\nprepared\n")
    assert done.stderr == "DRIFTLINE_FAULT: ended at after-begin\n"


def test_a_process_without_the_variable_passes_every_point():
    done = run()
    assert (done.returncode, done.stdout) == (0, "0\n1\n2\n")


def test_a_fault_of_another_role_is_ignored(monkeypatch, ended):
    monkeypatch.setenv("DRIFTLINE_FAULT", "join:after-begin:1")
    set_up("detect")
    fault_point("after-begin")
    assert ended == []
    set_up("join")
    fault_point("after-begin")
    assert ended == ["after-begin"]


@pytest.mark.parametrize("point", [*TRANSACTION_POINTS, *SINK_POINTS])
def test_every_point_can_be_named_and_others_do_not_count(monkeypatch, ended, point):
    monkeypatch.setenv("DRIFTLINE_FAULT", f"detect:{point}:2")
    set_up("detect")
    for name in (*TRANSACTION_POINTS, *SINK_POINTS):
        fault_point(name)
    assert ended == []
    fault_point(point)
    assert ended == [point]


@pytest.mark.parametrize(
    "text", ["detect", "detect:after-begin", "detect:after-begin:0", "detect:x:1", "a:b:c:d"]
)
def test_a_fault_that_names_no_point_is_refused_with_the_points(monkeypatch, text):
    monkeypatch.setenv("DRIFTLINE_FAULT", text)
    with pytest.raises(InvalidSettings, match=r"DRIFTLINE_FAULT: expected ROLE:POINT:COUNT.*begin"):
        set_up("detect")
