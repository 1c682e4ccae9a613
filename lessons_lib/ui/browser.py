"""What a learner's own browser keeps, so that a reload, a closed tab and a new link lose nothing: notes, marks, work, keys.

The server asks the browser once a session; from then on the browser writes down what changes. It is kept on the learner's machine
alone. Without JavaScript, or in a private window, a session keeps its work for as long as it lives, as ever.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st

from lessons_lib.ui import hand_in, save
from lessons_lib.ui.components import component

_KEEPER = component("keeper")
SMALL, ALL = "small", "all"  # what the browser is asked for: all but records, or all


@dataclass
class Kept:
    """What this session knows of its browser.

    read: what it was asked for so far. done: slug -> day, of lessons whose records may still lie in the browser. keys: training
    run -> the secret that steers it, newest last. taken: records that came from a file and are to be written down. forget: how
    often everything was to be forgotten. failed: why the browser keeps nothing.
    """

    read: str = ""
    done: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    forget: int = 0
    failed: str = ""


def kept() -> Kept:
    """This session's."""
    return st.session_state.setdefault("_kept", Kept())


def done() -> set[str]:
    """The lessons with work of the learner's, in this session or kept in the browser."""
    return set(kept().done) | set(hand_in.records())


def forget() -> None:
    """Forget all work, here and in the browser: for the next one who sits at this machine. A button's callback."""
    k = kept()
    st.session_state["_kept"] = Kept(read=ALL, forget=k.forget + 1)
    hand_in.records().clear()
    for key in [k for k in st.session_state if str(k).endswith("_notes")]:
        st.session_state[key] = ""


def keep(slug: str) -> None:
    """At a page's end: mount what talks to the browser."""
    k, ask = kept(), ALL if slug == "hand_in" else SMALL
    put: dict[str, Any] = {}
    if k.read:  # not before: an empty session must not overwrite what is there
        if (notes := f"{slug}_notes") in st.session_state:
            put[f"notes/{slug}"] = st.session_state[notes]
        for made in {slug, *k.taken} & set(hand_in.records()):
            record = hand_in.records()[made]
            put[f"record/{made}"], put[f"done/{made}"] = asdict(record), record.made
        put |= {f"run/{run}": key for run, key in k.keys.items()}
    asked = "" if k.read in (ALL, ask) else ask
    with st.container(key="keeper"):
        _KEEPER(key="browser", data={"put": put, "ask": asked, "forget": k.forget}, on_found_change=_found)


def _found() -> None:
    """The browser says what it keeps. What this session made meanwhile stays."""
    found = st.session_state["browser"].found or {}
    k = kept()
    k.read, k.failed = (found.get("asked", SMALL), str(found.get("failed", "")))
    for name, value in dict(found.get("entries", {})).items():
        kind, _, rest = name.partition("/")
        if kind == "notes" and isinstance(value, str) and not st.session_state.get(f"{rest}_notes"):
            st.session_state[f"{rest}_notes"] = value[: save.MAX_NOTES]
        elif kind == "done" and isinstance(value, str):
            k.done[rest] = value
        elif kind == "run" and isinstance(value, str):
            k.keys = {rest: value, **k.keys}
        elif kind == "record" and rest not in hand_in.records():
            hand_in.take_back(value)
