"""A run of the batch pipeline as one HTML page without scripts, fonts or network requests.

The page is rendered from the documents of the steps (``templates/summary.html``), so everything on
it is also in their files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from consumers.batch.report_charts import DARKEST, drift_map, feature_histograms, metric_charts
from consumers.messages.alerts import AlertMessage

Document = Mapping[str, Any]


def summary_html(documents: Mapping[str, Document], sentences: Mapping[str, str]) -> str:
    """The page. Both arguments are by the name of the step."""
    data, concept = documents["data-drift"], documents["concept-drift"]
    histories = [*data["features"], concept["prediction"], concept["errors"]]
    return (
        _environment()
        .get_template("summary.html")
        .render(
            title=f"{documents['train']['model']} version {documents['train']['version']}",
            sentences=sentences,
            training=documents["train"],
            evaluation=documents["evaluate"],
            drift_map=drift_map(data, concept),
            darkest=DARKEST,
            drifted=[history for history in histories if history and history["drifted"]],
            histograms=feature_histograms(data),
            performance=documents["performance"],
            metric_charts=metric_charts(documents["performance"]),
            alerts=documents["alerts"],
            events=msgspec.convert(documents["alerts"]["events"], list[AlertMessage]),
            retraining=documents["retraining"],
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("consumers.batch", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["interval"] = _interval
    environment.filters |= {
        "count": _count,
        "figure": _figure,
        "signed": _signed,
        "test_counts": _test_counts,
    }
    return environment


def _count(value: int) -> str:
    return f"{value:,}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _test_counts(windows_by_test: Mapping[str, int]) -> str:
    return ", ".join(f"{test} in {windows}" for test, windows in windows_by_test.items())
