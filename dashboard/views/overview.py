"""Is my model all right? In words, with what is open and how old that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Baseline, Incident, Model
from dashboard import status, tables, text
from dashboard.auto_refresh import answer, live
from dashboard.client import Client, ModelVersion
from dashboard.context import PageContext
from dashboard.render import table
from dashboard.status import Condition, Situation
from dashboard.views.alerts import card

SHOWN = 5  # incidents; the others are on their own page
MODELS = 10  # that are asked about besides the one that was chosen
_BOXES = {
    "critical": (st.error, ":material/error:"),
    "warning": (st.warning, ":material/warning:"),
    "good": (st.success, ":material/check_circle:"),
    "unknown": (st.info, ":material/help:"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    situation: Situation
    baseline: Baseline
    others: Sequence[tuple[Model, Condition]]


def page(here: PageContext) -> None:
    st.title(f"Is {text.plain(here.model.model)} all right?")

    def part() -> None:
        seen = answer(f"overview {here.of}", lambda: _ask(here))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: PageContext) -> Seen:
    client, others = here.client, here.others[:MODELS]
    situation = _situation(client, here.of)
    conditions = [
        (model, status.judge(_situation(client, ModelVersion(model.model, model.version))))
        for model in others
    ]
    return Seen(situation, client.baseline(here.of), conditions)


def _situation(client: Client, of: ModelVersion) -> Situation:
    newest = client.windows(of, limit=1)
    return Situation(
        client.incidents(of, "open"),
        newest[0] if newest else None,
        client.latest(of),
        client.health(),
    )


def _draw(here: PageContext, seen: Seen) -> None:
    now = seen.situation
    judged = status.judge(now)
    box, icon = _BOXES[judged.level]
    box(f"**{judged.answer}** {judged.reason}", icon=icon)
    st.caption(" ".join(status.freshness(now)))
    _open(here, now.open)
    _performance(seen)
    _others(here, seen, judged)
    _driftline(now)


def _open(here: PageContext, incidents: Sequence[Incident]) -> None:
    if not incidents:
        return
    st.subheader("Open")
    for incident in incidents[:SHOWN]:
        card(here, incident)
    if len(incidents) > SHOWN:
        here.link(f"All {len(incidents)} open incidents", "alerts")


def _performance(seen: Seen) -> None:
    latest = seen.situation.latest
    metrics = tables.beside(seen.baseline, latest)
    if metrics.empty:
        return
    st.subheader("Performance")
    table(metrics)
    if latest.window is None:
        st.caption("No window has all of its labels yet.")
        return
    st.caption(
        f"In production: the window {text.window(latest.window)}, the newest whose labels had"
        f" their time; {text.share(latest.coverage)} of {text.count(latest.rows)} rows have one."
    )


def _others(here: PageContext, seen: Seen, judged: Condition) -> None:
    if not seen.others:
        return
    st.subheader("All models")
    table(tables.overview([(here.model, judged), *seen.others]))
    left = len(here.others) - len(seen.others)
    if left:
        st.caption(f"{text.amount(left, 'more model version')}: choose it in the side bar.")


def _driftline(now: Situation) -> None:
    well = now.health.status == "ok"
    said = "all roles are at work" if well else "not all roles are at work"
    with st.expander(f"Driftline itself: {said}", expanded=False):
        table(tables.roles(now.health))
        table(tables.records(now.health))
        st.caption(
            "Every record is counted once: received = counted + too late + dead letters."
            " Late ones are among the counted."
        )
