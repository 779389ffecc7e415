"""The message of a decision about retraining."""

import json
from pathlib import Path

import msgspec

from consumers.messages.decisions import retraining_decision
from consumers.messages.times import rfc3339
from monitor.decisions.retraining import Facts, decide
from monitor.plan import Plan
from tests.consumers.in_memory import T0


def test_decision_has_every_condition_as_the_documentation_shows_it():
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text()
    shown = json.loads(page.partition("## `retraining`")[2].split("```json\n")[1].split("```")[0])
    decision = decide(Plan().retraining, Facts(T0, [T0], fresh_labels=38_112))
    found = msgspec.to_builtins(retraining_decision("flight-delay", "1", decision))
    assert found == {**shown, "decided_at": rfc3339(T0)}
