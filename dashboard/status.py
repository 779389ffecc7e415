"""Is my model all right? The answer that the overview opens with, and how old it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.answers import Feature, Incident, LatestMetrics, WindowItem
from api.health import Health, Role
from dashboard import text

_BY_LEVEL = ("critical", "warning")
_WRONG = ("problem", "silent")  # of a role


@dataclass(frozen=True, slots=True)
class Situation:
    """What the answer rests on."""

    open: Sequence[Incident]
    newest: WindowItem | None
    latest: LatestMetrics
    health: Health


@dataclass(frozen=True, slots=True)
class Condition:
    """The answer: a level out of ``text.SYMBOLS``, a few words, and the reason."""

    level: str
    answer: str
    reason: str


def judge(now: Situation) -> Condition:
    """What is open says more than how Driftline fares, and that more than silence."""
    if now.open:
        return _open(now.open)
    if now.newest is None:
        return Condition("unknown", "Not known yet.", text.NO_WINDOWS)
    if trouble := troubles(now.health):
        return Condition("unknown", "Not known.", f"Nothing is open, but {'; '.join(trouble)}.")
    return _calm(now.newest, now.latest)


def _open(incidents: Sequence[Incident]) -> Condition:
    numbers = {level: sum(i.severity == level for i in incidents) for level in _BY_LEVEL}
    level = "critical" if numbers["critical"] else "warning"
    said = " and ".join(
        text.amount(many, f"{name} incident") for name, many in numbers.items() if many
    )
    answer = "No." if level == "critical" else "Perhaps not."
    return Condition(level, answer, f"Open: {said or text.amount(len(incidents), 'incident')}.")


def _calm(newest: WindowItem, latest: LatestMetrics) -> Condition:
    said = text.window(newest.window)
    if newest.window.status == "incomplete":
        reason = f"The window {said} reaches back before the first row, and decides nothing."
        return Condition("unknown", "Not known yet.", reason)
    if newest.window.status == "no_data":
        return Condition("unknown", "Not known.", f"The newest window, {said}, holds no row.")
    few = [f for f in newest.data.features if f.verdict == "insufficient_data"]
    if len(few) == len(newest.data.features) > 0:
        reason = f"Nothing is open, but {said} has too few rows to judge any feature."
        return Condition("unknown", "Not known.", reason)
    reason = f"Nothing is open, up to the window {said}. {_judged(latest)}{_but(few)}"
    return Condition("good", "Yes, as far as the data tell.", reason)


def _but(few: Sequence[Feature]) -> str:
    if not few:
        return ""
    return f" Too few rows to judge: {', '.join(text.plain(feature.name) for feature in few)}."


def _judged(latest: LatestMetrics) -> str:
    if latest.window is not None:
        return f"Its performance is judged up to {text.window(latest.window)}."
    return "Its performance is not judged yet: too few labels have come."


def troubles(health: Health) -> list[str]:
    """What is wrong with Driftline itself."""
    missing = [f"role {text.plain(role)} was never heard of" for role in health.missing]
    return missing + [_trouble(role) for role in health.roles if role.status in _WRONG]


def _trouble(role: Role) -> str:
    name = text.plain(f"{role.role}-{role.slot}")
    if role.status == "silent":
        return f"role {name} is silent (last heard of {text.ago(role.heartbeat_age_s)})"
    return f"role {name} says: {text.plain(role.problem or 'something is wrong')}"


def freshness(now: Situation) -> list[str]:
    """How old what is shown is: by the data's own time, and by the clock."""
    said = []
    if now.newest is not None:
        end = text.instant(now.newest.window.end)
        said.append(f"The newest window ends {end} (event time, UTC).")
    progress = [r.progress_age_s for r in now.health.roles if r.progress_age_s is not None]
    if progress:
        said.append(f"Driftline last took in anything {text.ago(min(progress))}.")
    lag = sum(role.lag for role in now.health.roles)
    if lag:
        said.append(f"{text.amount(lag, 'record')} still to be read.")
    return said
