"""Parts of a page that show themselves again every few seconds, without the rest of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from dashboard.client import ApiProblem

T = TypeVar("T")

EVERY_S = 5.0
_LAST = "last answer"


def live(part: Callable[[], None]) -> None:
    """Runs ``part`` now and every five seconds, and whenever something in it is chosen."""
    st.fragment(part, run_every=EVERY_S)()


def answer(question: str, ask: Callable[[], T]) -> T | None:
    """What ``ask`` answers; while it fails, what it answered last, and why and how old that is.

    ``question`` tells it from others: the answer to another one is never shown for it. A session
    remembers one answer.
    """
    remembered, last, at = st.session_state.get(_LAST, (None, None, None))
    known: T | None = last if remembered == question else None
    try:
        fresh = _asked(ask, quietly=known is not None)
    except ApiProblem as problem:
        _say(problem, at if known is not None else None)
        return known
    st.session_state[_LAST] = (question, fresh, datetime.now(UTC))
    return fresh


def _asked(ask: Callable[[], T], *, quietly: bool) -> T:
    if quietly:
        return ask()
    with st.spinner("Asking the API …"):
        return ask()


def _say(problem: ApiProblem, at: datetime | None) -> None:
    if at is None:
        st.error(f"{problem} This page tries again every few seconds.", icon=":material/link_off:")
        return
    st.warning(
        f"{problem} Below is what it said last, at {at:%H:%M:%S} UTC; this page tries again every"
        " few seconds.",
        icon=":material/link_off:",
    )
