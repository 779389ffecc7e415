"""Files as people have them: ids, thresholds, times, names, and what is said about all of it."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from driftline.cli import program
from driftline.commands import COMMANDS
from driftline.errors import BadInput
from monitor.counts.profile import InvalidReference, build_profile
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from producers.registration.columns import Columns
from producers.registration.decision_threshold import threshold_of
from producers.registration.reference_warnings import reference_warnings, row_warnings
from producers.registration.rows_file import FileRows, read_file
from producers.registration.summary import summary_lines
from producers.registration.value_columns import FeatureColumn

ROWS = 400
DAY = 86_400_000


def frame(rows: int = ROWS, start: str = "2024-01-01", **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    when = pd.date_range(start, periods=rows, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    score = rng.random(rows).round(3)
    own = {"when": when, "p": score, "amount": rng.normal(size=rows).round(3)}
    return pd.DataFrame({**own, **columns})


def save(tmp_path, data: pd.DataFrame, name: str = "rows.csv", **options: object):
    path = tmp_path / name
    data.to_csv(path, index=False, **options)
    return path


def read(path, **columns: object) -> FileRows:
    return read_file(path, Columns(**{"time": "when", "score": "p", **columns}))


def register(*words: object):
    given = ("register", "--model", "m", "--version", "1", "--time", "when", "--score", "p")
    main = program("driftline", COMMANDS, "help")
    return CliRunner().invoke(main, [*given, *map(str, words)])


def warnings(file: FileRows, plan: Plan | None = None) -> list[str]:
    settings = {"pane_ms": 3_600_000, "threshold": file.threshold.value}
    kinds = {"categorical": file.categorical, "numeric": file.numeric}
    profile = build_profile("m", "1", file.rows, **settings, **kinds, task=BINARY)
    return reference_warnings(file, profile, plan or Plan())


# -- ids ---------------------------------------------------------------------------------------


def test_ids_of_rows_without_a_column_of_ids_differ_between_files(tmp_path):
    june, july = frame(start="2024-06-01"), frame(start="2024-07-01")
    first = read(save(tmp_path, june)).rows.predictions.ids
    second = read(save(tmp_path, july)).rows.predictions.ids
    assert len({*first, *second}) == 2 * ROWS


def test_same_row_has_the_same_id_in_any_file_and_format(tmp_path):
    data = frame(code=[4, 7] * (ROWS // 2), known=[True, False] * (ROWS // 2))
    ids = read(save(tmp_path, data)).rows.predictions.ids
    shuffled = data.sample(frac=1, random_state=0)[["known", "p", "when", "code", "amount"]]
    data.to_parquet(tmp_path / "other.parquet", index=False)
    assert read(save(tmp_path, shuffled, "other.csv")).rows.predictions.ids == ids
    assert read(tmp_path / "other.parquet").rows.predictions.ids == ids
    half = read(save(tmp_path, data.iloc[ROWS // 2 :])).rows.predictions.ids
    assert half == ids[ROWS // 2 :]


def test_id_does_not_depend_on_the_label_that_comes_later(tmp_path):
    data = frame(y=[0, 1] * (ROWS // 2))
    labelled = read(save(tmp_path, data), label="y").rows.predictions.ids
    assert read(save(tmp_path, data.drop(columns="y"))).rows.predictions.ids == labelled


def test_equal_rows_of_a_file_are_numbered(tmp_path):
    two = frame(2)
    data = pd.concat([two, two.iloc[:1], two.iloc[:1]])
    first, second, third, other = read(save(tmp_path, data)).rows.predictions.ids
    assert [second, third] == [f"{first}-1", f"{first}-2"]
    assert other not in (first, second, third)


def test_id_is_a_text_even_if_it_looks_like_nothing(tmp_path):
    ids = ["NA", "None", "null", "nan", "007", "1.0", "true", "9007199254740993"]
    data = frame(len(ids), key=ids)
    assert read(save(tmp_path, data), id="key").rows.predictions.ids == ids


# -- thresholds and scores ---------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0.65, 0.5, 0.123, 1.0])
def test_threshold_follows_from_the_predictions(tmp_path, cut):
    data = frame()
    file = read(save(tmp_path, data.assign(hit=(data.p >= cut).astype(int))), prediction="hit")
    assert ((data.p >= file.threshold.value) == (data.p >= cut)).all()
    assert len(str(file.threshold.value)) <= 5
    assert "fits the predictions best" in file.threshold.why
    assert file.threshold.warning is None


def test_threshold_that_contradicts_predictions_is_warned_of_with_their_number(tmp_path):
    data = frame()
    hit = (data.p >= 0.65).astype(int)
    file = read(save(tmp_path, data.assign(hit=hit)), prediction="hit", threshold=0.5)
    disagree = int(((data.p >= 0.5) != hit).sum())
    assert (
        f"{disagree} of {ROWS} predictions disagree with the threshold 0.5"
        in file.threshold.warning
    )


def test_threshold_is_the_one_that_fewest_predictions_disagree_with():
    rng = np.random.default_rng(0)
    score = rng.random(500).round(2)
    predicted = (score >= 0.7).astype(np.int64) ^ (rng.random(500) < 0.05)
    errors = [((score >= t) != predicted).sum() for t in np.arange(0, 1.01, 0.01).round(2)]
    found = threshold_of(None, score, predicted)
    assert ((score >= found.value) != predicted).sum() == min(errors)
    assert "disagree" in str(found.warning)


@pytest.mark.parametrize("score", [1.0000001, 1.00001, -1e-7])
def test_score_outside_by_a_rounding_error_is_the_nearest_score(tmp_path, score):
    file = read(save(tmp_path, frame(2, p=[score, 0.25])))
    assert file.rows.predictions.score[0] == round(score)


@pytest.mark.parametrize("score", [1.001, -0.0002, 1.0001000001])
def test_error_for_a_wrong_score_shows_its_digits(tmp_path, score):
    with pytest.raises(BadInput, match=f"'p' is {score!r}: the task binary expects"):
        read(save(tmp_path, frame(2, p=[score, 0.25])))


# -- live rows --------------------------------------------------------------------------------


def test_live_rows_may_lack_the_labels_of_their_reference(tmp_path):
    path = save(tmp_path, frame())
    columns = Columns(time="when", score="p", label="y", label_time="known")
    file = read_file(path, columns, may_lack_labels=True)
    assert file.rows.label is None
    assert row_warnings(file) == ["there is no column 'y': the rows have no labels"]
    with pytest.raises(BadInput, match="there is no column 'y'"):
        read_file(path, columns)


def test_live_rows_are_read_by_the_kinds_and_the_threshold_of_the_reference(tmp_path):
    reference = read(save(tmp_path, frame(code=[1, 2] * (ROWS // 2))), categorical=("code",))
    profile = build_profile(
        "m",
        "1",
        reference.rows,
        pane_ms=3_600_000,
        threshold=0.9,
        categorical=reference.categorical,
        task=BINARY,
    )
    live = frame(code=[1, 2] * (ROWS // 2), amount=["ERR"] * ROWS)
    file = read_file(save(tmp_path, live), Columns(time="when", score="p"), profile.schema)
    assert (file.numeric, file.categorical) == (("amount",), ("code",))
    assert file.rows.predictions.predicted.tolist() == (live.p >= 0.9).astype(int).tolist()


# -- names and shapes of CSV files --------------------------------------------------------------


@pytest.mark.parametrize("row", ["2024-01-02T00:00:00Z,0.5,1,", "2024-01-02T00:00:00Z,0.5"])
def test_row_with_too_many_or_too_few_fields_is_named_with_their_number(tmp_path, row):
    path = tmp_path / "rows.csv"
    path.write_text(f"when,p,amount\n2024-01-01T00:00:00Z,0.5,1\n{row}\n")
    fields = row.count(",") + 1
    with pytest.raises(BadInput, match=f"line 3 has {fields} fields, but the line of names has 3"):
        read(path)


@pytest.mark.parametrize("name", ["a,b", " age", "self", "time, of day", "p ", "index", "ü"])
def test_column_of_any_name_can_be_said_to_an_option(tmp_path, name):
    path = save(tmp_path, frame(**{name: [1, 2] * (ROWS // 2)}))
    assert name in read(path).numeric
    assert name in read(path, categorical=(name,)).categorical
    assert [c.name for c in read(path, ignore=(name,)).features] == ["amount"]


def test_an_option_can_list_columns_with_commas(tmp_path):
    path = save(tmp_path, frame(a=1, b=2))
    assert read(path, categorical=("a, b",)).categorical == ("a", "b")
    assert read(path, ignore=("a", "b,amount")).features == []


def test_column_that_occurs_twice_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("when,p,a,a\n2024-01-01T00:00:00Z,0.5,1,2\n")
    with pytest.raises(BadInput, match="has the column 'a' twice"):
        read(path)


def test_other_separator_is_recognised(tmp_path):
    with pytest.raises(BadInput, match="seem to be separated by ';': expected commas"):
        read(save(tmp_path, frame(), sep=";"))


def test_file_that_is_not_utf_8_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("when,p,town\n2024-01-01T00:00:00Z,0.5,Zürich\n".encode("latin-1"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read(path)


def test_saved_index_is_left_out_and_said(tmp_path):
    data = frame()
    data.to_csv(tmp_path / "rows.csv")
    data.sample(frac=1, random_state=0).to_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        file = read(tmp_path / name)
        assert [column.name for column in file.features] == ["amount"]
        assert any("it has no name (perhaps a saved index)" in text for text in row_warnings(file))


def test_quoted_line_breaks_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "rows.csv"
    rows = 'when,p,"a\nb"\n2024-01-01T00:00:00Z,0.5,"x\ny"\n'
    path.write_text(rows, encoding="utf-8-sig")
    assert read(path).rows.predictions.features["a\nb"].tolist() == ["x\ny"]


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("1970-01-01T00:00:00Z", r"row 3, which is 1970-01-01T00:00:00Z.*time\.earliest"),
        ("1999-12-31T23:59:59Z", r"time\.earliest"),
        ("2099-12-31T00:00:00Z", r"in the future.*time\.max_clock_skew"),
    ],
)
def test_row_of_an_implausible_time_is_refused_with_the_setting(tmp_path, when, why):
    data = frame()
    data.loc[2, "when"] = when
    result = register("--reference", save(tmp_path, data), "--dry-run")
    assert result.exit_code == 2
    assert pd.Series([result.stderr]).str.contains(why, regex=True).all(), result.stderr


@pytest.mark.parametrize(("unit", "per_second"), [("seconds", 1), ("microseconds", 10**6)])
def test_times_in_another_unit_are_refused_with_the_unit(tmp_path, unit, per_second):
    data = frame(when=1_704_067_200 * per_second + np.arange(ROWS) * per_second)
    result = register("--reference", save(tmp_path, data), "--dry-run")
    assert result.exit_code == 2
    assert f"seems to be in {unit}, which is 2024-01-01T00:00:00Z" in result.stderr


def test_earliest_time_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_TIME__EARLIEST", "1990-01-01")
    path = save(tmp_path, frame(start="1995-01-01"))
    assert register("--reference", path, "--dry-run").exit_code == 0


def test_hour_that_occurs_twice_is_counted_and_said(tmp_path):
    data = frame(when=pd.date_range("2024-10-26", periods=ROWS, freq="10min").astype(str))
    result = register(
        "--reference", save(tmp_path, data), "--timezone", "Europe/Paris", "--dry-run"
    )
    assert result.exit_code == 0
    assert "6 times in 'when' are in an hour that occurs twice in Europe/Paris" in result.output


# -- what is no feature, and what silences -----------------------------------------------------


def test_labels_and_predictions_that_no_option_names_are_warned_of(tmp_path):
    rng = np.random.default_rng(0)
    data = frame()
    data["paid"] = rng.random(ROWS) < data.p
    data["call"] = np.where(data.p >= 0.65, "yes", "no")
    data["target"] = rng.integers(0, 2, ROWS)
    found = "\n".join(warnings(read(save(tmp_path, data))))
    assert "column 'paid': it may be the label: use it with --label" in found
    assert "column 'call': it may be the prediction" in found
    assert "column 'target': it may be the label" in found


@pytest.fixture
def ids_and_codes(tmp_path):
    rng = np.random.default_rng(1)
    return save(
        tmp_path,
        frame(
            customer=rng.permutation(ROWS) + 10_000,
            ticket=[f"t-{i}" for i in range(ROWS)],
            branch=rng.integers(1, 9, ROWS),
            age=rng.integers(18, 90, ROWS),
        ),
    )


def test_ids_and_codes_among_the_features_are_warned_of(ids_and_codes):
    found = "\n".join(warnings(read(ids_and_codes)))
    for name in ("customer", "ticket"):
        assert f"column {name!r}: it has 400 different values in 400 rows" in found
    assert "column 'branch': it has only 8 different whole numbers: --categorical 'branch'" in found
    assert "'age'" not in found
    assert "'amount'" not in found


def test_codes_that_an_option_names_are_not_warned_of(ids_and_codes):
    for option in ("numeric", "categorical"):
        found = "\n".join(warnings(read(ids_and_codes, **{option: ("branch",)})))
        assert "'branch'" not in found


def test_labels_beyond_the_horizon_are_warned_of_with_the_setting(tmp_path):
    data = frame(y=[0, 1] * (ROWS // 2))
    known = pd.to_datetime(data.when) + pd.to_timedelta([1, 30] * (ROWS // 2), "D")
    file = read(save(tmp_path, data.assign(known=known.astype(str))), label="y", label_time="known")
    (text,) = [text for text in warnings(file) if "label_horizon" in text]
    assert "200 of 400 labels (50%)" in text
    assert "time.label_horizon, which is 7d" in text
    assert "99% come within 30d" in text


def test_register_without_any_use_is_refused_after_its_summary(tmp_path):
    result = register("--reference", save(tmp_path, frame()), "--no-publish")
    assert result.exit_code == 2
    assert "rows      400 from" in result.output
    assert "--no-publish needs --output FILE" in result.stderr


def test_dry_run_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    output = tmp_path / "m.profile"
    path = save(tmp_path, frame())
    result = register("--reference", path, "--dry-run", "--output", output)
    assert result.exit_code == 0, result.output
    assert not output.exists()
    assert "dry run: nothing was saved or published" in result.output


def test_summary_shows_what_was_understood_of_every_column(tmp_path):
    data = frame(y=[0, 1] * (ROWS // 2), town=["Bern", None, "Chur", "Bern"] * (ROWS // 4), one=1)
    data["amount"] = data["amount"].astype(object)
    data.loc[0, "amount"] = "ERR"
    file = read(save(tmp_path, data), label="y", label_delay_ms=DAY)
    profile = build_profile(
        "m",
        "1",
        file.rows,
        pane_ms=3_600_000,
        threshold=0.5,
        categorical=file.categorical,
        numeric=file.numeric,
        task=BINARY,
    )
    text = "\n".join(summary_lines(file, profile, Plan()))
    assert "rows      400 from 2024-01-01T00:00:00Z to 2024-01-17T15:00:00Z: 16d 15h" in text
    assert "longest gap 1h" in text
    assert "labels    y: 400 of 400 rows, 50.0% positive; half come within 1d" in text
    assert "feature   amount  numeric" in text
    assert "(nearly all are numbers)" in text
    assert "feature   town    categorical" in text
    assert "25.0% missing  2 categories: 'Bern' 67%, 'Chur' 33%  (texts)" in text
    assert "not judged: how 'one' is distributed: the reference has only one value of it" in text


def test_summary_says_what_cannot_be_judged_without_labels(tmp_path):
    file = read(save(tmp_path, frame()))
    profile = build_profile("m", "1", file.rows, pane_ms=3_600_000, threshold=0.5, task=BINARY)
    text = "\n".join(summary_lines(file, profile, Plan()))
    assert "not judged: errors, performance and label coverage: the reference has no labels" in text


def test_feature_column_is_what_it_was_told(tmp_path):
    file = read(save(tmp_path, frame()), categorical=("amount",))
    (column,) = file.features
    assert isinstance(column, FeatureColumn)
    assert not column.is_numeric


# -- damaged files -----------------------------------------------------------------------------

TOKENS = [
    *(b"", b"NA", b'"', b",", b"\n", b"\r\n", b"\x00", b"\xff", b"1e999", b"nan", b"-inf", b"007"),
    *(b"1,234", b"True", b"9" * 400, b"1e-400", b"2024-01-01", b"1704067200", b"0", b" ", b"4.0"),
    *(b"2024-13-01T00:00:00Z", b"0001-01-01T00:00:00Z", b"2024-03-31T02:30:00", b"1.0000001"),
]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_damaged_file_is_read_or_refused_with_a_sentence(tmp_path, kind):
    rng, sentences, understood = np.random.default_rng(7), list[str](), 0
    data = frame(60, id=[f"r{i}" for i in range(60)], y=[0, 1] * 30, c=list("abc") * 20)
    data.to_parquet(tmp_path / "rows.parquet")
    whole = save(tmp_path, data).read_bytes()
    if kind == "parquet":
        whole = (tmp_path / "rows.parquet").read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(damaged)))
            token = TOKENS[rng.integers(len(TOKENS))]
            damaged[at : at + (len(token) if kind == "parquet" else int(rng.integers(5)))] = token
        path = tmp_path / f"damaged.{kind}"
        path.write_bytes(damaged)
        try:
            file = read(path, label="y", id="id")
        except BadInput as error:
            sentences.append(str(error))
        else:
            understood += 1
            with contextlib.suppress(InvalidReference):
                warnings(file)
    assert not any("\n" in sentence for sentence in sentences)
    assert min(len(sentences), understood) > 5
