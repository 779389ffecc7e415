"""``driftline demo``: one command, and nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from click.testing import CliRunner

from consumers.commands.demo import demo, simulate_words, train_words
from driftline.errors import Trouble
from producers.commands.produce import simulate, train
from producers.example.names import EXAMPLES
from producers.simulation.scenarios import InvalidScenario
from tests.integration.broker import free_port

END_S = 10.0


@contextmanager
def demonstration(*options: str) -> Iterator[subprocess.Popen[str]]:
    """As a terminal starts it. Every process of it holds its standard output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "driftline", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        process.stdout.close()


def says(process: subprocess.Popen[str], words: str) -> None:
    assert any(words in line for line in process.stdout), f"it ended without {words!r}"


def output_until_all_processes_ended(process: subprocess.Popen[str]) -> str:
    began_s = time.monotonic()
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - began_s < END_S, said
    return said


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == httpx.codes.OK
    return False


@pytest.mark.slow
def test_demo_serves_pages_and_ctrl_c_ends_it_within_ten_seconds():
    api, dashboard = free_port(), free_port()
    with demonstration("--api-port", str(api), "--dashboard-port", str(dashboard)) as process:
        says(process, "sending")
        deadline_s = time.monotonic() + 60
        urls = [f"http://127.0.0.1:{api}/docs", f"http://127.0.0.1:{dashboard}/"]
        while not all(map(answers, urls)):
            assert time.monotonic() < deadline_s
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        assert "stopping everything" in output_until_all_processes_ended(process)
        assert process.returncode == 0
        assert not any(map(answers, urls))


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "closed terminal"]
)
def test_demo_can_be_stopped_during_training(number):
    ports = ("--api-port", str(free_port()), "--dashboard-port", str(free_port()))
    with demonstration(*ports) as process:
        says(process, "training a model")
        os.killpg(process.pid, number)
        assert output_until_all_processes_ended(process) == "stopping everything\n"
        assert process.returncode == 0


def test_demo_reports_a_busy_port_with_the_option_to_change_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(demo, ["--api-port", str(port)])
    assert isinstance(result.exception, Trouble)
    assert f"port {port} is in use" in str(result.exception)
    assert str(result.exception).endswith("or choose another port with --api-port")


def test_demo_refuses_an_unknown_scenario_before_it_starts_anything():
    result = CliRunner().invoke(demo, ["--scenario", "earthquake:feature=temp"])
    assert isinstance(result.exception, InvalidScenario)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("binary", "flight-delay"),
        ("regression", "arrival-delay"),
        ("multiclass", "flight-outcome"),
    ],
)
def test_demo_of_a_task_trains_and_replays_the_example_of_it(tmp_path, task, model):
    trains = train.make_context("train", train_words(task, tmp_path)[1:]).params
    assert (trains["task"], trains["model"]) == (task, model)
    assert trains["description"] == EXAMPLES[task].description
    replays = simulate.make_context("simulate", simulate_words(task, 60, ["drop:p=1"])[1:]).params
    assert (replays["model"], replays["speed"]) == (model, 60)
    assert replays["scenarios"] == ("drop:p=1",)


def test_demo_names_the_tasks_that_have_an_example():
    result = CliRunner().invoke(demo, ["--task", "features"])
    assert result.exit_code == 2
    assert "'binary', 'regression', 'multiclass'" in result.output
