"""``docs/guarantees.md``: every promise names a test, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()


def promises() -> list[str]:
    """The rows of the tables of promises."""
    tables = re.findall(r"\| what happens \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE)
    return [row for table in tables for row in table.splitlines()]


def test_every_promise_names_a_test():
    assert len(promises()) > 10
    assert [row for row in promises() if "`test_" not in row.split("|")[3]] == []


def test_every_test_that_the_page_names_exists():
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", PAGE)) - defined == set()
