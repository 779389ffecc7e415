"""Who is told of when one cause has many subjects, drawn: a row of letters for each subject.

w  warning     c  critical     .  calm     (the windows of one column end together)
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.incidents import GROUPED, Change, settle
from monitor.statistics.drift_rule import Severity
from tests.monitor.decisions.test_incidents import LETTER, PLAN, SLIDE, heard, stepped


def lived(slide_ms: int = SLIDE, **windows: str):
    """At the end of each column: what is open, and what is told."""
    incidents, found = {}, []
    for i, column in enumerate(zip(*windows.values(), strict=True), start=1):
        said = {
            f"quality/{name}": heard(letter, i * SLIDE, slide_ms)
            for name, letter in zip(windows, column, strict=True)
        }
        incidents, told = settle(incidents, said, scope="credit/1", plan=PLAN)
        found.append((incidents, told))
    return found


def drawn(slide_ms: int = SLIDE, **windows: str) -> list[str]:
    """Column by column what is told: ``aO`` is the opening of a."""
    return [
        " ".join(f"{one.incident.subject[-1]}{LETTER[one.change]}" for one in told)
        for _, told in lived(slide_ms, **windows)
    ]


def test_what_opens_together_is_told_as_one_and_resolves_as_one():
    assert drawn(a="ww..", b="ww..", c="ww..") == ["aO", "", "", "aX"]
    _, (one,) = lived(a="ww", b="ww", c="..")[0]
    assert one.incident.grouped == ("quality/b",)


def test_the_gravest_leads():
    assert drawn(a="w", b="c", c="w") == ["bO"]


def test_what_joins_within_one_window_is_told_with_its_leader():
    found = lived(2 * SLIDE, a="www", b=".ww")
    assert drawn(2 * SLIDE, a="www", b=".ww") == ["aO", "aR", ""]
    assert found[1][1][0].incident.grouped == ("quality/b",)


def test_what_opens_later_is_a_matter_of_its_own():
    assert drawn(a="www", b=".ww") == ["aO", "bO", ""]


def test_of_two_windows_the_shorter_says_what_is_later():
    long, short = heard("w", SLIDE, 9 * SLIDE), heard("w", 2 * SLIDE)
    incidents, _ = settle({}, {"data/a": long}, scope="credit/1", plan=PLAN)
    _, told = settle(incidents, {"data/b": short}, scope="credit/1", plan=PLAN)
    assert [(one.incident.subject, one.change) for one in told] == [("data/b", Change.OPENED)]


def test_it_resolves_when_all_of_them_are_calm():
    assert drawn(a="w....", b="www..", c="ww...") == ["aO", "", "", "", "aX"]
    incidents, _ = lived(a="w....", b="www..")[3]
    assert set(incidents) == {"quality/a", "quality/b"}


def test_a_leader_that_is_not_heard_any_more_neither_ends_nor_silences_its_group():
    incidents, told = {}, []
    for i in range(1, 9):
        said = {"quality/b": heard("w", i * SLIDE)}
        if i == 1:
            said["quality/a"] = heard("w", i * SLIDE)
        incidents, now = settle(incidents, said, scope="credit/1", plan=PLAN)
        told += [(i, LETTER[one.change], one.incident.subject) for one in now]
    assert told == [(1, "O", "quality/a"), (5, "R", "quality/a")]


def test_those_that_are_calm_are_not_named_any_more():
    (*_, (_, (repeated,))) = lived(a="wwwww", b="w....")
    assert (repeated.change, repeated.incident.grouped) == (Change.REPEATED, ())
    (*_, (_, (repeated,))) = lived(a="wwwww", b="wwwww")
    assert repeated.incident.grouped == ("quality/b",)


def test_a_leader_that_comes_again_before_its_followers_are_calm_is_the_same_matter():
    assert drawn(a="w..w..", b="wwww..") == ["aO", "", "", "", "", "aX"]


def test_what_becomes_graver_than_its_leader_is_told_of():
    assert drawn(a="www", b="wcc") == ["aO", "bO", ""]


def test_what_becomes_as_grave_as_its_leader_is_not():
    assert drawn(a="cc", b="wc") == ["aO", ""]


def test_followers_are_not_repeated():
    assert drawn(a="w" * 6, b="w" * 6) == ["aO", "", "", "", "aR", ""]


def test_a_subject_that_comes_again_is_a_new_matter():
    assert drawn(a="w..w", b="w..w") == ["aO", "", "aX", "aO"]


@pytest.mark.parametrize("kind", ["prediction", "concept", "coverage"])
def test_other_kinds_are_told_subject_by_subject(kind):
    said = {f"{kind}/{name}": heard("w", SLIDE) for name in "ab"}
    _, told = settle({}, said, scope="credit/1", plan=PLAN)
    assert [one.incident.subject for one in told] == list(said)


def test_kinds_do_not_lead_each_other():
    said = {f"{kind}/a": heard("w", SLIDE) for kind in GROUPED}
    _, told = settle({}, said, scope="credit/1", plan=PLAN)
    assert {one.incident.kind for one in told} == set(GROUPED)


letters = st.text("wc.", min_size=12, max_size=12)


@given(a=letters, b=letters, c=letters, slide=st.sampled_from([SLIDE, 3 * SLIDE]))
def test_whatever_is_open_is_led_by_what_was_told_of_and_is_no_graver(a, b, c, slide):
    known = {}
    for incidents, told in lived(slide, a=a, b=b, c=c):
        for one in told:
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


@given(a=letters, b=letters, c=letters, slide=st.sampled_from([SLIDE, 3 * SLIDE]))
def test_each_subject_is_open_when_it_would_be_alone_and_until_its_followers_are_calm(
    a, b, c, slide
):
    found = lived(slide, a=a, b=b, c=c)
    for name, windows in (("quality/a", a), ("quality/b", b), ("quality/c", c)):
        alone = None
        for i, letter in enumerate(windows):
            alone, _, _ = stepped(alone, heard(letter, (i + 1) * SLIDE, slide), subject=name)
            together = found[i][0].get(name)
            if alone is None and together is not None:
                assert together.id in {of.primary for of in found[i][0].values()}
                break  # it waits for its followers, and goes on as the same incident
            assert (alone is None) == (together is None)
            if alone is not None:
                assert (together.severity, together.due_ms) == (alone.severity, alone.due_ms)


@given(a=letters, b=letters, c=letters, slide=st.sampled_from([SLIDE, 3 * SLIDE]))
def test_each_incident_opens_once_and_is_told_nothing_of_after_it_resolved(a, b, c, slide):
    lives = {}
    for _, told in lived(slide, a=a, b=b, c=c):
        for one in told:
            lives.setdefault(one.incident.id, []).append(one.change)
    for changes in lives.values():
        assert changes[0] is Change.OPENED
        assert Change.OPENED not in changes[1:]
        assert Change.RESOLVED not in changes[:-1]
