"""Which segments explain the fall of a metric: rows and a chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from dashboard.chart_frame import ROWS, Chart, layers
from dashboard.chart_styles import CAUSES, colours

CAUSE_COLUMNS = ["segment", "cause", "value", "shown"]


def cause_rows(evidence: Mapping[str, Any]) -> pd.DataFrame:
    """Two bars for each segment that explains a part of the fall, the largest part first."""
    found = [one for one in evidence.get("segments") or () if one.get("share") is not None]
    rows = [
        (one["segment"], cause, one.get(part, 0.0), f"{one.get(part, 0.0):.0%}")
        for one in sorted(found, key=lambda one: -one["share"])
        for cause, part in zip(CAUSES, ("within", "mix"), strict=True)
    ]
    return pd.DataFrame(rows, columns=CAUSE_COLUMNS)


def causes(_title: str) -> Chart:
    """Rows of ``cause_rows``."""
    tips = [alt.Tooltip("segment:N"), alt.Tooltip("cause:N"), alt.Tooltip("shown:N", title="part")]
    axis = alt.Axis(format="%", tickCount=6)
    bars = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_bar()
        .encode(
            y=alt.Y("segment:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X("value:Q", title="part of the fall", axis=axis),
            color=alt.Color("cause:N", scale=colours(CAUSES), legend=alt.Legend(title=None)),
            tooltip=tips,
        )
    )
    return layers(bars, height=alt.Step(22))
