"""The newest decision about retraining, and its conditions."""

from __future__ import annotations

import streamlit as st

from api.answers import Retraining
from dashboard import formats, render, tables
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.context import PageContext
from dashboard.text import escape

NO_DECISION = (
    "No decision yet. There is one at the end of each window, once labels have come as far; the"
    " roles are started with `driftline consume`."
)
_DECISIONS = {
    "retrain": (
        st.warning,
        ":material/model_training:",
        "**Retrain.** All conditions are met.",
    ),
    "wait": (
        st.info,
        ":material/hourglass_empty:",
        "**Wait.** Critical incidents are open, but not all conditions are met.",
    ),
    "none": (st.success, ":material/check_circle:", "**No retraining needed.**"),
}


def page(context: PageContext) -> None:
    st.title(f"Retraining of {escape(context.model.model)}")

    def part() -> None:
        version = context.model_version
        status = fetch(f"retraining {version}", lambda: context.client.retraining(version))
        if status is not None:
            _show(status)

    auto_refresh(part)


def _show(status: Retraining) -> None:
    if status.decided_at is None:
        st.info(NO_DECISION)
        return
    unknown = (st.info, ":material/help:", f"**{escape(status.decision)}**")
    box, icon, decision = _DECISIONS.get(status.decision, unknown)
    box(decision, icon=icon)
    window = f", window {formats.window(status.window)}" if status.window else ""
    st.caption(f"Decided at {formats.instant(status.decided_at)} (event time, UTC){window}.")
    render.table(tables.retraining_conditions(status))
    st.caption("Every decision is published on the retraining topic.")
