"""A change that lasts is one incident, and it is over soon after its end."""

from benchmarks.quality.lasting import figures, run


def test_shift_that_lasts_is_one_incident_until_two_windows_after_its_end():
    found = figures([run(("independent", 0.5), seed) for seed in range(2)])
    assert (found["opened"], found["repeated"]) == (1.0, 0.0)
    assert found["within two windows"] == 1.0
