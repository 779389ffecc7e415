"""Keeps a dashboard open over a running stream and prints the memory of the processes behind it.

    python benchmarks/dashboard_memory.py --page http://127.0.0.1:8501/model PID [PID ...]

Needs Chromium and Playwright. Ends with 1 if, after the first third, a process grew by more than a
tenth.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click
from playwright.sync_api import sync_playwright


@click.command()
@click.option("--minutes", default=15.0, show_default=True)
@click.option("--page", default="http://127.0.0.1:8501/model", show_default=True)
@click.argument("pids", nargs=-1, required=True, type=int)
def main(minutes: float, page: str, pids: tuple[int, ...]) -> None:
    """Print the resident memory of PIDS every minute while a browser shows PAGE."""
    seen: list[list[int]] = []
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        browser.new_page().goto(page)
        started_s = time.monotonic()
        while (passed_s := time.monotonic() - started_s) < minutes * 60:
            seen.append([_resident_kib(pid) for pid in pids])
            shown = "  ".join(f"{kib / 1024:8.1f} MiB" for kib in seen[-1])
            click.echo(f"{passed_s / 60:5.1f} min  {shown}")
            time.sleep(60)
        browser.close()
    settled, last = seen[len(seen) // 3], seen[-1]
    growth = [now / then - 1 for now, then in zip(last, settled, strict=True)]
    click.echo("growth since the first third: " + ", ".join(f"{share:+.1%}" for share in growth))
    sys.exit(any(share > 0.1 for share in growth))


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    main()
