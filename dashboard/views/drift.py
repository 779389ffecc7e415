"""Which features have moved, when, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import DataDrift, Feature, WindowItem
from dashboard import charts, series, tables, text, url_state
from dashboard.auto_refresh import answer, live
from dashboard.client import ApiProblem
from dashboard.context import PageContext
from dashboard.render import choose_last, distribution, draw, last, table

NEWEST = "newest"
_HEAT = "heat map"
LEGEND = (
    "Each row is a feature, each column a window; the stronger the colour, the larger the distance"
    " from the reference (KS; of categories the largest difference of a share), up to 0.3."
    " Click a cell to look into it. Incidents come of shorter and longer windows too, and are told"
    " under Alerts."
)
MARKED = (
    "• marks a p-value at or below `p_value_threshold`. It opens no incident: on real data most"
    " windows are marked, because rows are not independent. What decides is the distance, against"
    " sampling noise, and what persists of it, less half of that noise, against the reference's own"
    " straying; of numbers also the Kuiper distance and the ranks, by the same rule."
)


@dataclass(frozen=True, slots=True)
class Seen:
    windows: Sequence[WindowItem]
    chosen: DataDrift | str  # a sentence says why there is none


def page(here: PageContext) -> None:
    st.title("Drift of the data")
    if not here.model.features:
        st.info("The model has no features. What became of its scores stands under Model.")
        return

    def part() -> None:
        many, window = last(len(here.model.features)), text.spelled_out(url_state.at("window"))
        seen = answer(f"drift {here.of} {many} {window}", lambda: _ask(here, many, window))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: PageContext, many: int, window: tuple[str, str] | None) -> Seen:
    windows = here.client.windows(here.of, many)
    try:
        return Seen(windows, here.client.drift(here.of, window))
    except ApiProblem as problem:
        if window is None:
            raise
        return Seen(windows, str(problem))


def _draw(here: PageContext, seen: Seen) -> None:
    if not seen.windows:
        st.info(text.NO_WINDOWS)
        return
    names = [feature.name for feature in here.model.features]
    feature, at = _choose(names, seen), _window_shown(seen)
    shown = series.features_shown(seen.windows, names, feature)
    cells = series.heat_rows(seen.windows, shown, (feature, at))
    draw(cells, "heat", key=_HEAT, on_select=_cell_chosen)
    st.caption(LEGEND)
    if len(shown) < len(names):
        st.caption(f"{len(shown)} of {len(names)} features: those that departed furthest.")
    _feature(seen, feature, at)
    _all_features(seen.chosen)


def _choose(names: Sequence[str], seen: Seen) -> str:
    """The feature; at first the one that has moved most, which then stays in the address."""
    if url_state.at("feature") not in names:
        if (asked := url_state.at("feature")) is not None:
            st.warning(f"The model has no feature {text.plain(asked)}.")
        rank = series.worst(seen.windows[-1:])
        url_state.go(feature=min(names, key=lambda name: rank.get(name, series.CALM)))
    left, middle, right = st.columns(3)
    with left:
        feature = url_state.choose("Feature", "feature", names)
    with middle:
        _choose_window(seen.windows)
    with right:
        choose_last()
    return feature


def _choose_window(windows: Sequence[WindowItem]) -> None:
    """The newest one, which moves on as windows close, or one that stays."""
    said = {text.spelled(item.window): text.window(item.window) for item in reversed(windows)}
    if span := text.spelled_out(url_state.at("window")):
        asked = "/".join(span)
        said.setdefault(asked, text.spelled_window(asked))
        url_state.go(window=asked)
    options = [NEWEST, *said]
    url_state.choose("Window", "window", options, words=lambda at: said.get(at, "the newest"))


def _window_shown(seen: Seen) -> str:
    span = text.spelled_out(url_state.at("window"))
    return "/".join(span) if span else text.spelled(seen.windows[-1].window)


def _cell_chosen() -> None:
    cells = _selected(st.session_state.get(_HEAT))
    if cells:
        url_state.go(feature=str(cells[0]["feature"]), window=str(cells[0]["at"]))


def _selected(
    state: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] | None,
) -> Sequence[Mapping[str, object]]:
    return (state or {}).get("selection", {}).get(charts.CELL, [])


def _feature(seen: Seen, name: str, at: str) -> None:
    st.subheader(text.plain(name))
    found = _found(seen.chosen, name)
    left, right = st.columns([2, 1])
    with left:
        rows = series.distance_rows(seen.windows, series.of_feature(name), at)
        draw(rows, "distances", "distance" if found is None else text.distance(found))
    if found is not None:
        with right:
            table(tables.numbers(found))
        distribution(found)


def _found(drift: DataDrift | str, name: str) -> Feature | None:
    """What was found of the feature, after saying it; None where nothing was."""
    if isinstance(drift, str):
        st.warning(drift)
        return None
    found = next((feature for feature in drift.features if feature.name == name), None)
    if drift.window is None or found is None:
        st.info("This window holds no row of it.")
        return None
    said = text.window(drift.window)
    verdict = text.UNJUDGED if drift.window.status == "incomplete" else text.verdict(found)
    st.markdown(f"**{verdict}** in the window {said}. {text.found(found)}")
    return found


def _all_features(drift: DataDrift | str) -> None:
    if isinstance(drift, str) or drift.window is None:
        return
    with st.expander(f"All features in the window {text.window(drift.window)}"):
        st.dataframe(tables.features(drift), hide_index=True)
        st.caption(MARKED)
        if drift.unknown_features:
            names = ", ".join(text.plain(name) for name in drift.unknown_features)
            st.caption(f"Sent, but not in the reference: {names}.")
