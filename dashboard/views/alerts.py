"""Incidents with their evidence: one chosen by the address, then the open and the resolved ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Incident, IncidentHistory
from dashboard import incident_text, render, tables, url_state
from dashboard.advice import ADVICE
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.client import ApiProblem, Client
from dashboard.context import PageContext
from dashboard.segment_charts import cause_rows
from producers.contract.version_info import is_link

RESOLVED_LIMIT = 50
ALL_KINDS = "all"
NO_OPEN_INCIDENTS = (
    "No open incidents. An incident opens when a window differs from the reference by more than"
    " noise and normal variation explain."
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
    elif len(data.open) > 1:
        st.caption(incident_text.count_by_kind(data.open))
    _cards(context, data.open)
    st.subheader("Resolved")
    if not data.resolved:
        st.caption("No resolved incidents yet.")
    else:
        _resolved(data.resolved)
    if len(data.resolved) == RESOLVED_LIMIT:
        st.caption(f"The newest {RESOLVED_LIMIT}. The API returns all: `/alerts?state=resolved`.")


def _resolved(incidents: Sequence[Incident]) -> None:
    """Compact rows, of all kinds or of one; each leads to its evidence."""
    kinds = sorted({incident.kind for incident in incidents})
    with st.columns(3)[0]:
        kind = url_state.selectbox("Kind", "kind", [ALL_KINDS, *kinds])
    shown = [one for one in incidents if kind in (ALL_KINDS, one.kind)]
    render.table(tables.resolved(shown))


def _cards(context: PageContext, incidents: Sequence[Incident]) -> None:
    for incident in sorted(incidents, key=incident_text.order):
        card(context, incident)


def card(context: PageContext, incident: Incident) -> None:
    """An incident in a box: how bad it is, since when, its evidence, and links to details."""
    with st.container(border=True):
        st.markdown(incident_text.headline(incident))
        st.markdown(incident_text.told(incident))
        with st.container(horizontal=True):
            context.link("Evidence and history", "alerts", incident=incident.id)
            _links(context, incident)


def _links(context: PageContext, incident: Incident) -> None:
    kind, _, name = incident.subject.partition("/")
    if kind in ("data", "quality"):
        window, of = incident_text.window(incident), incident.id if kind == "data" else None
        context.link("Distribution", "drift", feature=name, window=window, incident=of)
    else:
        context.link("Metrics over time", "model")
    if is_link(context.model.runbook or ""):
        st.markdown(f"[Runbook](<{context.model.runbook}>)")


def _history(context: PageContext, chosen: IncidentHistory | str) -> None:
    """All changes of the incident in the address."""
    if isinstance(chosen, str):
        st.warning(chosen)
        return
    with st.container(border=True):
        st.markdown(incident_text.headline(chosen))
        st.caption(incident_text.about(chosen))
        _evidence(chosen)
        if chosen.kind in ADVICE:
            st.markdown(f"**What to do**: {ADVICE[chosen.kind]}")
        st.markdown("**History**")
        for event in chosen.transitions:
            st.markdown(incident_text.transition(event))
        with st.container(horizontal=True):
            _links(context, chosen)
            context.link("All alerts", "alerts", incident=None)


def _evidence(incident: Incident) -> None:
    """The figures of the window that decided, and its distribution beside the reference."""
    period = incident_text.evidence_period(incident)
    st.markdown(f"Evidence of the window {period}: {incident_text.evidence(incident.evidence)}")
    name = incident.subject.partition("/")[2]
    render.distribution(name, incident_text.distribution(incident.evidence), period)
    causes = cause_rows(incident.evidence)
    if not causes.empty:
        st.markdown("Which segments explain the fall")
        render.chart(causes, "causes")
