"""What was found: the open incidents first, then those that are over, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Incident, IncidentHistory
from dashboard import place, words
from dashboard.client import ApiProblem, Client
from dashboard.here import Here
from dashboard.live import answer, live

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


def page(here: Here) -> None:
    st.title("Alerts")

    def part() -> None:
        seen = answer(f"alerts {here.of} {place.at('incident')}", lambda: _ask(here))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: Here) -> Seen:
    return Seen(
        here.client.incidents(here.of, "open"),
        here.client.incidents(here.of, "resolved", limit=RESOLVED),
        _chosen(here.client, place.at("incident")),
    )


def _chosen(client: Client, identity: str | None) -> IncidentHistory | str | None:
    try:
        return client.incident(identity) if identity else None
    except ApiProblem as problem:
        return str(problem)


def _draw(here: Here, seen: Seen) -> None:
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


def _cards(here: Here, incidents: Sequence[Incident]) -> None:
    for incident in incidents:
        card(here, incident)


def card(here: Here, incident: Incident) -> None:
    """An incident in a box: what, since when, the evidence, and where to look further."""
    with st.container(border=True):
        st.markdown(words.incident_headline(incident))
        st.markdown(words.sentence(incident.message))
        if incident.state == "resolved":  # what it says is that it is over
            st.caption(words.plain(words.evidence(incident.evidence)))
        with st.container(horizontal=True):
            _links(here, incident)


def _links(here: Here, incident: Incident) -> None:
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


def _story(here: Here, chosen: IncidentHistory | str) -> None:
    """One incident from its beginning, for the link that names it."""
    if isinstance(chosen, str):
        st.warning(chosen)
        return
    with st.container(border=True):
        st.markdown(words.incident_headline(chosen))
        st.caption(f"{words.plain(chosen.model)} · version {words.plain(chosen.version)}")
        for event in chosen.transitions:
            st.markdown(words.transition(event))
        st.markdown(f"Evidence: {words.plain(words.evidence(chosen.evidence))}")
        here.link("All alerts", "alerts", incident=None)
