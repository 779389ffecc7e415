"""Known disturbances: from a moment on, for the rows they name, the same with the same seed.

Rows at 0, 1, 2, … 9 seconds; what starts at 00:00:05 meets the last five.
"""

import numpy as np
import pytest

from producers.example.history import History
from producers.simulation.scenario_text import parse_scenario
from producers.simulation.scenarios import InvalidScenario, apply_scenarios, malformed_ids

FROM = "from=1970-01-01T00:00:05Z"


def history(n: int = 10) -> History:
    return History(
        np.array([str(i) for i in range(n)], dtype=object),
        np.arange(n, dtype=np.int64) * 1_000,
        {"x": np.arange(n, dtype=float), "c": np.array(["a"] * n, dtype=object)},
        np.zeros(n, dtype=np.int64),
        np.arange(n, dtype=np.int64) * 1_000,
    )


def disturbed(*texts: str, rows: History | None = None, seed: int = 0) -> History:
    scenarios = [parse_scenario(text) for text in texts]
    return apply_scenarios(rows or history(), scenarios, seed)


def test_shift_adds_from_its_start_time_on():
    after = disturbed(f"shift:feature=x,by=0.5,{FROM}")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 5.5, 6.5, 7.5, 8.5, 9.5]


def test_scale_multiplies_from_its_start_time_on():
    after = disturbed(f"scale:feature=x,by=2,{FROM}")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 10, 12, 14, 16, 18]


def test_scenario_ends_at_until():
    after = disturbed(f"shift:feature=x,by=100,{FROM},until=1970-01-01T00:00:06Z")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 105, 6, 7, 8, 9]


def test_scenario_without_from_starts_at_the_beginning():
    assert disturbed("flip:proportion=1").label.tolist() == [1] * 10


def test_missing_with_proportion_1_removes_every_numeric_and_categorical_value():
    after = disturbed(
        f"missing:feature=x,proportion=1,{FROM}", f"missing:feature=c,proportion=1,{FROM}"
    )
    assert np.isnan(after.features["x"]).tolist() == [False] * 5 + [True] * 5
    assert after.features["c"].tolist() == ["a"] * 5 + [None] * 5


def test_proportion_of_a_scenario_is_that_of_the_rows():
    many = disturbed(
        "missing:feature=x,proportion=0.3", "flip:proportion=0.2", rows=history(20_000)
    )
    assert np.isnan(many.features["x"]).mean() == pytest.approx(0.3, abs=0.015)
    assert many.label.mean() == pytest.approx(0.2, abs=0.015)


def test_drift_grows_gradually_and_stays():
    after = disturbed(f"drift:feature=x,by=4,over=2s,{FROM}")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 5, 8, 11, 12, 13]


def test_drift_does_not_change_rows_after_until():
    after = disturbed(f"drift:feature=x,by=4,over=2s,{FROM},until=1970-01-01T00:00:08Z")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 5, 8, 11, 8, 9]


def test_takeover_replaces_a_proportion_of_the_rows_from_its_start_time_on():
    after = disturbed(f"takeover:feature=c,value=b,proportion=1,{FROM}")
    assert after.features["c"].tolist() == ["a"] * 5 + ["b"] * 5
    many = disturbed("takeover:feature=c,value=b,proportion=0.3", rows=history(20_000))
    assert (many.features["c"] == "b").mean() == pytest.approx(0.3, abs=0.015)


def test_stuck_repeats_the_last_value_before_from():
    after = disturbed(f"stuck:feature=x,{FROM}")
    assert after.features["x"].tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4]


def test_stuck_skips_missing_values():
    lost = "missing:feature=x,proportion=1,from=1970-01-01T00:00:03Z"
    after = disturbed(lost, f"stuck:feature=x,{FROM}")
    assert after.features["x"].tolist()[5:] == [2] * 5


def test_stuck_repeats_the_value_of_at():
    after = disturbed("stuck:feature=x,at=7.5,until=1970-01-01T00:00:03Z")
    assert after.features["x"].tolist() == [7.5, 7.5, 7.5, 3, 4, 5, 6, 7, 8, 9]


