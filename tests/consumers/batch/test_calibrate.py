"""``driftline calibrate`` on loans: what is printed, written and recommended."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from consumers.batch.calibrate_history import predictions_of
from consumers.messages.records import Record
from driftline.cli import program
from driftline.commands import COMMANDS
from driftline.errors import BadInput
from driftline.settings import load_settings
from producers.contract.arrow_columns import ARROW_HEADER
from producers.contract.records import PredictionRecord, encode_prediction
from tests.consumers.sources.arrow_messages import message

DAYS, PER_DAY = 24, 300
MODEL = ["--model", "loans", "--time", "at", "--score", "p"]


@pytest.fixture(autouse=True)
def in_an_empty_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLINE_WINDOWS__PANE", "4h")
    budget(monkeypatch, "1 per 40d")


def budget(monkeypatch, text: str) -> None:
    for severity in ("WARNING", "CRITICAL"):
        monkeypatch.setenv(f"DRIFTLINE_DRIFT__FALSE_ALARMS__{severity}", text)


def loans(days: int = DAYS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = PER_DAY * days
    at = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(
        np.sort(rng.uniform(0, days, n)), "D"
    )
    return pd.DataFrame(
        {
            "at": at.round("ms"),
            "p": rng.beta(1, 3, n),
            "income": rng.lognormal(10, 1, n),
            "age": rng.integers(18, 90, n),
            "branch": rng.choice(["north", "south"], n),
        }
    )


def with_higher_income(frame: pd.DataFrame, days: slice, factor: float) -> pd.DataFrame:
    day = (frame["at"] - frame["at"].min()).dt.days
    chosen = day.isin(range(DAYS)[days])
    return frame.assign(income=frame.income.where(~chosen, frame.income * factor))


def run(*words: object, frame: pd.DataFrame | None = None):
    if frame is not None:
        frame.to_parquet("loans.parquet")
        words = ("--data", "loans.parquet", *MODEL, *words)
    return CliRunner().invoke(
        program("driftline", COMMANDS, "help"), ["calibrate", *map(str, words)]
    )


def written() -> dict:
    return json.loads(Path("calibration.json").read_text(encoding="utf-8"))


def recommended() -> dict:
    return tomllib.loads(Path("driftline.recommended.toml").read_text(encoding="utf-8"))


def test_a_healthy_history_is_within_the_budget_and_nothing_is_recommended(monkeypatch):
    budget(monkeypatch, "1 per 7d")
    done = run("--splits", 6, "--delay-splits", 2, frame=loans())
    assert done.exit_code == 0, done.output
    found = written()
    assert found["rules"]["driftline"]["rate"]["mean"] < 0.5
    assert found["recommended"]["min_effect"] is None
    assert recommended() == {}
    assert "Nothing is recommended" in " ".join(done.stdout.split())
    assert found["history"]["blocks"] == DAYS
    assert found["rules"]["p_below_0.05"]["alarms"] > found["rules"]["driftline"]["alarms"]
    assert found["rules"]["always_alarm"]["alarms"] == 4 * 7  # three features and the score


def test_delays_are_reported_by_feature_shift_and_window(monkeypatch):
    budget(monkeypatch, "1 per 7d")
    done = run("--splits", 3, "--delay-splits", 3, frame=loans())
    delays = written()["delays"]
    assert set(delays) == {"income", "age"}
    assert set(delays["age"]) == {"0.25", "0.5", "1"}
    large = delays["age"]["1"]
    assert large["missed"] == 0
    assert large["median_ms"] <= 86_400_000
    assert sum(window["found"] for window in large["windows"]) == large["runs"]
    assert "split 3 of 3" in done.stderr


def test_the_forward_split_names_a_feature_that_has_changed():
    done = run(
        "--splits", 1, "--delay-splits", 0, frame=with_higher_income(loans(), slice(12, 24), 3)
    )
    assert done.exit_code == 0, done.output
    assert "data/income" in written()["forward"]["subjects"]
    assert written()["delays"] == {}


def test_the_smallest_min_effect_that_fits_is_recommended_for_the_model():
    done = run(
        "--splits", 20, "--delay-splits", 0, frame=with_higher_income(loans(), slice(3, 5), 1.8)
    )
    assert done.exit_code == 0, done.output
    found = written()
    assert found["rules"]["driftline"]["rate"]["high"] > 1
    assert found["recommended"]["verdict"] == "raise_min_effect"
    assert found["recommended"]["rate"]["high"] <= 1
    assert recommended() == {
        "models": {"loans": {"drift": {"min_effect": found["recommended"]["min_effect"]}}}
    }
    warned = "That is above drift.critical_effect, 0.1" in " ".join(done.stdout.split())
    assert warned == (found["recommended"]["min_effect"] > 0.1)
    settings = load_settings(Path("driftline.recommended.toml"))
    assert settings.plan("loans").drift.min_effect == found["recommended"]["min_effect"]
    assert not Path("driftline.toml").exists()


def test_the_configuration_in_use_is_not_overwritten():
    used = Path("driftline.recommended.toml")
    used.write_text("[drift]\nmin_effect = 0.3\n", encoding="utf-8")
    loans().to_parquet("loans.parquet")
    done = CliRunner().invoke(
        program("driftline", COMMANDS, "help"),
        ["--config", str(used), "calibrate", "--data", "loans.parquet", *MODEL],
    )
    assert done.exit_code == 2
    assert "is the configuration in use, and would be overwritten" in done.stderr
    assert recommended() == {"drift": {"min_effect": 0.3}}


def test_min_effect_is_recommended_for_all_models_with_all_models():
    run(
        *("--splits", 20, "--delay-splits", 0, "--all-models"),
        frame=with_higher_income(loans(), slice(3, 5), 1.8),
    )
    assert set(recommended()) == {"drift"}


def test_a_budget_too_small_for_the_history_is_reported_as_unproven(monkeypatch):
    budget(monkeypatch, "1 per 5000d")
    run("--splits", 2, "--delay-splits", 0, frame=loans())
    assert written()["recommended"]["verdict"] == "unproven"


def test_the_same_seed_gives_the_same_calibration():
    frame = loans(10)
    run("--splits", 2, "--delay-splits", 1, frame=frame)
    first = written()
    run("--splits", 2, "--delay-splits", 1, frame=frame)
    assert written() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "at least 8 are needed, that is 8 days"),
        (("--from", "2026-01-01"), "there are no rows in that time"),
        (("--output", "driftline.toml"), "would overwrite a configuration"),
        (("--output", "nowhere/c.json"), "there is no directory nowhere"),
        (("--topic",), "--data and --topic exclude each other"),
    ],
)
def test_invalid_options_are_refused_with_one_sentence(words, message):
    done = run(*words, frame=loans(5))
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("calibration.json").exists()


def test_column_options_without_a_file_are_refused():
    done = run("--score", "p")
    assert done.exit_code == 2
    assert "--score needs a file: add --data" in done.stderr


def prediction(number: int, *, model: str = "loans", **features: float | str | None) -> Record:
    record = PredictionRecord(str(number), 1_000 * (9 - number), model, "1", features, 0.3)
    return Record("predictions", 0, number, b"key", encode_prediction(record))


def test_predictions_of_a_topic_are_rows_in_event_time_with_missing_values():
    records = [
        prediction(0, income=1.0),
        prediction(1, income=2.0, branch="north"),
        prediction(2, model="other", age=3.0),
        Record("predictions", 0, 3, b"key", b"no JSON"),
    ]
    rows = predictions_of(records, "loans", "1", ignore=("income",))[0].predictions
    assert rows.ids == ["1", "0"]
    assert {name: list(column) for name, column in rows.features.items()} == {
        "branch": ["north", None]
    }


def test_predictions_of_a_topic_may_be_arrow():
    columns = {"time": [2, 1, 0], "model": ["loans"] * 3, "version": ["1"] * 3, "score": [0.5] * 3}
    table = pa.table({"id": ["c", "b", ""], **columns, "income": [3.0, None, 1.0]})
    headers = (ARROW_HEADER,)
    records = [
        Record("predictions", 0, 0, b"key", message(table), headers),
        Record("predictions", 0, 1, b"key", b"no Arrow", headers),
    ]
    rows = predictions_of(records, "loans", "1")[0].predictions
    assert rows.ids == ["b", "c"]
    assert list(rows.features["income"]) == [None, 3.0]


def test_a_model_without_predictions_is_refused_with_the_models_that_have_some():
    with pytest.raises(BadInput, match=r"no predictions of loans/2 .* loans/1 \(1 rows\)"):
        predictions_of([prediction(0)], "loans", "2")
