"""The batch pipeline: steps, reports, exit codes and error messages.

The data are thirty days of loans, five hundred a day. The older half is the reference; changes
start on the twenty-first day.
"""

import contextlib
import json
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy.stats import ks_2samp
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from driftline.cli import program
from driftline.commands import COMMANDS
from monitor.performance.metrics import METRICS
from producers.registration.profile_file import read_profile
from tests.monitor.doubles import LARGEST

STEPS = (
    *("train", "evaluate", "data-drift", "concept-drift", "performance", "alerts"),
    "retraining",
)
PER_DAY, DAYS = 500, 30
MODEL = ["--model", "loans", "--time", "at", "--score", "p", "--id", "id"]
LABELS = ["--label", "bad", "--label-time", "known"]
CHANGE = pd.Timestamp("2025-01-21", tz="UTC")


BUDGET = {  # with hardly any false alarm
    f"DRIFTLINE_DRIFT__FALSE_ALARMS__{severity}": "1 per 5000d"
    for severity in ("WARNING", "CRITICAL")
}


@pytest.fixture(autouse=True)
def isolated_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def loans(*, seed: int = 0, days: int = DAYS, start: str = "2025-01-01") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = PER_DAY * days
    at = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, days, n)), "D")
    risk = rng.beta(1, 3, n)
    return pd.DataFrame(
        {
            "id": [f"loan/{i}" for i in range(n)],
            "at": at.round("ms"),
            "p": risk,
            "bad": (rng.random(n) < risk).astype(int),
            "known": (at + pd.Timedelta("3h")).round("ms"),
            "income": rng.lognormal(10, 1, n),
            "age": rng.integers(18, 90, n),
            "branch": rng.choice(["north", "south"], n),
        }
    )


def with_larger_incomes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(income=frame.income.where(frame["at"] < CHANGE, frame.income * 3))


def with_inverted_labels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(bad=frame.bad.where(frame["at"] < CHANGE, 1 - frame.bad))


def run(*words: object, frame: pd.DataFrame | None = None, **environment: str):
    """The command on ``frame``, or without a file of its own."""
    if frame is not None:
        frame.to_parquet("loans.parquet")
        words = ("--data", "loans.parquet", *words)
    return CliRunner().invoke(
        program("driftline", COMMANDS, "help"),
        ["pipeline", *map(str, words)],
        env={**BUDGET, **environment},
    )


