"""Charts as inline SVG: text alone, with no script, no font and nothing to fetch.

Colours are classes of the page's style sheet, so that one chart reads in light and in dark. Nothing
is told by colour alone: what is drawn in another colour has another shape or dash, and a text to
hover over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

WIDTH, HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 24
NARROW, LOW = 410, 150  # a histogram: two stand side by side
CELL_HEIGHT = 16
NAME_WIDTH = 130
MOST_TICKS, MOST_LABELS = 7, 5

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Point:
    """One window of a line; without a value a gap. ``mark`` is empty, or a severity."""

    at: str
    value: float | None
    low: float | None = None
    high: float | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a heat map: how dark, from 0 to 1 (None: empty), and whether it is marked."""

    shade: float | None
    marked: bool
    tip: str


def line_chart(title: str, points: Sequence[Point], levels: Sequence[tuple[str, float]]) -> str:
    """A line with its interval, and horizontal lines, named as their class in the style sheet."""
    low, high = _range(points, levels)

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(points)

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
    """A row for each name, a column for each date. Marked fields are taller, and of another hue."""
    wide = (WIDTH - NAME_WIDTH - RIGHT) / len(dates)
    height = TOP + CELL_HEIGHT * len(names) + BOTTOM
    drawn = list(_dates(dates, lambda place: NAME_WIDTH + wide * (place + 0.5), height))
    for i, (name, cells) in enumerate(zip(names, rows, strict=True)):
        top = TOP + CELL_HEIGHT * i
        drawn.append(_text(NAME_WIDTH - 6, top + 12, _short(name, 18), "end"))
        drawn += [_field(cell, NAME_WIDTH + wide * j, top, wide) for j, cell in enumerate(cells)]
    return _svg(title, height, drawn)


def histogram(
    title: str, labels: Sequence[str], reference: Sequence[float], window: Sequence[float]
) -> str:
    """Shares side by side: the window's as full bars, the reference's as outlines around them."""
    wide, highest = (NARROW - 20) / len(labels), max(*reference, *window, 1e-9)

    def bars(kind: str, shares: Sequence[float], inset: float) -> Iterable[str]:
        for place, (label, share) in enumerate(zip(labels, shares, strict=True)):
            tall = (LOW - TOP - BOTTOM) * share / highest
            yield _rect(
                kind,
                (10 + wide * (place + inset), LOW - BOTTOM - tall),
                (wide * (1 - 2 * inset), tall),
                f"{label}: {share:.1%} of the {kind}",
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
    """What all of it spans, with a little air."""
    met = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    met += [value for _, value in levels]
    low, high = min(met, default=0.0), max(met, default=1.0)
    air = (high - low) * 0.06 or 0.05
    return low - air, high + air


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
    """Some of them, in the middle of their column; the first is moved right to stay whole."""
    every = -(-len(dates) // MOST_TICKS)
    for place in range(0, len(dates), every):
        yield _text(max(x(place), 34), height - 6, dates[place][:10], "middle")


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
    """A diamond where something is wrong; everywhere else a dot to hover over."""
    for place, point in enumerate(points):
        if point.value is None:
            continue
        across, down = f"{x(place):.1f}", f"{y(point.value):.1f}"
        tip = _tip(f"{point.at}: {point.value:.3f} {point.mark}")
        if point.mark:
            diamond = f"M{across} {down}m0-5l5 5l-5 5l-5-5z"
            yield f'<path class="{escape(point.mark)}" d="{diamond}">{tip}</path>'
        else:
            yield f'<circle class="dot" cx="{across}" cy="{down}" r="2">{tip}</circle>'


def _field(cell: Cell, left: float, top: float, wide: float) -> str:
    if cell.shade is None:
        return ""
    inset, kind, faintest = (0, "marked", 0.5) if cell.marked else (3, "calm", 0.08)
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


def _runs(points: Sequence[Point], there: Callable[[Point], bool]) -> Iterable[list[int]]:
    """The places of neighbours that are all there."""
    for met, run in groupby(range(len(points)), lambda place: there(points[place])):
        if met:
            yield list(run)
