"""A window's revision grows with that of either of its parts."""

from monitor.counts.summary import Part
from monitor.windows.detection import advance
from monitor.windows.state import State
from tests.monitor.streams import KEY, Row, counted, evaluator, joined, reached

EVALUATOR = evaluator()


def summaries(part: Part):
    return counted(EVALUATOR, [Row("id", 5)], [part])


def test_a_newer_revision_of_a_window_always_has_a_higher_number():
    batches = [
        [*summaries(Part.ON_TIME), *reached(47)],
        summaries(Part.LATE),
        joined(99, 99),
        summaries(Part.LATE),
    ]
    state, found = State(), []
    for offset, batch in enumerate(batches):
        state, findings = advance({KEY: EVALUATOR}, state, [(offset, item) for item in batch])
        found += [(w.revision, w.data.revision, w.performance.revision) for w in findings.windows]
    assert found == [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 2), (5, 2, 3)]
