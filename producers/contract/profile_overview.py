"""The overview of a reference: what is shown of it without reading its samples and panes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from monitor.counts.measured import Metric
from monitor.counts.profile import Profile
from monitor.windows.reference import baseline


class BaselineMetric(Struct, frozen=True):
    """A metric of the reference with its 95% interval."""

    value: float | None
    low: float | None
    high: float | None
    resolution: float | None


class Overview(Struct, frozen=True, kw_only=True):
    rows: int
    start_ms: int  # of the first pane
    end_ms: int  # of the last pane
    baseline: dict[str, BaselineMetric]


def overview_of(profile: Profile, metrics: Mapping[str, Metric] | None = None) -> Overview:
    """``metrics`` is the baseline, computed if it is not given: a second for many panes."""
    starts = [pane.pane_ms for pane in profile.panes]
    return Overview(
        rows=sum(pane.cells["rows"].size for pane in profile.panes if "rows" in pane.cells),
        start_ms=min(starts),
        end_ms=max(starts) + profile.schema.pane_ms,
        baseline={name: _shown(metric) for name, metric in (metrics or baseline(profile)).items()},
    )


def encode_overview(overview: Overview) -> bytes:
    return msgspec.json.encode(overview)


def decode_overview(blobs: Mapping[str, bytes]) -> Overview:
    """Raises ``KeyError`` or ``msgspec.MsgspecError``."""
    return msgspec.json.decode(blobs["overview"], type=Overview)


def _shown(metric: Metric) -> BaselineMetric:
    low, high = metric.interval()
    return BaselineMetric(metric.value, low, high, metric.resolution)
