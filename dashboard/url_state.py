"""Where in the dashboard somebody is, said by the address of the page, so that it can be sent.

The address outranks what is remembered; what it leaves out is taken from there, because Streamlit
forgets an address's parameters when somebody changes pages by the side bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

KEPT = ("model", "version", "feature", "window", "last")  # from page to page
_REMEMBERED = "place"


def arrive() -> None:
    """Address and memory say the same from here on."""
    for name, value in _memory().items():
        if name not in st.query_params:
            st.query_params[name] = value
    _remember()


def at(name: str) -> str | None:
    return st.query_params.get(name)


def go(**changes: str | None) -> None:
    """Change the address; None takes a parameter out of it."""
    for name, value in changes.items():
        if value is not None:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]
    _remember()


def choose(
    label: str, name: str, options: Sequence[str], *, words: Callable[[str], str] = str
) -> str:
    """A box to choose with that the address follows. What it says and is no option: the first."""
    asked, key = at(name), f"choice of {name}"
    st.session_state[key] = asked if asked in options else options[0]
    st.selectbox(label, options, key=key, format_func=words, on_change=lambda: _chosen(name, key))
    return str(st.session_state[key])


def _chosen(name: str, key: str) -> None:
    go(**{name: str(st.session_state[key])})


def _memory() -> dict[str, str]:
    memory: dict[str, str] = st.session_state.setdefault(_REMEMBERED, {})
    return memory


def _remember() -> None:
    known = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    st.session_state[_REMEMBERED] = known
