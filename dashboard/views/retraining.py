"""Whether the model should be trained again, and which conditions of that are met."""

from __future__ import annotations

import streamlit as st

from api.answers import Retraining
from dashboard import tables, text
from dashboard.auto_refresh import answer, live
from dashboard.context import PageContext
from dashboard.render import table

NO_DECISION = (
    "No decision yet. The role `retrain` makes one when a critical incident opens; the roles run"
    " with `driftline consume`."
)
_SAID = {
    "retrain": (
        st.warning,
        ":material/model_training:",
        "**Yes, retrain.** All conditions are met.",
    ),
    "wait": (
        st.info,
        ":material/hourglass_empty:",
        "**Wait.** Incidents ask for it, but not all conditions are met.",
    ),
    "none": (st.success, ":material/check_circle:", "**No.** Nothing asks for it."),
}


def page(here: PageContext) -> None:
    st.title(f"Should {text.plain(here.model.model)} be trained again?")

    def part() -> None:
        status = answer(f"retraining {here.of}", lambda: here.client.retraining(here.of))
        if status is not None:
            _draw(status)

    live(part)


def _draw(status: Retraining) -> None:
    if status.decided_at is None:
        st.info(NO_DECISION)
        return
    box, icon, said = _SAID.get(status.decision, _SAID["none"])
    box(said, icon=icon)
    window = f" on the window {text.window(status.window)}" if status.window else ""
    st.caption(f"Decided at {text.instant(status.decided_at)}{window} (event time, UTC).")
    table(tables.reasons(status))
    st.caption("A decision is published on the topic `driftline.retraining`, whatever it is.")
