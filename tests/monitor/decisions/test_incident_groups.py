"""Which incidents are notified when one cause has several subjects; one row of letters each.

w  warning     W  far worse     c  critical     .  clear
(the windows of one column end together)
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.incident_groups import GROUPED, KnownIncidents, apply_verdicts
from monitor.decisions.incidents import Change
from monitor.statistics.drift_rule import Severity
from tests.monitor.decisions.test_incidents import LETTER, PANE, PLAN, signal, stepped, verdict


def applied(known, verdicts, end_ms):
    return apply_verdicts(known, verdicts, end_ms, scope="credit/1", plan=PLAN)


def history(length_ms: int = PANE, **windows: str):
    """The open incidents and the notified events at the end of each column."""
    known, steps = KnownIncidents(), []
    for i, column in enumerate(zip(*windows.values(), strict=True), start=1):
        verdicts = {
            f"quality/{name}": [verdict(letter, i * PANE, length_ms)]
            for name, letter in zip(windows, column, strict=True)
        }
        known, events = applied(known, verdicts, i * PANE)
        steps.append((known.open, events))
    return steps


def notified(length_ms: int = PANE, **windows: str) -> list[str]:
    """The notified events of each column: ``aO`` is the opening of a."""
    return [
        " ".join(f"{one.incident.subject[-1]}{LETTER[one.change]}" for one in events)
        for _, events in history(length_ms, **windows)
    ]


def test_incidents_that_open_together_are_notified_and_resolved_as_one():
    assert notified(a="ww..", b="ww..", c="ww..") == ["aO", "", "", "aX"]
    _, (one,) = history(a="ww", b="ww", c="..")[0]
    assert one.incident.grouped == ("quality/b",)


def test_the_most_severe_incident_is_the_primary():
    assert notified(a="w", b="c", c="w") == ["bO"]


def test_an_incident_within_one_window_of_a_primary_is_grouped_with_it():
    steps = history(2 * PANE, a="www", b=".ww")
    assert notified(2 * PANE, a="www", b=".ww") == ["aO", "aR", ""]
    assert steps[1][1][0].incident.grouped == ("quality/b",)


def test_an_incident_that_opens_later_is_not_grouped():
    assert notified(a="www", b=".ww") == ["aO", "bO", ""]


def test_the_shorter_of_two_windows_determines_what_is_grouped():
    long, short = verdict("w", PANE, 9 * PANE), verdict("w", 2 * PANE)
    known, _ = applied(KnownIncidents(), {"data/a": [long]}, PANE)
    _, events = applied(known, {"data/b": [short]}, 2 * PANE)
    assert [(one.incident.subject, one.change) for one in events] == [("data/b", Change.OPENED)]


def test_a_group_resolves_when_all_its_subjects_are_healthy():
    assert notified(a="w....", b="www..", c="ww...") == ["aO", "", "", "", "aX"]
    incidents, _ = history(a="w....", b="www..")[3]
    assert set(incidents) == {"quality/a", "quality/b"}


def test_a_primary_without_further_signals_neither_resolves_nor_silences_its_group():
    known, events = KnownIncidents(), []
    for i in range(1, 9):
        verdicts = {"quality/b": [verdict("W" if i > 1 else "w", i * PANE)]}
        if i == 1:
            verdicts["quality/a"] = [verdict("w", i * PANE)]
        known, now = applied(known, verdicts, i * PANE)
        events += [(i, LETTER[one.change], one.incident.subject) for one in now]
    assert events == [(1, "O", "quality/a"), (5, "R", "quality/a")]


def test_healthy_subjects_are_no_longer_named_in_a_group():
    (*_, (_, (repeated,))) = history(a="wwwwW", b="w....")
    assert (repeated.change, repeated.incident.grouped) == (Change.REPEATED, ())
    (*_, (_, (repeated,))) = history(a="wwwwW", b="wwwww")
    assert repeated.incident.grouped == ("quality/b",)


def test_a_primary_that_drifts_again_before_its_group_is_healthy_is_the_same_incident():
    assert notified(a="w..w..", b="wwww..") == ["aO", "", "", "", "", "aX"]


def test_an_incident_that_becomes_more_severe_than_its_primary_is_notified():
    assert notified(a="www", b="wcc") == ["aO", "bO", ""]


def test_an_incident_that_becomes_as_severe_as_its_primary_is_not_notified():
    assert notified(a="cc", b="wc") == ["aO", ""]


def test_only_the_primary_of_a_group_is_repeated():
    assert notified(a="wwwwWW", b="wwwwWW") == ["aO", "", "", "", "aR", ""]


def test_a_group_that_drifts_again_soon_is_the_same_incident():
    assert notified(a="w..w", b="w..w") == ["aO", "", "aX", "aA"]


def test_a_group_that_drifts_again_later_is_a_new_incident():
    assert notified(a="w.....w", b="w.....w") == ["aO", "", "aX", "", "", "", "aO"]


def test_a_subject_that_drifts_again_without_its_primary_is_new_to_people():
    assert notified(a="w...", b="w..w") == ["aO", "", "aX", "bO"]


def test_windows_from_before_a_recovery_open_nothing():
    known = KnownIncidents()
    for i, letter in enumerate("w..", start=1):
        known, _ = applied(known, {"data/a": [verdict(letter, i * PANE)]}, i * PANE)
    for length, change in ((4 * PANE, None), (3 * PANE, Change.REOPENED)):
        _, events = applied(known, {"data/a": [verdict("c", 4 * PANE, length)]}, 4 * PANE)
        assert [one.change for one in events] == ([] if change is None else [change])
        known = known if change is None else KnownIncidents()


def test_incidents_that_ended_long_ago_are_forgotten():
    known = KnownIncidents()
    for i, letter in enumerate("w..", start=1):
        known, _ = applied(known, {"data/a": [verdict(letter, i * PANE)]}, i * PANE)
    assert set(known.without_older(3 * PANE).recent) == {"data/a"}
    assert not known.without_older(3 * PANE + 1).recent


@pytest.mark.parametrize("kind", ["prediction", "concept", "coverage"])
def test_other_kinds_are_not_grouped(kind):
    verdicts = {f"{kind}/{name}": [verdict("w", PANE)] for name in "ab"}
    _, events = applied(KnownIncidents(), verdicts, PANE)
    assert [one.incident.subject for one in events] == list(verdicts)


def test_incidents_of_different_kinds_are_not_grouped():
    verdicts = {f"{kind}/a": [verdict("w", PANE)] for kind in GROUPED}
    _, events = applied(KnownIncidents(), verdicts, PANE)
    assert {one.incident.kind for one in events} == set(GROUPED)


letters = st.text("wcW.~", min_size=12, max_size=12)


@given(a=letters, b=letters, c=letters, length=st.sampled_from([PANE, 3 * PANE]))
def test_every_open_incident_has_a_notified_primary_at_least_as_severe(a, b, c, length):
    known = {}
    for incidents, events in history(length, a=a, b=b, c=c):
        for one in events:
            known[one.incident.id] = one
        open_ones = {i.id: i for i in incidents.values() if i.primary is None}
        assert not any(incident.grouped for incident in incidents.values())
        assert set(open_ones) == {i for i, o in known.items() if o.change != Change.RESOLVED}
        for incident in incidents.values():
            primary = open_ones[incident.primary or incident.id]
            assert primary.severity == known[primary.id].incident.severity
            assert Severity.CRITICAL not in (incident.severity,) or primary.severity == (
                Severity.CRITICAL
            )


@given(a=letters, b=letters, c=letters, length=st.sampled_from([PANE, 3 * PANE]))
def test_grouping_changes_when_a_subject_is_open_only_until_its_group_is_healthy(a, b, c, length):
    steps = history(length, a=a, b=b, c=c)
    for name, windows in (("quality/a", a), ("quality/b", b), ("quality/c", c)):
        alone = None
        for i, letter in enumerate(windows):
            alone, _, _ = stepped(alone, signal(letter, (i + 1) * PANE, length), subject=name)
            together = steps[i][0].get(name)
            if alone is None and together is not None:
                assert together.id in {incident_.primary for incident_ in steps[i][0].values()}
                break  # it stays open until its group is healthy
            assert (alone is None) == (together is None)
            if alone is not None:
                assert (together.severity, together.clear) == (alone.severity, alone.clear)


@given(a=letters, b=letters, c=letters, length=st.sampled_from([PANE, 3 * PANE]))
def test_each_incident_is_notified_from_one_opening_to_its_resolution(a, b, c, length):
    lives = {}
    for _, events in history(length, a=a, b=b, c=c):
        for one in events:
            lives.setdefault(one.incident.id, []).append(one.change)
    for changes in lives.values():
        turns = [one for one in changes if one not in (Change.REPEATED, Change.ESCALATED)]
        first, *later = turns
        assert first is Change.OPENED
        assert set(later[1::2]) <= {Change.REOPENED}
        assert set(later[::2]) <= {Change.RESOLVED}
