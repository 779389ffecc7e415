"""Parts of a page that run again every few seconds, without the rest of the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from dashboard.client import ApiProblem

T = TypeVar("T")

INTERVAL_S = 5.0
_LAST_ANSWER = "last answer"


def auto_refresh(part: Callable[[], None]) -> None:
    """Run ``part`` now, every five seconds, and whenever a widget in it changes."""
    st.fragment(part, run_every=INTERVAL_S)()


def fetch(key: str, load: Callable[[], T]) -> T | None:
    """The result of ``load``; if it fails, the last result with a warning, or None with an error.

    ``key`` identifies the request: the result of another request is never shown in its place. A
    session keeps one result.
    """
    last_key, last, at = st.session_state.get(_LAST_ANSWER, (None, None, None))
    remembered: T | None = last if last_key == key else None
    try:
        result = _load(load, spinner=remembered is None)
    except ApiProblem as problem:
        _show_problem(problem, at if remembered is not None else None)
        return remembered
    st.session_state[_LAST_ANSWER] = (key, result, datetime.now(UTC))
    return result


def _load(load: Callable[[], T], *, spinner: bool) -> T:
    if not spinner:
        return load()
    with st.spinner("Loading …"):
        return load()


def _show_problem(problem: ApiProblem, at: datetime | None) -> None:
    if at is None:
        st.error(f"{problem} Retrying every few seconds.", icon=":material/link_off:")
        return
    st.warning(
        f"{problem} Showing data from {at:%H:%M:%S} UTC. Retrying every few seconds.",
        icon=":material/link_off:",
    )
