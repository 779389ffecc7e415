"""Around every page: where the API is, which model is meant, and what is said without either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from api.answers import Model
from dashboard import text, url_state
from dashboard.api_address import reach
from dashboard.auto_refresh import EVERY_S
from dashboard.client import ApiProblem, Client, connect
from dashboard.context import PageContext
from dashboard.views import alerts, drift, model, overview, retraining
from driftline.errors import InvalidSettings
from driftline.settings import load_settings

VIEWS = {
    "overview": (overview, "Overview", ":material/home:"),
    "model": (model, "Model", ":material/show_chart:"),
    "drift": (drift, "Drift", ":material/grid_on:"),
    "alerts": (alerts, "Alerts", ":material/notifications:"),
    "retraining": (retraining, "Retraining", ":material/model_training:"),
}
ICON = str(Path(__file__).with_name("icon.svg"))  # a named one would be fetched from elsewhere
# Streamlit fades what it is about to draw anew; every five seconds that is a flicker.
STEADY = "<style>[data-stale='true'] {opacity: 1 !important; transition: none !important}</style>"
NO_MODELS = (
    "No model is registered yet. Train the example with `driftline train`, or register your own"
    " with `driftline register`; it shows here by itself."
)


def run(environment: Mapping[str, str]) -> None:
    st.set_page_config("Driftline", ICON, "wide")
    st.html(STEADY)
    pages: dict[str, StreamlitPage] = {}
    for name, (view, title, icon) in VIEWS.items():
        show = partial(_show, view, environment, pages)
        pages[name] = st.Page(
            show, title=title, icon=icon, url_path=name, default=name == "overview"
        )
    chosen = st.navigation(list(pages.values()))
    url_state.arrive()
    chosen.run()


def _show(
    view: ModuleType, environment: Mapping[str, str], pages: Mapping[str, StreamlitPage]
) -> None:
    try:
        client = _client(*reach(environment, load_settings))
    except InvalidSettings as error:
        st.error(f"The configuration cannot be used: {text.plain(error)}.")
        return
    try:
        models = client.models()
    except ApiProblem as problem:
        st.error(f"{problem} This page tries again every few seconds.", icon=":material/link_off:")
        _wait_for(client, known=None)
        return
    if models:
        view.page(_here(client, models, pages))
    else:
        st.info(NO_MODELS)
    _wait_for(client, known=models)


@st.cache_resource(max_entries=1, show_spinner=False)
def _client(address: str, token: str | None) -> Client:
    """One for the process: its connections are shared and kept."""
    return connect(address, token)


def _here(
    client: Client, models: Sequence[Model], pages: Mapping[str, StreamlitPage]
) -> PageContext:
    meant = _meant(models, *_asked(client))
    others = tuple(model for model in models if model is not meant)

    def link(label: str, page: str, **parameters: str | None) -> None:
        given = {"model": meant.model, "version": meant.version, **parameters}
        st.page_link(
            pages[page],
            label=label,
            query_params={name: value for name, value in given.items() if value is not None},
        )

    return PageContext(client, meant, others, link)


def _asked(client: Client) -> tuple[str | None, str | None]:
    """Model and version in the address; of one that names an incident only, the incident's."""
    model, version, incident = (
        url_state.at("model"),
        url_state.at("version"),
        url_state.at("incident"),
    )
    if model is None and incident is not None:
        with suppress(ApiProblem):  # the page says what is wrong with it
            found = client.incident(incident)
            return found.model, found.version
    return model, version


def _meant(models: Sequence[Model], model: str | None, version: str | None) -> Model:
    """The one that was asked for; else the newest."""
    by_name = {text.model(known): known for known in models}
    fitting = [m for m in models if m.model == model and version in (None, m.version)]
    if model is not None and not fitting:
        asked = model if version is None else f"{model} · version {version}"
        st.warning(f"There is no model {text.plain(asked)}.")
    meant = fitting[0] if fitting else models[0]
    url_state.go(model=meant.model, version=meant.version)
    with st.sidebar:
        _selector(by_name, text.model(meant))
    return meant


def _selector(by_name: Mapping[str, Model], meant: str) -> None:
    if len(by_name) == 1:
        st.caption(text.plain(meant))
        return
    key = "choice of model"
    st.session_state[key] = meant
    st.selectbox("Model", list(by_name), key=key, on_change=lambda: _go(by_name, key))


def _go(by_name: Mapping[str, Model], key: str) -> None:
    model = by_name[st.session_state[key]]
    url_state.go(model=model.model, version=model.version, feature=None, window=None, incident=None)


def _wait_for(client: Client, known: Sequence[Model] | None) -> None:
    """Draws the page anew as soon as there is another list of models, or any after none."""

    def watch() -> None:
        try:
            models = client.models()
        except ApiProblem:
            return
        if models != known:
            st.rerun()

    st.fragment(watch, run_every=EVERY_S)()


__all__ = ["run"]
