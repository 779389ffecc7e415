"""The segments of a model version, those with most incidents first."""

from __future__ import annotations

import streamlit as st

from api.answers import Segments
from dashboard import render, tables
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.context import PageContext
from dashboard.text import escape

NO_SEGMENTS = (
    "This version has no segments. Set `segments` in the section of the model and register it as a"
    " new version: each of them is then watched beside the whole."
)
LINKED = 20  # segments


def page(context: PageContext) -> None:
    st.title(f"Segments of {escape(context.model.model)}")
    if not context.model.segments:
        st.info(NO_SEGMENTS)
        return

    def part() -> None:
        version = context.model_version.whole
        found = fetch(f"segments {version}", lambda: context.client.segments(version))
        if found is not None:
            _show(context, found)

    auto_refresh(part)


def _show(context: PageContext, found: Segments) -> None:
    concerned = [one for one in found.items if one.severity is not None]
    st.caption(f"{len(concerned)} of {len(found.items)} segments have an open incident.")
    render.table(tables.segments(found))
    for one in concerned[:LINKED]:
        context.link(f"Alerts of {one.segment}", "alerts", segment=one.segment)
