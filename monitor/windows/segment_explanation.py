"""Which segments explain that a metric of the whole has fallen.

The panes of the whole hold the outcomes of each segment, so an explanation follows from the same
rows as the incident, whatever is known of the segments by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counting import segment_cells
from monitor.counts.counts import Cells, Counts
from monitor.counts.profile import Profile
from monitor.counts.summary import Part
from monitor.performance.change_by_segment import SegmentShare, shares_of_change
from monitor.statistics.drift_rule import Evidence
from monitor.windows.panes import PaneStore, cells_by_pane

MOST_SHOWN = 10


def reference_outcomes(profile: Profile) -> dict[str, Counts]:
    """The outcomes of each segment of the reference, by cells."""
    panes = [pane.cells for pane in profile.panes if pane.part is Part.FINAL]
    return {
        name: _total(panes, name)
        for name in map(segment_cells, range(len(profile.schema.segmentations)))
    }


def explained(
    profile: Profile, reference: Mapping[str, Counts], panes: PaneStore, evidence: Evidence
) -> tuple[SegmentShare, ...]:
    """The segments that explain most, over all segmentations, at most ``MOST_SHOWN``.

    Empty if the metric is no ratio of sums. Rows in no segment are not shown.
    """
    task = profile.schema.task
    ratio = task.ratios.get(evidence.decided_by)
    if ratio is None:
        return ()
    inside = cells_by_pane(panes.between(evidence.start_ms, evidence.end_ms), (Part.FINAL,))
    found: list[SegmentShare] = []
    for i, index in enumerate(profile.schema.segmentations):
        name, size = segment_cells(i), (len(index.texts) + 1, task.outcomes)
        counts = (_table(one, size) for one in (reference[name], _total(inside, name)))
        found += shares_of_change(ratio, ("", *index.texts), *counts)
    ranked = sorted((one for one in found if one.segment), key=lambda one: -one.share)
    return tuple(one for one in ranked[:MOST_SHOWN] if one.share > 0)


def _total(panes: Iterable[Cells], name: str) -> Counts:
    return Counts.total(cells[name] for cells in panes if name in cells)


def _table(counts: Counts, size: tuple[int, int]) -> NDArray[np.int64]:
    return counts.dense(size[0] * size[1]).reshape(size)
