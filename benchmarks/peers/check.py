"""Whether the adapters say what the tools say: .venv-peers/bin/python -m benchmarks.peers.check"""

from __future__ import annotations

import warnings
from math import isclose

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from nannyml import UnivariateDriftCalculator
from river import drift
from scipy.stats import ks_2samp

from benchmarks.peers import evidently_preset, nannyml_univariate, river_detectors
from benchmarks.peers.peer import Rows, surprise

FEATURES = 4
NAMES = [f"f{number}" for number in range(FEATURES)]


def main() -> None:
    """Silent, or the assertion that failed."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(1)
    reference = rng.standard_normal((10_000, FEATURES))
    panes = [rng.standard_normal((500, FEATURES)) for _ in range(12)]
    for pane in panes[6:]:
        pane[:, 0] += 0.4
    evidently_scores_as_its_report_does(reference, panes[-1])
    nannyml_alerts_where_the_score_reaches_three(reference, panes)
    kswin_meets_the_p_values_of_scipy(rng)
    kswin_alarms_first_where_its_score_reaches_alpha(reference, panes)
    adwin_alarms_first_where_its_score_reaches_delta(reference, panes)


def evidently_scores_as_its_report_does(reference: Rows, pane: Rows) -> None:
    shape = DataDefinition(numerical_columns=NAMES)
    sets = [
        Dataset.from_pandas(pd.DataFrame(rows, columns=NAMES), data_definition=shape)
        for rows in (pane, reference)
    ]
    metrics = Report([DataDriftPreset()]).run(*sets).dict()["metrics"][1:]
    healthy = [pd.Series(column) for column in reference.T]
    shown = [metric["value"] for metric in metrics]
    assert np.allclose(shown, evidently_preset.column_scores(healthy, pane))
    assert {metric["config"]["threshold"] for metric in metrics} == {evidently_preset.THRESHOLD}


def nannyml_alerts_where_the_score_reaches_three(reference: Rows, panes: list[Rows]) -> None:
    calculator = UnivariateDriftCalculator(
        NAMES, continuous_methods=["kolmogorov_smirnov"], chunk_size=500
    ).fit(pd.DataFrame(reference, columns=NAMES))
    live = pd.DataFrame(np.concatenate(panes), columns=NAMES)
    frame = calculator.calculate(live).filter(period="analysis").to_df()
    alerts = [frame[(name, "kolmogorov_smirnov", "alert")].to_numpy(bool) for name in NAMES]
    scores = [score for (score,) in nannyml_univariate.scores(reference, panes)]
    assert (np.any(alerts, axis=0) == (np.array(scores) >= 3.0)).all()
    assert 0 < np.any(alerts, axis=0).sum() < len(panes)


def kswin_meets_the_p_values_of_scipy(rng: np.random.Generator) -> None:
    for _ in range(200):
        one, other = rng.poisson(3, 30).tolist(), rng.poisson(4, 30).tolist()
        statistic, p_value = river_detectors.tabled_ks(one, other, "auto")
        exact = ks_2samp(one, other)
        assert isclose(statistic, exact.statistic)
        assert isclose(p_value, exact.pvalue, rel_tol=1e-6)


def kswin_alarms_first_where_its_score_reaches_alpha(reference: Rows, panes: list[Rows]) -> None:
    scores = [score for (score,) in river_detectors.kswin_scores(reference[:, :1], _first(panes))]
    for alpha in (1e-3, 1e-5):
        warm_up = reference[-100:, 0].tolist()
        detector = drift.KSWIN(alpha=alpha, seed=0, window=warm_up)
        assert _first_alarm(detector, panes) == _reaches(scores, surprise(alpha))


def adwin_alarms_first_where_its_score_reaches_delta(reference: Rows, panes: list[Rows]) -> None:
    scores = [score for (score,) in river_detectors.adwin_scores(reference[:, :1], _first(panes))]
    for delta in (0.02, 2e-3, 2e-6, 2e-9):
        detector = drift.ADWIN(delta=delta)
        for value in reference[:, 0].tolist():
            detector.update(value)
        assert _first_alarm(detector, panes) == _reaches(scores, surprise(delta))


def _first(panes: list[Rows]) -> list[Rows]:
    return [pane[:, :1] for pane in panes]


def _first_alarm(detector: drift.ADWIN | drift.KSWIN, panes: list[Rows]) -> int | None:
    for number, pane in enumerate(panes):
        for value in pane[:, 0].tolist():
            detector.update(value)
            if detector.drift_detected:
                return number
    return None


def _reaches(scores: list[float], threshold: float) -> int | None:
    return next((pane for pane, score in enumerate(scores) if score >= threshold), None)


if __name__ == "__main__":
    main()
