"""A person in a browser, over a live run: real Kafka, real roles, the API, and a disturbance.

What was seen is kept as pictures beside the other results of the run (``artifacts/``).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import lacking
from tests.integration.way import Way

pytestmark = [pytest.mark.kafka, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PICTURES = Path(os.environ.get("DRIFTLINE_TEST_ARTIFACTS", "artifacts"))
PATIENCE_MS = 120_000
SCENARIO = "scale:feature=distance,by=1.2,from=2013-04-05"


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        lacking("browser", "install Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield opened
        opened.close()


def test_a_person_watches_a_model_drift_and_follows_the_alert(browser, kafka, prefix, tmp_path):
    PICTURES.mkdir(exist_ok=True)
    settings = {"DRIFTLINE_API__PORT": str(free_port())}
    with Way(kafka, prefix, tmp_path, settings) as way:
        way.cli("train", "--output", str(tmp_path / "model"))
        way.start("aggregate", "join", "detect", "retrain", "store")
        with pages(way) as address:
            page = browser.new_context(viewport={"width": 1300, "height": 1100}).new_page()
            page.goto(address)
            expect(page.get_by_role("heading", level=1)).to_contain_text(
                "flight-delay", timeout=PATIENCE_MS
            )
            with simulating(way):
                sees_a_chart_move(page, address)
                sees_the_alert(page, address)
            sees_the_drifted_feature(page, address)
            follows_the_link_in_a_new_tab(page)
            for name in ("model", "retraining", ""):
                page.goto(f"{address}/{name}")
                expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=PATIENCE_MS)
                settled(page)
                picture(page, name or "overview")


def sees_a_chart_move(page: Page, address: str) -> None:
    """The same chart, twice: what it draws has changed, and nobody has reloaded the page."""
    page.goto(f"{address}/model")
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    expect(chart).to_be_visible(timeout=PATIENCE_MS)
    before = chart.screenshot()
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while chart.screenshot() == before:
        assert time.monotonic() < deadline_s, "the chart stood still"
        page.wait_for_timeout(1_000)


def sees_the_alert(page: Page, address: str) -> None:
    page.goto(f"{address}/alerts")
    expect(page.get_by_text(re.compile("distance")).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(re.compile("KS distance")).first).to_be_visible(timeout=PATIENCE_MS)
    picture(page, "alerts")


def sees_the_drifted_feature(page: Page, address: str) -> None:
    page.goto(f"{address}/drift?feature=distance")
    expect(page.get_by_role("heading", name="distance")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(re.compile("drift", re.IGNORECASE)).first).to_be_visible()
    settled(page)
    picture(page, "drift")


def follows_the_link_in_a_new_tab(page: Page) -> None:
    """The address of the page holds all that it takes to see the same again."""
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(tab.get_by_role("heading", name="distance")).to_be_visible(timeout=PATIENCE_MS)
    picture(tab, "drift-again")
    tab.close()


def settled(page: Page) -> None:
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=PATIENCE_MS)
    page.wait_for_timeout(2_000)


def picture(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@contextmanager
def simulating(way: Way) -> Iterator[None]:
    """A day of flights every two seconds, disturbed, for two weeks of them and their end."""
    command = [sys.executable, "-m", "driftline", "simulate", "--until", "2013-04-15"]
    command += ["--speed", "43200", "--scenario", SCENARIO, "--finish"]
    with running(way, command, "simulate"):
        yield


@contextmanager
def pages(way: Way) -> Iterator[str]:
    """API and dashboard as their commands start them; the address of the dashboard."""
    port = free_port()
    driftline = [sys.executable, "-m", "driftline"]
    with (
        running(way, [*driftline, "api"], "api"),
        running(way, [*driftline, "dashboard", "--port", str(port)], "dashboard"),
    ):
        yield f"http://127.0.0.1:{port}" if answers(port) else ""


@contextmanager
def running(way: Way, command: list[str], name: str) -> Iterator[None]:
    with (way.directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=way.environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.2)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
