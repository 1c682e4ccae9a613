"""The room of a class on the page: its code, the notice while the class looks up, and what its teacher sees and may do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from lessons_lib.catalogue import written
from lessons_lib.errors import LessonsError
from lessons_lib.files import rooms
from lessons_lib.files.typed import sentence
from lessons_lib.ui import hand_in, view

EYES_UP = "**Eyes up.** The class is paused: walks wait, and go on by themselves."
_place: ContextVar[Any] = ContextVar("eyes_up", default=None)  # where a waiting walk shows the notice
EVERY = 3.0  # seconds after which a page in a room looks whether it is paused


def code() -> str:
    """The room that this page's link names; "" if none, or one that is not there any more."""
    named = view.extra("room").lower()
    return named if named and rooms.exists(named) else ""


def key() -> str:
    """The teacher's key of this room, if this browser has it; ""."""
    mine = hand_in.kept().rooms.get(code(), "")
    return mine if rooms.teaches(code(), mine) else ""


def begin() -> None:
    """A page starts: on top of the sidebar the room, and for its teacher the panel."""
    _place.set(None)
    if view.extra("room") and not code():
        st.sidebar.caption("This class's room is not here any more. All else works as ever.")
        return
    if not (here := code()):
        return
    kept = hand_in.kept()
    if rooms.teaches(here, view.view().teach):  # the teacher's own link, on another machine
        kept.rooms[here], view.view().teach = view.view().teach, ""
    with st.sidebar:
        if key():
            _panel(here)
        else:
            st.caption(f":material/groups: Room **{here}**")


def notice() -> None:
    """Under a page's title: the notice while the class is paused."""
    if (here := code()) and not key():
        _notice(here)
        _place.set(st.empty())


def end(slug: str) -> None:
    """A page ends: mark for the room what was started and done here, once each, without a name."""
    here, kept = code(), hand_in.kept()
    if not here or not kept.read or key():
        return
    who = kept.rooms.setdefault(here, secrets.token_urlsafe(8))
    told = st.session_state.setdefault("_room_told", set())
    marks = {(here, x, "done") for x in hand_in.done()} | ({(here, slug, "started")} if slug != "home" else set())
    for mark in marks - told:
        rooms.mark(here, who, *mark[1:])
        told.add(mark)


def wait(say: Callable[[str], object]) -> None:
    """A walk waits here while the class is paused. say: shows a sentence; a press on Stop ends the walk at it."""
    here = code()
    if not here or not rooms.paused(here) or key():
        return
    if (place := _place.get()) is not None:  # while a walk runs, no fragment of its page does
        place.warning(EYES_UP, icon=":material/visibility:")
    while rooms.paused(here):
        say("eyes up: the class is paused, and this walk goes on by itself")
        time.sleep(0.3)
    if place is not None:
        place.empty()


def trained(run: str) -> None:
    """A training was started on this page."""
    if here := code():
        rooms.add_run(here, run)


@st.fragment(run_every=EVERY)
def _notice(here: str) -> None:
    with st.container(key="eyes_up"):
        if rooms.paused(here):
            st.warning(EYES_UP, icon=":material/visibility:")


@st.fragment(run_every=EVERY)
def _panel(here: str) -> None:
    """What the teacher sees: it looks again by itself."""
    with st.expander(f"Room {here}", expanded=True, icon=":material/groups:"):
        on = rooms.paused(here)
        label, icon = ("Go on", "play_arrow") if on else ("Eyes up", "visibility")
        help = "the class's walks go on" if on else "a notice on every page of the class; its walks wait"
        st.button(
            label, key="room_pause", icon=f":material/{icon}:", help=help, on_click=_do, args=(rooms.pause, here, key(), not on)
        )
        if on:
            st.caption("The class is paused.")
        counted = rooms.counts(here)
        rows = [f"| {x.title} | {counted[x.slug][0]} | {counted[x.slug][1]} |" for x in written() if x.slug in counted]
        if rows:
            st.markdown("\n".join(["| lesson | started | done |", "| --- | --: | --: |", *rows]))
        else:
            st.caption("Nobody of the class has opened a lesson yet.")
        if found := rooms.runs_of(here)[:20]:
            _trainings(here, found)
        if trouble := st.session_state.pop("room_trouble", ""):
            st.error(trouble, icon=":material/error:")


def _trainings(here: str, found: list[str]) -> None:
    """The class's trainings that are not done, each with a Stop."""
    from lessons_lib.training import runs

    for run in found:
        try:
            state = runs.watch(run)
        except LessonsError:  # tidied away
            continue
        if state.status not in runs.ENDED:
            label = f"Stop {run}, {state.status} at step {state.step}"
            st.button(label, key=f"room_stop_{run}", icon=":material/stop:", on_click=_do, args=(_stop, here, key(), run))


def _stop(here: str, mine: str, run: str) -> None:
    from lessons_lib.training import runs

    if rooms.teaches(here, mine) and run in rooms.runs_of(here):
        runs.cancel(run)


def _do(action: Callable, *args) -> None:
    try:
        action(*args)
    except LessonsError as e:
        st.session_state["room_trouble"] = sentence(str(e))


def _open() -> None:
    here, mine = rooms.begin()
    hand_in.kept().rooms[here] = mine
    view.set_extra("room", here)


def builder(address: str) -> None:
    """In the popover with the class's link: open a room, or the room that the link names. address: the app's own, ending in "/"."""
    here = code()
    if not here:
        help = "a code for the class: pause all walks, stop trainings, see how many have done what"
        st.button(
            "Open a room for this class", key="room_open", icon=":material/meeting_room:", help=help, on_click=_do, args=(_open,)
        )
    elif mine := key():
        st.caption(
            f"The link above opens room **{here}**. Yours alone, never for the class: it brings the panel to another machine."
        )
        st.code(f"{address}?{urlencode({'room': here, 'teach': mine})}", language=None, wrap_lines=True)
