"""The status of the model, its open incidents, its performance, and the health of Driftline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import Baseline, Health, Incident, Model
from dashboard import formats, incident_text, render, tables
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.client import Client, ModelVersion
from dashboard.context import PageContext
from dashboard.status import (
    ModelState,
    ModelStatus,
    behind,
    collecting,
    freshness,
    health_problems,
    model_status,
)
from dashboard.text import escape
from dashboard.views.alerts import card

INCIDENTS_SHOWN = 5  # the others are on the page of alerts
OTHER_MODELS_SHOWN = 10
RECORDS_HELP = (
    "Every record is counted once: received = counted + too late + dead letters. Late records are"
    " among the counted ones."
)
_BOXES = {
    "critical": (st.error, ":material/error:"),
    "warning": (st.warning, ":material/warning:"),
    "good": (st.success, ":material/check_circle:"),
    "unknown": (st.info, ":material/help:"),
}


@dataclass(frozen=True, slots=True)
class Data:
    state: ModelState
    baseline: Baseline
    others: Sequence[tuple[Model, ModelStatus]]


def page(context: PageContext) -> None:
    st.title(escape(context.model.model))

    def part() -> None:
        data = fetch(f"overview {context.model_version}", lambda: _load(context))
        if data is not None:
            _show(context, data)

    auto_refresh(part)


def _load(context: PageContext) -> Data:
    client, version = context.client, context.model_version
    health = client.health()
    others = [
        (model, model_status(_state(client, ModelVersion(model.model, model.version), health)))
        for model in context.other_models[:OTHER_MODELS_SHOWN]
    ]
    return Data(_state(client, version, health), client.baseline(version), others)


def _state(client: Client, version: ModelVersion, health: Health) -> ModelState:
    newest = client.windows(version, limit=1)
    return ModelState(
        client.incidents(version, "open"),
        newest[0] if newest else None,
        client.latest_metrics(version),
        health,
    )


def _show(context: PageContext, data: Data) -> None:
    status = model_status(data.state)
    _show_problems(data.state)
    box, icon = _BOXES[status.level]
    box(f"**{status.answer}.** {status.reason}", icon=icon)
    st.caption(" ".join(freshness(data.state)))
    _show_incidents(context, data.state.open_incidents)
    _show_performance(data)
    _show_models(context, data, status)
    show_collecting(data.state.health)
    _show_health(data.state.health)


def _show_problems(state: ModelState) -> None:
    """A role that is dead, silent, in trouble or behind, in plain sight."""
    if (problems := health_problems(state.health)) and state.newest_window is not None:
        st.warning(
            f"**Driftline itself has a problem:** {'; '.join(problems)}. Findings may be old.",
            icon=":material/heart_broken:",
        )
    if late := behind(state):
        st.warning(late, icon=":material/hourglass_top:")


def _show_incidents(context: PageContext, incidents: Sequence[Incident]) -> None:
    if not incidents:
        return
    st.subheader("Open incidents")
    for incident in sorted(incidents, key=incident_text.order)[:INCIDENTS_SHOWN]:
        card(context, incident)
    if len(incidents) > INCIDENTS_SHOWN:
        context.link(f"All {len(incidents)} open incidents", "alerts")


def _show_performance(data: Data) -> None:
    latest = data.state.latest_metrics
    metrics = tables.performance(data.baseline, latest)
    if metrics.empty:
        return
    st.subheader("Performance")
    render.table(metrics)
    if latest.window is None:
        st.caption("No fully labelled window yet.")
        return
    st.caption(
        f"Production: latest fully labelled window, {formats.window(latest.window)};"
        f" {formats.proportion(latest.coverage)} of {formats.count(latest.rows)} rows have a label."
    )


def _show_models(context: PageContext, data: Data, status: ModelStatus) -> None:
    if not data.others:
        return
    st.subheader("All models")
    render.table(tables.models([(context.model, status), *data.others]))
    hidden = len(context.other_models) - len(data.others)
    if hidden:
        more = formats.quantity(hidden, "more model version")
        st.caption(f"{more}: choose one in the sidebar.")


def show_collecting(health: Health) -> None:
    for sentence in collecting(health):
        st.info(sentence, icon=":material/hourglass_top:")


def _show_health(health: Health) -> None:
    summary = "all roles running" if health.status == "ok" else "not all roles running"
    with st.expander(f"Driftline: {summary}", expanded=False):
        render.table(tables.roles(health))
        render.table(tables.records(health))
        st.caption(RECORDS_HELP)
