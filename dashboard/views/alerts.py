"""What was found: the open incidents first, then those that are over, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Incident, IncidentHistory
from dashboard import text, url_state
from dashboard.auto_refresh import answer, live
from dashboard.client import ApiProblem, Client
from dashboard.context import PageContext

RESOLVED = 50  # the newest of them
NOTHING_OPEN = (
    "Nothing is open. An incident opens when a window departs from the reference by more than"
    " noise and the reference's own straying explain; see what is watched under Drift."
)


@dataclass(frozen=True, slots=True)
class Seen:
    open: Sequence[Incident]
    resolved: Sequence[Incident]
    chosen: IncidentHistory | str | None  # a sentence says why there is none


def page(here: PageContext) -> None:
    st.title("Alerts")

    def part() -> None:
        seen = answer(f"alerts {here.of} {url_state.at('incident')}", lambda: _ask(here))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: PageContext) -> Seen:
    return Seen(
        here.client.incidents(here.of, "open"),
        here.client.incidents(here.of, "resolved", limit=RESOLVED),
        _chosen(here.client, url_state.at("incident")),
    )


def _chosen(client: Client, identity: str | None) -> IncidentHistory | str | None:
    try:
        return client.incident(identity) if identity else None
    except ApiProblem as problem:
        return str(problem)


def _draw(here: PageContext, seen: Seen) -> None:
    if seen.chosen is not None:
        _story(here, seen.chosen)
    st.subheader(f"Open ({len(seen.open)})")
    if not seen.open:
        st.success(NOTHING_OPEN, icon=":material/check_circle:")
    _cards(here, seen.open)
    st.subheader("Over")
    if not seen.resolved:
        st.caption("No incident is over yet.")
    _cards(here, seen.resolved)
    if len(seen.resolved) == RESOLVED:
        st.caption(f"The newest {RESOLVED} are shown; the API has all: `/alerts?state=resolved`.")


def _cards(here: PageContext, incidents: Sequence[Incident]) -> None:
    for incident in incidents:
        card(here, incident)


def card(here: PageContext, incident: Incident) -> None:
    """An incident in a box: what, since when, the evidence, and where to look further."""
    with st.container(border=True):
        st.markdown(text.incident_headline(incident))
        st.markdown(text.sentence(incident.message))
        if incident.state == "resolved":  # what it says is that it is over
            st.caption(text.plain(text.evidence(incident.evidence)))
        with st.container(horizontal=True):
            _links(here, incident)


def _links(here: PageContext, incident: Incident) -> None:
    here.link("The whole story", "alerts", incident=incident.id)
    kind, _, about = incident.subject.partition("/")
    if kind == "data":
        here.link("Its distribution", "drift", feature=about, window=_window(incident))
    else:
        here.link("Over time", "model")


def _window(incident: Incident) -> str | None:
    window = incident.window or {}
    if "start" not in window or "end" not in window:
        return None
    return f"{window['start']}/{window['end']}"


def _story(here: PageContext, chosen: IncidentHistory | str) -> None:
    """One incident from its beginning, for the link that names it."""
    if isinstance(chosen, str):
        st.warning(chosen)
        return
    with st.container(border=True):
        st.markdown(text.incident_headline(chosen))
        st.caption(f"{text.plain(chosen.model)} · version {text.plain(chosen.version)}")
        for event in chosen.transitions:
            st.markdown(text.transition(event))
        st.markdown(f"Evidence: {text.plain(text.evidence(chosen.evidence))}")
        here.link("All alerts", "alerts", incident=None)
