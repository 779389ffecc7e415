"""The dashboard in a browser, over a live run: real Kafka, real roles, the API, a disturbance.

Screenshots are kept beside the other results of the run (``artifacts/``).
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
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from tests.conftest import lacking
from tests.integration.deployment import Deployment

pytestmark = [pytest.mark.kafka, pytest.mark.filterwarnings("ignore::ResourceWarning")]

SCREENSHOTS = Path(os.environ.get("DRIFTLINE_TEST_ARTIFACTS", "artifacts"))
TIMEOUT_MS = 120_000
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


def test_dashboard_shows_a_drift_live_and_links_reopen_the_same_view(
    browser, kafka, prefix, tmp_path, trained
):
    SCREENSHOTS.mkdir(exist_ok=True)
    settings = {"DRIFTLINE_API__PORT": str(free_port())}
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        deployment.publish(trained.profile)
        deployment.start("aggregate", "join", "detect", "retrain", "store")
        with serving(deployment) as address:
            page = browser.new_context(viewport={"width": 1300, "height": 1100}).new_page()
            page.goto(address)
            expect(page.get_by_role("heading", level=1)).to_contain_text(
                "flight-delay", timeout=TIMEOUT_MS
            )
            with simulating(deployment):
                expect_chart_update(page, address)
                expect_alert(page, address)
            expect_drifted_feature(page, address)
            expect_same_view_in_a_new_tab(page)
            for name in ("model", "retraining", ""):
                page.goto(f"{address}/{name}")
                expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=TIMEOUT_MS)
                wait_until_rendered(page)
                screenshot_page(page, name or "overview")


def expect_chart_update(page: Page, address: str) -> None:
    """The chart changes without a reload of the page."""
    page.goto(f"{address}/model")
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    expect(chart).to_be_visible(timeout=TIMEOUT_MS)
    before = picture(chart)
    deadline_s = time.monotonic() + TIMEOUT_MS / 1000
    while picture(chart) == before:
        assert time.monotonic() < deadline_s, "the chart did not change"
        page.wait_for_timeout(1_000)


def picture(chart: Locator) -> bytes:
    """A refresh of the page may replace the chart while it is drawn."""
    for _ in range(9):
        with suppress(Error):
            return chart.screenshot()
    return chart.screenshot()


def expect_alert(page: Page, address: str) -> None:
    page.goto(f"{address}/alerts")
    expect(page.get_by_text(re.compile("distance")).first).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_text(re.compile(r"(KS|Kuiper) 0\.\d+")).first).to_be_visible(
        timeout=TIMEOUT_MS
    )
    screenshot_page(page, "alerts")


def expect_drifted_feature(page: Page, address: str) -> None:
    page.goto(f"{address}/drift?feature=distance")
    expect(page.get_by_role("heading", name="distance")).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_text(re.compile("drift", re.IGNORECASE)).first).to_be_visible()
    wait_until_rendered(page)
    screenshot_page(page, "drift")


def expect_same_view_in_a_new_tab(page: Page) -> None:
    """The address of the page reopens the same view."""
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(tab.get_by_role("heading", name="distance")).to_be_visible(timeout=TIMEOUT_MS)
    screenshot_page(tab, "drift-again")
    tab.close()


def wait_until_rendered(page: Page) -> None:
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=TIMEOUT_MS)
    page.wait_for_timeout(2_000)


def screenshot_page(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@contextmanager
def simulating(deployment: Deployment) -> Iterator[None]:
    """Two weeks of disturbed flights, a day every four seconds; event time ends a few days later.

    So the newest windows hold rows, however late a busy machine opens the page.
    """
    command = [sys.executable, "-m", "driftline", "simulate", "--until", "2013-04-15"]
    command += ["--speed", "21600", "--scenario", SCENARIO]
    command += ["--finish", "--finish-after", "3d"]
    with running(deployment, command, "simulate"):
        yield


@contextmanager
def serving(deployment: Deployment) -> Iterator[str]:
    """Start API and dashboard by their commands; gives the address of the dashboard."""
    port = free_port()
    driftline = [sys.executable, "-m", "driftline"]
    with (
        running(deployment, [*driftline, "api"], "api"),
        running(deployment, [*driftline, "dashboard", "--port", str(port)], "dashboard"),
    ):
        yield f"http://127.0.0.1:{port}" if accepts_connections(port) else ""


@contextmanager
def running(deployment: Deployment, command: list[str], name: str) -> Iterator[None]:
    with (deployment.directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=deployment.environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def accepts_connections(port: int) -> bool:
    deadline_s = time.monotonic() + TIMEOUT_MS / 1000
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
