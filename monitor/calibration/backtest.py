"""What would be raised in a stream of panes: the deciding half of detection, without its way there.

``monitor.windows.detection`` follows a stream through watermarks, late rows, windows to look at
and labels. Whoever asks how often a rule is wrong, or how soon it is right, has all panes at hand
and needs only what decides: the scales, the tests and the life of incidents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.budget import Length, own_length
from monitor.counts.counts import Counts
from monitor.decisions.incidents import Change, Incident, WindowVerdict, most_severe, settle
from monitor.windows.evaluator import Evaluator, subject_of
from monitor.windows.scales import Blocks, ScaleWindow


@dataclass(frozen=True, slots=True)
class Alarm:
    """A pane closed, and windows that end with it raised an incident, or kept it open."""

    pane: int  # counted from 0
    subject: str
    incident: str  # the id of that which people hear of,
    primary: str  # and its subject
    opened: bool
    longest: int  # panes, of the windows that raised it


Heard = Mapping[str, Sequence[WindowVerdict]]  # by subject


def raised(evaluator: Evaluator, panes: Iterable[Counts]) -> Iterator[Alarm]:
    """``panes`` in time order, without gaps, in the index space of ``evaluator.data``."""
    return decided(evaluator, heard(evaluator, panes))


def heard(evaluator: Evaluator, panes: Iterable[Counts], known: int = 0) -> Iterator[Heard]:
    """What the windows that end with each pane say; of the first ``known`` panes nothing is asked.

    It depends on ``drift.min_effect``, and nothing else of what is raised does.
    """
    seen: list[Counts] = []
    blocks, longest = _blocks(seen), evaluator.longest_panes
    for number, counts in enumerate(panes):
        seen.append(counts)
        if number >= longest:
            seen[number - longest] = Counts.empty()  # no window reaches back so far
        if number >= known:
            yield _said(evaluator, blocks, seen, number)


def heard_again(
    evaluator: Evaluator, panes: Sequence[Counts], before: Sequence[Heard]
) -> Iterator[Heard]:
    """The same by a watch whose ``drift.min_effect`` is larger than that of ``before``.

    Where all was calm, it is calm now too: only the other panes are looked at.
    """
    blocks = _blocks(panes)
    for number, of in enumerate(before):
        calm = all(said.tested is None for each in of.values() for said in each)
        yield of if calm else _said(evaluator, blocks, panes, number)


def decided(evaluator: Evaluator, every: Iterable[Heard]) -> Iterator[Alarm]:
    """The incidents that follow from what was heard, pane by pane."""
    pane_ms = evaluator.plan.windows.pane_ms
    incidents: dict[str, Incident] = {}
    for number, of in enumerate(every):
        end_ms = (number + 1) * pane_ms
        incidents, told = settle(
            incidents,
            {subject: most_severe(said, end_ms, pane_ms) for subject, said in of.items()},
            scope=evaluator.profile.model,
            plan=evaluator.plan.incidents,
        )
        opened = {one.incident.subject for one in told if one.change is Change.OPENED}
        subjects = {incident.id: incident.subject for incident in incidents.values()}
        for subject, said in of.items():
            lengths = [(s.end_ms - s.start_ms) // pane_ms for s in said if s.tested is not None]
            if lengths:
                mine = incidents[subject]
                incident = mine.primary or mine.id
                primary = subjects[incident]
                yield Alarm(number, subject, incident, primary, subject in opened, max(lengths))


def own_windows(panes: Sequence[Counts], number: int, length: Length) -> Iterator[ScaleWindow]:
    """The window of a length of the user's own that ends with the pane of that number, if one does.

    They start at every multiple of their slide.
    """
    start = number + 1 - length.panes
    if start < 0 or start % length.slide:
        return
    middle = start + length.panes // 2
    halves = [panes[start:middle], panes[middle : number + 1]]
    yield ScaleWindow(length.panes, start, tuple(Counts.total(half) for half in halves if half))


def _blocks(panes: Sequence[Counts]) -> Blocks:
    return Blocks(lambda number: panes[number] if 0 <= number < len(panes) else Counts.empty())


def _said(evaluator: Evaluator, blocks: Blocks, panes: Sequence[Counts], number: int) -> Heard:
    """What the windows of all lengths that end with a pane say."""
    windows = evaluator.plan.windows
    found: dict[str, list[WindowVerdict]] = {}
    for window, length in _windows(evaluator, blocks, panes, number):
        for cells, tested in evaluator.data.scan(window.parts, length).items():
            if tested is not None or window.panes == 1:
                start_ms = window.start * windows.pane_ms
                end_ms = start_ms + window.panes * windows.pane_ms
                slide_ms = max(length.slide * windows.pane_ms, windows.slide_ms)
                said = WindowVerdict(tested, start_ms, end_ms, slide_ms)
                found.setdefault(subject_of(cells), []).append(said)
    return found


def _windows(
    evaluator: Evaluator, blocks: Blocks, panes: Sequence[Counts], number: int
) -> Iterator[tuple[ScaleWindow, Length]]:
    """Of the scales, and those that the user looks at where they are none."""
    own = own_length(evaluator.plan)
    for window in blocks.ending(number, evaluator.longest_scale, 0):
        length = Length.of_scale(window.panes)
        if length in evaluator.data.levels:
            yield window, length
    if not own.is_scale:
        for window in own_windows(panes, number, own):
            yield window, own
