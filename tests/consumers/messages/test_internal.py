"""The bytes between the roles, and those that others read: nothing is lost or grows too large."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.messages.internal import (
    AggregateClosing,
    JoinRows,
    alert_event,
    decode_clock,
    decode_decisions,
    decode_for_detect,
    decode_for_join,
    encode_aggregate_closing,
    encode_join_closing,
    encode_joins,
    encode_memory,
    encode_summary_messages,
    identity,
    identity_partition,
    model_partition,
    rfc3339,
    window_document,
    window_key,
)
from consumers.messages.records import Record
from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from monitor.decisions.incidents import Change, Incident
from monitor.events.event_time import NEVER, Progress, Sources
from monitor.performance.adwin_page_hinkley import Detector
from monitor.performance.cbpe import Estimate, Expected
from monitor.performance.degradation import Metric
from monitor.statistics.drift_rule import Comparison, Evidence, Severity, evidence
from monitor.statistics.effect_sizes import Effects, Wasserstein
from monitor.windows.findings import (
    DataFinding,
    FeatureFinding,
    Maturity,
    MetricFinding,
    PerformanceFinding,
    Transition,
    WindowFinding,
    WindowStatus,
    evidence_of,
)
from monitor.windows.state import Clock, Closing, Decisions, JoinWatermark, WindowState
from tests.consumers.in_memory import T0, pane_sums

MESSAGES = Path(__file__).parents[3] / "docs" / "messages.md"
LIMIT = 512_000
DAY = 86_400_000

# -- closings ----------------------------------------------------------------------------------

times_ms = st.none() | st.integers(0, 2**53)
sources = st.builds(
    Sources,
    st.integers(0, 99),
    st.dictionaries(st.integers(0, 99), st.builds(Progress, times_ms, st.booleans()), max_size=5),
)


@given(predictions=sources, labels=sources)
@settings(max_examples=40, deadline=None)
def test_a_closing_of_aggregate_says_the_same_to_join_and_to_detect(predictions, labels):
    closing = AggregateClosing(predictions, labels)
    encoded = encode_aggregate_closing(closing)
    assert decode_for_join(encoded) == closing
    assert decode_for_detect(encoded) == Closing(predictions)


@given(
    total=st.integers(1, 99),
    joins=st.dictionaries(
        st.integers(0, 99), st.builds(JoinWatermark, times_ms, times_ms), max_size=5
    ),
)
@settings(max_examples=40, deadline=None)
def test_a_closing_of_join_is_read_as_it_was_written(total, joins):
    assert decode_for_detect(encode_join_closing(total, joins)) == Closing(None, total, joins)


# -- rows to be joined -------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.binary(min_size=16, max_size=16),
        st.sampled_from([None, "1", "2.0-rc_1"]),
        st.integers(0, 2**53),
        st.booleans(),
        st.floats(0, 1),
        st.integers(0, 1),
        st.sampled_from([NEVER, 0, 2**53]),
    ),
    max_size=20,
)


@given(rows=rows)
@settings(max_examples=30, deadline=None)
def test_rows_are_joined_as_they_were_sent(rows):
    columns: Any = list(zip(*rows, strict=True)) or [()] * 7
    types = [np.int64, bool, np.float64, np.int64, np.int64]
    arrays: Any = [np.array(c, dtype=t) for c, t in zip(columns[2:], types, strict=True)]
    sent = JoinRows("flight-delay", list(columns[0]), list(columns[1]), *arrays)
    read = decode_for_join(encode_joins(sent))
    assert isinstance(read, JoinRows)
    assert (read.model, read.ident, read.version) == (sent.model, sent.ident, sent.version)
    for name in ("time_ms", "late", "score", "value", "seen_ms"):
        assert getattr(read, name).tolist() == getattr(sent, name).tolist()
        assert getattr(read, name).dtype == getattr(sent, name).dtype


# -- summaries ---------------------------------------------------------------------------------

incompressible = np.random.default_rng(7)


def random_counts(cells: int) -> Counts:
    index: NDArray[np.int64] = np.sort(incompressible.choice(2**31 - 1, cells, replace=False))
    return Counts(index, incompressible.integers(1, 2**62, cells))


def summary(cells: dict[str, Counts], names: Any = None, pane_ms: int = T0) -> Summary:
    return Summary("flight-delay", "1", pane_ms, Part.ON_TIME, cells, names or {})


def text(length: int) -> str:
    return "".join(map(chr, incompressible.integers(0x4E00, 0x9FFF, length)))


@pytest.mark.parametrize(
    "many",
    [
        pytest.param([], id="nothing"),
        pytest.param([summary({})], id="a summary of nothing"),
        pytest.param(
            [summary({f"bins/{i}": random_counts(20_001) for i in range(12)})],
            id="a dozen features whose every bin was met",
        ),
        pytest.param(
            [summary({f"quality/feature-number-{i}": random_counts(1) for i in range(12_000)})],
            id="twelve thousand features with a cell each",
        ),
        pytest.param(
            [summary({"rows": random_counts(1)}, pane_ms=T0 + i * DAY) for i in range(9_000)],
            id="a row in each of nine thousand panes",
        ),
        pytest.param(
            [
                summary(
                    {"rows": random_counts(1)},
                    {f"unseen/{i}": {text(200): 1 for _ in range(200)} for i in range(10)},
                )
            ],
            id="the longest texts, as many as are kept, in another script",
        ),
        pytest.param(
            [summary({f"bins/{text(100)}": random_counts(3) for _ in range(3_000)})],
            id="long names of features",
        ),
    ],
)
def test_summaries_of_any_size_fit_their_messages_and_add_up_to_the_same(many):
    messages = encode_summary_messages(many)
    assert all(len(message) < LIMIT for message in messages)
    assert sums(messages) == sums_of(many)
    if sum(len(m) for m in messages) > 2 * LIMIT:
        assert sum(len(m) for m in messages) / len(messages) > LIMIT / 8  # and not in crumbs


names = st.sampled_from(["rows", "score", "bins/x", "bins/y", "quality/x", "outcomes"])
counts = st.dictionaries(st.integers(0, 50), st.integers(-3, 3).filter(bool), max_size=9).map(
    lambda met: Counts.of(list(met), list(met.values()))
)
some_summaries = st.lists(
    st.builds(
        Summary,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2"]),
        st.integers(0, 2).map(lambda n: T0 + n),
        st.sampled_from(Part),
        st.dictionaries(names, counts, max_size=4),
        st.dictionaries(
            st.sampled_from(["unknown", "unseen/c"]),
            st.dictionaries(st.text(max_size=3), st.integers(1, 9), max_size=3),
            max_size=2,
        ),
    ),
    max_size=8,
)


@given(many=some_summaries, most=st.integers(40, 2_000))
@settings(max_examples=40, deadline=None)
def test_however_summaries_are_split_they_add_up_to_the_same(many, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumers.messages.internal.MOST_BYTES", most)
        messages = encode_summary_messages(many)
    assert sums(messages) == sums_of(many)


def sums(messages: list[bytes]) -> Any:
    return pane_sums(Record("summaries", 0, i, None, value) for i, value in enumerate(messages))


def sums_of(many: list[Summary]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.consumers.in_memory.summaries", lambda _: many)
        return pane_sums([])


# -- where things go ---------------------------------------------------------------------------


def test_a_model_and_an_id_keep_their_partition_for_ever():
    """These are part of the format: with others, labels would no longer find their predictions."""
    assert [model_partition(m, 4) for m in ("flight-delay", "credit", "ä")] == [3, 2, 3]
    ident = identity("flight-delay", "2013-04-01/UA1545/EWR")
    assert ident.hex() == "964b5aa9a41bd907c22c5912988ca3f5"
    assert [identity_partition(ident, n) for n in (1, 4, 7)] == [0, 3, 6]


def test_ids_are_spread_evenly_and_one_of_another_model_is_another():
    found = [identity_partition(identity("m", str(i)), 4) for i in range(4_000)]
    # Binomial(4000, 1/4) lies outside 1000 +- 110 with probability below 1e-4.
    assert all(abs(found.count(n) - 1_000) <= 110 for n in range(4))
    assert identity("m", "1") != identity("n", "1")


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (T0, "2013-04-01T00:00:00Z"),
        (T0 + 1, "2013-04-01T00:00:00.001Z"),
        (253_370_764_799_999, "9998-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_said_with_milliseconds_only_where_there_are_any(ms, said):
    assert rfc3339(ms) == said


# -- windows, as documented --------------------------------------------------------------------


def documented(section: str) -> Any:
    """The example of a section of the page."""
    page = MESSAGES.read_text().partition(f"\n## `{section}`\n")[2]
    block = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert block is not None
    return json.loads(block[1])


KS = Comparison("ks", 909, 0.31, 0.28, 0.09, 0.05, Severity.CRITICAL, 1e-60)
KUIPER = Comparison("kuiper", 909, 0.33, 0.27, 0.1, 0.05, Severity.WARNING)
WILCOXON = Comparison("wilcoxon", 909, 0.4, 0.35, 0.1, 0.4, detail="higher")
MISSING = Comparison(
    "missing", 912, 0.003, 0.001, 0.004, 0.002, None, 0.02, "0.10% before, 0.30% now"
)
SHARES = Comparison(
    "categories", 912, 0.2, 0.19, 0.06, 0.02, Severity.WARNING, 1e-9, "'UA': 20% before, 40% now"
)
NUMERIC = FeatureFinding(
    "distance",
    "numeric",
    "bins/distance",
    912,
    missing=3,
    tests=(KS, KUIPER),
    quality=MISSING,
    effects=Effects(0.2, 0.02, 0.15, Wasserstein(0.3, 0.4, 0.0)),
)
CATEGORICAL = FeatureFinding(
    "carrier",
    "categorical",
    "categories/carrier",
    912,
    tests=(SHARES,),
    unseen={"ZZ": 2},
    unseen_rows=2,
)
METRIC = MetricFinding(
    "recall", Metric(0.6, 0.01, 24), Metric(0.92, 0.005, 300), 0.83, Severity.CRITICAL
)
EXPECTED = Expected(0.9, 0.85, 0.95, Estimate(-0.3, -0.35, -0.25))
UNDEFINED = MetricFinding("roc_auc", Metric(None), Metric(float("nan")))


def window(labels: int = 700, errors: FeatureFinding | None = NUMERIC) -> WindowFinding:
    return WindowFinding(
        "flight-delay",
        "1",
        T0,
        T0 + DAY,
        DataFinding(
            1, WindowStatus.CLOSED, 912, (NUMERIC, CATEGORICAL), NUMERIC, errors, {"gate": 912}
        ),
        PerformanceFinding(
            2,
            Maturity.FINAL,
            912,
            labels,
            {"accuracy": METRIC, "roc_auc": UNDEFINED},
            {"accuracy": EXPECTED, "precision": Expected(None)},
        ),
    )


def keys(document: Any) -> Any:
    """The shape of a document: names all the way down, and what stands for nothing."""
    if isinstance(document, dict):
        return {name: keys(value) for name, value in document.items() if name != "..."}
    return [keys(value) for value in document] if isinstance(document, list) else ()


def missing(documented: Any, found: Any, at: str = "") -> list[str]:
    """Paths that the page shows and the document lacks."""
    if isinstance(documented, dict):
        lacking = [f"{at}.{name}" for name in documented if name not in found]
        inside = [name for name in documented if name in found]
        return lacking + [m for n in inside for m in missing(documented[n], found[n], f"{at}.{n}")]
    if isinstance(documented, list) and found:
        return [m for value in documented for m in missing(value, found[0], f"{at}[]")]
    return []


def test_a_window_has_every_field_that_its_page_shows():
    document = window_document(window(), 0.05)
    shape = keys(documented("windows"))
    shape["data"]["unknown_features"] = {}
    shape["data"]["features"] = [shape["data"]["features"][0]]
    assert missing(shape, document) == []
    assert set(document) == set(shape)


def test_the_page_shows_every_field_of_a_feature_or_tells_of_it():
    document = window_document(window(), 0.05)
    shown = documented("windows")["data"]["features"][0]
    told = set(re.findall(r"`(\w+)`", MESSAGES.read_text()))
    for feature in document["data"]["features"]:
        assert set(feature) <= set(shown) | told


def test_a_window_is_keyed_by_what_it_is_about():
    assert window_key(window()) == (b"flight-delay/1/2013-04-01T00:00:00Z/2013-04-02T00:00:00Z")


def test_the_revision_of_a_window_is_that_of_both_its_parts():
    document = window_document(window(), 0.05)
    assert document["revision"] == 3
    assert (document["data"]["revision"], document["performance"]["revision"]) == (1, 2)


@pytest.mark.parametrize(("threshold", "marked"), [(1e-60, True), (9e-61, False)])
def test_a_feature_is_marked_up_to_the_threshold_of_its_p_value(threshold, marked):
    document = window_document(window(), threshold)
    assert [feature["significant"] for feature in document["data"]["features"]] == [marked, False]


def test_the_figures_of_a_number_are_those_of_ks_and_the_gravest_test_is_said_to_have_decided():
    features = [
        replace(NUMERIC, tests=tests)
        for tests in (
            (KS, KUIPER),
            (replace(KS, severity=None), KUIPER, WILCOXON),
            (),
            CATEGORICAL.tests,
        )
    ]
    with_features = replace(window(), data=replace(window().data, features=tuple(features)))
    told = window_document(with_features, 0.05)["data"]["features"]
    assert [f["decided_by"] for f in told] == ["ks", "kuiper", None, "categories"]
    assert [f["severity"] for f in told] == ["critical", "warning", None, "warning"]
    assert [f["statistic"] for f in told] == [0.31, 0.31, None, 0.2]
    assert [f["kuiper"] for f in told] == [0.33, 0.33, None, None]
    assert [f["wilcoxon"] for f in told] == [None, 0.4, None, None]


def test_a_reference_that_strays_over_its_whole_range_allows_any_distance_and_no_more():
    strays = replace(KS, allowance=1.7, severity=None)
    found = replace(NUMERIC, tests=(strays,), quality=replace(MISSING, allowance=1.2))
    document = window_document(replace(window(), data=replace(window().data, score=found)), 0.05)
    score = document["concept"]["prediction"]
    assert (score["allowance"], score["detectable"], score["verdict"]) == (1.0, 1.0, "ok")
    assert score["quality"]["allowance"] == 1.0


def test_unseen_values_are_told_with_their_rows():
    feature = window_document(window(), 0.05)["data"]["features"][1]
    assert feature["unseen"] == {"rows": 2, "values": {"ZZ": 2}}


def test_what_is_unknown_is_null_and_never_nan():
    document = window_document(window(), 0.05)
    json.dumps(document, allow_nan=False)
    auc = document["performance"]["metrics"]["roc_auc"]
    assert (auc["value"], auc["low"], auc["baseline"]) == (None, None, None)


def test_without_labels_nothing_was_realised_and_without_rows_nothing_covered():
    document = window_document(window(labels=0, errors=None), 0.05)
    assert (document["concept"]["realised"], document["concept"]["errors"]) == (None, None)
    assert document["performance"]["coverage"] == 0.0
    assert window_document(window(), 0.05)["concept"]["realised"]["accuracy"] == 0.6


def test_expected_performance_stands_beside_the_realised_and_their_difference_with_labels():
    nothing = {"value": None, "low": None, "high": None}
    concept = window_document(window(), 0.05)["concept"]
    assert concept["expected"] == {
        "accuracy": {"value": 0.9, "low": 0.85, "high": 0.95},
        "precision": nothing,
    }
    assert concept["difference"] == {
        "accuracy": {"value": -0.3, "low": -0.35, "high": -0.25},
        "precision": nothing,
    }
    unlabelled = window_document(window(labels=0), 0.05)["concept"]
    assert (unlabelled["expected"], unlabelled["difference"]) == (concept["expected"], None)


def test_without_a_reference_with_labels_nothing_is_expected():
    known = window()
    bare = replace(known, performance=replace(known.performance, expected=None))
    concept = window_document(bare, 0.05)["concept"]
    assert (concept["expected"], concept["difference"]) == (None, None)


def test_detectors_tell_the_end_of_the_window_of_their_newest_detection():
    detectors = (Detector("adwin", False, None), Detector("page_hinkley", True, T0))
    concept = window_document(replace(window(), detectors=detectors), 0.05)["concept"]
    assert concept["detectors"] == [
        {"name": "adwin", "drifting": False, "detected_at": None},
        {"name": "page_hinkley", "drifting": True, "detected_at": rfc3339(T0 + DAY)},
    ]
    assert window_document(window(), 0.05)["concept"]["detectors"] == []


# -- alerts, as documented ---------------------------------------------------------------------


def raised(tested: Comparison) -> Evidence:
    found = evidence(tested, T0, T0 + DAY)
    assert found is not None
    return found


FALLEN = evidence_of(METRIC, T0, T0 + DAY, rows=912, labels=700)


def alert(
    change: Change = Change.OPENED,
    about: Evidence | None = None,
    subject: str = "data/distance",
    end_ms: int = T0 + DAY,
    grouped: tuple[str, ...] = (),
) -> dict[str, Any]:
    found = raised(KS) if about is None else about
    incident = Incident(
        "91ab",
        subject,
        Severity.CRITICAL,
        T0 + DAY,
        T0 + DAY,
        found,
        2 * DAY,
        grouped=grouped,
    )
    return alert_event(Transition("flight-delay", "1", change, incident, T0, end_ms))


def test_an_alert_has_the_fields_that_its_page_shows_and_no_others():
    shown = documented("alerts")
    assert keys(alert()) == keys(shown)
    assert alert()["type"] == shown["type"]
    assert alert()["source"] == shown["source"]
    assert alert()["data"]["evidence"] == shown["data"]["evidence"]


def test_an_alert_of_performance_has_the_evidence_that_its_page_lists():
    listed = re.search(r"Evidence of performance: (.*?)\.\n", MESSAGES.read_text(), re.DOTALL)
    assert listed is not None
    told = alert(about=FALLEN, subject="performance/recall")["data"]["evidence"]
    assert set(told) == set(re.findall(r"`(\w+)`", listed[1])) | {"severity"}
    assert (told["decided_by"], told["labels"]) == ("recall", 700)
    assert told["coverage"] == pytest.approx(700 / 912)


def test_an_alert_that_comes_later_than_its_evidence_names_the_window_of_that():
    later = alert(Change.REPEATED, end_ms=T0 + 3 * DAY)
    assert later["time"] == "2013-04-04T00:00:00Z"
    assert later["data"]["window"]["end"] == "2013-04-02T00:00:00Z"
    assert "to 2013-04-02T00:00:00Z;" in later["data"]["message"]
    assert alert(Change.RESOLVED, end_ms=T0 + 3 * DAY)["data"]["window"]["end"] == later["time"]


def test_an_alert_names_the_subjects_that_it_stands_for_besides_its_own():
    grouped = ("quality/dewp", "quality/humid")
    told = alert(subject="quality/temp", grouped=grouped)["data"]
    assert told["evidence"]["grouped"] == list(grouped)
    assert told["message"].endswith(" At the same time: quality/dewp, quality/humid.")
    resolved = alert(Change.RESOLVED, subject="quality/temp", grouped=grouped)["data"]
    assert "dewp" not in resolved["message"]
    assert "grouped" not in alert()["data"]["evidence"]


def test_an_alert_of_categories_says_which_one_and_how_it_moved():
    told = alert(about=raised(SHARES), subject="data/carrier")["data"]
    assert told["evidence"]["detail"] == "'UA': 20% before, 40% now"
    assert "'UA': 20% before, 40% now" in told["message"]


@pytest.mark.parametrize("change", list(Change))
def test_its_type_says_what_changed_and_its_state_whether_it_lasts(change):
    event = alert(change)
    assert event["type"] == f"driftline.incident.{change.value}"
    resolved = change is Change.RESOLVED
    assert event["data"]["state"] == ("resolved" if resolved else "open")
    assert event["data"]["resolved_at"] == ("2013-04-02T00:00:00Z" if resolved else None)


def test_a_replay_repeats_the_id_and_whatever_else_is_said_has_another():
    said = [alert(), alert(Change.REPEATED), alert(end_ms=T0 + 2 * DAY)]
    assert alert()["id"] == said[0]["id"]
    assert len({event["id"] for event in said}) == 3


@pytest.mark.parametrize(
    ("event", "message"),
    [
        pytest.param(
            alert(),
            "data/distance: the distribution lies 0.310 (KS distance) from the reference in the"
            " window 2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z; sampling noise explains 0.090,"
            " and 0.280 of it persists, where beyond noise the reference itself strays by up to"
            " 0.050.",
            id="drift",
        ),
        pytest.param(
            alert(about=replace(raised(KS), decided_by="kuiper"), subject="concept/error"),
            "concept/error: the distribution lies 0.310 (Kuiper distance) from the reference in the"
            " window 2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z; sampling noise explains 0.090,"
            " and 0.280 of it persists, where beyond noise the reference itself strays by up to"
            " 0.050.",
            id="errors",
        ),
        pytest.param(
            alert(about=replace(raised(KS), decided_by="wilcoxon", detail="higher")),
            "data/distance: the values rank higher than the reference's by 0.310 (Cliff's delta) in"
            " the window 2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z; sampling noise explains"
            " 0.090, and 0.280 of it persists, where beyond noise the reference itself strays by up"
            " to 0.050.",
            id="ranks",
        ),
        pytest.param(
            alert(about=replace(raised(KS), decided_by="mood", detail="wider")),
            "data/distance: the values spread wider than the reference's by 0.310 (Mood's score) in"
            " the window 2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z; sampling noise explains"
            " 0.090, and 0.280 of it persists, where beyond noise the reference itself strays by up"
            " to 0.050.",
            id="spread",
        ),
        pytest.param(
            alert(about=FALLEN, subject="performance/recall"),
            "performance/recall: 0.600 in the window 2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z,"
            " against a baseline of 0.920.",
            id="performance",
        ),
        pytest.param(
            alert(Change.RESOLVED),
            "data/distance: back to normal in the window 2013-04-01T00:00:00Z to"
            " 2013-04-02T00:00:00Z.",
            id="resolved",
        ),
    ],
)
def test_its_message_is_one_plain_sentence(event, message):
    assert event["data"]["message"] == message


# -- what detect remembers ---------------------------------------------------------------------

figures = st.none() | st.floats(0, 1)
evidences = st.builds(
    Evidence,
    st.sampled_from(["ks", "kuiper", "recall"]),
    st.floats(0, 1),
    st.sampled_from(Severity),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    threshold=figures,
    allowance=figures,
    detail=st.none() | st.text(max_size=5),
    labels=st.none() | st.integers(0, 2**53),
)
incidents = st.builds(
    Incident,
    st.text(max_size=5),
    st.just("data/x"),
    st.sampled_from(Severity),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    evidences,
    st.integers(-(2**53), 2**53),
    st.integers(0, 2**53),
    st.none() | st.text(max_size=5),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
decisions = st.builds(
    Decisions,
    st.just((1_000, 4_000, 4_000)),
    times_ms,
    times_ms,
    times_ms,
    times_ms,
    times_ms,
    st.integers(0, 9),
    st.dictionaries(
        st.integers(0, 2**53),
        st.builds(WindowState, st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans()),
        max_size=3,
    ),
    st.dictionaries(st.just("data/x"), incidents, max_size=1),
    st.dictionaries(st.integers(0, 2**53), st.floats(0, 1), max_size=3),
    times_ms,
)
clocks = st.builds(
    Clock,
    sources,
    st.integers(0, 9),
    st.dictionaries(st.integers(0, 9), st.builds(JoinWatermark, times_ms, times_ms), max_size=3),
    times_ms,
    times_ms,
    times_ms,
)


@given(clock=clocks, decided=decisions)
@settings(max_examples=40, deadline=None)
def test_detect_reads_its_memory_as_it_wrote_it(clock, decided):
    assert decode_clock(encode_memory(clock)) == clock
    assert decode_decisions(encode_memory(decided)) == decided
