"""The panes of a model version: the sums of its summaries, by stretch of event time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.summary import Names, Part, Summary, add_names
from monitor.events.event_time import latest
from monitor.plan import Windows
from monitor.statistics.cell_index import CellIndex


@dataclass(frozen=True, slots=True)
class Pane:
    """The sums of one pane, and the smallest offset of the summaries in it."""

    cells: Mapping[Part, Cells]
    names: Mapping[Part, Names]
    first_offset: int

    def plus(self, summary: Summary) -> Pane:
        part = summary.part
        cells = {**self.cells, part: add_cells((self.cells.get(part, {}), summary.cells))}
        names = {**self.names, part: add_names((self.names.get(part, {}), summary.names))}
        return Pane(cells, names if names[part] else self.names, self.first_offset)

    def from_offset(self, offset: int) -> Pane:
        return self if offset >= self.first_offset else replace(self, first_offset=offset)


def add_summary(
    panes: dict[int, Pane], pruned_ms: int | None, offset: int, summary: Summary
) -> bool:
    """Add a summary to its pane. Returns False if that pane has been pruned."""
    if pruned_ms is not None and summary.pane_ms < pruned_ms:
        return False
    pane = panes.get(summary.pane_ms, Pane({}, {}, offset))
    panes[summary.pane_ms] = pane.plus(summary).from_offset(offset)
    return True


def first_offset(panes: Mapping[int, Pane]) -> int | None:
    """The smallest offset of the summaries in some panes."""
    return min((pane.first_offset for pane in panes.values()), default=None)


def kept_from(panes: Mapping[int, Pane], from_ms: int | None) -> dict[int, Pane]:
    return {ms: pane for ms, pane in panes.items() if from_ms is None or ms >= from_ms}


@dataclass(slots=True)
class PaneStore:
    """The panes of one model version during one batch, by their start."""

    windows: Windows
    panes: dict[int, Pane]
    first_ms: int | None  # the first pane with an on-time row
    pruned_ms: int | None  # panes before it were dropped

    def add(self, offset: int, summary: Summary) -> bool:
        """Returns False if the pane of the summary has been pruned."""
        return add_summary(self.panes, self.pruned_ms, offset, summary)

    @property
    def complete_from_ms(self) -> int | None:
        """From here on every pane that ever held a row is present. None before the first row."""
        return latest(self.first_ms, self.pruned_ms)

    def is_complete_from(self, start_ms: int) -> bool:
        complete_ms = self.complete_from_ms
        return complete_ms is not None and start_ms >= complete_ms

    def between(self, start_ms: int, end_ms: int) -> list[Pane | None]:
        """The panes of ``[start_ms, end_ms)`` in time order; None for a pane without rows."""
        return [self.panes.get(ms) for ms in range(start_ms, end_ms, self.windows.pane_ms)]

    def of_window(self, start_ms: int) -> list[Pane | None]:
        """The panes of the window of ``windows.length`` that starts at ``start_ms``."""
        return self.between(start_ms, start_ms + self.windows.length_ms)

    def window_has(self, start_ms: int, part: Part) -> bool:
        """Whether the window that starts at ``start_ms`` holds any row of a part."""
        panes = self.of_window(start_ms)
        return any(pane is not None and pane.cells.get(part) for pane in panes)

    def counts(self, number: int, cell_index: CellIndex, part: Part) -> Counts:
        """The counts of one part of a pane, given by its number since 1970."""
        pane = self.panes.get(number * self.windows.pane_ms)
        return Counts.empty() if pane is None else cell_index.gather(pane.cells.get(part, {}))

    def due(self, next_ms: int | None, watermark_ms: int, reach_ms: int) -> Iterator[int]:
        """The panes that a watermark closes, oldest first, from ``next_ms`` on.

        If no pane has closed yet (None), they start with the first that holds a row. Where no
        window of up to ``reach_ms`` can hold a row, empty panes are skipped.
        """
        size_ms = self.windows.pane_ms
        pane_ms = self.next_due(next_ms, reach_ms)
        while pane_ms is not None and pane_ms + size_ms <= watermark_ms:
            yield pane_ms
            pane_ms = self.next_due(pane_ms + size_ms, reach_ms)

    def next_due(self, next_ms: int | None, reach_ms: int) -> int | None:
        """The pane to close next, whatever the watermark. None if there is none so far."""
        pane_ms = self.first_ms if next_ms is None else next_ms
        if pane_ms is None or pane_ms in self.panes:
            return pane_ms
        if self._any_between(pane_ms - reach_ms, pane_ms):
            return pane_ms
        return min((ms for ms in self.panes if ms > pane_ms), default=None)

    def _any_between(self, from_ms: int, until_ms: int) -> bool:
        return any(from_ms <= ms <= until_ms for ms in self.panes)

    def first_on_time(self, from_ms: int) -> int | None:
        """The first pane from ``from_ms`` on with an on-time row."""
        on_time = (ms for ms, pane in self.panes.items() if Part.ON_TIME in pane.cells)
        return min((ms for ms in on_time if ms >= from_ms), default=None)

    def prune(self, before_ms: int | None) -> None:
        self.pruned_ms = latest(self.pruned_ms, before_ms)
        self.panes = kept_from(self.panes, self.pruned_ms)

    @property
    def first_offset(self) -> int | None:
        return first_offset(self.panes)


def cells_by_pane(panes: Sequence[Pane | None], parts: Sequence[Part]) -> list[Cells]:
    """The sum of some parts of each pane."""
    return [
        {} if pane is None else add_cells(pane.cells.get(part, {}) for part in parts)
        for pane in panes
    ]


def some_cells_by_pane(
    panes: Sequence[Pane | None], parts: Sequence[Part], names: Iterable[str]
) -> list[Cells]:
    """The same, of these names of cells only."""
    wanted = tuple(names)
    return [
        {}
        if pane is None
        else add_cells(_some_of(pane.cells.get(part, {}), wanted) for part in parts)
        for pane in panes
    ]


def _some_of(cells: Cells, names: Iterable[str]) -> Cells:
    return {name: cells[name] for name in names if name in cells}


def names_in(panes: Sequence[Pane | None], parts: Sequence[Part]) -> Names:
    """Names of unknown features and unseen categories in some parts of all panes."""
    return add_names(
        pane.names.get(part, {}) for pane in panes if pane is not None for part in parts
    )


def prediction_count(data: Iterable[Cells], joined: Iterable[Cells]) -> int:
    """The rows of some panes, each prediction once however often it was sent."""
    repeated = sum(cells["repeated"].size for cells in joined if "repeated" in cells)
    return row_count(data) - repeated


def row_count(cells_of_panes: Iterable[Cells]) -> int:
    return sum(cells["rows"].size for cells in cells_of_panes if "rows" in cells)
