"""What people are told of an incident about categories: the new ones by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.counts.summary import Part
from monitor.decisions.incidents import Incident
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.windows.evidence_drawing import teller
from monitor.windows.panes import PaneStore
from tests.monitor.streams import PANE, Row, counted, evaluator

EVALUATOR = evaluator()
OTHERS = "all others: 0.00% before, 75.00% now"


def told(detail: str | None, categories: list[str], before: Evidence | None = None) -> Evidence:
    rows = [Row(f"r{i}", i % PANE, c=category) for i, category in enumerate(categories)]
    panes = PaneStore(EVALUATOR.plan.windows, {}, 0, None)
    for summary in counted(EVALUATOR, rows, [Part.ON_TIME] * len(rows)):
        panes.add(0, summary)
    evidence = Evidence("categories", 0.75, Severity.CRITICAL, 0, PANE, len(rows), detail=detail)
    incident = Incident("i", "data/c", Severity.CRITICAL, 0, 0, evidence, 0, told=before)
    return teller(EVALUATOR, panes)(incident)


def test_new_categories_are_named_the_most_frequent_first():
    evidence = told(OTHERS, [*"yyy", "zz", "zz", "new", *"bca"])
    assert evidence.detail == "all others (new: 'y', 'zz', 'c'): 0.00% before, 75.00% now"
    assert evidence.distribution is not None


@pytest.mark.parametrize("detail", ["'a': 20.00% before, 40.00% now", None])
def test_a_category_of_the_reference_is_named_already(detail):
    assert told(detail, ["new"]).detail == detail


def test_others_of_the_reference_without_new_ones_are_others():
    known = EVALUATOR.profile.schema.features["c"].categories[0]
    assert told(OTHERS, [known]).detail == OTHERS


def test_what_was_told_of_the_same_evidence_is_told_again():
    first = told(OTHERS, ["new"])
    assert told(OTHERS, ["other"], before=first) is first
    assert told(OTHERS, ["other"], before=replace(first, value=0.5)) != first
