"""What was found about the rows of a window is used again as long as the rows are the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.summary import Part
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import DataFinding
from monitor.windows.judged_windows import MOST_KEPT, JudgedWindows
from monitor.windows.panes import Pane, add_summary
from tests.monitor.streams import PANE, Row, counted, evaluator

EVALUATOR = evaluator()
ON_TIME = (Part.ON_TIME,)
DATA = (Part.ON_TIME, Part.LATE)
x = st.sampled_from([0.0, 1.0, 2.5, 4.0, None])
rows = st.lists(
    st.builds(Row, st.just("id"), st.integers(0, 39), x, st.sampled_from(["a", "new"])), max_size=20
)


def panes_of(sent: list[Row], part: Part = Part.ON_TIME) -> dict[int, Pane]:
    panes: dict[int, Pane] = {}
    for offset, summary in enumerate(counted(EVALUATOR, sent, [part] * len(sent))):
        add_summary(panes, None, offset, summary)
    return panes


def judge(by: JudgedWindows, panes: dict[int, Pane], start: int = 0, **settings) -> DataFinding:
    inside = [panes.get(at) for at in range(0, 40, PANE)]
    asked = {"complete": True, "revision": 0, "parts": ON_TIME, **settings}
    return by.judge(start, inside, errors=[{}] * len(inside), **asked)


@given(sent=rows, late=rows)
@settings(max_examples=20)
def test_a_window_is_judged_as_if_nothing_had_been_kept(sent, late):
    by, panes = JudgedWindows(EVALUATOR, {}), panes_of(sent)
    judge(by, panes)
    for offset, summary in enumerate(counted(EVALUATOR, late, [Part.LATE] * len(late))):
        add_summary(panes, None, 100 + offset, summary)
    for asked in ({"revision": 3}, {"complete": False}, {"parts": DATA, "revision": 1}):
        assert judge(by, panes, **asked) == judge(JudgedWindows(EVALUATOR, {}), panes, **asked)


def test_rows_that_have_not_changed_are_judged_once():
    by, panes = JudgedWindows(EVALUATOR, {}), panes_of([Row("id", 5, 1.0, "a")])
    closed, final = judge(by, panes), judge(by, panes, revision=1)
    assert final.features is closed.features
    assert final.revision == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(panes_of([Row("id", 5, 1.0, "a")] * 2), id="rows of the same part"),
        pytest.param(panes_of([Row("id", 25, 1.0, "a")]), id="another pane"),
    ],
)
def test_rows_that_have_changed_are_judged_again(changed):
    by = JudgedWindows(EVALUATOR, {})
    judge(by, panes_of([Row("id", 5, 1.0, "a")]))
    assert judge(by, changed) == judge(JudgedWindows(EVALUATOR, {}), changed)


def test_another_evaluator_judges_anew():
    panes, kept = panes_of([Row("id", 5, 1.0, "a")]), JudgedWindows(EVALUATOR, {})
    closed = judge(kept, panes)
    other: Evaluator = evaluator()
    assert judge(JudgedWindows(other, kept.windows), panes).features is not closed.features


def test_only_some_windows_are_kept_the_oldest_ones_which_are_needed_first():
    by, panes = JudgedWindows(EVALUATOR, {}), panes_of([Row("id", 5, 1.0, "a")])
    for start in range(2 * MOST_KEPT):
        judge(by, panes, start)
    assert list(by.windows) == list(range(MOST_KEPT))
    by.forget(0)
    judge(by, panes, 99)
    assert 99 in by.windows
    assert len(by.windows) == MOST_KEPT
