"""ADWIN and Page-Hinkley detect error rates that rise, and seldom anything in healthy ones."""

import numpy as np
import pytest
from river.drift import ADWIN, PageHinkley
from scipy.stats import norm

from monitor.counts.task import ErrorRate
from monitor.performance.adwin_page_hinkley import DETECTORS, ErrorScale, detects

LABELS = 100  # in each pane
RATE = ErrorRate(0.1, 0.09)
SCALE = ErrorScale(RATE, 1.0)


def errors(*rates: float, panes: int = 60) -> list[float]:
    """Standardized errors of so many panes at each error rate."""
    rng = np.random.default_rng(1)
    wrong = [rng.binomial(LABELS, rate, panes) for rate in rates]
    return [SCALE.standardized(int(each), LABELS) for each in np.concatenate(wrong)]


def detections(name: str, sequence: list[float]) -> list[int]:
    """Positions of all detections, each searched from the last one on."""
    found, first = [], 0
    for i in range(len(sequence)):
        if detects(name, sequence[first : i + 1]):
            found, first = [*found, i], i + 1
    return found


@pytest.mark.parametrize("name", DETECTORS)
def test_no_errors_are_no_detection(name):
    assert not detects(name, [])


@pytest.mark.parametrize("name", DETECTORS)
def test_healthy_errors_are_not_detected(name):
    assert detections(name, errors(0.1, panes=200)) == []


@pytest.mark.parametrize("name", DETECTORS)
def test_constant_errors_are_not_detected(name):
    assert detections(name, [0.0] * 40) == []


@pytest.mark.parametrize(("name", "panes"), [("page_hinkley", 8), ("adwin", 30)])
def test_a_doubled_error_rate_is_detected_within_panes(name, panes):
    (at,) = detections(name, errors(0.1, 0.2))
    assert 60 <= at < 60 + panes


def test_page_hinkley_ignores_errors_that_fall():
    assert detections("page_hinkley", errors(0.4, 0.1)) == []


@pytest.mark.parametrize("name", DETECTORS)
def test_each_of_two_rises_is_detected(name):
    first, second = detections(name, errors(0.1, 0.2, 0.4))
    assert 60 <= first < 120 <= second


def test_detections_are_those_of_river():
    sequence = np.array(errors(0.1, 0.3))
    for end in range(1, sequence.size + 1):
        part = sequence[:end]
        adwin = ADWIN(delta=0.05, clock=1)
        hinkley = PageHinkley(min_instances=10, delta=0.5, threshold=10, mode="up")
        for name, river, values in (
            ("adwin", adwin, norm.cdf(part - part.mean())),
            ("page_hinkley", hinkley, part),
        ):
            found = False
            for value in values:
                river.update(value)
                found |= river.drift_detected
            assert detects(name, part.tolist()) == found


def test_errors_are_standardized_by_the_variance_of_healthy_panes():
    assert ErrorScale(RATE, 1.0).standardized(10, 100) == 0.0
    assert ErrorScale(RATE, 1.0).standardized(13, 100) == pytest.approx(1.0)
    assert ErrorScale(RATE, 4.0).standardized(13, 100) == pytest.approx(0.5)
    assert ErrorScale(RATE, 1.0).standardized(52, 400) == pytest.approx(2.0)
