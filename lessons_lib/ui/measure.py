"""A kept measurement, drawn; and the same one taken live, point after point, with Stop."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lessons_lib import kept as kept_files


def measured(slug: str, model: str, rows_of: Callable, draw: Callable[[list[dict], str], None], *, minutes: str) -> None:
    """Show kept.measure(slug, model) through draw(rows, key), and a button that measures now.

    Args: rows_of: () -> iterator of rows, for the live run. draw: draws rows under a plot key. minutes: its time, in words.
    """
    key = f"{slug}_measure_{model}"
    with st.container(horizontal=True, vertical_alignment="center"):
        now = st.button(
            "Measure now", key=f"{key}_now", icon=":material/timeline:", help=f"{minutes}; every point is drawn as it is made"
        )
        st.button("Stop", key=f"{key}_stop", icon=":material/stop:")
    kept = kept_files.measure(slug, model)
    place = st.empty()
    if now:
        rows: list[dict] = []
        st.session_state[key] = rows  # what was measured before Stop stays to be seen
        for row in rows_of():
            rows.append(row)
            with place.container():
                draw(rows, f"{key}_{len(rows)}")
                st.caption(f"live: {len(rows)} points so far")
    rows = list(st.session_state.get(key, ()))  # the run that was stopped may still be amid a point
    with place.container():
        if rows:
            draw(rows, key)
            st.caption(f"live: {len(rows)} points measured in this session")
        elif kept:
            draw(kept["rows"], key)
            st.caption(f"kept from {kept['made']}: `{kept['command']}`, {kept['seconds']:.0f} s, {kept['about']}")
        else:
            st.caption("Not measured yet for this model: press **Measure now**.")
