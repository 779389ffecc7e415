"""Lives of versions: which requests fit, and what changes with the first rows and with silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.windows.clocks import AppendClock, JoinedTime, Progress
from monitor.windows.lives import (
    Life,
    LifeAction,
    LifeRequest,
    Lives,
    VersionState,
    after_first_rows,
    after_request,
    after_silence,
    belonging,
    fits,
)

LIVE, SHADOW, RETIRED = VersionState.LIVE, VersionState.SHADOW, VersionState.RETIRED
ONE, TWO, OTHER = ("m", "1"), ("m", "2"), ("n", "1")


def life(state: VersionState, since_ms: int = 5) -> Life:
    return Life(state, since_ms, "driftline", "")


def request(action: LifeAction, key: tuple[str, str] = ONE) -> LifeRequest:
    return LifeRequest(key, action, 100, "ada", "why")


@pytest.mark.parametrize(
    ("state", "fitting"),
    [
        pytest.param(None, {"promote", "shadow", "retire"}, id="registered"),
        pytest.param(LIVE, {"retire", "reset"}, id="live"),
        pytest.param("collecting", set(), id="of a later release"),
        pytest.param(SHADOW, {"promote", "retire", "reset"}, id="shadow"),
        pytest.param(RETIRED, {"restore"}, id="retired"),
    ],
)
def test_requests_that_fit_a_state(state, fitting):
    assert {action.value for action in LifeAction if fits(state, action)} == fitting


def test_promoted_version_is_live_and_the_one_before_becomes_a_shadow():
    lives = {ONE: life(LIVE), TWO: life(SHADOW), OTHER: life(LIVE)}
    changes = after_request(lives, request(LifeAction.PROMOTE, TWO), 7)
    assert {key: (one.state, one.why) for key, one in changes.lives.items()} == {
        ONE: (SHADOW, "replaced by version 2"),
        TWO: (LIVE, "why"),
    }
    assert changes.ended == ()


@pytest.mark.parametrize(
    ("state", "action", "after", "ended"),
    [
        (LIVE, LifeAction.RETIRE, RETIRED, (ONE,)),
        (RETIRED, LifeAction.RESTORE, SHADOW, ()),
        (LIVE, LifeAction.RESET, LIVE, (ONE,)),
        (SHADOW, LifeAction.RESET, SHADOW, (ONE,)),
    ],
)
def test_request_says_from_where_on_summaries_belong_to_a_version(state, action, after, ended):
    changes = after_request({ONE: life(state)}, request(action), 7)
    found = changes.lives[ONE]
    assert (found.state, found.since_ms, found.by, found.after_offset) == (after, 100, "ada", 7)
    assert found.reset_ms == (None if action is LifeAction.RETIRE else 100)
    assert changes.ended == ended


@pytest.mark.parametrize(("number", "kept"), [(None, True), (0, False), (1, True), (2, True)])
def test_times_that_join_reports_of_an_earlier_life_do_not_belong_to_the_version(number, kept):
    """It learns later that a version was reset. Earlier releases did not report the life."""
    lives = after_request({ONE: life(LIVE)}, request(LifeAction.RESET), 7).lives
    times = {0: JoinedTime(EventTime(9), EventTime(9), number)}
    progress = Progress(joined={ONE: times, TWO: times})
    ((_, found),) = belonging(lives, [(8, progress)])
    assert set(found.joined) == ({ONE, TWO} if kept else {TWO})


def test_version_that_was_registered_as_a_shadow_does_not_become_live_with_its_first_row():
    lives: Lives = {ONE: life(LIVE)}
    lives = {**lives, **after_request(lives, request(LifeAction.SHADOW, TWO), 7).lives}
    seen = {TWO: {0: Seen(1, 2, 3, 4)}}
    assert after_first_rows(lives, Progress(seen=seen)).lives == {}


def test_version_that_is_reset_or_restored_begins_a_life_of_the_next_number():
    lives: Lives = {}
    numbers = []
    for action in ("shadow", "promote", "reset", "retire", "restore", "reset"):
        lives = {**lives, **after_request(lives, request(LifeAction(action)), 7).lives}
        numbers.append(lives[ONE].number)
    assert numbers == [0, 0, 1, 1, 2, 3]


@pytest.mark.parametrize(("now_ms", "retired"), [(104, False), (105, True)])
def test_shadow_is_retired_after_its_silence_and_a_live_version_is_not(now_ms, retired):
    lives = {ONE: replace(life(SHADOW), number=4), TWO: life(LIVE)}
    clock = AppendClock(AppendTimes(1, {0: now_ms}))
    changes = after_silence(lives, {ONE: 3}.get, clock, lambda _: 100, 7)
    assert (set(changes.lives) == {ONE}) is retired
    assert {one.number for one in changes.lives.values()} <= {4}
    assert after_silence(lives, {ONE: 3}.get, clock, lambda _: None, 7).lives == {}
    assert after_silence(lives, {ONE: 50}.get, clock, lambda _: 100, 7).lives == {}


steps = st.lists(
    st.tuples(st.sampled_from([ONE, TWO, OTHER]), st.sampled_from([*LifeAction, "row"])),
    max_size=12,
)


@given(steps)
def test_model_never_has_two_live_versions(taken):
    lives: Lives = {}
    for offset, (key, step) in enumerate(taken):
        if isinstance(step, LifeAction):
            changes = after_request(lives, request(step, key), offset)
        else:
            changes = after_first_rows(lives, Progress(seen={key: {0: Seen(1, 2, 3, 4)}}))
        lives = {**lives, **changes.lives}
        live = [version for version, one in lives.items() if one.state is LIVE]
        assert len({model for model, _ in live}) == len(live)
