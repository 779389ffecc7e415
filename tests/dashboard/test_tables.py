"""Tables of text."""

from api.answers import Baseline, DataDrift, Feature, Health, LatestMetrics, Retraining, WindowItem
from dashboard import formats, series, tables
from tests.dashboard.documents import BASELINE, feature, health, metric, role, window


def test_columns_exist_without_rows():
    about = {"model": None, "version": None, "window": None, "status": "no_data"}
    drift = DataDrift.model_validate(about)
    assert list(tables.features(drift).columns) == tables.FEATURE_COLUMNS
    assert list(tables.models([]).columns) == tables.MODEL_COLUMNS
    assert tables.detectors([]).empty


def test_detectors_are_those_of_the_newest_window_that_has_any():
    first, second, third = window(1), window(2), window(3)
    silent = {"name": "adwin", "drifting": False, "detected_at": None}
    drifting = {"name": "page_hinkley", "drifting": True, "detected_at": "2013-04-03T00:00:00Z"}
    first["concept"]["detectors"], second["concept"]["detectors"] = [silent], [silent, drifting]
    third["concept"]["detectors"] = []
    windows = [WindowItem.model_validate(w) for w in (first, second, third)]
    assert tables.detectors(windows).to_numpy().tolist() == [
        ["ADWIN", "✔ no drift", "—"],
        ["Page-Hinkley", "▲ drift, warning", "2013-04-03"],
    ]


def test_performance_has_a_row_for_metrics_with_only_a_baseline_or_only_production():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    only_recall = {"metrics": {"recall": metric(0.5, severity="critical")}, "provisional": None}
    baseline = Baseline.model_validate({**about, "metrics": {"accuracy": BASELINE["accuracy"]}})
    latest = LatestMetrics.model_validate({**about, **only_recall})
    assert tables.performance(baseline, latest).to_numpy().tolist() == [
        [
            "Accuracy",
            "0.900",
            formats.NO_VALUE,
            formats.NO_VALUE,
            formats.NO_VALUE,
            formats.NO_VALUE,
        ],
        [
            "Recall",
            formats.NO_VALUE,
            "0.500",
            "◆ degraded, critical",
            "0.880 to 0.940",
            formats.NO_VALUE,
        ],
    ]


def test_metric_without_a_test_is_not_shown_as_not_degraded():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    both = {"accuracy": metric(), "brier": metric(0.06, threshold=None)}
    latest = LatestMetrics.model_validate({**about, "metrics": both, "provisional": None})
    baseline = Baseline.model_validate({**about, "metrics": {}})
    assert tables.performance(baseline, latest)[["metric", "verdict"]].to_numpy().tolist() == [
        ["Accuracy", "✔ not degraded"],
        ["Brier score", "○ not tested"],
    ]


def test_table_of_features_marks_significant_p_values():
    drift = DataDrift.model_validate(
        {
            "model": "m",
            "version": "1",
            "window": window()["window"],
            "status": "ok",
            "features": [
                feature("temp"),
                feature(
                    "carrier",
                    significant=False,
                    unseen={"rows": 2400, "values": {"Z_Z": 2400}},
                    decided_by="categories",
                ),
            ],
        }
    )
    table = tables.features(drift)
    assert table["p significant"].tolist() == ["•", ""]
    assert table["missing"].tolist() == ["1.0%", "1.0%"]
    assert table["decided by"].tolist() == ["", "categories"]
    assert table["new categories"].tolist() == ["", "2,400: Z_Z (2,400)"]


def test_figures_without_a_value_are_left_out():
    carrier = numbers(kind="categorical", statistic=None, p_value=None, decided_by="categories")
    assert {"Largest change of a proportion", "KS distance", "p-value"}.isdisjoint(carrier)
    assert carrier["decided by"] == "categories"
    figures = numbers(kuiper=0.07, wilcoxon=0.2, mood=0.03)
    assert (figures["KS distance"], figures["Kuiper distance"]) == ("0.050", "0.070")
    assert (figures["Cliff's delta (Wilcoxon)"], figures["Mood's score"]) == ("0.200", "0.030")
    assert "decided by" not in figures


def numbers(**fields):
    table = tables.feature_numbers(Feature.model_validate(feature(**fields)))
    return dict(zip(table["figure"], table["value"], strict=True))


def test_roles_that_are_not_running_have_a_row():
    health_now = Health.model_validate(
        {**health(role("detect", lag=1200), missing=["join"]), **received()}
    )
    table = tables.roles(health_now)
    assert table["role"].tolist() == ["detect-0", "join"]
    assert table["status"].tolist() == ["✔ ok", "▲ not running"]
    assert table["lag"].tolist() == ["1,200", formats.NO_VALUE]


def test_dead_letters_are_shown_by_reason():
    health_now = Health.model_validate(
        {**health(), **received(dead={"contract": 3000, "clock_skew": 0})}
    )
    assert tables.records(health_now)["dead letters"].tolist() == ["3,000 contract", "0"]


def received(**fields):
    nothing = {"received": 0, "counted": 0, "late": 0, "too_late": 0, "dead": {}}
    return {"predictions": {**nothing, **fields}, "labels": nothing}


def test_conditions_of_retraining_are_shown_as_text():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    reasons = [
        {"condition": "not_running", "required": "no", "actual": "yes", "met": False},
        {"condition": "labels", "required": 1000, "actual": None, "met": True},
        {"condition": "fresh_labels", "required": "at least 5000", "actual": "66145", "met": True},
        {"condition": "flag", "required": True, "actual": False, "met": False},
    ]
    table = tables.retraining_conditions(Retraining.model_validate({**about, "reasons": reasons}))
    assert table.to_numpy().tolist() == [
        ["retraining in progress", "no", "yes", "✘ no"],
        ["labels", "1,000", formats.NO_VALUE, "✔ yes"],
        ["fresh labels", "at least 5,000", "66,145", "✔ yes"],
        ["flag", "yes", "no", "✘ no"],
    ]


def test_names_in_static_tables_are_escaped_because_their_cells_are_markdown():
    unseen = {"rows": 1, "values": {"Z_Z": 1}}
    assert numbers(kind="categorical", unseen=unseen)["new categories"] == r"1\: Z\_Z \(1\)"
    health_with_problem = {**health(role("join", problem="*full*")), **received()}
    assert tables.roles(Health.model_validate(health_with_problem))["problem"].tolist() == [
        r"\*full\*"
    ]


def test_unknown_verdicts_and_severities_are_shown_as_they_are():
    about = {"model": "m", "version": "1", "window": None, "status": "sampled"}
    drift = DataDrift.model_validate({**about, "features": [feature(verdict="surprise")]})
    assert tables.features(drift)["verdict"].tolist() == ["? surprise"]
    of_later = WindowItem.model_validate(window(1))
    of_later.performance.metrics["recall"].severity = "notice"
    assert series.metric_rows([of_later], "recall")["kind"].tolist()[0] == "? degraded, notice"
