"""A model that learns from the past: calibrated, deterministic, saved without pickle."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from skops import io as skops

from monitor.counts.profile import InvalidReference
from producers.example.flights import REFERENCE_MS, load_flights
from producers.example.history import History
from producers.example.model_file import InvalidModelFile, load_model, save_model
from producers.example.training import Model, train


def history(n: int = 4_000, seed: int = 0) -> History:
    """P(1) is 0.1 or 0.9 by region, whatever the age."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["n", "s"], n)
    label = (rng.random(n) < np.where(region == "n", 0.1, 0.9)).astype(np.int64)
    time_ms = np.arange(n, dtype=np.int64) * 60_000
    features = {"age": rng.normal(40, 10, n), "region": region.astype(object)}
    ids = np.array([str(i) for i in range(n)], dtype=object)
    return History(ids, time_ms, features, label, time_ms)


@pytest.fixture(scope="module")
def model() -> Model:
    return train(history(), ["region"])


def test_scores_of_the_model_are_probabilities(model):
    score = model.score({"age": np.full(2, 40.0), "region": np.array(["n", "s"], dtype=object)})
    assert score == pytest.approx([0.1, 0.9], abs=0.03)


def test_unknown_category_is_scored_as_missing(model):
    unseen = np.array([None, "nowhere"], dtype=object)
    first, second = model.score({"age": np.full(2, 40.0), "region": unseen})
    assert first == second


def test_model_scores_columns_in_any_order_and_ignores_others(model):
    features = history(50, seed=1).features
    turned = {"more": features["age"], "region": features["region"], "age": features["age"]}
    assert (model.score(turned) == model.score(features)).all()


def test_model_can_be_trained_without_categorical_features():
    numeric = history()
    only = History(
        numeric.ids,
        numeric.time_ms,
        {"x": numeric.label + 0.5},
        numeric.label,
        numeric.label_time_ms,
    )
    assert train(only, []).score({"x": np.array([0.5, 1.5])}) == pytest.approx([0, 1], abs=0.01)


def test_training_on_one_class_is_refused():
    rows = history()
    late = History(
        rows.ids,
        rows.time_ms,
        rows.features,
        np.where(rows.time_ms < rows.time_ms[2_000], 0, rows.label),
        rows.label_time_ms,
    )
    with pytest.raises(InvalidReference, match="both classes in the older and in the newer half"):
        train(late, ["region"])


def test_calibration_uses_only_rows_that_the_trees_were_not_fitted_to():
    """Labels of noise: trees know their own rows, so only honest scores stay near the base rate."""
    rng = np.random.default_rng(3)
    n = 4_000
    noise = History(
        np.arange(n).astype(object),
        np.arange(n, dtype=np.int64),
        {f"x{i}": rng.normal(size=n) for i in range(10)},
        rng.integers(0, 2, n),
        np.arange(n, dtype=np.int64),
    )
    score = train(noise, []).score(noise.features)
    assert np.abs(score - 0.5).max() < 0.1  # calibrated on its own rows: 0.45


def test_loaded_model_gives_the_same_scores(model):
    features = history(200, seed=2).features
    again = load_model(save_model(model))
    assert (again.score(features) == model.score(features)).all()


def test_same_model_is_saved_as_the_same_bytes(model):
    assert save_model(load_model(save_model(model))) == save_model(model)


def test_training_in_another_process_gives_the_same_model(model):
    """Neither the time of day, nor addresses in memory, nor the order of sets get into the file."""
    code = (
        "import hashlib; from tests.producers.example.test_training import *;"
        "print(hashlib.sha256(save_model(train(history(), ['region']))).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == hashlib.sha256(save_model(model)).hexdigest()


class Harmful:
    """Stands for anything that a file could bring along."""


def test_model_file_with_untrusted_types_is_refused():
    harmful = skops.dumps({"trees": Harmful()})
    with pytest.raises(InvalidModelFile, match=r"not trusted.*Harmful"):
        load_model(harmful)


@pytest.mark.parametrize("value", [b"", b"x", skops.dumps({"trees": None})])
def test_file_that_is_not_a_model_is_refused(value):
    with pytest.raises(InvalidModelFile, match="does not contain a model"):
        load_model(value)


def test_model_file_with_a_missing_part_is_refused(model):
    with zipfile.ZipFile(io.BytesIO(save_model(model))) as archive:
        schema = json.loads(archive.read("schema.json"))
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    with pytest.raises(InvalidModelFile, match="does not contain a model"):
        load_model(broken.getvalue())


def test_metrics_of_the_example_model_on_march(trained):
    assert trained.metrics["ROC-AUC"] >= 0.92
    assert trained.metrics["recall"] > 0.7
    assert trained.metrics["Brier score"] < 0.07


def test_scores_of_the_example_model_on_march_are_calibrated(trained):
    """In ten bins the mean score is 1.1 points from the share of late flights."""
    march = load_flights().between(*REFERENCE_MS)
    score = load_model(trained.model_file).score(march.features)
    tenth = np.minimum((score * 10).astype(int), 9)
    gaps = [
        abs(score[tenth == i].mean() - march.label[tenth == i].mean()) * (tenth == i).mean()
        for i in range(10)
    ]
    assert sum(gaps) < 0.02


def test_reference_of_the_example_is_march_with_labels_and_their_delays(trained):
    profile = trained.profile
    assert profile.labelled
    assert profile.model_file == trained.model_file
    assert sum(s.cells["rows"].size for s in profile.panes if "rows" in s.cells) == 27_946
    assert sum(s.cells["outcomes"].size for s in profile.panes if "outcomes" in s.cells) == 27_946
    assert profile.label_delay_ms["p99"] == 389 * 60_000
    assert [name for name, _ in profile.schema.categorical] == ["carrier", "origin", "dest"]
