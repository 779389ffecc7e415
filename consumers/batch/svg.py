"""Charts as inline SVG, without scripts, fonts or network requests.

Colours are classes of the page's style sheet (``templates/summary.css``), for light and dark mode.
Whatever has another colour also has another shape or dash and a tooltip, so that no information is
in the colour alone. All texts are escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

WIDTH, HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 24
NARROW, LOW = 410, 150  # of a histogram; two are side by side
CELL_HEIGHT = 16
NAME_WIDTH = 130
MOST_TICKS, MOST_LABELS = 7, 5

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Point:
    """One window of a line chart; None is a gap. ``mark`` is empty or a severity."""

    at: str
    value: float | None
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a heat map."""

    shade: float | None  # 0 (light) to 1 (dark); None: empty
    is_marked: bool
    tip: str


def line_chart(title: str, points: Sequence[Point], levels: Sequence[tuple[str, float]]) -> str:
    """A line with intervals. ``levels`` are horizontal lines: CSS class and value."""
    low, high = _range(points, levels)

    def x(index: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / len(points)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    return _svg(
        title,
        HEIGHT,
        [
            *_rules(low, high, y),
            *_dates([point.at for point in points], x, HEIGHT),
            *_bands(points, x, y),
            *(_level(name, value, y) for name, value in levels),
            *_lines(points, x, y),
            *_marks(points, x, y),
        ],
    )


def heat_map(
    title: str, names: Sequence[str], dates: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> str:
    """A row for each name, a column for each date. Marked fields are taller and orange."""
    wide = (WIDTH - NAME_WIDTH - RIGHT) / len(dates)
    height = TOP + CELL_HEIGHT * len(names) + BOTTOM
    drawn = list(_dates(dates, lambda i: NAME_WIDTH + wide * (i + 0.5), height))
    for i, (name, cells) in enumerate(zip(names, rows, strict=True)):
        top = TOP + CELL_HEIGHT * i
        drawn.append(_text(NAME_WIDTH - 6, top + 12, _short(name, 18), "end"))
        drawn += [_field(cell, NAME_WIDTH + wide * j, top, wide) for j, cell in enumerate(cells)]
    return _svg(title, height, drawn)


def histogram(
    title: str, labels: Sequence[str], reference: Sequence[float], window: Sequence[float]
) -> str:
    """Proportions per bin: of the window as filled bars, of the reference as outlines."""
    wide, highest = (NARROW - 20) / len(labels), max(*reference, *window, 1e-9)

    def bars(kind: str, proportions: Sequence[float], inset: float) -> Iterable[str]:
        for i, (label, proportion) in enumerate(zip(labels, proportions, strict=True)):
            tall = (LOW - TOP - BOTTOM) * proportion / highest
            yield _rect(
                kind,
                (10 + wide * (i + inset), LOW - BOTTOM - tall),
                (wide * (1 - 2 * inset), tall),
                f"{label}: {proportion:.1%} of the {kind}",
            )

    every = -(-len(labels) // MOST_LABELS)
    ticks = [
        _text(10 + wide * (i + 0.5), LOW - 8, _short(labels[i], 11), "middle")
        for i in range(0, len(labels), every)
    ]
    drawn = [*bars("window", window, 0.22), *bars("reference", reference, 0.08), *ticks]
    return _svg(title, LOW, drawn, NARROW)


def _svg(title: str, height: int, drawn: Iterable[str], width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(drawn)}</svg>"
    )


def _range(points: Sequence[Point], levels: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """The range of all values, with a margin."""
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    values += [value for _, value in levels]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.06 or 0.05
    return low - margin, high + margin


def _rules(low: float, high: float, y: Scale) -> Iterable[str]:
    for part in (0.1, 0.5, 0.9):
        value = low + (high - low) * part
        yield _level("rule", value, y)
        yield _text(LEFT - 6, y(value) + 4, f"{value:.2f}", "end")


def _level(name: str, value: float, y: Scale) -> str:
    return (
        f'<line class="{escape(name)}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}"'
        f' y2="{y(value):.1f}"/>'
    )


def _dates(dates: Sequence[str], x: Scale, height: int) -> Iterable[str]:
    """At most ``MOST_TICKS`` dates below their column; the first is moved right to fit."""
    every = -(-len(dates) // MOST_TICKS)
    for i in range(0, len(dates), every):
        yield _text(max(x(i), 34), height - 6, dates[i][:10], "middle")


def _bands(points: Sequence[Point], x: Scale, y: Scale) -> Iterable[str]:
    for run in _runs(points, lambda point: point.low is not None and point.high is not None):
        above = [f"{x(i):.1f},{y(points[i].high or 0.0):.1f}" for i in run]
        below = [f"{x(i):.1f},{y(points[i].low or 0.0):.1f}" for i in reversed(run)]
        yield f'<polygon class="band" points="{" ".join(above + below)}"/>'


def _lines(points: Sequence[Point], x: Scale, y: Scale) -> Iterable[str]:
    for run in _runs(points, lambda point: point.value is not None):
        at = " ".join(f"{x(i):.1f},{y(points[i].value or 0.0):.1f}" for i in run)
        yield f'<polyline class="line" points="{at}"/>'


def _marks(points: Sequence[Point], x: Scale, y: Scale) -> Iterable[str]:
    """A diamond for a marked point, a dot for others, each with a tooltip."""
    for i, point in enumerate(points):
        if point.value is None:
            continue
        across, down = f"{x(i):.1f}", f"{y(point.value):.1f}"
        tip = _tip(f"{point.at}: {point.value:.3f} {point.mark}")
        if point.mark:
            diamond = f"M{across} {down}m0-5l5 5l-5 5l-5-5z"
            yield f'<path class="{escape(point.mark)}" d="{diamond}">{tip}</path>'
        else:
            yield f'<circle class="dot" cx="{across}" cy="{down}" r="2">{tip}</circle>'


def _field(cell: Cell, left: float, top: float, wide: float) -> str:
    if cell.shade is None:
        return ""
    inset, kind, faintest = (0, "drifted", 0.5) if cell.is_marked else (3, "healthy", 0.08)
    opacity = f' fill-opacity="{faintest + (1 - faintest) * min(cell.shade, 1.0):.2f}"'
    tall = CELL_HEIGHT - 1 - 2 * inset
    return _rect(kind, (left, top + inset), (max(wide - 0.5, 0.5), tall), cell.tip, opacity)


def _rect(
    kind: str, at: tuple[float, float], size: tuple[float, float], tip: str, more: str = ""
) -> str:
    return (
        f'<rect class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}"'
        f' height="{size[1]:.1f}"{more}>{_tip(tip)}</rect>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _tip(text: str) -> str:
    return f"<title>{escape(text.strip())}</title>"


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _runs(points: Sequence[Point], is_drawn: Callable[[Point], bool]) -> Iterable[list[int]]:
    """The indices of consecutive points that are all drawn."""
    for drawn, run in groupby(range(len(points)), lambda i: is_drawn(points[i])):
        if drawn:
            yield list(run)
