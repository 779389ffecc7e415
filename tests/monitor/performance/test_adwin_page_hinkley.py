"""ADWIN and Page-Hinkley see errors that rise, and say when they last did."""

import numpy as np
import pytest
from river.drift import ADWIN, PageHinkley

from monitor.performance.adwin_page_hinkley import Detector, detect

HEALTHY = {(False, None)}


def errors(*levels, stray=0.02, windows=60):
    """So many windows at each level."""
    rng = np.random.default_rng(1)
    drawn = [rng.normal(level, stray, size=windows) for level in levels]
    return np.clip(np.concatenate(drawn), 0, 1).tolist()


def said(sequence):
    return {detector.name: detector for detector in detect(numbered(sequence))}


def numbered(sequence):
    return dict(enumerate(sequence))


def test_nothing_is_said_of_no_window():
    assert detect({}) == (Detector("adwin", False, None), Detector("page_hinkley", False, None))


@pytest.mark.parametrize("level", [0.0, 0.1, 0.4])
def test_healthy_errors_are_let_be(level):
    assert {(d.drifting, d.at) for d in detect(numbered(errors(level, level, level)))} == {
        (False, None)
    }


def test_windows_without_any_error_are_let_be():
    assert {(d.drifting, d.at) for d in said([0.0] * 40).values()} == HEALTHY


def test_both_see_errors_that_have_risen_fourfold():
    found = said(errors(0.1, 0.4))
    assert 60 <= found["page_hinkley"].at <= 62
    assert 60 <= found["adwin"].at <= 100


def test_page_hinkley_is_not_worried_by_errors_that_fall():
    assert said(errors(0.4, 0.1))["page_hinkley"].at is None


def test_it_drifts_in_the_window_of_a_detection_and_no_longer_in_the_next():
    sequence = errors(0.1, 0.4)
    at = said(sequence)["page_hinkley"].at
    assert said(sequence[: at + 1])["page_hinkley"] == Detector("page_hinkley", True, at)
    assert said(sequence[: at + 2])["page_hinkley"] == Detector("page_hinkley", False, at)
    assert said(sequence[:at])["page_hinkley"].at is None


def test_windows_are_taken_in_their_order_however_they_are_given():
    sequence = numbered(errors(0.1, 0.4))
    assert detect(dict(reversed(sequence.items()))) == detect(sequence)


def test_of_several_detections_the_newest_is_told():
    found = said(errors(0.1, 0.4, 0.8))
    assert found["page_hinkley"].at >= 120
    assert found["adwin"].at >= 120


def test_they_are_rivers():
    sequence = errors(0.1, 0.3)
    shares = np.array(sequence) / max(sequence)
    adwin = ADWIN(delta=0.05, clock=1)
    hinkley = PageHinkley(min_instances=10, delta=0.01, threshold=0.3, mode="up")
    for name, river, values in (("adwin", adwin, shares), ("page_hinkley", hinkley, sequence)):
        detections = []
        for i, value in enumerate(values):
            river.update(value)
            detections += [i] if river.drift_detected else []
        assert said(sequence)[name].at == detections[-1]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_an_error_is_a_number_between_0_and_1(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        detect({0: 0.1, 1: wrong})
