"""Which features have moved, when, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from api.answers import DataDrift, Feature, WindowItem
from dashboard import charts, place, tables, words
from dashboard.client import ApiProblem
from dashboard.draw import choose_last, draw, last, table
from dashboard.here import Here
from dashboard.live import answer, live

NEWEST = "newest"
_HEAT = "heat map"
LEGEND = (
    "Each row is a feature, each column a window; the stronger the colour, the larger the distance"
    " from the reference (KS; of categories PSI)."
    " Click a cell to look into it."
)
MARKED = (
    "• marks a p-value at or below `p_value_threshold`. It opens no incident: on real data most"
    " windows are marked, because rows are not independent. What decides is the distance, against"
    " sampling noise and the reference's own straying."
)


@dataclass(frozen=True, slots=True)
class Seen:
    windows: Sequence[WindowItem]
    chosen: DataDrift | str  # a sentence says why there is none


def page(here: Here) -> None:
    st.title("Drift of the data")

    def part() -> None:
        many, window = last(len(here.model.features)), place.at("window")
        seen = answer(f"drift {here.of} {many} {window}", lambda: _ask(here, many, window))
        if seen is not None:
            _draw(here, seen)

    live(part)


def _ask(here: Here, many: int, window: str | None) -> Seen:
    windows = here.client.windows(here.of, many)
    span = words.spelled_out(window) if window else None
    try:
        return Seen(windows, here.client.drift(here.of, span))
    except ApiProblem as problem:
        if span is None:
            raise
        return Seen(windows, str(problem))


def _draw(here: Here, seen: Seen) -> None:
    if not seen.windows:
        st.info(words.NO_WINDOWS)
        return
    names = [feature.name for feature in here.model.features]
    feature = _choose(names, seen)
    shown = tables.features_shown(seen.windows, names, feature)
    chosen = (feature, place.at("window"))
    draw(tables.heat_rows(seen.windows, shown, chosen), "heat", key=_HEAT, on_select=_cell_chosen)
    st.caption(LEGEND)
    if len(shown) < len(names):
        st.caption(f"{len(shown)} of {len(names)} features: those that departed furthest.")
    _feature(seen, feature)
    _all_features(seen.chosen)


def _choose(names: Sequence[str], seen: Seen) -> str:
    """The feature; at first the one that has moved most, which then stays in the address."""
    if place.at("feature") not in names:
        if (asked := place.at("feature")) is not None:
            st.warning(f"The model has no feature {words.plain(asked)}.")
        rank = tables.worst(seen.windows[-1:])
        place.go(feature=min(names, key=lambda name: rank.get(name, tables.CALM)))
    left, middle, right = st.columns(3)
    with left:
        feature = place.choose("Feature", "feature", names)
    with middle:
        _choose_window(seen.windows)
    with right:
        choose_last()
    return feature


def _choose_window(windows: Sequence[WindowItem]) -> None:
    """The newest one, which moves on as windows close, or one that stays."""
    said = {words.spelled(item.window): words.window(item.window) for item in reversed(windows)}
    asked = place.at("window")
    if asked is not None and asked != NEWEST and words.spelled_out(asked):
        said.setdefault(asked, words.spelled_window(asked))
    options = [NEWEST, *said]
    place.choose("Window", "window", options, words=lambda at: said.get(at, "the newest"))


def _cell_chosen() -> None:
    cells = _selected(st.session_state.get(_HEAT))
    if cells:
        place.go(feature=str(cells[0]["feature"]), window=str(cells[0]["at"]))


def _selected(
    state: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]] | None,
) -> Sequence[Mapping[str, object]]:
    return (state or {}).get("selection", {}).get(charts.CELL, [])


def _feature(seen: Seen, name: str) -> None:
    st.subheader(words.plain(name))
    if isinstance(seen.chosen, str):
        st.warning(seen.chosen)
        return
    found = next((f for f in seen.chosen.features if f.name == name), None)
    if seen.chosen.window is None or found is None:
        st.info("There is no row of it in this window.")
    else:
        said = words.window(seen.chosen.window)
        st.markdown(f"**{words.verdict(found)}** in the window {said}. {words.found(found)}")
    left, right = st.columns([2, 1])
    with left:
        title = "PSI" if found is not None and found.kind != "numeric" else "KS distance"
        chosen = place.at("window")
        draw(
            tables.distance_rows(seen.windows, tables.of_feature(name), chosen), "distances", title
        )
    with right:
        if found is not None:
            table(tables.numbers(found))
    if found is not None:
        _distribution(found)


def _distribution(feature: Feature) -> None:
    """Reference and window over each other, where the API tells them."""
    rows = tables.share_rows(feature)
    if rows.empty:
        return
    st.markdown(f"**{words.plain(feature.name)}**: the window over the reference")
    if feature.kind != "numeric":
        draw(rows, "categories", feature.name)
        return
    left, right = st.columns(2)
    with left:
        draw(rows, "shares", feature.name)
    with right:
        draw(rows, "summed", feature.name)
        st.caption(f"The bar marks the largest gap: {words.number(feature.statistic)}.")


def _all_features(drift: DataDrift | str) -> None:
    if isinstance(drift, str) or drift.window is None:
        return
    with st.expander(f"All features in the window {words.window(drift.window)}"):
        st.dataframe(tables.features(drift), hide_index=True)
        st.caption(MARKED)
        if drift.unknown_features:
            names = ", ".join(words.plain(name) for name in drift.unknown_features)
            st.caption(f"Sent, but not in the reference: {names}.")
