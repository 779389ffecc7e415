"""Which features have drifted, when, and how their distribution changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import DataDrift, Feature, Incident, WindowItem
from dashboard import (
    charts,
    formats,
    incident_text,
    labels,
    quality_series,
    render,
    series,
    tables,
    url_state,
    window_parameter,
)
from dashboard.auto_refresh import auto_refresh, fetch
from dashboard.client import ApiProblem, Client, ModelVersion
from dashboard.context import PageContext
from dashboard.text import NO_WINDOWS, escape, finding
from dashboard.window_parameter import Period, to_parameter

NEWEST = "newest"
_HEAT_MAP = "heat map"
HEAT_MAP_HELP = (
    "One row per feature, one column per window. The stronger the colour, the nearer to the limits"
    " or the further beyond them; grey and hatched: nothing could be told. An outline marks an open"
    " incident, also one of shorter or longer windows. Click a cell for details."
)
DISTANCE_HELP = (
    "A window drifts if the distance exceeds the noise, and its sustained part exceeds its limit"
    " (normal variation + half of the noise; for categories three quarters)."
)
FEATURES_HELP = (
    "• p-value at or below `p_value_threshold`. It opens no incident: rows of real data are not"
    " independent, and most windows have small p-values. The verdict compares the distance with"
    " noise, and its sustained part with normal variation plus part of the noise. Numeric features"
    " are also tested by Kuiper distance and ranks, by the same rule."
)


@dataclass(frozen=True, slots=True)
class Data:
    windows: Sequence[WindowItem]
    drift: DataDrift | str  # a text says why it cannot be shown
    incident: Incident | None  # that the address names
    open_incidents: Sequence[Incident]


def page(context: PageContext) -> None:
    st.title("Data drift")
    if not context.model.features:
        st.info("The model has no features. Drift of its scores is shown under Model.")
        return

    def part() -> None:
        limit = render.window_limit(len(context.model.features))
        period, incident = (url_state.get(name) for name in ("window", "incident"))
        wanted = window_parameter.parse(period)
        key = f"drift {context.model_version} {limit} {period} {incident}"
        data = fetch(key, lambda: _load(context, limit, wanted, incident))
        if data is not None:
            _show(context, data, wanted)

    auto_refresh(part)


def _load(context: PageContext, limit: int, period: Period | None, identity: str | None) -> Data:
    client, version = context.client, context.model_version
    windows = client.windows(version, limit)
    drift: DataDrift | str
    try:
        drift = _drift_in(client, version, period, windows)
        incident = client.incident(identity) if identity else None
    except ApiProblem as problem:
        drift, incident = str(problem), None
    return Data(windows, drift, incident, client.incidents(version, "open"))


def _drift_in(
    client: Client, version: ModelVersion, period: Period | None, windows: Sequence[WindowItem]
) -> DataDrift:
    """The window of the period; if the model has none like it, its own window around it."""
    if period is None:
        return client.data_drift(version)
    drift = client.data_drift(version, *period)
    if drift.window is not None:
        return drift
    around = window_parameter.search_range(period, windows)
    candidates = client.windows_inside(version, *around)
    own = window_parameter.own_window(period, candidates)
    return drift if own is None else client.data_drift(version, own.start, own.end)


def _show(context: PageContext, data: Data, period: Period | None) -> None:
    if not data.windows:
        st.info(NO_WINDOWS)
        return
    names = [feature.name for feature in context.model.features]
    feature, at = _select(names, data), _shown_window(data, period)
    _show_heat_map(data, names, feature, at)
    _show_feature(context, data, feature, at, period)
    _show_all_features(data.drift)


def _show_heat_map(data: Data, names: Sequence[str], feature: str, at: str) -> None:
    rows = series.heat_map_features(data.windows, names, feature)
    cells = series.heat_map_rows(data.windows, rows, (feature, at), data.open_incidents)
    render.chart(cells, "heat_map", key=_HEAT_MAP, on_select=_on_cell_selected)
    st.caption(HEAT_MAP_HELP)
    if len(rows) < len(names):
        st.caption(f"{len(rows)} of {len(names):,} features: those with the most severe drift.")


def _select(names: Sequence[str], data: Data) -> str:
    """The chosen feature; by default the one with the most severe drift."""
    if url_state.get("feature") not in names:
        if (unknown := url_state.get("feature")) is not None:
            st.warning(f"The model has no feature {escape(unknown)}.")
        order = series.severity_order(data.windows[-1:])
        most_severe = min(names, key=lambda name: order.get(name, series.LEAST_SEVERE))
        url_state.update(feature=most_severe)
    left, middle, right = st.columns(3)
    with left:
        feature = url_state.selectbox("Feature", "feature", names, drops=["incident"])
    with middle:
        _select_window(data.windows)
    with right:
        render.select_window_limit()
    return feature


def _select_window(windows: Sequence[WindowItem]) -> None:
    """One window, or the newest, which moves on as windows close."""
    options = {to_parameter(item.window): formats.window(item.window) for item in reversed(windows)}
    if period := window_parameter.parse(url_state.get("window")):
        parameter = to_parameter(period)
        options.setdefault(parameter, formats.period(*period))
        url_state.update(window=parameter)
    url_state.selectbox(
        "Window",
        "window",
        [NEWEST, *options],
        format_option=lambda at: options.get(at, "Newest"),
        drops=["incident"],
    )


def _shown_window(data: Data, period: Period | None) -> str:
    """The window of the figures, as in an address."""
    if not isinstance(data.drift, str) and data.drift.window is not None:
        return to_parameter(data.drift.window)
    return to_parameter(period or data.windows[-1].window)


def _on_cell_selected() -> None:
    cells = _selected_cells(st.session_state.get(_HEAT_MAP))
    if cells:
        cell = cells[0]
        url_state.update(feature=str(cell["feature"]), window=str(cell["at"]), incident=None)


def _selected_cells(
    state: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] | None,
) -> Sequence[Mapping[str, object]]:
    return (state or {}).get("selection", {}).get(charts.CELL, [])


def _show_feature(
    context: PageContext, data: Data, name: str, at: str, period: Period | None
) -> None:
    st.subheader(escape(name))
    if data.incident is not None and data.incident.subject == f"data/{name}":
        _show_evidence(context, data.incident, name)
        _show_history(data, name, at, None)
        return
    feature = _feature_verdict(data.drift, name, period)
    _show_history(data, name, at, feature)
    if feature is not None:
        assert not isinstance(data.drift, str)
        shown = "the window" if data.drift.window is None else formats.window(data.drift.window)
        render.distribution(feature.name, feature.distribution, shown)


def _show_evidence(context: PageContext, incident: Incident, name: str) -> None:
    """The figures and the distribution of the window that decided, whatever its length."""
    st.markdown(incident_text.headline(incident))
    st.markdown(incident_text.told(incident))
    window = incident_text.evidence_period(incident)
    render.distribution(name, incident_text.distribution(incident.evidence), window)
    context.link("Evidence and history", "alerts", incident=incident.id)


def _show_history(data: Data, name: str, at: str, feature: Feature | None) -> None:
    left, right = st.columns([2, 1])
    with left:
        rows = series.distance_rows(data.windows, series.feature_named(name), at)
        title = "distance" if feature is None else labels.distance(feature)
        render.chart(rows, "distances", title)
        st.caption(DISTANCE_HELP)
    if feature is not None:
        with right:
            render.table(tables.feature_numbers(feature))
    _show_quality(data, name)


def _show_quality(data: Data, name: str) -> None:
    rows = quality_series.share_rows(data.windows, series.feature_named(name))
    found = rows[rows["value"] > 0]["line"].unique()
    if not len(found):
        st.caption("No value of these windows is missing, of a wrong type or new.")
        return
    st.markdown("Values that are missing, of a wrong type, out of range or new")
    render.chart(rows[rows["line"].isin(found)], "shares")


def _feature_verdict(drift: DataDrift | str, name: str, period: Period | None) -> Feature | None:
    """Show the verdict of the feature and return its figures; None without figures."""
    if isinstance(drift, str):
        st.warning(drift)
        return None
    feature = next((feature for feature in drift.features if feature.name == name), None)
    if drift.window is None or feature is None:
        st.info("No rows in this window.")
        return None
    window = formats.window(drift.window)
    if period is not None and not window_parameter.same(drift.window, period):
        chosen = formats.period(*period)
        st.info(f"The chosen period, {chosen}, is not one of the model's windows. Shown: {window}.")
    not_judged = drift.window.status == "incomplete"
    verdict = labels.NOT_JUDGED if not_judged else labels.verdict(feature)
    st.markdown(f"**{verdict}** in the window {window}. {finding(feature)}")
    return feature


def _show_all_features(drift: DataDrift | str) -> None:
    if isinstance(drift, str) or drift.window is None:
        return
    with st.expander(f"All features in the window {formats.window(drift.window)}"):
        st.dataframe(tables.features(drift), hide_index=True)
        st.caption(FEATURES_HELP)
        if drift.unknown_features:
            names = ", ".join(escape(name) for name in drift.unknown_features)
            st.caption(f"Received, but not in the reference: {names}.")
