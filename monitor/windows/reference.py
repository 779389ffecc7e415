"""The panes of a reference, in the index spaces that statistics are computed in."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.budget import Length, scale_lengths
from monitor.counts.bins import Sample
from monitor.counts.counts import Cells, Counts
from monitor.counts.measured import Metric
from monitor.counts.profile import SAMPLE_SIZE, Profile
from monitor.counts.summary import Part, Quality
from monitor.plan import Plan, Windows
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.proportions import Proportion

# Windows of more than this many times the rows of the reference find hardly more than shorter ones:
# the size of the reference is what limits them.
MOST_REFERENCES = 4


def tested_lengths(plan: Plan, profile: Profile) -> list[Length]:
    """Of the windows that distributions are tested in.

    Raises ``ValueError`` if the pane of the profile is not that of the plan.
    """
    _require_same_pane(plan, profile)
    sizes = (sample.size for sample in data_samples(profile).values())
    rows = sum(row_counts(plan, profile))
    most_rows = MOST_REFERENCES * max(sizes, default=min(rows, SAMPLE_SIZE))
    return scale_lengths(plan, rows_per_pane(plan, profile), most_rows)


def baseline(profile: Profile) -> dict[str, Metric]:
    """Every metric on the labelled rows of the reference; without labels all are undefined."""
    labelled = [summary.cells for summary in profile.panes if summary.part is Part.FINAL]
    return profile.schema.measure(labelled)


def timeline(windows: Windows, starts_ms: Iterable[int]) -> list[int]:
    """The starts of all panes from the first to the last of ``starts_ms``, empty ones included.

    Of a gap longer than the longest window only so many panes are kept: no window sees more of it,
    and the work has to depend on the rows of a reference, not on its span.
    """
    size_ms, found = windows.pane_ms, list[int]()
    most_ms = max(windows.longest_ms, windows.length_ms)
    for start_ms in sorted(set(starts_ms)):
        first_ms = found[-1] + size_ms if found else start_ms
        first_ms = max(first_ms, start_ms - most_ms)
        found += range(first_ms, start_ms + size_ms, size_ms)
    return found


def rows_per_pane(plan: Plan, profile: Profile) -> float:
    """Mean number of rows in the panes of the reference, empty ones included."""
    rows = sum(s.cells["rows"].size for s in profile.panes if "rows" in s.cells)
    return rows / len(timeline(plan.windows, (s.pane_ms for s in profile.panes)))


def row_counts(plan: Plan, profile: Profile) -> list[int]:
    """The rows of the panes of the reference, along its ``timeline``."""
    counts: dict[int, int] = {}
    for summary in profile.panes:
        if "rows" in summary.cells:
            rows = counts.get(summary.pane_ms, 0) + summary.cells["rows"].size
            counts[summary.pane_ms] = rows
    return [counts.get(pane_ms, 0) for pane_ms in timeline(plan.windows, counts)]


def data_samples(profile: Profile) -> dict[str, Sample]:
    """Of the numeric features and outputs, by the name of their cells."""
    numeric = {f"bins/{name}": reference.sample for name, reference in profile.schema.numeric}
    outputs = {name: one.sample for name, one in profile.schema.numeric_outputs.items()}
    return {**numeric, **outputs}


def error_samples(profile: Profile) -> dict[str, Sample]:
    """Of the errors; empty if the reference has no labels."""
    return {name: reference.sample for name, reference in profile.schema.errors.items()}


def data_cells(profile: Profile) -> CellIndex:
    """The cells of all tests of the data."""
    schema = profile.schema
    widths = {name: sample.bins for name, sample in data_samples(profile).items()}
    categories = {name: len(one.categories) + 1 for name, one in schema.categories.items()}
    quality = {f"quality/{name}": len(Quality) for name in schema.features}
    return CellIndex.of({**widths, **categories, **quality, "rows": 1})


def error_cells(profile: Profile) -> CellIndex:
    return CellIndex.of({name: sample.bins for name, sample in error_samples(profile).items()})


def labelled_panes(profile: Profile) -> dict[int, Cells]:
    return {s.pane_ms: s.cells for s in profile.panes if s.part is Part.FINAL}


def unlabelled_panes(profile: Profile) -> dict[int, Proportion]:
    """The rows without a label among all rows, by pane."""
    rows = {s.pane_ms: s.cells["rows"].size for s in profile.panes if "rows" in s.cells}
    labels = {s.pane_ms: s.cells["outcomes"].size for s in profile.panes if s.part is Part.FINAL}
    return {ms: Proportion(max(n - labels.get(ms, 0), 0), n) for ms, n in rows.items()}


def reference_panes(
    plan: Plan, profile: Profile, cell_index: CellIndex, part: Part
) -> list[Counts]:
    """One part of the panes of the reference, along its ``timeline``."""
    panes = {s.pane_ms: cell_index.gather(s.cells) for s in profile.panes if s.part is part}
    return [panes.get(pane_ms, Counts.empty()) for pane_ms in timeline(plan.windows, panes)]


def _require_same_pane(plan: Plan, profile: Profile) -> None:
    if profile.schema.pane_ms != plan.windows.pane_ms:
        raise ValueError(
            f"the profile of {profile.model}/{profile.version} was taken with panes of"
            f" {profile.schema.pane_ms / 1000:g} s, the configuration says"
            f" {plan.windows.pane_ms / 1000:g} s: set windows.pane to match, or register the"
            " model again as a new version"
        )
