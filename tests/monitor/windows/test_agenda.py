from hypothesis import given
from hypothesis import strategies as st

from monitor.windows.agenda import Agenda

keys = st.tuples(st.sampled_from("mn"), st.sampled_from("12"))
changes = st.dictionaries(keys, st.none() | st.integers(-5, 5))


@given(st.lists(changes), st.integers(-6, 6))
def test_agenda_has_the_newest_time_of_each_version_in_order(all_changes, now_ms):
    agenda, expected = Agenda(), {}
    for some in all_changes:
        agenda, expected = agenda.updated(some), {**expected, **some}
    known = {key: ms for key, ms in expected.items() if ms is not None}
    assert agenda.times_ms == known
    assert list(agenda.until(now_ms)) == sorted(
        (key for key, ms in known.items() if ms <= now_ms), key=lambda key: (known[key], key)
    )


def test_agenda_is_not_changed_by_an_update():
    agenda = Agenda().updated({("m", "1"): 3})
    agenda.updated({("m", "1"): None, ("m", "2"): 4})
    assert list(agenda.until(9)) == [("m", "1")]
