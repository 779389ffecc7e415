"""``docs/guarantees.md``: every promise names a test, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import pytest_collection_modifyitems

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()


class Collected:
    """Stands in for a test that pytest has collected."""

    def __init__(self, name: str) -> None:
        self.originalname, self.fixturenames, self.markers = name, (), []

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.markers.append(marker.name)


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


def test_tests_that_the_page_names_are_marked_as_guarantees():
    collected = [Collected("test_a_worker"), Collected(*re.findall(r"`(test_\w+)`", PAGE)[:1])]
    pytest_collection_modifyitems(collected)
    assert [found.markers for found in collected] == [[], ["guarantee"]]
