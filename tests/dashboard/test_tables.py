"""Tables: what a page writes, without a page."""

from api.answers import Baseline, DataDrift, Feature, LatestMetrics, Retraining, WindowItem
from api.health import Health
from dashboard import tables, text
from tests.dashboard.fake import BASELINE, feature, health, metric, role, window


def test_columns_stand_without_rows():
    about = {"model": None, "version": None, "window": None, "status": "no_data"}
    drift = DataDrift.model_validate(about)
    assert list(tables.features(drift).columns) == tables.FEATURE_COLUMNS
    assert list(tables.overview([]).columns) == tables.MODEL_COLUMNS
    assert tables.detectors([]).empty


def test_detectors_are_those_of_the_newest_window_that_has_any():
    first, second, third = window(1), window(2), window(3)
    unsaid = {"name": "adwin", "drifting": False, "detected_at": None}
    said = {"name": "page_hinkley", "drifting": True, "detected_at": "2013-04-03T00:00:00Z"}
    first["concept"]["detectors"], second["concept"]["detectors"] = [unsaid], [unsaid, said]
    third["concept"]["detectors"] = []
    windows = [WindowItem.model_validate(w) for w in (first, second, third)]
    assert tables.detectors(windows).to_numpy().tolist() == [
        ["ADWIN", "✔ no drift", "—"],
        ["Page-Hinkley", "▲ drift, warning", "2013-04-03"],
    ]


def test_baseline_and_production_meet_in_one_row_whichever_of_them_is_there():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    only_recall = {"metrics": {"recall": metric(0.5, severity="critical")}, "provisional": None}
    baseline = Baseline.model_validate({**about, "metrics": {"accuracy": BASELINE["accuracy"]}})
    latest = LatestMetrics.model_validate({**about, **only_recall})
    assert tables.beside(baseline, latest).to_numpy().tolist() == [
        ["Accuracy", "0.900", text.NOTHING, text.NOTHING, text.NOTHING, text.NOTHING],
        ["Recall", text.NOTHING, "0.500", "0.880 to 0.940", text.NOTHING, "◆ degraded, critical"],
    ]


def test_a_metric_that_is_shown_and_not_judged_is_not_called_calm():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    both = {"accuracy": metric(), "brier": metric(0.06, threshold=None)}
    latest = LatestMetrics.model_validate({**about, "metrics": both, "provisional": None})
    baseline = Baseline.model_validate({**about, "metrics": {}})
    assert tables.beside(baseline, latest)[["metric", "judgement"]].to_numpy().tolist() == [
        ["Accuracy", "✔ not degraded"],
        ["Brier score", "○ not tested"],
    ]


def test_the_mark_of_a_p_value_stands_in_the_table_of_features():
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
                    unseen={"rows": 2, "values": {"ZZ": 2}},
                    decided_by="categories",
                ),
            ],
        }
    )
    table = tables.features(drift)
    assert table["p significant"].tolist() == ["•", ""]
    assert table["missing"].tolist() == ["1.0%", "1.0%"]
    assert table["decided by"].tolist() == ["", "categories"]
    assert table["new categories"].tolist() == ["", "2: ZZ (2)"]


def test_numbers_that_are_not_known_are_left_out_of_the_list():
    carrier = numbers(kind="categorical", statistic=None, p_value=None, decided_by="categories")
    assert {"largest difference of a share", "KS distance", "p-value"}.isdisjoint(carrier)
    assert carrier["decided by"] == "categories"
    known = numbers(kuiper=0.07, wilcoxon=0.2, mood=0.03)
    assert (known["KS distance"], known["Kuiper distance"]) == ("0.050", "0.070")
    assert (known["Cliff's delta (Wilcoxon)"], known["Mood's score"]) == ("0.200", "0.030")
    assert "decided by" not in known


def numbers(**fields):
    table = tables.numbers(Feature.model_validate(feature(**fields)))
    return dict(zip(table["number"], table["value"], strict=True))


def test_roles_that_were_never_heard_of_are_rows_too():
    known = Health.model_validate(
        {**health(role("detect", lag=1200), missing=["join"]), **received()}
    )
    table = tables.roles(known)
    assert table["role"].tolist() == ["detect-0", "join"]
    assert table["state"].tolist() == ["✔ ok", "▲ never heard of"]
    assert table["still to read"].tolist() == ["1,200", text.NOTHING]


def test_where_the_records_went():
    known = Health.model_validate({**health(), **received(dead={"contract": 3, "clock_skew": 0})})
    assert tables.records(known)["dead letters"].tolist() == ["3 contract", "0"]


def received(**fields):
    nothing = {"received": 0, "counted": 0, "late": 0, "too_late": 0, "dead": {}}
    return {"predictions": {**nothing, **fields}, "labels": nothing}


def test_conditions_of_any_kind_are_written_out():
    about = {"model": "m", "version": "1", "window": None, "status": "no_data"}
    reasons = [
        {"condition": "running", "required": False, "actual": True, "met": False},
        {"condition": "labels", "required": 1000, "actual": None, "met": True},
    ]
    table = tables.reasons(Retraining.model_validate({**about, "reasons": reasons}))
    assert table.to_numpy().tolist() == [
        ["running", "no", "yes", "✘ no"],
        ["labels", "1,000", text.NOTHING, "✔ yes"],
    ]
