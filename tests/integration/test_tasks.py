"""Models of every task on a real Kafka, through the command line, the store and the API."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    recall_score,
    roc_auc_score,
)

from tests.integration.deployment import Deployment
from tests.integration.test_user_stories import served

pytestmark = pytest.mark.kafka

BIASED_FROM = pd.Timestamp("2025-02-04", tz="UTC")
LAST_END = "2025-02-07T00:00:00Z"


def houses(seed: int, days: int, start: str) -> pd.DataFrame:
    """Prices that a model predicts; from the 4th of February on they are 4 higher."""
    rng = np.random.default_rng(seed)
    n = 300 * days
    size = rng.lognormal(4, 0.3, n)
    seconds = np.sort(rng.integers(0, days * 86_400, n))
    at = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(seconds, unit="s")
    predicted = (2 * size).round(3)
    price = predicted + rng.normal(size=n) * 3 + np.where(at >= BIASED_FROM, 4.0, 0.0)
    return pd.DataFrame(
        {
            "id": [f"H{seed}-{i}" for i in range(n)],
            "at": at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "size": size,
            "predicted": predicted,
            "price": price.round(3),
        }
    )


def test_a_regression_is_registered_replayed_judged_and_shown(kafka, prefix, tmp_path):
    live = houses(2, 6, "2025-02-01")
    houses(1, 20, "2025-01-01").to_csv(tmp_path / "reference.csv", index=False)
    live.to_csv(tmp_path / "live.csv", index=False)
    columns = ["--model", "houses", "--version", "1", "--time", "at", "--id", "id"]
    columns += ["--prediction", "predicted", "--label", "price"]
    with Deployment(kafka, prefix, tmp_path) as deployment:
        reference = ("--reference", str(tmp_path / "reference.csv"), "--label-delay", "2h")
        assert "regression" in deployment.cli("register", *reference[:2], *columns)
        deployment.start()
        replay = ("replay", str(tmp_path / "live.csv"), *columns)
        deployment.cli(*replay, "--label-delay", "2h", "--finish")
        deployment.await_final(LAST_END)
        with served(deployment) as api:
            (model,) = api("/models")["items"]
            assert model["task"] == "regression"
            days = {w["window"]["start"][:10]: w for w in api("/windows?limit=100")["items"]}
            for day, rows in live.groupby(live["at"].str[:10]):
                equals_scikit_learn(days[day]["performance"]["metrics"], rows)
                concept = days[day]["concept"]
                assert concept["prediction"]["name"] == "value"
                assert [one["name"] for one in concept["further"]] == ["residual"]
                assert set(concept["expected"]) == {"mae"}
            concept = api("/drift/concept?end=2025-02-06T00:00:00Z")
            assert concept["further"][0]["distribution"] is not None
            subjects = {event["subject"] for event in deployment.alerts()}
            assert {"concept/residual", "performance/mae"} <= subjects | grouped(deployment)
            assert "data/size" not in subjects


def grouped(deployment: Deployment) -> set[str]:
    return {
        subject
        for event in deployment.alerts()
        for subject in event["data"]["evidence"].get("grouped") or ()
    }


def equals_scikit_learn(metrics: dict[str, Any], rows: pd.DataFrame) -> None:
    price, predicted = rows["price"], rows["predicted"]
    expected = {
        "mae": mean_absolute_error(price, predicted),
        "rmse": mean_squared_error(price, predicted) ** 0.5,
        "bias": float((predicted - price).mean()),
        "r2": r2_score(price, predicted),
    }
    for name, value in expected.items():
        near = (metrics[name]["resolution"] or 1e-6) + 1e-12
        assert metrics[name]["value"] == pytest.approx(value, abs=near), name


def test_a_model_of_features_alone_is_watched_without_scores_and_labels(kafka, prefix, tmp_path):
    houses(1, 20, "2025-01-01").to_csv(tmp_path / "reference.csv", index=False)
    live = houses(2, 3, "2025-02-01")
    live["size"] *= 1.3
    live.to_csv(tmp_path / "live.csv", index=False)
    columns = ["--model", "sizes", "--version", "1", "--time", "at", "--id", "id"]
    columns += ["--ignore", "predicted", "--ignore", "price"]
    with Deployment(kafka, prefix, tmp_path) as deployment:
        said = deployment.cli("register", "--reference", str(tmp_path / "reference.csv"), *columns)
        assert "features" in said
        deployment.start()
        deployment.cli("replay", str(tmp_path / "live.csv"), *columns, "--finish")
        deployment.await_final("2025-02-03T00:00:00Z")
        with served(deployment) as api:
            drift = api("/drift/data?end=2025-02-02T00:00:00Z")
            assert {f["name"]: f["verdict"] for f in drift["features"]} == {"size": "drift"}
            concept = api("/drift/concept?end=2025-02-02T00:00:00Z")
            assert (concept["prediction"], concept["errors"], concept["expected"]) == (None,) * 3
            assert api("/metrics/latest")["metrics"] == {}
            assert "data/size" in {event["subject"] for event in deployment.alerts()}


CLASSES = ["early", "late", "on time"]


def arrivals(seed: int, days: int, start: str) -> pd.DataFrame:
    """Classes with a probability of each; from the 4th of February on the model mixes two up."""
    rng = np.random.default_rng(seed)
    n = 200 * days
    delay = rng.normal(size=n)
    odds = np.exp(np.stack([-2 * delay, 2 * delay, np.full(n, 1.0)], axis=1))
    probability = (odds / odds.sum(axis=1, keepdims=True)).round(6)
    actual = (probability.cumsum(axis=1) > rng.random((n, 1)) * 0.999).argmax(axis=1)
    seconds = np.sort(rng.integers(0, days * 86_400, n))
    at = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(seconds, unit="s")
    mixed_up = np.asarray(at >= BIASED_FROM)
    actual = np.where(mixed_up, np.array([1, 0, 2])[actual], actual)
    columns = {f"p_{name}": probability[:, i] for i, name in enumerate(CLASSES)}
    names = np.array(CLASSES)
    return pd.DataFrame(
        {
            "id": [f"A{seed}-{i}" for i in range(n)],
            "at": at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "delay": delay,
            "predicted": names[probability.argmax(axis=1)],
            "actual": names[actual],
            **columns,
        }
    )


# A class that is predicted and never a label: scikit-learn warns.
@pytest.mark.filterwarnings("ignore:The y_prob values do not sum")  # rounded in the file
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_several_classes_are_registered_replayed_judged_and_shown_after_a_kill(
    kafka, prefix, tmp_path
):
    live = arrivals(2, 6, "2025-02-01")
    live.loc[7, "predicted"] = "diverted"
    arrivals(1, 20, "2025-01-01").to_csv(tmp_path / "reference.csv", index=False)
    live.to_csv(tmp_path / "live.csv", index=False)
    columns = ["--model", "arrivals", "--version", "1", "--time", "at", "--id", "id"]
    columns += ["--prediction", "predicted", "--label", "actual", "--scores", "p_*"]
    with Deployment(kafka, prefix, tmp_path) as deployment:
        said = deployment.cli("register", "--reference", str(tmp_path / "reference.csv"), *columns)
        assert "3 are known" in said
        deployment.start()
        replay = ("replay", str(tmp_path / "live.csv"), *columns, "--label-delay", "2h")
        deployment.cli(*replay, "--format", "arrow", "--finish")
        deployment.kill("aggregate-0")
        deployment.kill("join-0")
        deployment.start("aggregate", "join")
        deployment.await_final(LAST_END)
        with served(deployment) as api:
            assert api("/models")["items"][0]["task"] == "multiclass"
            days = {w["window"]["start"][:10]: w for w in api("/windows?limit=100")["items"]}
            for day, rows in live.groupby(live["at"].str[:10]):
                classes_equal_scikit_learn(days[day]["performance"]["metrics"], rows)
                concept = days[day]["concept"]
                assert concept["prediction"]["name"] == "class"
                assert [one["name"] for one in concept["further"]] == ["score"]
                assert set(concept["expected"]) == {"accuracy"}
            unseen = days["2025-02-01"]["concept"]["prediction"]["unseen"]
            assert unseen == {"rows": 1, "values": {"diverted": 1}}
            subjects = {event["subject"] for event in deployment.alerts()}
            assert {"concept/error", "performance/accuracy"} <= subjects | grouped(deployment)
            assert "prediction/class" not in subjects


def classes_equal_scikit_learn(metrics: dict[str, Any], rows: pd.DataFrame) -> None:
    actual, predicted = rows["actual"], rows["predicted"]
    probability = rows[[f"p_{name}" for name in CLASSES]].to_numpy()
    expected = {
        "accuracy": accuracy_score(actual, predicted),
        "balanced_accuracy": balanced_accuracy_score(actual, predicted),
        "macro_f1": f1_score(actual, predicted, average="macro", zero_division=0),
        "recall/late": recall_score(actual, predicted, labels=["late"], average=None)[0],
        "log_loss": log_loss(actual, probability, labels=CLASSES),
        "roc_auc": roc_auc_score(actual, probability, multi_class="ovr", labels=CLASSES),
    }
    for name, value in expected.items():
        near = (metrics[name]["resolution"] or 0.0) + 1e-12
        assert metrics[name]["value"] == pytest.approx(value, abs=near), name