def test_drop_removes_whole_rows():
    before, after = history(20_000), disturbed("drop:proportion=0.8", rows=history(20_000))
    assert len(after) == pytest.approx(4_000, abs=250)
    assert np.isin(after.ids, before.ids).all()
    for column in (after.time_ms // 1_000, after.features["x"], after.label_time_ms // 1_000):
        assert column.astype(int).astype(str).tolist() == after.ids.tolist()
    assert len(after.label) == len(after.features["c"]) == len(after)


def test_drop_is_limited_by_from_and_until():
    after = disturbed(f"drop:proportion=1,{FROM},until=1970-01-01T00:00:08Z")
    assert after.ids.tolist() == ["0", "1", "2", "3", "4", "8", "9"]


def test_malformed_selects_a_proportion_of_ids_and_changes_no_row():
    scenarios = [parse_scenario(f"malformed:proportion=1,{FROM}")]
    after = apply_scenarios(history(), scenarios, 0)
    assert after.features["x"].tolist() == history().features["x"].tolist()
    assert malformed_ids(history(), scenarios, 0) == {"5", "6", "7", "8", "9"}
    few = malformed_ids(history(20_000), [parse_scenario("malformed:proportion=0.01")], 0)
    assert len(few) == pytest.approx(200, abs=45)


def test_malformed_ids_depend_only_on_seed_and_position():
    one, calm = parse_scenario("malformed:proportion=0.5"), parse_scenario("shift:feature=x,by=1")
    first, again, other = (malformed_ids(history(100), [one], seed) for seed in (1, 1, 2))
    assert first == again != other
    assert malformed_ids(history(100), [calm, one], 1) != first


def test_scenarios_are_applied_one_after_the_other():
    after = disturbed("shift:feature=x,by=1", "scale:feature=x,by=10")
    assert after.features["x"].tolist() == [10 * (x + 1) for x in range(10)]


def test_scenario_leaves_other_features_unchanged():
    before, after = history(), disturbed("shift:feature=x,by=1")
    assert after.features["c"].tolist() == before.features["c"].tolist()
    assert (after.label == before.label).all()
    assert before.features["x"].tolist() == list(range(10))


def test_random_draws_of_a_scenario_depend_on_the_seed():
    first, again, other = (disturbed("flip:proportion=0.5", seed=seed) for seed in (1, 1, 2))
    assert (first.label == again.label).all()
    assert (first.label != other.label).any()


def test_two_scenarios_of_a_kind_draw_independently():
    both = disturbed("missing:feature=x,proportion=0.5", "missing:feature=c,proportion=0.5")
    lost = [value is None for value in both.features["c"]]
    assert lost != np.isnan(both.features["x"]).tolist()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "melt:proportion=1",
            "unknown scenario 'melt': expected one of drift, drop, flip, malformed, missing, scale,"
            " shift, stuck, takeover",
        ),
        ("shift:feature=x", r"scenario shift needs by= \(a number\)"),
        ("flip", "scenario flip needs proportion="),
        (
            "flip:feature=x,proportion=1",
            "has no argument 'feature': it takes proportion, from, until",
        ),
        ("shift:feature=x,by=much", "scenario shift: by='much': expected a number"),
        ("shift:feature=x,by=nan", "by='nan': expected a number"),
        ("flip:proportion=0", "expected a number above 0 and at most 1"),
        ("flip:proportion=1.1", "expected a number above 0 and at most 1"),
        ("flip:proportion=1,from=spring", "from='spring': expected a time such as 2013-04-01"),
        ("drift:feature=x,by=1,over=3s", r"scenario drift needs from= \(a time such as"),
        ("drift:feature=x,by=1,from=2013-05-01", r"scenario drift needs over= \(a duration"),
        (
            "drift:feature=x,by=1,over=long,from=2013-05-01",
            "over='long': expected a duration above zero such as 30d",
        ),
        (
            "drift:feature=x,by=1,over=0s,from=2013-05-01",
            "over='0s': expected a duration above zero",
        ),
        ("drift:feature=c,by=1,over=3s,from=1970-01-01", "feature 'c' is not numeric"),
        (
            "takeover:feature=x,value=a,proportion=0.1",
            "takeover needs a categorical feature, and 'x' is numeric",
        ),
        ("takeover:feature=c,value=,proportion=0.1", "value='': expected the name of a category"),
        ("takeover:feature=y,value=a,proportion=0.1", "there is no feature 'y'"),
        ("stuck:feature=x", "stuck finds no earlier value of feature 'x' to repeat: give a later"),
        (
            "stuck:feature=x,from=1970-01-01",
            "stuck finds no earlier value of feature 'x' to repeat",
        ),
        ("stuck:feature=c,at=1", "feature 'c' is not numeric"),
        ("stuck:feature=x,at=2013-05-01", "expected a number"),
        ("drop:proportion=2", "expected a number above 0 and at most 1"),
        ("malformed", "scenario malformed needs proportion="),
        ("shift:feature=y,by=1", "there is no feature 'y': the features are x, c"),
        ("missing:feature=y,proportion=1", "there is no feature 'y': the features are x, c"),
        ("scale:feature=c,by=1", "feature 'c' is not numeric"),
    ],
)
def test_invalid_scenario_is_refused_in_one_sentence(text, why):
    with pytest.raises(InvalidScenario, match=why):
        disturbed(text)
