"""The address is the view: the values of all controls of a page go into its link, and a link sets all of them.

A link names controls by their argument's names (`?t=500&size=64&seed=180`) and defines the whole view: a control that it does
not name is at its default. A link that names none of a page's controls changes none of them, so that a page comes back as it
was left. Nothing here relies on Streamlit's own binding, which leaves out whatever is at its default.

Also in a link: `lock` (see controls), `present`, what a page adds of its own (Train's `run`), and `go`, which is there once: it
makes a link in a page differ from all before it, and says which walk is to run.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lessons_lib.catalogue import lesson
from lessons_lib.ui.components import component

SHARED = ("model", "seed")  # controls that mean the same in every lesson, and travel from page to page
TRAVELS = ("lock", "present", "solutions", "notes", "room")  # what else goes along to other lessons
OWN = ("run", "embeddings")  # what one page adds
NEVER = ("go", "key", "teach", "embed", "embed_options")  # what no link that is copied holds
_ADDRESS = component("address")


@dataclass
class View:
    """What one browser tab has set, page by page. It lives in st.session_state.

    values, defaults: by widget key, as the control last gave them. keys: page -> {widget key: argument} of all it ever drew.
    shown: page -> {argument: text in the link}, of its last whole run; drawn: the same, of the run that is going on.
    live: the widget keys that the page in view drew in its last whole run or since; here: in this run. arrived: what a link says of controls that have not been drawn since. extras: page -> what else its link holds; "" for all.
    told: the page and the link that the address bar has.
    """

    page: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    shown: dict[str, dict[str, str]] = field(default_factory=dict)
    drawn: dict[str, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    here: set[str] = field(default_factory=set)
    arrived: dict[str, str] = field(default_factory=dict)
    extras: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: set[tuple] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)  # pages on which a control was moved by hand
    told: tuple[str, dict[str, str]] = ("", {})
    runs: int = 0
    go: str = ""
    secret: str = ""  # what a link brought that the address bar does not keep: a training's key
    teach: str = ""  # and a room's
    linked: int = 0  # how many links were followed within one page
    not_held: list[str] = field(default_factory=list)  # what is in view and no link can hold
    place: Any = None


def view() -> View:
    """This session's view."""
    return st.session_state.setdefault("_view", View())


def begin(page: str) -> bool:
    """A page starts: take what its address says, if that is news. Nothing is drawn. True where another page was open before."""
    v, ctx = view(), get_script_run_ctx()
    same_page, v.page, v.drawn, v.here, v.not_held = v.page == page, page, {}, set(), []
    v.runs += 1
    if not same_page:
        v.live = set()
    query = st.query_params.to_dict()
    news = (page, *sorted(query.items())) not in v.seen or getattr(ctx, "is_history_navigation", False)
    v.seen.add((page, *sorted(query.items())))
    if news and query:
        _arrive(v, page, query)
        v.linked += same_page and "go" in query
        if v.go not in ("", "0"):
            v.touched.add(page)  # a thing to try was tried
    elif v.told[0] == page and query != v.told[1]:
        st.query_params.from_dict(v.told[1])  # the address bar has it already; Streamlit itself would send the old one for ever
    return not same_page


def mount() -> None:
    """Draw what keeps the address bar; nothing of it is to be seen."""
    with st.container(key="address"):
        _ADDRESS(key="address_bar", data={})
        view().place = st.empty()


def _arrive(v: View, page: str, query: dict[str, str]) -> None:
    v.arrived = {k: x for k, x in query.items() if k not in (*TRAVELS, *OWN, *NEVER)}
    v.extras[""] = {k: query[k] for k in TRAVELS if k in query}
    v.go, v.secret = query.get("go", "").partition("-")[0], query.get("key", "")[:100]
    v.teach = query.get("teach", "")[:100] or v.teach
    if set(v.arrived) - set(SHARED) or "go" in query:  # it defines the view
        forget(page)
        v.extras[page] = {}
    v.extras.setdefault(page, {}).update({k: query[k] for k in OWN if k in query})


def forget(page: str, *, but: tuple[str, ...] = ()) -> None:
    """Put a page's controls, and the seed, back to their defaults, except the arguments named."""
    v = view()
    for key, argument in v.keys.get(page, {}).items():
        if argument not in ("model", *but):
            v.values.pop(key, None)
            v.defaults.pop(key, None)
            st.session_state.pop(key, None)
            v.live.discard(key)


def reset() -> None:
    """To the lesson's defaults, except for what a link locks. A button's callback."""
    v = view()
    forget(v.page, but=locks())
    v.arrived, v.go = {}, ""


def locks() -> tuple[str, ...]:
    """The arguments that the link fixes."""
    return tuple(view().extras.get("", {}).get("lock", "").replace(" ", "").split(","))


def extra(name: str) -> str:
    """What the link says beside controls: "lock", "present", Train's "run"; "" if nothing."""
    v = view()
    return v.extras.get(v.page, {}).get(name) or v.extras.get("", {}).get(name, "")


