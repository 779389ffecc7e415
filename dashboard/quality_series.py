"""Rows of the charts about what was counted: values that are missing or odd, rows and labels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from api.answers import Feature, WindowItem
from dashboard import formats
from dashboard.series import GetFeature, milliseconds

SHARE_COLUMNS = ["start", "window", "line", "value", "shown"]


def share_rows(windows: Sequence[WindowItem], get_feature: GetFeature) -> pd.DataFrame:
    """The share of the rows whose value is missing or odd, a line for each kind."""
    rows = [
        (*_key(item), line, count / feature.rows, formats.proportion(count, feature.rows))
        for item in windows
        if (feature := get_feature(item)) is not None and feature.rows
        for line, count in _counts(feature).items()
        if count is not None
    ]
    return pd.DataFrame(rows, columns=SHARE_COLUMNS)


def _counts(feature: Feature) -> dict[str, int | None]:
    """By line of ``chart_styles.SHARE_LINES``; None if the kind of feature has none."""
    return {
        "missing": feature.missing,
        "wrong type": feature.wrong_type,
        "infinite": feature.not_finite,
        "out of range": feature.out_of_range,
        "new categories": None if feature.unseen is None else feature.unseen.rows,
    }


VOLUME_COLUMNS = ["start", "end", "window", "line", "value"]


def volume_rows(windows: Sequence[WindowItem]) -> pd.DataFrame:
    """The rows of each window, and how many of them have labels."""
    rows = [
        (start, milliseconds(item.window.end), window, line, count)
        for item in windows
        for start, window in [_key(item)]
        for line, count in (("rows", item.data.rows), ("labelled", _labels(item)))
    ]
    return pd.DataFrame(rows, columns=VOLUME_COLUMNS)


def _labels(item: WindowItem) -> int:
    return 0 if item.performance is None else item.performance.labels or 0


def _key(item: WindowItem) -> tuple[float, str]:
    return milliseconds(item.window.start), formats.window(item.window)
