"""The decision about retraining, and each condition with what it asks for and what there was."""

import pytest

from tests.dashboard.fake import FakeApi, boxes, model, said, shown


def deciding(**status):
    api = FakeApi(model())
    api.retraining = status
    return api


def test_no_decision_yet_is_said():
    app = shown("retraining", FakeApi(model()))
    assert boxes(app) == ["info"]
    assert "No decision yet" in said(app)


@pytest.mark.parametrize(
    ("decision", "box", "answer"),
    [
        ("retrain", "warning", "Yes, retrain."),
        ("wait", "info", "Wait."),
        ("none", "success", "Nothing asks for it."),
        ("something new", "success", "Nothing asks for it."),
    ],
)
def test_the_decision_in_words(decision, box, answer):
    app = shown("retraining", deciding(decision=decision, decided_at="2013-05-01T00:00:00Z"))
    assert boxes(app) == [box]
    assert answer in said(app)
    assert "Decided at 2013-05-01 (event time, UTC)." in said(app)


def test_each_condition_with_required_actual_and_whether_it_is_met():
    reasons = [
        {"condition": "critical_incidents", "required": "at least 1", "actual": "2", "met": True},
        {"condition": "fresh_labels", "required": 1000, "actual": 912, "met": False},
    ]
    api = deciding(decision="wait", decided_at="2013-05-01T00:00:00Z", reasons=reasons)
    table = shown("retraining", api).table[0].value.reset_index()
    assert table.to_numpy().tolist() == [
        ["critical incidents", "at least 1", "2", "✔ yes"],
        ["fresh labels", "1,000", "912", "✘ no"],
    ]
