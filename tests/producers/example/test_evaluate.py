"""What a trained model is worth on rows that came later: values, intervals, and the baseline."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from driftline.cli import program
from driftline.commands import COMMANDS
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.task import NO_LABEL
from monitor.plan import DAY, HOUR
from monitor.tasks.binary import BINARY
from producers.example.evaluate import (
    MOST_BLOCKS,
    evaluated,
    evaluation_document,
    evaluation_lines,
    trained_profile,
)
from producers.example.flights import REFERENCE_MS, load_flights
from producers.registration.profile_file import write_profile

APRIL_MS = REFERENCE_MS[1]


def scored(days: int, *, seed: int, start_ms: int = APRIL_MS, noise: float = 0.2) -> ReferenceRows:
    """A hundred rows a day, whose scores tell the label, but for the noise."""
    rng = np.random.default_rng(seed)
    n = 100 * days
    time_ms = start_ms + np.sort(rng.integers(0, days * DAY, n))
    label = rng.integers(0, 2, n)
    score = np.clip(0.5 + 0.3 * (label - 0.5) + rng.normal(0, noise, n), 0, 1)
    rows = Predictions(
        ids=[str(i) for i in range(n)],
        time_ms=time_ms,
        score=score,
        predicted=(score >= 0.5).astype(np.int64),
        features={"x": rng.normal(size=n)},
    )
    return ReferenceRows(rows, label, time_ms + HOUR)


def profile() -> Profile:
    reference = scored(30, seed=1, start_ms=REFERENCE_MS[0])
    return build_profile("m", "1", reference, pane_ms=HOUR, threshold=0.5, task=BINARY)


def test_every_metric_of_the_evaluation_equals_scikit_learn():
    rows = scored(60, seed=2)
    found = evaluated(profile(), rows).metrics
    label, predicted, score = rows.label, rows.predictions.predicted, rows.predictions.score
    for name, oracle in {
        "accuracy": accuracy_score(label, predicted),
        "precision": precision_score(label, predicted),
        "recall": recall_score(label, predicted),
        "f1": f1_score(label, predicted),
    }.items():
        assert found[name].value == pytest.approx(oracle, abs=1e-12)
    auc = found["roc_auc"]
    assert abs(auc.value - roc_auc_score(label, score)) <= auc.resolution + 1e-12


def test_baseline_of_the_evaluation_is_measured_on_the_reference():
    reference = scored(30, seed=1, start_ms=REFERENCE_MS[0])
    found = evaluated(profile(), scored(60, seed=2, noise=0.4))
    expected = accuracy_score(reference.label, reference.predictions.predicted)
    assert found.baseline["accuracy"].value == pytest.approx(expected, abs=1e-12)
    assert found.change("accuracy") == found.metrics["accuracy"].value - expected
    assert found.change("accuracy") < -0.05


def test_intervals_of_the_evaluation_have_their_nominal_coverage():
    truth = accuracy_of_many()
    held = 0
    for seed in range(100, 160):
        low, high = evaluated(profile(), scored(30, seed=seed)).metrics["accuracy"].interval()
        held += low <= truth <= high
    assert 51 <= held <= 60  # 57 of 60 expected; 51 leaves 0.5% to chance


def accuracy_of_many() -> float:
    rows = scored(3_000, seed=9)
    return accuracy_score(rows.label, rows.predictions.predicted)


def test_months_of_the_evaluation_are_utc_and_have_their_own_rows():
    rows = scored(61, seed=3)  # April and May
    found = evaluated(profile(), rows)
    assert list(found.months) == ["2013-04", "2013-05"]
    april = rows.predictions.time_ms < APRIL_MS + 30 * DAY
    expected = accuracy_score(rows.label[april], rows.predictions.predicted[april])
    assert found.months["2013-04"]["accuracy"].value == pytest.approx(expected, abs=1e-12)


def test_evaluation_counts_unlabelled_rows_but_does_not_measure_them():
    rows = scored(10, seed=4)
    half = replace(rows, label=np.where(np.arange(1_000) % 2, rows.label, NO_LABEL))
    found = evaluated(profile(), half)
    assert (found.rows, found.labels) == (1_000, 500)
    assert found.metrics["accuracy"].value == pytest.approx(
        accuracy_score(rows.label[1::2], rows.predictions.predicted[1::2]), abs=1e-12
    )


def test_evaluation_without_labels_has_no_metrics():
    found = evaluated(profile(), replace(scored(10, seed=4), label=None, label_time_ms=None))
    assert {metric.value for metric in found.metrics.values()} == {None}
    assert evaluation_lines(found)[-1] == "there are no metrics, because no row has a label"
    assert evaluation_document(found)["metrics"]["f1"]["change"] is None


def test_evaluation_of_ten_years_has_a_limited_number_of_blocks():
    sparse = scored(3_650, seed=5)
    found = evaluated(profile(), sparse).metrics["accuracy"]
    assert MOST_BLOCKS / 2 < found.panes <= MOST_BLOCKS + 1


def test_evaluating_an_untrained_model_is_refused_in_one_sentence(tmp_path):
    said = CliRunner().invoke(
        program("driftline", COMMANDS, "help"), ["evaluate", "--trained", str(tmp_path)]
    )
    assert said.exit_code == 2
    assert said.stderr.startswith(
        "driftline: there is no reference of model 'flight-delay' version '1'"
    )
    assert "`driftline train`" in said.stderr


def test_evaluate_command_prints_and_saves_the_metrics_of_the_flights(trained, tmp_path):
    write_profile(tmp_path / "flight-delay-1.profile", trained.profile)
    words = ["evaluate", "--trained", str(tmp_path), "--until", "2013-04-08"]
    calm = CliRunner().invoke(program("driftline", COMMANDS, "help"), words)
    assert calm.exit_code == 0, calm.output
    saved = json.loads((tmp_path / "flight-delay-1.evaluation.json").read_text())
    flights = load_flights().between(APRIL_MS, APRIL_MS + 7 * DAY)
    assert saved["rows"] == saved["labels"] == len(flights)
    metrics = saved["metrics"]
    assert metrics["accuracy"]["low"] < metrics["accuracy"]["value"] < metrics["accuracy"]["high"]
    assert metrics["accuracy"]["baseline"] == pytest.approx(trained.metrics["accuracy"], abs=1e-12)
    assert f"\naccuracy{metrics['accuracy']['value']:16.3f}" in calm.stdout
    assert f"\nlog_loss{metrics['log_loss']['value']:16.3f}" in calm.stdout


def test_evaluate_command_applies_scenarios_before_scoring(trained, tmp_path):
    write_profile(tmp_path / "flight-delay-1.profile", trained.profile)
    output = tmp_path / "out" / "e.json"
    words = ["--trained", str(tmp_path), "--until", "2013-04-08", "--output", str(output)]
    flipped = CliRunner().invoke(
        program("driftline", COMMANDS, "help"),
        ["evaluate", *words, "--scenario", "flip:proportion=1"],
    )
    assert flipped.exit_code == 0, flipped.output
    assert json.loads(output.read_text())["metrics"]["accuracy"]["change"] < -0.6


def test_evaluate_reads_the_saved_profile(tmp_path):
    write_profile(tmp_path / "m-1.profile", profile())
    assert trained_profile(tmp_path, "m", "1").model == "m"
