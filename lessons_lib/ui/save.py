"""Save this lesson: what the page shows, as one HTML file that opens offline, with the learner's notes.

The parts of a page note down what they draw while they draw it; nothing is made twice, and the file is built only when it
is asked for.
"""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import streamlit as st

from lessons_lib.files.figures import Drawn, as_file
from lessons_lib.files.typed import visible
from lessons_lib.files.worksheet import worksheet
from lessons_lib.questions import QUESTIONS
from lessons_lib.ui import stamp, view


@dataclass(frozen=True)
class Noted:
    """One thing on the page. kind: "heading", "text" or "caption" (markdown), "picture", "plot", "equation" (LaTeX) or "code"."""

    kind: str
    content: str | Drawn  # words, LaTeX, code, a picture's data URL; of a plot what as_file() draws, when the lesson is saved
    caption: str = ""
    alt: str = ""
    width: int = 0  # of a picture, in CSS pixels
    about: dict[str, str] = field(default_factory=dict)  # the settings of the film that the page had shown before it


@dataclass(frozen=True)
class Work:
    """One thing that the learner did. kind: one of WORKS. said: a line (markdown) on what it was, with its settings."""

    kind: str
    said: str


MAX_NOTES = 20_000  # characters
WORKS = ("ran", "measured", "checked", "drew", "trained", "set")
"""A walk that ran, a measurement taken, code checked, a drawing, a training, and, where a page computes live, a control moved."""

_page: ContextVar[list[Noted] | None] = ContextVar("page", default=None)
_runs: ContextVar[bool] = ContextVar("runs", default=False)
_works: ContextVar[dict[Work, None] | None] = ContextVar("works", default=None)


def begin() -> None:
    """A page starts: forget what was noted before."""
    _page.set([])
    _works.set({})
    _runs.set(False)


def did(kind: str, said: str) -> None:
    """Take down what the learner did on the page in view. Opening a page is nothing. Nothing happens outside a lesson."""
    if kind not in WORKS:
        raise ValueError(f"{kind!r} is none of {', '.join(WORKS)}")
    works = _works.get()
    if works is not None:
        works[Work(kind, said)] = None


def runs(*, here: bool | None = None) -> bool:
    """True if there is something to run on the page in view; `here` says so."""
    if here is not None:
        _runs.set(here)
    return _runs.get()


def works() -> list[Work]:
    """What the learner did on the page in view, so far."""
    return list(_works.get() or {})


def note(kind: str, content: str, **more) -> None:
    """Note down one thing that the page draws. Nothing happens outside a lesson."""
    page = _page.get()
    if page is not None:
        page.append(Noted(kind, content, about=stamp.about() if kind == "picture" else {}, **more))


