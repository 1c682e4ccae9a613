"""The pages' door to a cluster, where DIFFUSION_CLUSTER names one: it is joined here, and a page's foot says what it did."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lessons_lib import engine
from lessons_lib.engine import Place
from lessons_lib.files.typed import as_typed


def begin() -> None:
    """Join the cluster in the background, at the first page of the process; nothing where none is wanted."""
    if address := engine.wanted():
        engine.begin(lambda: _join(address))


def _join(address: str) -> engine.Engine:
    from lessons_lib.cluster.trainings import join

    return join(address)


def foot(slug: str, places: Sequence[Place]) -> None:
    """Where this lesson's live picture was computed; of an earlier run of the page, if this one asked nothing."""
    if not engine.wanted():
        return
    key = f"{slug}_places"
    if places:
        st.session_state[key] = said(places)
    if line := st.session_state.get(key):
        st.caption(line)


def said(places: Sequence[Place]) -> str:
    """One line: the nodes, in the order in which they first answered, and how many requests waited at the last answer."""
    nodes = list(dict.fromkeys(place.node for place in places))
    waiting = places[-1].waiting
    others = "nobody else waited" if waiting == 0 else "1 other waited" if waiting == 1 else f"{waiting} others waited"
    where = f"node {nodes[0]}" if len(nodes) == 1 else f"{len(nodes)} nodes, {', '.join(nodes)}"
    return f"Computed on {as_typed(where)}; {others} at the last step."
