"""Watches the traffic of one model version: gaps without rows, and windows with too few or many.

Traffic is only watched once it has looked like that of the reference, because a reference is often
a sample of the rows, and a new version often starts with some of them:

* gaps, once a window of ``windows.length`` had no longer gap than the reference (or from the first
  row on, if ``traffic.none_after`` is set);
* the number of rows, once a window of ``windows.length`` had as many as windows of the reference.

A version whose gap is too long is *silent* until its next pane with a row; one whose gaps are not
watched, after a gap as long as the longest window. (If the reference itself has such gaps, that is
no incident.) No incident can recover then, so they end as stale: those of the rows at once, those
of the labels when the last window with a row is final.

A *jump* is a gap at least as long as the longest window that has ended when it is noticed: the rows
after it are known. Replays have them. It is not silence, and no window over it is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from monitor.budget import Length, own_length
from monitor.counts.subjects import TRAFFIC
from monitor.counts.summary import Part
from monitor.decisions.signals import WindowVerdict
from monitor.events.event_time import latest
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.statistics.traffic import RowsFinding
from monitor.windows.evaluator import Evaluator
from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.panes import PaneStore
from monitor.windows.state import TrafficState

OF_ROWS = ("data", "quality", "prediction")  # kinds of incidents
OF_LABELS = ("concept", "performance", "coverage")


@dataclass(slots=True)
class TrafficWatch:
    """Each pane is added once, in time order. Only on-time rows count."""

    evaluator: Evaluator
    panes: PaneStore
    incidents: IncidentTracker
    state: TrafficState
    is_shadow: bool  # its silence is no incident

    def add_pane(self, pane_ms: int) -> None:
        """Add a closed pane. Opens, continues or resolves the incident about the traffic."""
        verdicts, end_ms = self._new_verdicts(pane_ms), pane_ms + self._pane_ms
        if self.is_shadow:
            self.incidents.end_stale(("traffic",), pane_ms, end_ms)
        elif verdicts and self.evaluator.plan.traffic.watch:
            self.incidents.apply({TRAFFIC: verdicts}, pane_ms, end_ms)

    def apply_verdicts_of_rows(self, end_ms: int) -> None:
        """As ``IncidentTracker.apply_verdicts``, unless the version is silent."""
        self._apply_verdicts(end_ms, OF_ROWS, is_stale=self.state.silent_from_ms is not None)

    def apply_verdicts_of_labels(self, end_ms: int) -> None:
        """As ``IncidentTracker.apply_verdicts``, unless no window that ends here holds a row."""
        self._apply_verdicts(end_ms, OF_LABELS, is_stale=self.is_past_rows(end_ms))

    def is_past_rows(self, end_ms: int) -> bool:
        """Whether the version is silent and no window of ``windows.length`` from here on has a row.

        ``end_ms`` is the end of a window.
        """
        from_ms, length_ms = self.state.silent_from_ms, self.panes.windows.length_ms
        return from_ms is not None and end_ms >= from_ms + length_ms

    def _apply_verdicts(self, end_ms: int, kinds: Sequence[str], *, is_stale: bool) -> None:
        if not is_stale:
            self.incidents.apply_verdicts(end_ms)
            return
        self.incidents.discard_verdicts()
        self.incidents.end_stale(kinds, self.state.silent_from_ms or end_ms, end_ms)

    def _new_verdicts(self, pane_ms: int) -> list[WindowVerdict]:
        """What is known of the traffic at the end of a pane; nothing if it is not watched yet."""
        end_ms, has_rows = pane_ms + self._pane_ms, self._rows_of(pane_ms) > 0
        rows_until_ms = end_ms if has_rows else self.state.rows_until_ms
        if rows_until_ms is None:
            return []
        self._note_jump(pane_ms, has_rows=has_rows)
        self.state = replace(self._with_watched(end_ms), rows_until_ms=rows_until_ms)
        if not has_rows and self._is_jump(pane_ms, rows_until_ms):
            return []
        is_silent = end_ms - rows_until_ms >= self._gap_ms
        self.state = replace(self.state, silent_from_ms=rows_until_ms if is_silent else None)
        return list(self._verdicts(end_ms, has_rows=has_rows))

    def _note_jump(self, pane_ms: int, *, has_rows: bool) -> None:
        before_ms = self.state.rows_until_ms
        if has_rows and before_ms is not None and pane_ms - before_ms >= self._longest_ms:
            self.state = replace(self.state, after_jump_ms=pane_ms)

    def _is_jump(self, pane_ms: int, rows_until_ms: int) -> bool:
        """Whether an empty pane lies in a jump."""
        next_ms = self.panes.first_on_time(pane_ms)
        return next_ms is not None and next_ms - rows_until_ms >= self._longest_ms

    def _verdicts(self, end_ms: int, *, has_rows: bool) -> Iterator[WindowVerdict]:
        start_ms = end_ms - self._pane_ms
        if self.state.silent_from_ms is not None:
            if self.evaluator.gap_panes <= self.evaluator.reach_panes:
                gap = _no_rows(self.state.silent_from_ms, end_ms)
                yield WindowVerdict.of_metric(gap, start_ms, end_ms, is_clear=False)
            return
        if has_rows:
            yield WindowVerdict(None, start_ms, end_ms, is_clear=True)
        if self.state.watches_rows:
            yield from self._rows_verdicts(end_ms)

    def _rows_verdicts(self, end_ms: int) -> Iterator[WindowVerdict]:
        for length in self.evaluator.traffic.blocks:
            start_ms = self._start_ms(length, end_ms)
            found = None if start_ms is None else self._judged(length, start_ms)
            if start_ms is not None and found is not None:
                evidence = _evidence(found, start_ms, end_ms)
                yield WindowVerdict.of_metric(evidence, start_ms, end_ms, is_clear=found.is_clear)

    def _with_watched(self, end_ms: int) -> TrafficState:
        """What is watched from the pane on that ends at ``end_ms``."""
        own, state = own_length(self.evaluator.plan), self.state
        start_ms = self._start_ms(own, end_ms)
        if start_ms is None or (state.watches_gaps and state.watches_rows):
            return state
        gaps = self._longest_gap(start_ms, end_ms) <= self.evaluator.traffic.longest_gap
        found = self._judged(own, start_ms)
        rows = found is not None and found.severity is None
        return replace(
            state, watches_gaps=state.watches_gaps or gaps, watches_rows=state.watches_rows or rows
        )

    def _start_ms(self, length: Length, end_ms: int) -> int | None:
        """The start of the window of a length that ends at ``end_ms``; None if there is none.

        The first pane with a row may have begun before the version did, so it does not count.
        """
        start_ms = end_ms - length.panes * self._pane_ms
        first_ms = latest(self.panes.complete_from_ms, self.state.after_jump_ms)
        is_window = start_ms % (length.slide * self._pane_ms) == 0
        return start_ms if is_window and first_ms is not None and start_ms > first_ms else None

    def _judged(self, length: Length, start_ms: int) -> RowsFinding | None:
        times = range(start_ms, start_ms + length.panes * self._pane_ms, self._pane_ms)
        return self.evaluator.traffic.judge(sum(map(self._rows_of, times)), length)

    def _longest_gap(self, start_ms: int, end_ms: int) -> int:
        """Of ``[start_ms, end_ms)``, in panes."""
        longest = gap = 0
        for pane_ms in range(start_ms, end_ms, self._pane_ms):
            gap = 0 if self._rows_of(pane_ms) else gap + 1
            longest = max(longest, gap)
        return longest

    def _rows_of(self, pane_ms: int) -> int:
        pane = self.panes.panes.get(pane_ms)
        rows = None if pane is None else pane.cells.get(Part.ON_TIME, {}).get("rows")
        return 0 if rows is None else rows.size

    @property
    def _gap_ms(self) -> int:
        """The gap after which the version is silent."""
        traffic = self.evaluator.plan.traffic
        is_set = traffic.none_after_ms is not None
        watched = traffic.watch and (is_set or self.state.watches_gaps)
        gap_ms = self.evaluator.gap_panes * self._pane_ms
        return min(gap_ms, self._longest_ms) if watched else self._longest_ms

    @property
    def _longest_ms(self) -> int:
        return self.evaluator.reach_panes * self._pane_ms

    @property
    def _pane_ms(self) -> int:
        return self.panes.windows.pane_ms


def _no_rows(start_ms: int, end_ms: int) -> Evidence:
    return Evidence("rows", 0.0, Severity.CRITICAL, start_ms, end_ms, rows=0, detail="none")


def _evidence(found: RowsFinding, start_ms: int, end_ms: int) -> Evidence | None:
    """None if the number of rows is as in the reference."""
    if found.severity is None:
        return None
    return Evidence(
        decided_by="rows",
        value=float(found.rows),
        severity=found.severity,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=found.rows,
        detail="lower" if found.is_low else "higher",
        low=found.limits.low,
        high=found.limits.high,
        baseline=found.expected,
    )