def report(step: str, folder: str | Path = "driftline-report") -> dict:
    return json.loads(Path(folder, f"{step}.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Finished:
    """A run of the pipeline on labelled rows, for several tests."""

    result: Result
    frame: pd.DataFrame
    directory: Path

    def report(self, step: str) -> dict:
        return report(step, self.directory / "driftline-report")


def finished(frame: pd.DataFrame, directory: Path) -> Finished:
    with contextlib.chdir(directory):
        return Finished(run(*MODEL, *LABELS, frame=frame), frame, directory)


@pytest.fixture(scope="module")
def healthy_loans():
    return loans()


@pytest.fixture(scope="module")
def healthy(healthy_loans, tmp_path_factory):
    return finished(healthy_loans, tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module")
def drifted(healthy_loans, tmp_path_factory):
    return finished(with_larger_incomes(healthy_loans), tmp_path_factory.mktemp("drifted"))


def test_pipeline_on_healthy_rows_exits_with_0_and_reports_every_step(healthy):
    assert healthy.result.exit_code == 0, healthy.result.output
    assert tuple(line.split()[0] for line in healthy.result.stdout.splitlines()[:7]) == STEPS
    assert [healthy.report(step)["model"] for step in STEPS] == ["loans"] * 7
    assert healthy.report("data-drift")["drift"] is False
    assert healthy.report("performance")["degraded"] is False
    assert healthy.report("alerts")["opened"] == 0
    assert healthy.report("retraining")["decision"] == "none"


def test_pipeline_with_a_drifted_feature_exits_with_3_and_names_it(drifted):
    assert drifted.result.exit_code == 3, drifted.result.output
    features = {f["name"]: f for f in drifted.report("data-drift")["features"] if f["drifted"]}
    assert set(features) == {"income"}
    assert features["income"]["first"] == "2025-01-21T00:00:00Z"
    assert features["income"]["drifted"] == 10
    alerts = drifted.report("alerts")
    assert alerts["events"][0]["type"] == "driftline.incident.opened"
    assert "2025-01-21T00:00:00Z" < alerts["events"][0]["time"] < "2025-01-22T00:00:00Z"
    assert alerts["open"] == [{"subject": "data/income", "severity": "critical"}]
    assert drifted.report("retraining")["decision"] == "retrain"


def test_pipeline_with_degraded_performance_exits_with_3_without_data_drift(healthy_loans):
    done = run(*MODEL, *LABELS, frame=with_inverted_labels(healthy_loans))
    assert done.exit_code == 3, done.output
    assert report("data-drift")["drift"] is False
    assert report("performance")["degraded"] is True
    found = {e["subject"]: e["data"]["evidence"] for e in report("alerts")["events"]}
    assert "concept/error" in found
    assert "performance/roc_auc" in found["performance/accuracy"]["grouped"]
    assert all(subject.startswith(("performance/", "concept/")) for subject in found)


def test_alerts_of_all_kinds_are_in_the_order_of_time(healthy_loans):
    run(*MODEL, *LABELS, frame=with_larger_incomes(with_inverted_labels(healthy_loans)))
    events = report("alerts")["events"]
    assert {e["data"]["kind"] for e in events} == {"data", "concept", "performance"}
    assert [e["time"] for e in events] == sorted(e["time"] for e in events)


def test_rows_without_labels_are_tested_for_drift_only(healthy_loans):
    frame = with_larger_incomes(healthy_loans).drop(columns=["bad", "known"])
    done = run(*MODEL, frame=frame)
    assert done.exit_code == 3, done.output
    assert report("performance")["judged"] == 0
    assert report("concept-drift")["errors"] is None
    assert "no metrics: the rows or the reference have no labels" in done.stdout


def test_every_ks_distance_equals_scipy_on_the_rows_of_its_window(drifted):
    profile = read_profile(drifted.directory / "driftline-report/loans-1.profile")
    sample = profile.schema.features["income"].sample
    fixed = np.repeat(sample.values, sample.weights)
    windows = drifted.report("data-drift")["windows"]
    assert len(windows) == 15
    for window in windows:
        live = inside(drifted.frame, window)
        expected = ks_2samp(live.income, fixed, method="asymp").statistic
        income = next(f for f in window["features"] if f["name"] == "income")
        assert income["statistic"] == pytest.approx(expected, abs=1e-12)
        assert window["rows"] == len(live)


def test_every_metric_equals_scikit_learn_on_the_labelled_rows_of_its_window(healthy):
    for window in healthy.report("performance")["windows"]:
        live = inside(healthy.frame, window)
        metrics = window["metrics"]
        accuracy = accuracy_score(live.bad, live.p >= 0.5)
        assert metrics["accuracy"]["value"] == pytest.approx(accuracy)
        for name, oracle in {
            "roc_auc": roc_auc_score,
            "pr_auc": average_precision_score,
            "log_loss": log_loss,
            "brier": brier_score_loss,
        }.items():
            found, exact = metrics[name], oracle(live.bad, live.p)
            resolution = 0.001 if found["resolution"] is None else found["resolution"]
            assert abs(found["value"] - exact) <= resolution + 1e-12, name


def test_performance_report_has_the_worst_window_of_each_metric(healthy):
    performance = healthy.report("performance")
    for name, worst in {"recall": min, "brier": max}.items():
        of = next(m for m in performance["metrics"] if m["name"] == name)
        values = {w["start"]: w["metrics"][name]["value"] for w in performance["windows"]}
        assert of["worst"] == worst(values, key=values.get)
        assert (of["lowest"], of["highest"]) == (min(values.values()), max(values.values()))
        assert of["judged"] is (name == "recall")


def test_late_labels_count_in_the_newest_revision_of_their_window(healthy_loans):
    """One row in twenty is known only after two days; a window waits about as long as most."""
    late = np.arange(len(healthy_loans)) % 20 == 0
    known = healthy_loans.known.where(~late, healthy_loans["at"] + pd.Timedelta("2D"))
    run(*MODEL, *LABELS, frame=healthy_loans.assign(known=known), DRIFTLINE_TIME__LABEL_WAIT="6h")
    for window in report("performance")["windows"]:
        assert window["labels"] == window["rows"] == len(inside(healthy_loans, window))
        assert window["status"] == "final"


def test_default_reference_is_the_older_half_up_to_the_start_of_a_window(healthy):
    reference = healthy.report("train")["reference"]
    assert (reference["from"], reference["until"]) == (
        "2025-01-01T00:00:00Z",
        "2025-01-16T00:00:00Z",
    )
    assert reference["rows"] == (healthy.frame["at"] < "2025-01-16").sum()
    assert healthy.report("evaluate")["rows"] == (healthy.frame["at"] >= "2025-01-16").sum()


def test_from_and_until_select_the_tested_rows_and_earlier_rows_are_the_reference(healthy_loans):
    run(
        *(*MODEL, *LABELS, "--from", "2025-01-11", "--until", "2025-01-13"),
        frame=healthy_loans,
    )
    assert report("train")["reference"]["until"] == "2025-01-11T00:00:00Z"
    starts = [w["start"] for w in report("data-drift")["windows"]]
    assert starts == ["2025-01-11T00:00:00Z", "2025-01-12T00:00:00Z"]


def test_reference_file_leaves_all_rows_of_the_data_to_be_tested(healthy_loans):
    loans(seed=5, days=20, start="2025-01-10").to_csv("old.csv", index=False)
    done = run(*MODEL, *LABELS, "--reference", "old.csv", frame=healthy_loans)
    assert done.exit_code == 0, done.output
    assert report("train")["reference"]["rows"] == 20 * PER_DAY
    assert report("evaluate")["rows"] == DAYS * PER_DAY


def test_skip_training_uses_the_saved_reference_with_the_same_results(drifted):
    before = {step: drifted.report(step) for step in STEPS}
    shutil.copytree(drifted.directory / "driftline-report", "driftline-report")
    done = run(*MODEL, *LABELS, "--skip-training", frame=drifted.frame)
    assert done.exit_code == 3, done.output
    assert {step: report(step) for step in STEPS[1:]} == {s: before[s] for s in STEPS[1:]}
    assert report("train")["trained"] is None
    assert before["train"]["trained"] is not None


def test_skip_training_without_a_saved_reference_is_refused_in_one_sentence(healthy_loans):
    done = run(*MODEL, *LABELS, "--skip-training", frame=healthy_loans)
    assert done.exit_code == 2
    assert done.stderr == (
        "driftline: there is no saved reference of model 'loans' version '1' in driftline-report:"
        " run the pipeline once without --skip-training\n"
    )


def test_verbose_prints_the_key_figures_of_each_step(drifted):
    few = drifted.result.stdout
    many = run(*MODEL, *LABELS, "--verbose", frame=drifted.frame).stdout
    assert len(few.splitlines()) == 8
    for figure in (
        "numeric features: income, age",
        "95% interval",
        "income: 10 windows, first 2025-01-21",
        "roc_auc: degraded in 0 windows, lowest ",
        "log_loss: highest ",
        "Z  critical  opened     loans/1  data/income: ",
        "fresh_labels: ",
    ):
        assert figure in many
        assert figure not in few


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--model", "loans"], "--data needs --time too"),
        (["--time", "at", "--score", "p"], "--data needs --model too"),
        (
            [*MODEL, "--scenario", "flip:proportion=1"],
            "--scenario applies to the bundled flights only",
        ),
        ([*MODEL, "--label", "gone"], "there is no column 'gone'"),
        ([*MODEL, "--from", "spring"], "'spring' is not a time"),
        (
            [*MODEL, *LABELS, "--from", "2024-01-01"],
            "has no rows before 2024-01-01T00:00:00Z for the reference",
        ),
        ([*MODEL, *LABELS, "--from", "2026-01-01"], "has no rows from 2026-01-01T00:00:00Z on"),
        ([*MODEL, "--reference", "gone.csv"], "gone.csv cannot be read"),
    ],
)
def test_invalid_input_of_pipeline_is_one_sentence_and_exit_code_2(healthy_loans, words, why):
    done = run(*words, frame=healthy_loans)
    assert done.exit_code == 2
    assert why in done.stderr
    assert "Traceback" not in done.output


def test_column_options_without_data_are_refused():
    done = run("--label", "bad")
    assert done.exit_code == 2
    assert "--label applies to a file of rows: give the file with --data" in done.stderr


def test_output_directory_that_cannot_be_created_is_reported(healthy_loans):
    Path("taken").write_text("a file")
    done = run(*MODEL, "--output", "taken/reports", frame=healthy_loans)
    assert done.exit_code == 2
    assert done.stderr.startswith("driftline: the reports cannot be written to taken/reports: ")


def test_saved_reference_with_another_pane_is_refused(healthy):
    shutil.copytree(healthy.directory / "driftline-report", "driftline-report")
    words = (*MODEL, *LABELS, "--skip-training")
    done = run(*words, frame=healthy.frame, DRIFTLINE_WINDOWS__PANE="2h")
    assert done.exit_code == 2
    assert "was taken with panes of 3600 s, the configuration says 7200 s" in done.stderr


def test_pipeline_on_flights_detects_a_scenario():
    scenario = "scale:feature=distance,by=1.5,from=2013-04-02"
    words = ("--until", "2013-04-04", "--scenario", scenario, "--output", "out")
    done = run(*words)
    assert done.exit_code == 3, done.output
    assert report("train", "out")["trained"]["rows"] > 40_000
    assert Path("out/flight-delay-1.skops").stat().st_size > 10_000
    drifted = [f["name"] for f in report("data-drift", "out")["features"] if f["drifted"]]
    assert drifted == ["distance"]
    assert report("data-drift", "out")["features"][2]["first"] == "2013-04-02T00:00:00Z"
    again = run(*words, "--skip-training")
    assert again.exit_code == 3
    assert "skipped" in again.stdout


class Page(HTMLParser):
    """What a browser would fetch, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.met.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.fetched += [value for name, value in attributes if name in ("src", "href")]

    def handle_startendtag(self, tag, _):
        self.met.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_summary_page_is_self_contained_and_escapes_feature_names(healthy_loans):
    evil = "<script>alert(1)</script>"
    run(*MODEL, *LABELS, frame=with_larger_incomes(healthy_loans).rename(columns={"income": evil}))
    text = Path("driftline-report/summary.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(page.met)
    assert page.met.count("svg") == 1 + 1 + len(METRICS)  # heat map, the drifted feature
    assert "url(" not in text
    assert "@import" not in text
    assert "1 incident opened, 1 still open at the end" in text


def inside(frame: pd.DataFrame, window: dict) -> pd.DataFrame:
    return frame[(frame["at"] >= window["start"]) & (frame["at"] < window["end"])]


def test_verbose_output_names_the_deciding_tests_beside_the_ks_distance(healthy_loans):
    """Incomes larger by a quarter, which in most windows only the rank test detects."""
    moved = healthy_loans.assign(
        income=healthy_loans.income.where(healthy_loans["at"] < CHANGE, healthy_loans.income * 1.25)
    )
    output = run(*MODEL, *LABELS, "--verbose", frame=moved).stdout
    (drifted,) = (f for f in report("data-drift")["features"] if f["drifted"])
    by = ", ".join(f"{name} in {windows}" for name, windows in drifted["decided_by"].items())
    assert sum(drifted["decided_by"].values()) == drifted["drifted"]
    assert "wilcoxon" in by
    assert f", decided by {by}; largest KS distance" in output
    assert f"(sampling noise {drifted['threshold']:.3f})" in output
    assert by in Path("driftline-report", "summary.html").read_text(encoding="utf-8")


def test_data_drift_step_names_features_with_too_few_rows(healthy_loans):
    few = healthy_loans.iloc[:40]  # both classes, and too few rows for any distance
    few.iloc[:6].assign(bad=[0, 1] * 3).to_parquet("few.parquet")
    done = run(
        *MODEL, *LABELS, "--reference", "few.parquet", frame=with_larger_incomes(healthy_loans)
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("data-drift"))
    assert "0 of 0 tested features drifted" in line
    assert "too few rows, in the windows or in the reference, to test income, age" in line


def test_performance_step_names_metrics_degraded_only_in_longer_windows(healthy_loans):
    rng = np.random.default_rng(5)
    worse = rng.random(len(healthy_loans)) < 0.16
    late = healthy_loans["at"] >= CHANGE
    frame = healthy_loans.assign(
        bad=healthy_loans.bad.where(~(late & worse), 1 - healthy_loans.bad)
    )
    done = run(*MODEL, *LABELS, frame=frame)
    found = report("performance")
    line = next(line for line in done.stdout.splitlines() if line.startswith("performance"))
    assert found["degraded"] is True
    assert sum(metric["degraded"] for metric in found["metrics"]) == 0
    assert found["incidents"] == ["roc_auc"]
    assert "no metric degraded in" in line
    assert line.endswith("; degraded in longer windows: roc_auc")


def test_pipeline_refuses_duplicate_ids(healthy_loans):
    frame = healthy_loans.assign(id=healthy_loans.id.where(healthy_loans.index != 7, "loan/6"))
    done = run(*MODEL, *LABELS, frame=frame)
    assert done.exit_code == 2
    assert "the id 'loan/6' in column 'id' belongs to 2 rows: ids must be unique" in done.stderr


def test_sentinels_in_a_csv_file_of_the_reference_change_no_verdict(healthy_loans, monkeypatch):
    """Huge numbers for missing values, each in one row that the sample lacks."""
    monkeypatch.setattr("monitor.counts.profile.SAMPLE_SIZE", 1_000)
    frame = healthy_loans.astype({"age": float})
    sentinels = {"income": LARGEST, "age": 1e155}  # the square of either is infinite
    for name, value in sentinels.items():
        frame.loc[77, name] = value
    frame.to_csv("loans.csv", index=False)
    done = run("--data", "loans.csv", *MODEL, *LABELS)
    assert done.exit_code == 0, done.output
    features = read_profile(Path("driftline-report/loans-1.profile")).schema.features
    for name, value in sentinels.items():
        assert features[name].high == value
        assert not np.isin(value, features[name].sample.values)


def test_drift_of_subnormal_values_is_found(healthy_loans):
    frame = with_larger_incomes(healthy_loans)
    done = run(*MODEL, *LABELS, frame=frame.assign(income=frame.income * 1e-314))
    assert done.exit_code == 3, done.output
    drifted = {f["name"]: f for f in report("data-drift")["features"] if f["drifted"]}
    assert set(drifted) == {"income"}
    assert drifted["income"]["first"] == "2025-01-21T00:00:00Z"
