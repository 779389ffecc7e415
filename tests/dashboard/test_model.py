"""The model's page: performance over time, and whether scores and errors have moved."""

from tests.dashboard.fake import FakeApi, boxes, charts, feature, model, said, shown, window


def watching(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


def test_without_windows_it_says_what_to_start():
    app = shown("model", watching())
    assert boxes(app) == ["info"]
    assert "driftline simulate" in said(app)
    assert charts(app) == 0


def test_one_window_draws_four_metrics_the_score_and_the_error():
    app = shown("model", watching(window()))
    assert not app.exception
    assert charts(app) == 6


def test_without_labels_there_is_still_prediction_drift():
    unlabelled = window(1)
    unlabelled["performance"] |= {"labels": 0, "metrics": {}}
    unlabelled["concept"]["errors"] = None
    app = shown("model", watching(unlabelled))
    assert charts(app) == 1
    assert "No labels yet" in said(app)


def test_baseline_and_production_stand_side_by_side():
    table = shown("model", watching(window())).table[0].value
    assert list(table.columns[:3]) == ["baseline", "production", "95% interval"]
    assert list(table.index) == ["Accuracy", "Precision", "Recall", "F1", "ROC-AUC"]


def test_the_newest_score_is_told_in_words():
    calm, moved = window(1), window(2)
    moved["concept"]["prediction"] = feature("score", statistic=0.3, verdict="drift", severity=None)
    assert "**▲ drift, warning** The score: The distribution lies 0.300" in said(
        shown("model", watching(calm, moved))
    )


def test_the_scores_are_drawn_over_those_of_the_reference_where_the_api_tells_them():
    told = {"edges": [0.5], "reference": [0.7, 0.3], "window": [0.4, 0.6], "at": 0.5}
    with_distribution = window(1)
    with_distribution["concept"]["prediction"] = feature("score", distribution=told)
    app = shown("model", watching(with_distribution))
    assert charts(app) == 8
    assert "**score**: the window over the reference" in said(app)


def test_expected_performance_is_drawn_where_the_api_has_it():
    with_expectation = window(1)
    with_expectation["concept"]["expected"] = {"accuracy": {"value": 0.9}}
    assert charts(shown("model", watching(with_expectation))) == 7


def test_as_many_windows_are_asked_for_as_were_chosen():
    api = watching(window())
    shown("model", api, last="200")
    assert ("/windows", "200") in [(path, asked.get("limit")) for path, asked in api.asked]


def test_of_very_many_features_fewer_windows_are_asked_for():
    api = FakeApi(model("flight-delay", *(f"f{i}" for i in range(400))))
    api.windows["flight-delay"] = [window()]
    shown("model", api, last="200")
    assert ("/windows", "20") in [(path, asked.get("limit")) for path, asked in api.asked]
