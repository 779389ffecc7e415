"""What decisions about retraining are made from: windows, incidents and final labels."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from monitor.decisions.incident_groups import KnownIncidents
from monitor.decisions.incidents import Change, Incident, Resolution
from monitor.decisions.retraining import Outcome
from monitor.plan import Retraining
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.windows.findings import Transition
from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.panes import PaneStore
from monitor.windows.retraining_watch import RetrainingWatch
from tests.monitor.streams import KEY, PANE, WAIT, evaluator, plan

END = 10 * PANE  # of the window of most tests
FAR = 1_000 * PANE
BY = evaluator(plan(4, 4, retraining=Retraining(lookback_ms=4 * PANE, min_labels=5)))


class Stream:
    """The parts that one version shares, with incidents and labels as a test needs them."""

    def __init__(self, *, has_decisions: bool = True, history=None, open_incidents=()) -> None:
        self.panes = PaneStore(BY.plan.windows, {}, None, None)
        known = KnownIncidents({one.subject: one for one in open_incidents})
        self.incidents = IncidentTracker(BY.plan, KEY, known, lambda one: one.evidence)
        made = (BY, self.panes, self.incidents, history)
        self.watch = RetrainingWatch(*made, has_decisions=has_decisions)

    def labelled(self, pane: int, count: int, part: Part = Part.FINAL) -> None:
        cells = {"outcomes": Counts.of(np.zeros(count, dtype=np.int64))}
        self.panes.add(0, Summary(*KEY.version_key, pane * PANE, part, cells))

    def changed(self, at_ms: int, change: Change = Change.OPENED, **named) -> None:
        resolution = named.pop("resolution", Resolution.RECOVERED)
        found = Transition(KEY, change, incident(**named), 0, at_ms, resolution)
        self.incidents.transitions.append(found)

    def decided(self, *ends: int, final_ms: int | None = FAR, data_ms: int | None = FAR):
        for end_ms in ends:
            self.watch.add_window(end_ms)
        self.watch.decide_until(data_ms, final_ms)
        return self.watch.decisions


def incident(
    subject: str = "data/x", severity: Severity = Severity.CRITICAL, primary: str | None = None
) -> Incident:
    evidence = Evidence("ks", 1.0, severity, 0, 0, 1)
    return Incident(f"id of {subject}", subject, severity, 0, 0, evidence, 0, primary)


def outcomes(decisions) -> list[Outcome]:
    return [one.outcome for one in decisions]


def critical_and_labels(decision) -> tuple[str, str]:
    return tuple(condition.actual for condition in decision.conditions)


@pytest.fixture
def stream() -> Stream:
    found = Stream()
    found.labelled(0, 5)
    return found


def test_each_window_has_one_decision_at_its_end(stream):
    assert [one.decided_ms for one in stream.decided(4 * PANE, 8 * PANE)] == [4 * PANE, 8 * PANE]
    assert len(stream.decided()) == 2


@pytest.mark.parametrize("kind", ["data", "quality", "prediction", "concept", "performance"])
def test_open_critical_incident_with_enough_labels_is_to_retrain(stream, kind):
    stream.changed(END - WAIT, subject=f"{kind}/x")
    assert outcomes(stream.decided(END)) == ["retrain"]


def test_too_few_labels_wait():
    stream = Stream()
    stream.labelled(0, 4)
    stream.changed(END)
    assert outcomes(stream.decided(END)) == ["wait"]


@pytest.mark.parametrize(
    "named", [{"subject": "traffic/rows"}, {"severity": Severity.WARNING}], ids=str
)
def test_incidents_about_traffic_and_warnings_do_not_count(stream, named):
    stream.changed(END, **named)
    assert outcomes(stream.decided(END)) == ["none"]


def test_incident_that_escalates_counts_from_then_on(stream):
    stream.changed(PANE, severity=Severity.WARNING)
    stream.changed(9 * PANE, Change.ESCALATED)
    assert outcomes(stream.decided(8 * PANE, END)) == ["none", "retrain"]


def test_recovered_incident_counts_within_the_lookback(stream):
    stream.changed(PANE)
    stream.changed(6 * PANE, Change.RESOLVED)
    assert outcomes(stream.decided(END, 11 * PANE)) == ["retrain", "none"]


@pytest.mark.parametrize("resolution", [Resolution.STALE, Resolution.RETIRED, Resolution.REBASED])
def test_incident_that_has_not_recovered_counts_no_longer(stream, resolution):
    stream.changed(PANE)
    stream.changed(END, Change.RESOLVED, resolution=resolution)
    assert outcomes(stream.decided(9 * PANE, END)) == ["retrain", "none"]


@pytest.mark.parametrize(
    ("subject", "known_ms"), [("data/x", END), ("performance/accuracy", END + WAIT)]
)
def test_incident_that_goes_stale_after_the_last_window_has_a_decision_of_its_own(
    stream, subject, known_ms
):
    """A version without rows has no further windows."""
    stream.changed(PANE, subject=subject)
    stream.decided(9 * PANE, data_ms=9 * PANE, final_ms=9 * PANE)
    stream.changed(END, Change.RESOLVED, subject=subject, resolution=Resolution.STALE)
    assert len(stream.decided(data_ms=known_ms - 1, final_ms=END)) == 1
    found = stream.decided(data_ms=known_ms, final_ms=END)
    assert outcomes(found) == ["retrain", "none"]
    assert [one.decided_ms for one in found] == [9 * PANE, known_ms]


def test_labels_count_once_they_had_their_time_and_amended_ones_never(stream):
    stream.labelled(1, 7)
    stream.labelled(1, 9, Part.AMENDED)
    found = stream.decided(PANE + WAIT - 1, PANE + WAIT, 2 * PANE + WAIT, 9 * PANE)
    assert [critical_and_labels(one)[1] for one in found] == ["0", "5", "12", "12"]


def test_decision_waits_until_labels_are_final_and_knows_nothing_later(stream):
    assert stream.decided(END, final_ms=None) == []
    assert stream.decided(final_ms=END - WAIT - 1) == []
    assert stream.watch.due_ms == END - WAIT
    stream.labelled(9, 50)
    stream.changed(END + 1)
    assert [critical_and_labels(one) for one in stream.decided()] == [("0", "5")]
    assert stream.watch.due_ms is None


def test_labels_are_counted_once_over_batches(stream):
    stream.decided(END, final_ms=END - WAIT)
    successor = Stream(history=stream.watch.state)
    successor.labelled(0, 5)
    successor.labelled(END // PANE, 3)
    assert [critical_and_labels(one)[1] for one in successor.decided(2 * END)] == ["8"]


def test_segments_have_no_decisions():
    stream = Stream(has_decisions=False)
    assert stream.decided(END) == []
    assert stream.watch.state is None


def test_version_without_a_history_begins_with_the_incidents_that_are_open():
    grouped = incident("data/grouped", primary="id of data/x")
    stream = Stream(open_incidents=[incident(), grouped, incident("traffic/rows")])
    assert critical_and_labels(stream.decided(END)[0]) == ("1", "0")
