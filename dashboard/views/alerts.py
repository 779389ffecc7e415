"""Incidents with their evidence: one chosen by the address, then the open and the resolved ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Incident, IncidentHistory
from dashboard import incident_text, url_state
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.client import ApiProblem, Client
from dashboard.context import PageContext

RESOLVED_LIMIT = 50
NO_OPEN_INCIDENTS = (
    "No open incidents. An incident opens when a window differs from the reference by more than"
    " sampling noise and normal variation explain."
)


@dataclass(frozen=True, slots=True)
class Data:
    open: Sequence[Incident]
    resolved: Sequence[Incident]
    chosen: IncidentHistory | str | None  # a text says why it cannot be shown


def page(context: PageContext) -> None:
    st.title("Alerts")

    def part() -> None:
        key = f"alerts {context.model_version} {url_state.get('incident')}"
        data = fetch(key, lambda: _load(context))
        if data is not None:
            _show(context, data)

    auto_refresh(part)


def _load(context: PageContext) -> Data:
    client, version = context.client, context.model_version
    return Data(
        client.incidents(version, "open"),
        client.incidents(version, "resolved", limit=RESOLVED_LIMIT),
        _load_chosen(client, url_state.get("incident")),
    )


def _load_chosen(client: Client, identity: str | None) -> IncidentHistory | str | None:
    try:
        return client.incident(identity) if identity else None
    except ApiProblem as problem:
        return str(problem)


def _show(context: PageContext, data: Data) -> None:
    if data.chosen is not None:
        _history(context, data.chosen)
    st.subheader(f"Open ({len(data.open)})")
    if not data.open:
        st.success(NO_OPEN_INCIDENTS, icon=":material/check_circle:")
    _cards(context, data.open)
    st.subheader("Resolved")
    if not data.resolved:
        st.caption("No resolved incidents yet.")
    _cards(context, data.resolved)
    if len(data.resolved) == RESOLVED_LIMIT:
        st.caption(f"The newest {RESOLVED_LIMIT}. The API returns all: `/alerts?state=resolved`.")


def _cards(context: PageContext, incidents: Sequence[Incident]) -> None:
    for incident in incidents:
        card(context, incident)


def card(context: PageContext, incident: Incident) -> None:
    """An incident in a box: subject, severity, message, and links to details."""
    with st.container(border=True):
        st.markdown(incident_text.headline(incident))
        st.markdown(incident_text.message(incident.message))
        if incident.state == "resolved":  # its message only says that it is resolved
            st.caption(incident_text.evidence(incident.evidence))
        with st.container(horizontal=True):
            _links(context, incident)


def _links(context: PageContext, incident: Incident) -> None:
    context.link("History", "alerts", incident=incident.id)
    kind, _, name = incident.subject.partition("/")
    if kind in ("data", "quality"):
        window = incident_text.window(incident)
        context.link("Distribution", "drift", feature=name, window=window)
    else:
        context.link("Metrics over time", "model")


def _history(context: PageContext, chosen: IncidentHistory | str) -> None:
    """All changes of the incident in the address."""
    if isinstance(chosen, str):
        st.warning(chosen)
        return
    with st.container(border=True):
        st.markdown(incident_text.headline(chosen))
        st.caption(incident_text.about(chosen))
        for event in chosen.transitions:
            st.markdown(incident_text.transition(event))
        st.markdown(f"Evidence: {incident_text.evidence(chosen.evidence)}")
        context.link("All alerts", "alerts", incident=None)
