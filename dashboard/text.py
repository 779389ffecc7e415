"""How things are said: times, numbers, findings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.answers import Feature, Incident, Model, Window

NOTHING = "—"
METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
}

# Never colour alone: what is said of a state carries its symbol.
SYMBOLS = {"critical": "◆", "warning": "▲", "good": "✔", "unknown": "?"}
CALM = "✔ no drift"
WARNING = "▲ drift, warning"
CRITICAL = "◆ drift, critical"
FEW = "✚ too few rows"
UNTESTED = "○ not tested"
UNJUDGED = "… not judged"
EMPTY = "□ no rows"

FINAL = "● final"
PROVISIONAL = "▽ provisional"
DEGRADED = {"warning": "▲ degraded, warning", "critical": "◆ degraded, critical"}

NO_WINDOWS = (
    "No windows yet. Start the simulator (`driftline simulate`) or your own service, and the roles"
    " (`driftline consume`); a window shows here as soon as it closes."
)
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_WINDOW = re.compile(rf"({_TIME} to {_TIME})")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:])")


def plain(text: object) -> str:
    """Somebody else's text as it stands, where Markdown is expected."""
    return _MARKDOWN.sub(r"\\\1", str(text))


# -- numbers and times ---------------------------------------------------------------------------


def number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def probability(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def share(part: float | None, whole: float | None = 1.0) -> str:
    return NOTHING if part is None or not whole else f"{part / whole:.1%}"


def count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def interval(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low:.3f} to {high:.3f}"


def instant(at: datetime) -> str:
    """In UTC, as short as it can be said."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if at.time() == at.min.time() else f"{at:%Y-%m-%d %H:%M}"


def span(start: datetime, end: datetime) -> str:
    """A whole day of UTC is named by its date."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    midnight = start.time() == start.min.time()
    if midnight and end - start == timedelta(days=1):
        return f"{start:%Y-%m-%d}"
    if end.date() == start.date():
        return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"
    return f"{instant(start)} to {instant(end)}"


def window(of: Window) -> str:
    return span(of.start, of.end)


def spelled(of: Window) -> str:
    """A window in an address."""
    return f"{rfc3339(of.start)}/{rfc3339(of.end)}"


def spelled_out(text: str | None) -> tuple[str, str] | None:
    """Start and end of a window in an address, as ``spelled`` has them; None if it is none."""
    start, _, end = (text or "").partition("/")
    try:
        known = datetime.fromisoformat(start), datetime.fromisoformat(end)
    except ValueError:
        return None
    if any(at.tzinfo is None for at in known):
        return None
    return rfc3339(known[0]), rfc3339(known[1])


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def spelled_window(text: str) -> str:
    """A window in an address or in a message, as people say it."""
    start, end = re.split("/| to ", text)
    return span(datetime.fromisoformat(start), datetime.fromisoformat(end))


def ago(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def amount(things: int, one: str, many: str | None = None) -> str:
    return f"{things:,} {one if things == 1 else many or one + 's'}"


def model(of: Model) -> str:
    return f"{of.model} · version {of.version}"


# -- findings ------------------------------------------------------------------------------------


def verdict(of: Feature) -> str:
    if of.verdict == "drift":
        return CRITICAL if of.severity == "critical" else WARNING
    if of.verdict == "insufficient_data":
        return FEW
    return UNTESTED if of.statistic is None else CALM


def found(of: Feature) -> str:
    """What was found of a feature, and what decided, in a sentence or two."""
    return " ".join(filter(None, (_of_values(of), _decided(of), _of_flaws(of))))


def distance(of: Feature) -> str:
    """What ``statistic`` measures."""
    return "KS distance" if of.kind == "numeric" else "largest difference of a share"


def _of_values(of: Feature) -> str:
    if of.statistic is None:
        return "No row has a value of it."
    lies = f"The distribution lies {number(of.statistic)} from the reference ({distance(of)})"
    if of.verdict == "insufficient_data":
        return (
            f"{lies}, but {amount(of.rows, 'row')} could not have shown a drift smaller than"
            f" {number(of.detectable)}: this says nothing either way."
        )
    return (
        f"{lies}. Sampling noise explains up to {number(of.threshold)}; {number(of.persistent)}"
        f" of it persists through the window, where beyond noise the reference itself strays by up"
        f" to {number(of.allowance)}."
    )


def _decided(of: Feature) -> str:
    if of.decided_by == "kuiper":
        return f"What decided is the Kuiper distance, {number(of.kuiper)}."
    if of.decided_by == "wilcoxon":
        return (
            f"What decided are the ranks: values lie {plain(of.detail)} (Cliff's delta"
            f" {number(of.wilcoxon)})."
        )
    if of.decided_by == "mood":
        said = f"What decided is the spread: values lie {plain(of.detail)}"
        return f"{said} (Mood's score {number(of.mood)})."
    return f"What decided: {plain(of.detail)}." if of.detail else ""


def _of_flaws(of: Feature) -> str:
    if of.quality is None or of.quality.severity is None:
        return ""
    return (
        f"The share of its missing values differs by {share(of.quality.deviation)} from the"
        f" reference: {of.quality.severity}."
    )


def subject(of: Incident) -> str:
    """``data/temp`` as people say it, in Markdown."""
    kind, _, about = of.subject.partition("/")
    return f"**{plain(METRICS.get(about, about))}** ({plain(kind)})" if about else plain(kind)


def sentence(message: str) -> str:
    """What an incident says, with its windows as people say them."""
    parts = _WINDOW.split(message)
    said = [plain(part) if i % 2 == 0 else spelled_window(part) for i, part in enumerate(parts)]
    return "".join(said)


def incident_headline(of: Incident) -> str:
    opened = instant(of.opened_at)
    when = f"opened {opened}" if of.resolved_at is None else _lasted(opened, of.resolved_at)
    symbol = "✔" if of.state == "resolved" else SYMBOLS.get(of.severity, "?")
    return f"{symbol} {subject(of)} · {plain(of.severity)} · {of.state} · {when}"


def _lasted(opened: str, resolved_at: datetime) -> str:
    return f"from {opened} to {instant(resolved_at)}"


def transition(event: Mapping[str, Any]) -> str:
    """One change of an incident, from its CloudEvent."""
    change = str(event.get("type", "")).rpartition(".")[2]
    data = event.get("data") or {}
    when = str(event.get("time", ""))[:16].replace("T", " ")
    return f"**{plain(change)}** {when} · {sentence(str(data.get('message', '')))}"


def evidence(of: dict[str, Any]) -> str:
    """The numbers of an incident in a sentence; what is not known by name is left out."""
    also = of.get("grouped")
    together = f" At the same time: {plain(', '.join(also))}." if also else ""
    return f"{_numbers(of)}{together}"


def _numbers(of: dict[str, Any]) -> str:
    if of.get("decided_by") in METRICS:
        return _of_metric(of)
    named = {**_EVIDENCE, "value": _VALUES.get(of.get("decided_by", ""), "distance")}
    said = [
        f"{words} {_number(of[name])}" for name, words in named.items() if of.get(name) is not None
    ]
    if of.get("detail"):
        said.append(plain(of["detail"]))
    return f"{', '.join(said)}." if said else ""


_EVIDENCE = {
    "value": "distance",
    "threshold": "where sampling noise explains",
    "persistent": "persisting",
    "allowance": "where beyond noise the reference itself strays by up to",
    "rows": "rows",
}
_VALUES = {
    "ks": "KS distance",
    "kuiper": "Kuiper distance",
    "wilcoxon": "Cliff's delta",
    "mood": "Mood's score",
    "categories": "largest difference of a share",
    "missing": "difference of the share of missing values",
    "coverage": "difference of the share without a label",
}


def _of_metric(of: dict[str, Any]) -> str:
    said = [
        f"{METRICS[of['decided_by']]} {number(of.get('value'))}",
        f"95% interval {interval(of.get('low'), of.get('high'))}",
        f"baseline {number(of.get('baseline'))}",
        f"degraded below {number(of.get('threshold'))}",
    ]
    if of.get("labels") is not None:
        said.append(f"{of['labels']:,} labels, {share(of.get('coverage'))} of the rows")
    return f"{', '.join(said)}."


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value}"
