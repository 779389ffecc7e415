"""A run of the batch pipeline as one page of HTML that needs nothing else: no network, no script.

It is made of the steps' documents alone, so whatever it shows can be looked up in their files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from consumers.batch.svg import Cell, Point, heat_map, histogram, line_chart
from consumers.messages.alert_text import change_of, said

Document = Mapping[str, Any]

MOST_WINDOWS = 400  # drawn, the newest
MOST_SHOWN = 6  # features drawn beside their reference
DARKEST = 0.4  # KS distance


def summary_html(steps: Mapping[str, Document], sentences: Mapping[str, str]) -> str:
    """The page, from every step's document and sentence, by the step's name."""
    title = f"{steps['train']['model']} version {steps['train']['version']}"
    body = [
        *_headline(title, steps),
        *_steps(sentences),
        *_evaluation(steps["evaluate"]),
        *_drift(steps["data-drift"], steps["concept-drift"]),
        *_shapes(steps["data-drift"]),
        *_performance(steps["performance"]),
        *_alerts(steps["alerts"]),
        *_retraining(steps["retraining"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Driftline: {escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _headline(title: str, steps: Mapping[str, Document]) -> Iterable[str]:
    alerts, evaluation = steps["alerts"], steps["evaluate"]
    opened, still = alerts["opened"], len(alerts["open"])
    verdict = (
        f"{opened} incident{'s' * (opened != 1)} opened, {still} still open at the end"
        if opened
        else "No incident: nothing has drifted, and nothing fell below its baseline"
    )
    yield f"<h1>{escape(title)}</h1>"
    yield (
        f'<p class="{"bad" if opened else "good"}"><strong>{"▲" if opened else "✓"}'
        f" {verdict}.</strong></p>"
    )
    yield (
        f"<p>{evaluation['rows']:,} rows of {escape(evaluation['from'])} to"
        f" {escape(evaluation['until'])}, {evaluation['labels']:,} with a label, compared with"
        f" a reference of {steps['train']['reference']['rows']:,} rows. Times are event time,"
        " UTC.</p>"
    )


def _steps(sentences: Mapping[str, str]) -> Iterable[str]:
    yield "<h2>Steps</h2>"
    yield _table(("step", "result"), [(name, said) for name, said in sentences.items()])


def _evaluation(found: Document) -> Iterable[str]:
    yield "<h2>Evaluation</h2>"
    if not found["labels"]:
        yield "<p>None of the rows has a label, so there is nothing to measure.</p>"
        return
    yield "<p>Over all rows; intervals hold for 95%, by a jackknife over days.</p>"
    yield _table(
        ("metric", "value", "interval", "baseline", "interval", "change"),
        [
            (
                name,
                _number(m["value"]),
                _interval(m["low"], m["high"]),
                _number(m["baseline"]),
                _interval(m["baseline_low"], m["baseline_high"]),
                "-" if m["change"] is None else f"{m['change']:+.3f}",
            )
            for name, m in found["metrics"].items()
        ],
    )


def _drift(data: Document, concept: Document) -> Iterable[str]:
    yield "<h2>Data drift and concept drift</h2>"
    yield (
        "<p>How far each window lies from the reference (KS distance, of categories the largest"
        f" difference of a share; the darker the farther, from 0 to {DARKEST:g}). Tall orange"
        " fields are windows that drifted, by it or, of numbers, by Kuiper's or the ranks."
        " What is dark and not tall strays no farther than the reference's own stretches of as many"
        " hours do. Incidents come of shorter and longer windows too, and are told below.</p>"
    )
    windows = data["windows"][-MOST_WINDOWS:]
    rows = [
        (feature["name"], [_cell(w, w["features"][i]) for w in windows])
        for i, feature in enumerate(data["features"])
    ]
    concepts = concept["windows"][-MOST_WINDOWS:]
    rows.append(("score", [_cell(w, w["prediction"]) for w in concepts]))
    if concept["errors"] is not None:
        rows.append(("error", [_cell(w, w["errors"]) for w in concepts]))
    yield heat_map(
        "Distance from the reference, by feature and window",
        [name for name, _ in rows],
        [w["start"] for w in windows],
        [cells for _, cells in rows],
    )
    yield from _farthest([*data["features"], concept["prediction"], concept["errors"]])


def _farthest(histories: Sequence[Document | None]) -> Iterable[str]:
    drifted = [history for history in histories if history and history["drifted"]]
    if drifted:
        yield _table(
            ("", "windows", "first", "last", "decided by", "farthest", "distance", "its noise"),
            [
                (
                    h["name"],
                    h["drifted"],
                    h["first"][:10],
                    h["last"][:10],
                    ", ".join(f"{name} in {many}" for name, many in h["decided_by"].items()),
                    h["worst"][:10],
                    _number(h["statistic"]),
                    _number(h["threshold"]),
                )
                for h in drifted
            ],
        )


def _shapes(data: Document) -> Iterable[str]:
    """The features that drifted farthest, beside their reference."""
    drifted = sorted(
        (feature for feature in data["features"] if feature["drifted"]),
        key=lambda feature: -feature["statistic"],
    )
    pictures = [_shape(feature, data["windows"]) for feature in drifted[:MOST_SHOWN]]
    if any(pictures):
        yield "<h3>Drifted features</h3>"
        yield (
            "<p>In the window that lies farthest from the reference: the window's shares are the"
            " full bars, the reference's the outlines.</p>"
        )
        yield f'<div class="pair">{"".join(pictures)}</div>'


def _shape(feature: Document, windows: Sequence[Document]) -> str:
    window = next(w for w in windows if w["start"] == feature["worst"])
    drawn = next(f for f in window["features"] if f["name"] == feature["name"])["distribution"]
    if drawn is None:
        return ""
    title = f"{feature['name']}, {window['start'][:10]}"
    chart = histogram(title, _labels(drawn), drawn["reference"], drawn["window"])
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>"


def _labels(drawn: Document) -> list[str]:
    if "categories" in drawn:
        return list(drawn["categories"])
    edges = [f"{edge:.4g}" for edge in drawn["edges"]]
    return [f"≤ {edge}" for edge in edges] + [f"> {edges[-1]}" if edges else "all"]


def _performance(found: Document) -> Iterable[str]:
    yield "<h2>Performance</h2>"
    if not found["judged"]:
        yield "<p>No window holds labels.</p>"
        return
    yield (
        "<p>Each window's value with its 95% interval; the dashed line is the baseline. Diamonds"
        " are windows that became worse than it; only some metrics are judged.</p>"
    )
    windows = found["windows"][-MOST_WINDOWS:]
    for metric in found["metrics"]:
        name, before = metric["name"], metric["baseline"]
        yield f"<h3>{escape(name)}</h3>"
        yield line_chart(
            f"{name} by window",
            [_point(w, w["metrics"][name]) for w in windows],
            [] if before is None else [("baseline", before)],
        )


def _point(window: Document, metric: Document) -> Point:
    return Point(
        window["start"], metric["value"], metric["low"], metric["high"], metric["severity"] or ""
    )


def _alerts(found: Document) -> Iterable[str]:
    yield "<h2>Alerts</h2>"
    if not found["events"]:
        yield "<p>None.</p>"
        return
    yield _table(
        ("time", "severity", "change", "subject", ""),
        [
            (e["time"][:16], e["data"]["severity"], change_of(e), e["subject"], said(e))
            for e in found["events"]
        ],
    )


def _retraining(found: Document) -> Iterable[str]:
    yield "<h2>Retraining</h2>"
    yield f"<p>Decision: <strong>{escape(found['decision'])}</strong>.</p>"
    yield _table(
        ("condition", "required", "actual", "met"),
        [
            (r["condition"], r["required"], r["actual"], "yes" if r["met"] else "no")
            for r in found["reasons"]
        ],
    )


def _cell(window: Document, feature: Document | None) -> Cell:
    if feature is None:
        return Cell(None, False, "")
    far, psi = feature["statistic"], feature["psi"]
    tip = f"{feature['name']}, {window['start'][:10]}: {feature['rows']:,} rows"
    if far is not None:
        drifted = feature["verdict"] == "drift"
        return Cell(far / DARKEST, drifted, f"{tip}, distance {far:.3f}, {_judged(feature)}")
    return Cell(None if psi is None else psi, False, f"{tip}, stability index {_number(psi)}")


def _judged(feature: Document) -> str:
    severity, by = feature["severity"], feature["decided_by"]
    return "calm" if severity is None else f"{severity} by {by}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{cells}</tr>{lines}</table></div>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"


# Okabe and Ito's colours, which the colour-blind tell apart, on white and on black.
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --faint: #d5d5d5;
  --blue: #0072b2; --green: #009e73; --orange: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181c; --faint: #44484f;
    --blue: #56b4e9; --orange: #e69f00; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } h3 { margin-bottom: 0; font-size: 1rem; }
.bad { color: var(--orange); } .good { color: var(--green); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0;
  border-bottom: 1px solid var(--faint); }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--ink); }
td:first-child { white-space: nowrap; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; flex: 1 1 380px; max-width: 430px; } figcaption { font-weight: 600; }
.rule { stroke: var(--faint); }
.baseline { stroke: var(--green); stroke-width: 1.5; stroke-dasharray: 6 4; }
.line { fill: none; stroke: var(--blue); stroke-width: 1.5; }
.band { fill: var(--blue); fill-opacity: .18; } .dot { fill: var(--blue); }
.warning { fill: var(--paper); stroke: var(--orange); stroke-width: 1.5; }
.critical { fill: var(--orange); stroke: var(--orange); }
.calm { fill: var(--blue); } .marked { fill: var(--orange); }
.window { fill: var(--blue); fill-opacity: .7; } .reference { fill: none; stroke: var(--green); }
"""
