"""The message of a window: the fields of its documentation, and the figures of its finding."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from consumers.messages.records import Record
from consumers.messages.times import rfc3339
from consumers.messages.window_message import window_message
from consumers.messages.windows import decode_window
from monitor.performance.adwin_page_hinkley import Detector
from monitor.windows.findings import WindowFinding
from tests.consumers.in_memory import T0
from tests.consumers.messages.examples import (
    CATEGORICAL,
    KS,
    KUIPER,
    MESSAGES,
    MISSING,
    NUMERIC,
    WILCOXON,
    documented,
    window,
)


def document(finding: WindowFinding, p_value_threshold: float) -> Any:
    message = window_message(finding, p_value_threshold)
    return json.loads(msgspec.json.encode(message))


def test_the_example_of_the_page_is_a_window_with_all_of_its_fields_and_no_others():
    example = documented("windows")
    value = json.dumps(example).encode()
    assert msgspec.to_builtins(decode_window(Record("windows", 0, 0, None, value))) == example


def test_the_page_explains_every_field_of_a_feature():
    explained = set(re.findall(r"`(\w+)`", MESSAGES.read_text()))
    assert set(document(window(), 0.05)["data"]["features"][0]) <= explained | {"name", "kind"}


def test_a_window_is_read_as_it_was_written():
    message = window_message(window(), 0.05)
    value = msgspec.json.encode(message)
    assert decode_window(Record("windows", 0, 0, None, value)) == message


def test_a_window_is_keyed_by_model_version_and_times():
    key = window_message(window(), 0.05).key
    assert key == b"flight-delay/1/2013-04-01T00:00:00Z/2013-04-02T00:00:00Z"


def test_a_window_of_a_segment_names_it_in_its_field_and_at_the_end_of_its_key():
    whole = window()
    message = window_message(replace(whole, key=whole.key._replace(segment="carrier=UA")), 0.05)
    assert message.segment == "carrier=UA"
    assert message.key == window_message(whole, 0.05).key + b"/carrier=UA"
    value = msgspec.json.encode(message)
    assert decode_window(Record("windows", 0, 0, None, value)) == message


def test_a_window_without_a_segment_is_that_of_the_whole():
    written = document(window(), 0.05)
    del written["segment"]
    value = json.dumps(written).encode()
    assert decode_window(Record("windows", 0, 0, None, value)) == window_message(window(), 0.05)


def test_the_revision_of_a_window_is_that_of_both_its_parts():
    written = document(window(), 0.05)
    assert written["revision"] == 3
    assert (written["data"]["revision"], written["performance"]["revision"]) == (1, 2)


@pytest.mark.parametrize(("threshold", "significant"), [(1e-60, True), (9e-61, False)])
def test_a_feature_is_significant_up_to_the_threshold_of_its_p_value(threshold, significant):
    features = document(window(), threshold)["data"]["features"]
    assert [feature["significant"] for feature in features] == [significant, False]


def test_the_figures_of_a_number_are_those_of_ks_and_the_most_severe_test_decided():
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
    results = document(with_features, 0.05)["data"]["features"]
    assert [f["decided_by"] for f in results] == ["ks", "kuiper", None, "categories"]
    assert [f["severity"] for f in results] == ["critical", "warning", None, "warning"]
    assert [f["statistic"] for f in results] == [0.31, 0.31, None, 0.2]
    assert [f["kuiper"] for f in results] == [0.33, 0.33, None, None]
    assert [f["wilcoxon"] for f in results] == [None, 0.4, None, None]


def test_the_allowance_of_a_reference_that_varies_over_its_whole_range_is_1():
    varying = replace(KS, allowance=1.7, severity=None)
    found = replace(NUMERIC, tests=(varying,), quality=replace(MISSING, allowance=1.2))
    written = document(replace(window(), data=replace(window().data, outputs=(found,))), 0.05)
    score = written["concept"]["prediction"]
    assert (score["allowance"], score["detectable"], score["verdict"]) == (1.0, 1.0, "cannot_judge")
    assert score["quality"]["allowance"] == 1.0


def test_unseen_categories_come_with_their_rows():
    feature = document(window(), 0.05)["data"]["features"][1]
    assert feature["unseen"] == {"rows": 2, "values": {"ZZ": 2}}


def test_an_undefined_figure_is_null_and_never_nan():
    written = document(window(), 0.05)
    json.dumps(written, allow_nan=False)
    auc = written["performance"]["metrics"]["roc_auc"]
    assert (auc["value"], auc["low"], auc["baseline"]) == (None, None, None)


def test_a_window_without_labels_has_no_realised_metrics_and_no_errors():
    written = document(window(labels=0, errors=None), 0.05)
    assert (written["concept"]["realised"], written["concept"]["errors"]) == (None, None)
    assert written["performance"]["coverage"] == 0.0
    assert document(window(), 0.05)["concept"]["realised"]["accuracy"] == 0.6


def test_expected_performance_comes_with_the_difference_from_the_realised_if_there_are_labels():
    nothing = {"value": None, "low": None, "high": None}
    concept = document(window(), 0.05)["concept"]
    assert concept["expected"] == {
        "accuracy": {"value": 0.9, "low": 0.85, "high": 0.95},
        "precision": nothing,
    }
    assert concept["difference"] == {
        "accuracy": {"value": -0.3, "low": -0.35, "high": -0.25},
        "precision": nothing,
    }
    unlabelled = document(window(labels=0), 0.05)["concept"]
    assert (unlabelled["expected"], unlabelled["difference"]) == (concept["expected"], None)


def test_expected_performance_is_null_if_the_reference_has_no_labels():
    known = window()
    bare = replace(known, performance=replace(known.performance, expected=None))
    concept = document(bare, 0.05)["concept"]
    assert (concept["expected"], concept["difference"]) == (None, None)


def test_detectors_name_the_end_of_the_pane_of_their_newest_detection():
    detectors = (Detector("adwin", False, None), Detector("page_hinkley", True, T0))
    concept = document(replace(window(), detectors=detectors), 0.05)["concept"]
    assert concept["detectors"] == [
        {"name": "adwin", "drifting": False, "detected_at": None},
        {"name": "page_hinkley", "drifting": True, "detected_at": rfc3339(T0)},
    ]
    assert document(window(), 0.05)["concept"]["detectors"] == []