def set_extra(name: str, value: str) -> None:
    """Set what the link holds beside controls; "" takes it out."""
    v = view()
    v.extras.setdefault("" if name in TRAVELS else v.page, {}).pop(name, None)
    if value:
        v.extras["" if name in TRAVELS else v.page][name] = value


def prepare(key: str, argument: str, default: Any, parse: Callable[[str], Any], fits: Callable[[Any], Any]) -> None:
    """Before a widget is drawn: give it the link's value, or what it had, or its default.

    parse: the text in a link -> a value; ValueError if it is none. fits: a value -> the nearest that the widget takes now;
    ValueError if there is none. A control that stands at its default goes along when the default changes.
    """
    v = view()
    arrived = [v.arrived.pop(k) for k in (argument, key) if k in v.arrived]
    live = key in v.live and key in st.session_state
    had = st.session_state[key] if live else v.values.get(key, default)
    if not arrived and key in v.defaults and had == v.defaults[key]:
        had = default
    try:
        value = fits(parse(arrived[-1]) if arrived else had)
    except (ValueError, TypeError, OverflowError):
        value = default
    v.defaults[key] = default
    if not live or st.session_state[key] != value or type(st.session_state[key]) is not type(value):
        st.session_state[key] = value


def drew(key: str, argument: str, value: Any, text: str) -> None:
    """After a widget was drawn: note its value, and how it stands in the link."""
    v = view()
    v.values[key] = value
    v.live.add(key)
    v.here.add(key)
    v.keys.setdefault(v.page, {})[key] = argument
    v.drawn[argument] = text


def peek(key: str, argument: str) -> Any:
    """The value that a control not drawn yet will have, as text or as itself; None for its default."""
    v = view()
    here = st.session_state.get(key) if key in v.live else v.values.get(key)
    return v.arrived.get(argument, v.arrived.get(key, here))


def touch() -> None:
    """A control was moved by hand: a callback."""
    v = view()
    v.touched.add(v.page)


def travelling() -> dict[str, str]:
    """The part of the link that goes along to another lesson."""
    v = view()
    shared = {k: v.arrived.get(k, str(v.values[k]) if k in v.values else None) for k in SHARED}
    return {k: x for k, x in {**shared, **v.extras.get("", {})}.items() if x is not None}


def link(page: str) -> dict[str, str]:
    """The one function that builds a page's link: what all its controls are set to, whatever is at its default too."""
    v = view()
    drawn = v.drawn if v.page == page else {}
    controls = {k: text for k, text in {**v.shown.get(page, {}), **drawn}.items() if k not in SHARED}
    return {**travelling(), **controls, **v.extras.get(page, {})}


def link_to_try(page: str, changes: dict[str, Any], go: str = "1") -> dict[str, str]:
    """A link in the page: its defaults, the changes and what is locked. It works once more each time it is pressed.

    go: the name of the walk that is to run, or "1" for the first.
    """
    v = view()
    now = link(page)
    locked = {k: now[k] for k in locks() if k in now}
    base = {k: x for k, x in travelling().items() if k != "seed"}
    arguments = {k: v.keys.get(page, {}).get(f"{page}_{k}", k) for k in changes}
    return {**base, **{arguments[k]: as_text(x) for k, x in changes.items()}, **locked, "go": f"{go}-{v.runs}"}


def link_here(page: str, **extra: str) -> dict[str, str]:
    """A link in the page that changes nothing but what its link holds beside controls."""
    return {**link(page), **extra, "go": f"0-{view().runs}"}


def url(page: str) -> str:
    """The page's whole address, as a link that opens this view elsewhere."""
    return f"{(st.context.url or '').partition('?')[0]}?{urlencode(link(page))}"


def as_text(value: Any) -> str:
    """A control's value as it stands in a link."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def wants_to_run(name: str) -> bool:
    """True once after a link asked for this walk; "1" asks for a page's first."""
    v = view()
    asked = bool(v.go) and v.go in ("1", name)
    if asked:
        v.go = ""
    return asked


def tell() -> None:
    """Put the view into the address bar. Called at a page's end, and before anything that takes long."""
    v = view()
    v.told = v.page, link(v.page)
    v.seen.add((v.page, *sorted(v.told[1].items())))
    path = lesson(v.page).page if v.page != "home" else ""
    search = html.escape(urlencode(v.told[1]), quote=True)
    v.place.html(f'<span data-path="{path}" data-address="{search}" data-linked="{v.linked}" hidden></span>')


def end(*, whole: bool = True) -> None:
    """A page ends. whole: all its controls were drawn."""
    v = view()
    if whole:
        v.live = v.here
    v.shown[v.page] = dict(v.drawn) if whole else {**v.shown.get(v.page, {}), **v.drawn}
    v.values.update({k: x for k, x in v.arrived.items() if k in SHARED})  # of another lesson: it travels on
    v.arrived, v.go = {}, ""
    tell()


def cannot_hold(what: str) -> None:
    """Something in view is in no link, such as "your drawing": it is said beside the link."""
    view().not_held.append(what)