CSS = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2030; background: #fff }
img { image-rendering: pixelated; max-width: 100%; height: auto; border-radius: 4px }
figure { display: inline-block; margin: .4rem .8rem .4rem 0; vertical-align: top }
figcaption { font-size: .82rem; color: #555; max-width: 22rem }
.caption { font-size: .9rem; color: #555 } .plot { background: #fff; width: 40rem }
pre { background: #f4f5fa; padding: 1rem; overflow-x: auto; font-size: .85rem; border-radius: 6px }
math { font-size: 1.1rem; display: block; margin: .8rem 0; overflow-x: auto }
.notes { border-left: 4px solid #3b4cc0; padding-left: 1rem; white-space: pre-wrap }
footer { color: #666; font-size: .85rem; margin-top: 3rem }
@media (prefers-color-scheme: dark) {
  body { background: #12141c; color: #e8eaf3 } pre { background: #1b1e2a } figcaption, .caption { color: #aaa } }
"""


def noted() -> list[Noted]:
    """What the page has drawn so far."""
    return list(_page.get() or [])


def body(notes: str, noted: list[Noted]) -> str:
    """The learner's notes and what a page drew, plots drawn now, as HTML without script or request to anywhere."""
    parts = []
    for n in noted:
        if n.kind == "heading":
            parts.append(f"<h2>{html.escape(n.content)}</h2>")
        elif n.kind == "text":
            parts.append(rendered(n.content))
        elif n.kind == "caption":
            parts.append(f'<div class="caption">{rendered(n.content)}</div>')
        elif n.kind == "plot":
            parts.append(f'<figure><img class="plot" src="{_svg(n.content)}" alt="{html.escape(n.alt, quote=True)}"></figure>')
        elif n.kind == "equation":
            parts.append(_mathml(n.content))
        elif n.kind == "code":
            parts.append(f"<pre><code>{html.escape(n.content)}</code></pre>")
        elif n.kind == "picture":
            width = f' width="{n.width}"' if n.width else ""
            parts.append(
                f'<figure><img src="{html.escape(n.content, quote=True)}" alt="{html.escape(n.alt, quote=True)}"{width}>'
                f"<figcaption>{html.escape(n.caption)}</figcaption></figure>"
            )
    written = f'<h2>My notes</h2><div class="notes">{html.escape(notes)}</div>' if notes.strip() else ""
    return written + "".join(parts)


def rendered(markdown: str) -> str:
    """A note's markdown as HTML that asks for nothing: a hand-in taken back may hold anybody's."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink", "reference"]).render(markdown)


def _svg(drawn: Drawn) -> str:
    """A figure as the data URL of an SVG: shown as a picture, it asks for nothing and runs nothing."""
    return "data:image/svg+xml;base64," + base64.b64encode(as_file(drawn, "svg", "report")).decode()


def _mathml(latex: str) -> str:
    from latex2mathml.converter import convert

    try:
        return convert(latex, display="block")
    except Exception:  # a hand-in taken back may hold no formula at all; the converter raises its own for each fault
        return f"<pre><code>{html.escape(latex)}</code></pre>"


def document(title: str, body: str, more: str = "") -> str:
    """A whole HTML document. title is plain text; body and more, which ends the footer's sentence, are HTML."""
    return visible(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{CSS}</style></head><body><h1>{html.escape(title)}</h1>"
        f"{body}<footer>Saved from Diffusion, Step by Step on {time.strftime('%Y-%m-%d %H:%M')}{more}.</footer></body></html>"
    )


def as_html(title: str, link: str, notes: str, noted: list[Noted], hashes: dict[str, str] | None = None) -> str:
    """The whole lesson as one HTML document: no script, no request to anywhere. hashes: the networks' files and SHA-256."""
    whole = body(notes, noted) + networks(hashes or {})
    return document(title, whole, f' at <a href="{html.escape(link, quote=True)}">this view</a>')


def networks(hashes: dict[str, str]) -> str:
    """The networks' fingerprints as HTML."""
    if not hashes:
        return ""
    rows = "".join(f"<li><code>{html.escape(f)}</code> {h}</li>" for f, h in hashes.items())
    return f"<h2>The networks</h2><p>SHA-256 of the weight files that made these pictures, below cache/.</p><ul>{rows}</ul>"


def my_notes(slug: str) -> str:
    """The notes field at the foot of a lesson."""
    key = f"{slug}_notes"
    return st.text_area(
        "My notes",
        st.session_state.get(key, ""),  # as the browser kept them; also the field's own default: see controls.py
        key=key,
        persist_state="session",
        height=90,
        max_chars=MAX_NOTES,
        placeholder="what I tried, what I saw",
    )


def save_this_lesson(slug: str, title: str, notes: str, weights: Callable[[], dict[str, str]]) -> None:
    """The download at the foot of a lesson. weights: () -> {file: SHA-256} of the networks behind what is shown."""
    shown = noted()
    link = view.url(slug)
    st.download_button(
        "Save this lesson (HTML)",
        lambda: as_html(title, link, notes, shown, weights()),
        f"{slug}.html",
        "text/html",
        key=f"{slug}_save",
        on_click="ignore",
        icon=":material/save:",
        help="one file with the pictures, plots, settings, equations and your notes; opens offline",
    )


def worksheet_of(slug: str, title: str) -> None:
    """The download of a printable sheet: the pictures of the settings in view, and the lesson's questions."""
    head = "data:image/png;base64,"
    pictures = [n for n in noted() if n.kind == "picture" and isinstance(n.content, str) and n.content.startswith(head)]
    address = view.url(slug)
    st.download_button(
        "Worksheet (PDF)",
        lambda: worksheet(
            title, address, [(base64.b64decode(n.content[len(head) :]), n.caption) for n in pictures], QUESTIONS.get(slug, ())
        ),
        f"{slug}-worksheet.pdf",
        "application/pdf",
        key=f"{slug}_worksheet",
        on_click="ignore",
        icon=":material/print:",
        help="one page to print: the pictures as they are set now, and the questions with room to write",
    )
