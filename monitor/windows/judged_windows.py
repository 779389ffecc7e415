"""The rows of closed windows, judged once although they are published twice.

A window is published when it closes and when its performance is final. Its rows are the same unless
late ones came, so what was found about them is kept in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.counts.counts import Cells, add_cells
from monitor.counts.summary import Part
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import DataFinding
from monitor.windows.panes import Pane, cells_by_pane, names_in

MOST_KEPT = 8  # windows of a key; they become final in the order in which they close

Rows = tuple[Cells | None, ...]  # of each part of each pane


@dataclass(frozen=True, slots=True, eq=False)
class JudgedWindow:
    """What an evaluator found about the rows of a window."""

    evaluator: Evaluator
    rows: Rows
    finding: DataFinding

    def is_of(self, evaluator: Evaluator, rows: Rows) -> bool:
        """Whether it was computed from the same objects, which never change."""
        if evaluator is not self.evaluator or len(rows) != len(self.rows):
            return False
        return all(one is other for one, other in zip(rows, self.rows, strict=True))


@dataclass(slots=True, eq=False)
class JudgedWindows:
    """Judges the rows of the windows of one key, and keeps the findings of up to ``MOST_KEPT``."""

    evaluator: Evaluator
    windows: dict[int, JudgedWindow]  # by start

    def judge(  # noqa: PLR0913 - the window, and what it holds
        self,
        start_ms: int,
        panes: Sequence[Pane | None],
        parts: Sequence[Part],
        errors: Sequence[Cells],
        *,
        complete: bool,
        revision: int,
    ) -> DataFinding:
        """The finding of a window. ``errors`` are the cells of the errors of each pane."""
        rows = tuple(
            None if pane is None else pane.cells.get(part) for pane in panes for part in parts
        )
        kept = self.windows.get(start_ms)
        if kept is not None and kept.is_of(self.evaluator, rows):
            return self.evaluator.judge_data(
                errors, {}, complete=complete, revision=revision, known=kept.finding
            )
        data = zip(cells_by_pane(panes, parts), errors, strict=True)
        finding = self.evaluator.judge_data(
            [add_cells(each) for each in data],
            names_in(panes, parts),
            complete=complete,
            revision=revision,
        )
        self._keep(start_ms, JudgedWindow(self.evaluator, rows, finding))
        return finding

    def forget(self, start_ms: int) -> None:
        self.windows.pop(start_ms, None)

    def _keep(self, start_ms: int, window: JudgedWindow) -> None:
        if start_ms in self.windows or len(self.windows) < MOST_KEPT:
            self.windows[start_ms] = window
