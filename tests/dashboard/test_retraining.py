"""The page of retraining: the newest decision and its conditions."""

import pytest

from tests.dashboard.documents import model
from tests.dashboard.fake import FakeApi, boxes, open_page, page_text


def deciding(**status):
    api = FakeApi(model())
    api.retraining = status
    return api


def test_page_without_a_decision_says_so():
    app = open_page("retraining", FakeApi(model()))
    assert boxes(app) == ["info"]
    assert "No decision yet" in page_text(app)


@pytest.mark.parametrize(
    ("decision", "box", "answer"),
    [
        ("retrain", "warning", "**Retrain.**"),
        ("wait", "info", "**Wait.**"),
        ("none", "success", "No retraining needed."),
        ("something new", "info", "**something new**"),
    ],
)
def test_decision_is_shown_with_its_time(decision, box, answer):
    app = open_page("retraining", deciding(decision=decision, decided_at="2013-05-01T00:00:00Z"))
    assert boxes(app) == [box]
    assert answer in page_text(app)
    assert "Decided at 2013-05-01 (event time, UTC)." in page_text(app)


def test_conditions_are_shown_with_required_and_actual_values():
    reasons = [
        {"condition": "critical_incidents", "required": "at least 1", "actual": "2", "met": True},
        {"condition": "fresh_labels", "required": 1000, "actual": 912, "met": False},
    ]
    api = deciding(decision="wait", decided_at="2013-05-01T00:00:00Z", reasons=reasons)
    table = open_page("retraining", api).table[0].value.reset_index()
    assert table.to_numpy().tolist() == [
        ["critical incidents", "at least 1", "2", "✔ yes"],
        ["fresh labels", "1,000", "912", "✘ no"],
    ]
