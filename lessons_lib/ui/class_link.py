"""For the lecturer: a link for the class, with what it locks, shows and hides; its short address; the same as a QR code."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import segno
import streamlit as st

from lessons_lib import links
from lessons_lib.catalogue import Lesson
from lessons_lib.errors import LessonsError
from lessons_lib.ui import view
from lessons_lib.ui.controls import LABELS


def qr(address: str, wide: int = 260) -> None:
    """An address as a QR code: black on white in either theme, with the quiet zone that readers need."""
    url = segno.make(address, error="m").svg_data_uri(scale=8, border=4, dark="#000", light="#fff")
    st.image(url, alt=f"QR code of {address}", width=wide)


def _site() -> str:
    """The address of the app itself, ending in "/"."""
    parts = urlsplit(st.context.url or "http://localhost:8501/")
    folder = parts.path.rsplit("/", 1)[0] + "/"
    return f"{parts.scheme}://{parts.netloc}{folder}"


def address_of(this: Lesson, query: dict[str, str]) -> str:
    """A short address that opens this view; the whole one where it cannot be kept."""
    try:
        return f"{_site()}?c={links.keep(this.slug, urlencode(query))}"
    except (ValueError, OSError, LessonsError):
        return f"{_site()}{this.page}?{urlencode(query)}"


def builder(this: Lesson) -> None:
    """The popover at a page's foot."""
    v = view.view()
    now = view.link(this.slug)
    names = {argument: LABELS.get(argument, argument) for key, argument in v.keys.get(this.slug, {}).items() if key in v.here}
    place = st.popover("Link for a class", icon=":material/groups:", key=f"{this.slug}_link_for_class", on_change="rerun")
    if not place.open:
        return  # a code is kept for a link that somebody wants, not for every view
    with place:
        known = [name for name in view.locks() if name in names]
        locked = st.multiselect(
            "locked at what they are now", list(names), default=known, format_func=names.get, key=f"{this.slug}_class_lock"
        )
        projected = st.toggle("opens on the projector's stage", key=f"{this.slug}_class_present")
        hidden = st.toggle(
            "without formulas and code that Check my code asks for",
            value=now.get("solutions") == "0",
            key=f"{this.slug}_class_solutions",
        )
        query = {k: x for k, x in now.items() if k not in ("lock", "present", "solutions", "notes", *view.OWN)}
        query |= {"lock": ",".join(locked)} if locked else {}
        query |= {"present": "1"} if projected else {}
        query |= {"solutions": "0"} if hidden else {}
        address = address_of(this, query)
        st.code(address, language=None)
        qr(address)
        if "localhost" in address or "127.0.0.1" in address:
            st.caption(
                "This address opens on this machine alone. For a class start the app with `--server.address 0.0.0.0` and open it by "
                "the machine's own address."
            )


def follow(code: str) -> tuple[str, dict[str, str]] | None:
    """(slug, query) behind a short address, for switch_page; None if it is not known."""
    found = links.find(code)
    return None if found is None else (found[0], dict(parse_qsl(found[1], keep_blank_values=True)))
