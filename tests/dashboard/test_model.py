"""The page of a model: performance over time, prediction drift and concept drift."""

from tests.dashboard.documents import feature, model, window
from tests.dashboard.fake import FakeApi, boxes, charts, open_page, page_text


def api_with(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


def test_page_without_windows_names_the_command_that_starts_the_simulator():
    app = open_page("model", api_with())
    assert boxes(app) == ["info"]
    assert "driftline simulate" in page_text(app)
    assert charts(app) == 0


def test_page_shows_the_owner_of_the_model_and_its_runbook():
    api = FakeApi({**model(), "owner": "risk", "runbook": "https://wiki.example"})
    text = page_text(open_page("model", api))
    assert "Owner: risk" in text
    assert "(<https://wiki.example>)" in text


def test_one_window_shows_four_metrics_the_score_and_the_error():
    app = open_page("model", api_with(window()))
    assert not app.exception
    assert charts(app) == 4 * 2 + 2


def test_prediction_drift_needs_no_labels():
    unlabelled = window(1)
    unlabelled["performance"] |= {"labels": 0, "metrics": {}}
    unlabelled["concept"]["errors"] = None
    app = open_page("model", api_with(unlabelled))
    assert charts(app) == 1
    assert "No labels yet" in page_text(app)


def test_table_shows_baseline_and_production():
    table = open_page("model", api_with(window())).table[0].value
    assert list(table.columns[:3]) == ["baseline", "production", "verdict"]
    assert list(table.index) == ["Accuracy", "Precision", "Recall", "F1", "ROC-AUC"]


def test_newest_verdict_of_the_score_is_shown_with_its_figures():
    no_drift, with_drift = window(1), window(2)
    with_drift["concept"]["prediction"] = feature(
        "score", statistic=0.3, verdict="drift", severity=None
    )
    assert "**▲ drift, warning** in the window 2013-04-02. KS 0.300" in page_text(
        open_page("model", api_with(no_drift, with_drift))
    )


def test_distribution_of_the_scores_is_shown_if_the_api_returns_it():
    distribution = {"edges": [0.5], "reference": [0.7, 0.3], "window": [0.4, 0.6], "at": 0.5}
    with_distribution = window(1)
    with_distribution["concept"]["prediction"] = feature("score", distribution=distribution)
    app = open_page("model", api_with(with_distribution))
    assert charts(app) == 4 * 2 + 4
    assert "**score**: reference, and " in page_text(app)


def test_estimated_performance_is_shown_if_the_api_returns_it():
    with_estimate = window(1)
    with_estimate["concept"]["expected"] = {"accuracy": {"value": 0.9}}
    assert charts(open_page("model", api_with(with_estimate))) == 11


def test_chosen_number_of_windows_is_requested():
    api = api_with(window())
    open_page("model", api, last="200")
    assert ("/windows", "200") in [(path, query.get("limit")) for path, query in api.requests]


def test_fewer_windows_are_requested_for_very_many_features():
    api = FakeApi(model("flight-delay", *(f"f{i}" for i in range(400))))
    api.windows["flight-delay"] = [window()]
    open_page("model", api, last="200")
    assert ("/windows", "20") in [(path, query.get("limit")) for path, query in api.requests]


def test_message_without_labels_names_no_topic_because_its_prefix_is_a_setting():
    unlabelled = window(1)
    unlabelled["performance"] |= {"labels": 0, "metrics": {}}
    text = page_text(open_page("model", api_with(unlabelled)))
    assert "No labels yet" in text
    assert "driftline." not in text


def test_page_of_a_regression_shows_its_metrics_and_its_residuals_and_no_others():
    regression = window(1)
    figures = regression["performance"]["metrics"]["recall"]
    names = ("mae", "rmse", "bias", "r2", "mape")
    regression["performance"]["metrics"] = dict.fromkeys(names, figures)
    regression["concept"] |= {
        "prediction": feature("value"),
        "further": [feature("residual")],
        "expected": {"mae": {"value": 0.9}},
        "realised": {"mae": 0.91},
    }
    app = open_page("model", api_with(regression))
    assert not app.exception
    assert charts(app) == 4 * 2 + 3 + 1
    assert "Distribution of the residual" in page_text(app)


def test_page_of_features_alone_has_no_predictions_and_no_errors():
    alone = window(1)
    alone["performance"] |= {"labels": 0, "metrics": {}}
    alone["concept"] |= {"prediction": None, "errors": None, "realised": None}
    app = open_page("model", api_with(alone))
    assert not app.exception
    assert charts(app) == 0
