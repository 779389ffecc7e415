"""Detection: summaries in, findings out, state carried along.

    summaries -> panes -> windows of all lengths -> verdicts -> incidents

``advance`` is a pure function; what it remembers is ``monitor.windows.state``.

Theory of operation
-------------------
A pane closes when the watermark of the predictions passes its end, and with it every window that
ends there: those of the scales (``monitor.windows.scales``), which decide and are gone, and those
that people look at. What is decided then, revision 0, holds the on-time rows alone, and whatever
comes later only amends. Performance and errors are final once the labels, too, had their time;
from then on later labels only amend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from monitor.budget import Length, own_length
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.summary import Names, Part, Summary, add_names
from monitor.decisions.incidents import (
    Change,
    Heard,
    MetricVerdict,
    WindowVerdict,
    most_severe,
    settle,
    worst,
)
from monitor.events.event_time import earliest, latest
from monitor.performance.adwin_page_hinkley import detect
from monitor.performance.metrics import labelled_rows, measure
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.drift_rule import Comparison, evidence
from monitor.statistics.scanner import Scanner
from monitor.windows.evaluator import Evaluator, subject_of
from monitor.windows.findings import (
    FeatureFinding,
    Findings,
    Maturity,
    MetricFinding,
    Transition,
    WindowFinding,
    WindowStatus,
    evidence_of,
)
from monitor.windows.scales import Blocks
from monitor.windows.state import (
    Clock,
    Closing,
    Decisions,
    Item,
    Key,
    Pane,
    State,
    Sums,
    WindowState,
    add_summary,
    kept_from,
    rewindow,
    window_config,
)

MOST_ERRORS = 200  # windows that ADWIN and Page-Hinkley look back on
LEAST_LABELS = 30  # in such a window: fewer say nothing, and they would take them at their word
MOST_EMPTY = 1_000  # windows without a row in a row; beyond, time has jumped and nobody was there
DATA, PERFORMANCE = (Part.ON_TIME, Part.LATE), (Part.FINAL, Part.AMENDED)


def advance(
    evaluators: Mapping[Key, Evaluator], state: State, items: Iterable[Item]
) -> tuple[State, Findings]:
    """Add ``items`` to ``state``, in order. ``evaluators`` holds every model version they name."""
    clock = state.clock
    folds = {
        key: _Fold(
            evaluators[key], decisions, state.panes.get(key, {}), state.sums.get(key, Sums())
        )
        for key, decisions in state.decisions.items()
        if key in evaluators
    }
    for offset, item in items:
        if isinstance(item, Closing):
            clock = clock.heard(item)
            for fold in folds.values():
                fold.move_to(clock)
        else:
            key = (item.model, item.version)
            if key not in folds:
                fresh = Decisions(window_config(evaluators[key].plan))
                folds[key] = _Fold(evaluators[key], fresh, {}, Sums())
            folds[key].add(offset, item)
    for fold in folds.values():
        fold.amend()
        fold.prune(clock)
    findings = Findings(
        [window for fold in folds.values() for window in fold.findings.windows],
        [change for fold in folds.values() for change in fold.findings.transitions],
    )
    decisions = {**state.decisions, **{key: fold.decisions for key, fold in folds.items()}}
    panes = {**state.panes, **{key: fold.panes for key, fold in folds.items()}}
    sums = {**state.sums, **{key: fold.sums for key, fold in folds.items()}}
    return State(clock, decisions, panes, sums), findings


class _Ended(NamedTuple):
    """What is known of the performance in a window that has ended."""

    length: Length
    start_ms: int
    rows: int
    labels: int
    metrics: Mapping[str, MetricFinding]


class _Fold:
    """One model version during one batch. Works on copies: the state it came from stays."""

    def __init__(
        self, evaluator: Evaluator, decisions: Decisions, panes: Mapping[int, Pane], sums: Sums
    ) -> None:
        self.evaluator, self.plan = evaluator, evaluator.plan
        self.decisions = rewindow(decisions, evaluator.plan)
        self.panes = dict(panes)
        self._data_blocks = Blocks(self._on_time, dict(sums.data))
        self._error_blocks = Blocks(self._final_errors, dict(sums.errors))
        self._said: dict[str, list[WindowVerdict]] = {}
        self.findings = Findings()
        self._windows = dict(self.decisions.windows)
        self._incidents = dict(self.decisions.incidents)
        # Closed windows that say something else than when they were last published.
        self._data: set[int] = set()
        self._performance: set[int] = set()

    def add(self, offset: int, summary: Summary) -> None:
        if not add_summary(self.panes, self.decisions.pruned_ms, offset, summary):
            return
        number = summary.pane_ms // self.plan.windows.pane_ms
        if summary.part is Part.ON_TIME:
            self._data_blocks.changed(number)
            self._note_first(summary.pane_ms)
        elif summary.part is Part.FINAL:
            self._error_blocks.changed(number)
        changed = self._performance if summary.part in PERFORMANCE else self._data
        over = self.plan.windows.over(summary.pane_ms)
        changed.update(start_ms for start_ms in over if start_ms in self._windows)

    def _note_first(self, pane_ms: int) -> None:
        first_ms, next_ms = self.decisions.first_pane_ms, self.decisions.next_start_ms
        if first_ms is not None and first_ms <= pane_ms:
            return
        over = self.plan.windows.over
        start_ms = over(pane_ms)[0]
        if first_ms is not None and next_ms is not None and next_ms > over(first_ms)[0]:
            start_ms = next_ms  # already closing: an earlier pane cannot reopen what has passed
        self.decisions = replace(self.decisions, first_pane_ms=pane_ms, next_start_ms=start_ms)

    def move_to(self, clock: Clock) -> None:
        """Close every pane and window that the watermarks have passed, oldest first."""
        self._close(_less(clock.data_ms, self.plan.time.lateness_ms))
        self._finish(clock)

    def _close(self, watermark_ms: int | None) -> None:
        if watermark_ms is None:
            return
        for pane_ms in self._panes_until(self.decisions.next_pane_ms, watermark_ms):
            end_ms = pane_ms + self.plan.windows.pane_ms
            self._scan(self.evaluator.data, self._data_blocks, pane_ms)
            self._close_windows(end_ms)
            self._decide(end_ms)
            self.decisions = replace(self.decisions, next_pane_ms=end_ms)
        self._close_windows(watermark_ms)
        self._decide(watermark_ms)

    def _panes_until(self, next_ms: int | None, watermark_ms: int) -> Iterator[int]:
        """The panes to close, oldest first; before any was closed, from the first with a row.

        Once no window of any length can hold a row, time jumps to the next pane that does.
        """
        pane_ms = self.plan.windows.pane_ms
        next_ms = self.decisions.first_pane_ms if next_ms is None else next_ms
        while next_ms is not None and next_ms + pane_ms <= watermark_ms:
            if next_ms in self.panes or self._held(next_ms - self._reach_ms, next_ms):
                yield next_ms
                next_ms += pane_ms
            else:
                next_ms = min((ms for ms in self.panes if ms > next_ms), default=watermark_ms)

    @property
    def _reach_ms(self) -> int:
        return self.evaluator.longest_panes * self.plan.windows.pane_ms

    def _held(self, from_ms: int, until_ms: int) -> bool:
        """Whether any pane from the one to the other, both included, holds anything."""
        return any(from_ms <= ms <= until_ms for ms in self.panes)

    def _scan(self, scanner: Scanner, blocks: Blocks, pane_ms: int) -> None:
        """Test the windows of all scales that end with a pane."""
        size_ms = self.plan.windows.pane_ms
        known_ms = latest(self.decisions.first_pane_ms, self.decisions.pruned_ms)
        assert known_ms is not None
        first = -(-known_ms // size_ms)
        if pane_ms < known_ms:
            return
        for window in blocks.ending(pane_ms // size_ms, self.evaluator.longest_scale, first):
            length = Length.of_scale(window.panes)
            if length not in scanner.levels:  # between the scales and a longer own window
                continue
            for cells, tested in scanner.scan(window.parts, length).items():
                if tested is not None or window.panes == 1:
                    self._hear(cells, tested, window.start * size_ms, length)

    def _hear(self, cells: str, tested: Comparison | None, start_ms: int, length: Length) -> None:
        """Keep what a window says until all that end with it have spoken; None is calm."""
        size_ms = self.plan.windows.pane_ms
        end_ms = start_ms + length.panes * size_ms
        slide_ms = max(length.slide * size_ms, self.plan.windows.slide_ms)
        said = WindowVerdict(tested, start_ms, end_ms, slide_ms)
        self._said.setdefault(subject_of(cells), []).append(said)

    def _decide(self, end_ms: int) -> None:
        """Open, keep or resolve the incidents of all subjects that were heard."""
        pane_ms = self.plan.windows.pane_ms
        heard = {
            subject: most_severe(said, end_ms, pane_ms) for subject, said in self._said.items()
        }
        self._settle(heard, end_ms - pane_ms, end_ms)
        self._said = {}

    def _close_windows(self, watermark_ms: int) -> None:
        windows, start_ms = self.plan.windows, self.decisions.next_start_ms
        if start_ms is None:
            return
        start_ms = self._next(start_ms, watermark_ms)
        while start_ms + windows.length_ms <= watermark_ms:
            self._close_one(start_ms)
            start_ms = self._next(start_ms + windows.slide_ms, watermark_ms)
        self.decisions = replace(self.decisions, next_start_ms=start_ms)

    def _next(self, start_ms: int, watermark_ms: int) -> int:
        """The window to close next, from ``start_ms`` on.

        After ``MOST_EMPTY`` empty ones in a row it is the next that holds an on-time row, or else
        the first still open, however many steps the watermark took to get there.
        """
        if self.decisions.empty_run < MOST_EMPTY:
            return start_ms
        windows, beyond_ms = self.plan.windows, watermark_ms - self.plan.windows.length_ms
        open_ms = beyond_ms - beyond_ms % windows.slide_ms + windows.slide_ms
        holding = (ms for ms, pane in self.panes.items() if Part.ON_TIME in pane.cells)
        held_ms = min((ms for ms in holding if ms >= start_ms), default=None)
        if held_ms is not None:
            open_ms = min(open_ms, windows.over(held_ms)[0])
        return max(start_ms, open_ms)

    def _close_one(self, start_ms: int) -> None:
        self._windows[start_ms] = WindowState(complete=self._known_from(start_ms))
        found = self._found(start_ms)
        self._publish(found)
        empty = found.data.status is WindowStatus.NO_DATA
        self.decisions = replace(
            self.decisions, empty_run=self.decisions.empty_run + 1 if empty else 0
        )
        if found.data.status is WindowStatus.CLOSED:
            for feature in (*found.data.features, found.data.score):
                self._hear_finding(feature, start_ms)
        if self._has(start_ms, Part.LATE):
            self._data.add(start_ms)

    def _hear_finding(self, found: FeatureFinding, start_ms: int) -> None:
        if found.severity is not None:
            self._hear(found.cells, found.most_severe, start_ms, own_length(self.plan))
        if found.quality is not None and found.quality.severity is not None:
            self._hear(f"quality/{found.name}", found.quality, start_ms, own_length(self.plan))

    def _finish(self, clock: Clock) -> None:
        """Judge errors of panes and performance of windows whose labels had their time."""
        joined_ms = _less(clock.joined_ms, self.plan.time.lateness_ms)
        labels_ms = _less(
            clock.labels_ms, self.plan.time.lateness_ms + self.evaluator.label_wait_ms
        )
        final_ms = earliest((joined_ms, labels_ms))
        if joined_ms is None or labels_ms is None or final_ms is None:
            return
        if self.evaluator.errors is not None:
            for pane_ms in self._panes_until(self.decisions.final_pane_ms, final_ms):
                end_ms = pane_ms + self.plan.windows.pane_ms
                self._scan(self.evaluator.errors, self._error_blocks, pane_ms)
                self._finish_windows(end_ms)
                self._decide(end_ms)
                self.decisions = replace(self.decisions, final_pane_ms=end_ms)
        self._finish_windows(final_ms)
        self._decide(final_ms)

    def _finish_windows(self, final_ms: int) -> None:
        for start_ms in sorted(s for s, window in self._windows.items() if not window.final):
            if start_ms + self.plan.windows.length_ms > final_ms:
                return
            self._finish_one(start_ms)

    def _finish_one(self, start_ms: int) -> None:
        window = self._windows[start_ms] = replace(self._windows[start_ms], final=True)
        self._performance.add(start_ms)
        self._count_revisions(start_ms)
        found = self._found(start_ms, amended=False)
        if window.complete:
            self._note_error(found)
        self._publish(found)
        if window.complete:
            if found.data.errors is not None:
                self._hear_finding(found.data.errors, start_ms)
            heard = dict([*self._of_metrics(found), *self._of_coverage(start_ms)])
            self._settle(heard, start_ms, found.end_ms)
        if self._has(start_ms, Part.AMENDED) or self._has(start_ms, Part.LATE):
            self._performance.add(start_ms)

    def _note_error(self, found: WindowFinding) -> None:
        """Of windows side by side: those that overlap say the same thing twice."""
        errors, performance = self.decisions.errors, found.performance
        if errors and found.start_ms < max(errors) + self.plan.windows.length_ms:
            return
        accuracy = performance.metrics["accuracy"].metric.value
        if accuracy is not None and performance.labels >= LEAST_LABELS:
            newest = sorted({**errors, found.start_ms: 1 - accuracy}.items())[-MOST_ERRORS:]
            self.decisions = replace(self.decisions, errors=dict(newest))

    def amend(self) -> None:
        """Publish anew the closed windows that this batch has changed, and settle the decisions."""
        for start_ms in sorted(self._data | self._performance):
            self._count_revisions(start_ms)
            self._publish(self._found(start_ms))
        self.decisions = replace(self.decisions, windows=self._windows, incidents=self._incidents)

    def _count_revisions(self, start_ms: int) -> None:
        """Number what has changed of a window. Late rows change the coverage of a final one too."""
        window, data = self._windows[start_ms], start_ms in self._data
        performance = start_ms in self._performance or (data and window.final)
        self._windows[start_ms] = replace(
            window,
            data_revision=window.data_revision + data,
            performance_revision=window.performance_revision + performance,
        )
        self._data.discard(start_ms)
        self._performance.discard(start_ms)

    def prune(self, clock: Clock) -> None:
        """Let go of panes and windows that nothing can reach any more."""
        time, windows = self.plan.time, self.plan.windows
        past_ms = earliest((clock.data_ms, clock.joined_ms, clock.labels_ms))
        if past_ms is not None:
            kept_ms = max(time.accept_late_ms, time.label_horizon_ms) + self.evaluator.label_wait_ms
            horizon_ms = past_ms - time.lateness_ms - kept_ms - 2 * windows.length_ms
            self._let_go(windows.pane_of(horizon_ms))
        needed = min((pane.first_offset for pane in self.panes.values()), default=None)
        self.decisions = replace(self.decisions, first_needed=needed)

    def _let_go(self, before_ms: int) -> None:
        """Panes that a window still to be closed may hold are kept."""
        decisions = self.decisions
        cursors = [decisions.next_pane_ms or decisions.first_pane_ms]
        if self.evaluator.errors is not None:
            cursors.append(decisions.final_pane_ms or decisions.first_pane_ms)
        needed = [ms - self._reach_ms for ms in cursors if ms is not None]
        pruned_ms = latest(
            decisions.pruned_ms, earliest((before_ms, decisions.next_start_ms, *needed))
        )
        assert pruned_ms is not None
        self.panes = kept_from(self.panes, pruned_ms)
        windows = {
            start_ms: window
            for start_ms, window in self._windows.items()
            if start_ms >= pruned_ms or not window.final
        }
        self.decisions = replace(self.decisions, windows=windows, pruned_ms=pruned_ms)

    def _publish(self, found: WindowFinding) -> None:
        if found.performance.status is Maturity.FINAL:
            errors = self.decisions.errors
            until = {at: error for at, error in errors.items() if at <= found.start_ms}
            found = replace(found, detectors=detect(until))
        self.findings.windows.append(found)

    def _found(self, start_ms: int, *, amended: bool = True) -> WindowFinding:
        """What is known of a window; without ``amended`` of performance its final part alone."""
        window, evaluator = self._windows[start_ms], self.evaluator
        inside = list(self._inside(start_ms))
        parts = DATA if window.data_revision else DATA[:1]
        data = _parts(inside, parts)
        judged = _parts(inside, PERFORMANCE if amended else PERFORMANCE[:1])
        predicted = _parts(inside, DATA if amended else DATA[:1])
        return WindowFinding(
            evaluator.profile.model,
            evaluator.profile.version,
            start_ms,
            start_ms + self.plan.windows.length_ms,
            evaluator.judge_data(
                [add_cells((d, _only_errors(j))) for d, j in zip(data, judged, strict=True)],
                _names(inside, parts),
                complete=window.complete,
                revision=window.data_revision,
            ),
            evaluator.judge_performance(
                judged,
                _rows(predicted),
                status=Maturity.FINAL if window.final else Maturity.PROVISIONAL,
                revision=window.performance_revision,
                scores=add_cells(predicted).get("score"),
            ),
        )

    def _of_metrics(self, found: WindowFinding) -> Iterator[tuple[str, Heard]]:
        """Of those that can tell a fall from none, in windows of all lengths that end with one."""
        said: dict[str, list[MetricVerdict]] = {}
        for length, start_ms, rows, labels, metrics in self._ending(found):
            for name, metric in metrics.items():
                if metric.decided:
                    about = evidence_of(metric, start_ms, found.end_ms, rows=rows, labels=labels)
                    slide_ms = length.slide * self.plan.windows.pane_ms
                    said.setdefault(name, []).append(MetricVerdict(about, slide_ms))
        for name, of in said.items():
            yield f"performance/{name}", worst(of, found.end_ms)

    def _ending(self, found: WindowFinding) -> Iterator[_Ended]:
        """The window itself, and the longer ones that end with it."""
        performance, pane_ms = found.performance, self.plan.windows.pane_ms
        for length in self.evaluator.performance_lengths:
            start_ms, slide_ms = found.end_ms - length.panes * pane_ms, length.slide * pane_ms
            if length == own_length(self.plan):
                yield _Ended(
                    length, start_ms, performance.rows, performance.labels, performance.metrics
                )
            elif self._known_from(start_ms) and found.end_ms % slide_ms == 0:
                inside = list(self._inside(start_ms, found.end_ms))
                labelled = _parts(inside, PERFORMANCE[:1])
                yield _Ended(
                    length,
                    start_ms,
                    _rows(_parts(inside, DATA[:1])),
                    labelled_rows(labelled),
                    self.evaluator.judge_metrics(measure(labelled), length),
                )

    def _known_from(self, start_ms: int) -> bool:
        """Whether all panes from then on are there, if they held anything."""
        first_ms = latest(self.decisions.first_pane_ms, self.decisions.pruned_ms)
        return first_ms is not None and start_ms >= first_ms

    def _of_coverage(self, start_ms: int) -> Iterator[tuple[str, Heard]]:
        inside, windows = list(self._inside(start_ms)), self.plan.windows
        rows = [_rows([cells]) for cells in _parts(inside, DATA[:1])]
        labels = [labelled_rows([cells]) for cells in _parts(inside, PERFORMANCE[:1])]
        tested = self.evaluator.judge_coverage(rows, labels)
        if tested is not None:
            end_ms = start_ms + windows.length_ms
            raised = evidence(tested, start_ms, end_ms)
            yield "coverage/labels", Heard(end_ms, windows.slide_ms, raised, windows.slide_ms)

    def _settle(self, heard: Mapping[str, Heard], calm_from_ms: int, end_ms: int) -> None:
        """Keep what is open, and tell what has changed."""
        model, version = self.evaluator.profile.model, self.evaluator.profile.version
        self._incidents, told = settle(
            self._incidents, heard, scope=f"{model}/{version}", plan=self.plan.incidents
        )
        for one in told:
            calm = one.change is Change.RESOLVED
            start_ms = calm_from_ms if calm else one.incident.evidence.start_ms
            self.findings.transitions.append(
                Transition(model, version, one.change, one.incident, start_ms, end_ms)
            )

    @property
    def sums(self) -> Sums:
        return Sums(self._data_blocks.kept, self._error_blocks.kept)

    def _on_time(self, number: int) -> Counts:
        return self._pane_counts(number, self.evaluator.data.cell_index, Part.ON_TIME)

    def _final_errors(self, number: int) -> Counts:
        assert self.evaluator.errors is not None
        return self._pane_counts(number, self.evaluator.errors.cell_index, Part.FINAL)

    def _pane_counts(self, number: int, cell_index: CellIndex, part: Part) -> Counts:
        pane = self.panes.get(number * self.plan.windows.pane_ms)
        return Counts.empty() if pane is None else cell_index.gather(pane.cells.get(part, {}))

    def _inside(self, start_ms: int, end_ms: int | None = None) -> Iterator[Pane | None]:
        """The panes up to ``end_ms``; without it, those of one of the user's windows."""
        windows = self.plan.windows
        end_ms = start_ms + windows.length_ms if end_ms is None else end_ms
        for pane_ms in range(start_ms, end_ms, windows.pane_ms):
            yield self.panes.get(pane_ms)

    def _has(self, start_ms: int, part: Part) -> bool:
        return any(pane is not None and pane.cells.get(part) for pane in self._inside(start_ms))


def _parts(inside: Sequence[Pane | None], parts: Sequence[Part]) -> list[Cells]:
    return [
        {} if pane is None else add_cells(pane.cells.get(part, {}) for part in parts)
        for pane in inside
    ]


def _rows(panes: Iterable[Cells]) -> int:
    return sum(cells["rows"].size for cells in panes if "rows" in cells)


def _names(inside: Sequence[Pane | None], parts: Sequence[Part]) -> Names:
    return add_names(
        pane.names.get(part, {}) for pane in inside if pane is not None for part in parts
    )


def _only_errors(cells: Cells) -> dict[str, Counts]:
    return {"errors": cells["errors"]} if "errors" in cells else {}


def _less(time_ms: int | None, lateness_ms: int) -> int | None:
    return None if time_ms is None else time_ms - lateness_ms
