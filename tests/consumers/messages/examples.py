"""Findings for the tests of messages, and the examples of ``docs/messages.md``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.counts.measured import Estimate, Expected
from monitor.decisions.incidents import Change, Incident
from monitor.identity import Key
from monitor.performance.degradation import Metric
from monitor.statistics.drift_rule import Comparison, Evidence, Severity, evidence
from monitor.statistics.effect_sizes import Effects, Wasserstein
from monitor.statistics.histograms import Distribution
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
from tests.consumers.in_memory import T0

MESSAGES = Path(__file__).parents[3] / "docs" / "messages.md"
DAY = 86_400_000


def documented(topic: str) -> Any:
    """The example of a topic on the page."""
    page = MESSAGES.read_text().partition(f"\n## `{topic}`\n")[2]
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
KEY = Key("flight-delay", "1")
METRIC = MetricFinding(
    "recall", Metric(0.6, 0.01, 24), Metric(0.92, 0.005, 300), 0.83, Severity.CRITICAL
)
EXPECTED = Expected(0.9, 0.85, 0.95, Estimate(-0.3, -0.35, -0.25))
UNDEFINED = MetricFinding("roc_auc", Metric(None), Metric(float("nan")))


def window(labels: int = 700, errors: FeatureFinding | None = NUMERIC) -> WindowFinding:
    return WindowFinding(
        KEY,
        T0,
        T0 + DAY,
        DataFinding(
            1,
            WindowStatus.CLOSED,
            912,
            (NUMERIC, CATEGORICAL),
            (NUMERIC,),
            () if errors is None else (errors,),
            {"gate": 912},
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


def raised(comparison: Comparison) -> Evidence:
    found = evidence(comparison, T0, T0 + DAY)
    assert found is not None
    return found


DISTRIBUTION = Distribution(
    (0.3, 0.4, 0.3),
    (0.1, 0.4, 0.5),
    (40.0, 60.0),
    (),
    40.0,
    reference_median=50.0,
    window_median=1008.0,
)
DEGRADED = evidence_of(METRIC, T0, T0 + DAY, rows=912, labels=700)


def transition(
    change: Change = Change.OPENED,
    about: Evidence | None = None,
    subject: str = "data/distance",
    end_ms: int = T0 + DAY,
    grouped: tuple[str, ...] = (),
) -> Transition:
    incident = Incident(
        "91ab",
        subject,
        Severity.CRITICAL,
        T0 + DAY,
        T0 + DAY,
        replace(raised(KS), distribution=DISTRIBUTION) if about is None else about,
        T0,
        grouped=grouped,
    )
    return Transition(KEY, change, incident, T0, end_ms)
