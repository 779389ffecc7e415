"""The state of a page in the parameters of its address, so that a link reopens the same view.

Streamlit drops the parameters when somebody changes pages in the sidebar. They are therefore also
kept in the session; the address takes precedence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

KEPT = ("model", "version", "segment", "feature", "window", "last")  # from page to page
_SESSION_KEY = "address parameters"


def restore() -> None:
    """Add the parameters that the session remembers and the address lacks."""
    remembered: dict[str, str] = st.session_state.setdefault(_SESSION_KEY, {})
    for name, value in remembered.items():
        if name not in st.query_params:
            st.query_params[name] = value
    _remember()


def get(name: str) -> str | None:
    return st.query_params.get(name)


def update(**changes: str | None) -> None:
    """Set parameters of the address; None removes one."""
    for name, value in changes.items():
        if value is not None:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]
    _remember()


def selectbox(
    label: str,
    name: str,
    options: Sequence[str],
    *,
    format_option: Callable[[str], str] = str,
    drops: Sequence[str] = (),
) -> str:
    """A select box for a parameter of the address. A value that is no option selects the first.

    A choice also drops the parameters ``drops``.
    """
    value, key = get(name), f"select {name}"
    st.session_state[key] = value if value in options else options[0]
    st.selectbox(
        label,
        options,
        key=key,
        format_func=format_option,
        on_change=lambda: update(**{name: str(st.session_state[key]), **dict.fromkeys(drops)}),
    )
    return str(st.session_state[key])


def _remember() -> None:
    kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    st.session_state[_SESSION_KEY] = kept
