"""The frame around every page: navigation, the chosen model, and messages without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from api.answers import Model
from dashboard import url_state
from dashboard.api_address import resolve_api_address
from dashboard.auto_refresh import INTERVAL_S, auto_refresh, fetch
from dashboard.client import ApiProblem, Client, connect
from dashboard.context import PageContext
from dashboard.formats import model_version
from dashboard.text import escape
from dashboard.views import alerts, drift, model, overview, retraining, segments
from driftline.errors import InvalidSettings
from driftline.settings import load_settings

ShowPage = Callable[[PageContext], None]

PAGES: Mapping[str, tuple[ShowPage, str, str]] = {
    "overview": (overview.page, "Overview", ":material/home:"),
    "model": (model.page, "Model", ":material/show_chart:"),
    "drift": (drift.page, "Drift", ":material/grid_on:"),
    "alerts": (alerts.page, "Alerts", ":material/notifications:"),
    "segments": (segments.page, "Segments", ":material/splitscreen:"),
    "retraining": (retraining.page, "Retraining", ":material/model_training:"),
}
ICON = str(Path(__file__).with_name("icon.svg"))  # an icon by name would be downloaded
# Streamlit fades what it is about to update; at every refresh that is a flicker. And it highlights
# links to the current page as if they were selected, such as those to the history of an incident.
# What the keyboard has reached is outlined, in the colour of the text: visible in light and dark.
# Captions of Streamlit have a contrast of 3.9 on white; with 4.5 and more they can be read by all.
# A table fits on a phone: what is cut off there could not be reached with the keyboard.
STYLE = """<style>
[data-stale='true'] {opacity: 1 !important; transition: none !important}
[data-testid='stPageLink-NavLink']:not(:hover, :focus-visible) {background: none !important}
[data-testid='stPageLink-NavLink'] * {font-weight: 400 !important}
[data-testid='stCaptionContainer'], [data-testid='stCaptionContainer'] p {
  color: inherit !important
}
[data-testid='stCaptionContainer'] {opacity: 0.8}
@media (max-width: 640px) {
  [data-testid='stTable'] :is(th, td) {
    padding: 0.2rem 0.25rem !important; font-size: 0.75rem; overflow-wrap: anywhere
  }
}
:focus-visible {outline: 2px solid currentColor !important; outline-offset: 2px}
</style>"""
NO_MODELS = (
    "No model is registered yet. Train the example with `driftline train`, or register your own"
    " with `driftline register`. This page updates by itself."
)


def run(environment: Mapping[str, str]) -> None:
    st.set_page_config("Driftline", ICON, "wide")
    st.html(STYLE)
    pages: dict[str, StreamlitPage] = {}
    for name, (show, title, icon) in PAGES.items():
        script = partial(_run_page, show, title, environment, pages)
        pages[name] = st.Page(
            script, title=title, icon=icon, url_path=name, default=name == "overview"
        )
    chosen = st.navigation(list(pages.values()))
    url_state.restore()
    chosen.run()


def _run_page(
    show: ShowPage,
    title: str,
    environment: Mapping[str, str],
    pages: Mapping[str, StreamlitPage],
) -> None:
    try:
        client = _client(*resolve_api_address(environment, load_settings))
    except InvalidSettings as error:
        st.error(f"Invalid configuration: {escape(error)}.")
        return
    try:
        models = client.models()
    except ApiProblem as problem:
        st.error(f"{problem} Retrying every few seconds.", icon=":material/link_off:")
        _rerun_when_models_change(client, shown=None)
        return
    if models:
        context = _context(client, models, pages)
        st.set_page_config(f"{title} · {context.model.model} · Driftline")
        show(context)
    else:
        _show_no_models(client)
    _rerun_when_models_change(client, shown=models)


def _show_no_models(client: Client) -> None:
    def part() -> None:
        health = fetch("health", client.health)
        if health is not None and health.collecting:
            overview.show_collecting(health)
        else:
            st.info(NO_MODELS)

    auto_refresh(part)


@st.cache_resource(max_entries=1, show_spinner=False)
def _client(address: str, token: str | None) -> Client:
    """One client per process, so that connections are reused."""
    return connect(address, token)


def _context(
    client: Client, models: Sequence[Model], pages: Mapping[str, StreamlitPage]
) -> PageContext:
    chosen = _choose_model(models, *_requested_model(client))
    segment = _choose_segment(chosen)
    others = tuple(model for model in models if model is not chosen)

    def link(label: str, page: str, **parameters: str | None) -> None:
        own = {"model": chosen.model, "version": chosen.version, "segment": segment or None}
        query = {**own, **parameters}
        st.page_link(
            pages[page],
            label=label,
            query_params={name: value for name, value in query.items() if value is not None},
        )

    return PageContext(client, chosen, others, link, segment)


def _requested_model(client: Client) -> tuple[str | None, str | None]:
    """Model and version of the address; if it only has an incident, those of the incident."""
    name, version, incident = map(url_state.get, ("model", "version", "incident"))
    if name is None and incident is not None:
        with suppress(ApiProblem):  # the page of alerts shows the problem
            history = client.incident(incident)
            return history.model, history.version
    return name, version


def _choose_model(models: Sequence[Model], name: str | None, version: str | None) -> Model:
    """The requested model version; by default the newest."""
    candidates = [m for m in models if m.model == name and version in (None, m.version)]
    if name is not None and not candidates:
        requested = name if version is None else f"{name} · version {version}"
        st.warning(f"There is no model {escape(requested)}.")
    chosen = candidates[0] if candidates else models[0]
    url_state.update(model=chosen.model, version=chosen.version)
    with st.sidebar:
        _select_model({model_version(m): m for m in models}, model_version(chosen))
    return chosen


def _choose_segment(chosen: Model) -> str:
    """The segment in the address; by default the whole, as for a version without segments."""
    if not chosen.segments:
        return ""
    with st.sidebar:
        return url_state.selectbox(
            "Segment",
            "segment",
            ["", *chosen.segments],
            format_option=lambda text: text or "the whole",
            drops=("window", "incident"),
        )


def _select_model(by_name: Mapping[str, Model], chosen: str) -> None:
    if len(by_name) == 1:
        st.caption(escape(chosen))
        return
    key = "select model"
    st.session_state[key] = chosen
    st.selectbox(
        "Model", list(by_name), key=key, on_change=lambda: _on_model_selected(by_name, key)
    )


def _on_model_selected(by_name: Mapping[str, Model], key: str) -> None:
    model = by_name[st.session_state[key]]
    url_state.update(
        model=model.model,
        version=model.version,
        segment=None,
        feature=None,
        window=None,
        incident=None,
    )


def _rerun_when_models_change(client: Client, shown: Sequence[Model] | None) -> None:
    """Poll the list of models; also rerun as soon as the API answers at all."""

    def poll() -> None:
        try:
            models = client.models()
        except ApiProblem:
            return
        if models != shown:
            st.rerun()

    st.fragment(poll, run_every=INTERVAL_S)()


__all__ = ["run"]
