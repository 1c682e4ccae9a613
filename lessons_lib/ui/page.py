"""The frame of every page: title, the grouped list of lessons, errors as one sentence, the footer."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import streamlit as st

from lessons_lib import memory, serving
from lessons_lib.catalogue import PARTS, Lesson, lesson, written
from lessons_lib.errors import LessonsError
from lessons_lib.ui import hand_in, save, waiting
from lessons_lib.ui.controls import key_of, model_name
from lessons_lib.ui.typed import sentence

log = logging.getLogger(__name__)
serving.begin()  # by the first page of the process, before torch is imported

ICON = Path(__file__).with_name("icon.png")  # a strawberry of stage 2; a named icon would be fetched from the internet
STYLE = """
<style>
  .block-container { padding-top: 3.6rem; max-width: 74rem; }
  h1, h2, h3 { text-wrap: balance; }
  [data-testid="stImage"] img, .pixel { image-rendering: pixelated; }
  [data-testid="stImage"] img { outline: 1px solid light-dark(#1d203018, transparent); } /* where white ends on white */
  [data-testid="stBaseButton-primary"]:not(:disabled) * { color: light-dark(#fff, #12141c); } /* white on the dark accent is faint */
  [data-testid="stBaseButton-primary"]:is(:hover, :active):not(:disabled) { background: light-dark(#2e3a9f, #b5bfff); } /* as readable */
  [data-testid="stPageLink-NavLink"], [data-testid="stPageLink-NavLink"] p { white-space: normal; }

  /* a row of pictures: where it must wrap, the rows are as equal as they can be, and no picture stands alone */
  .stHorizontalBlock:has(> .stElementContainer .stImage) { --gap: 1rem; --row: 1; display: block; text-wrap: balance;
    width: calc(100% + var(--gap)); max-width: none; margin-bottom: calc(-1 * var(--gap)); }
  .stHorizontalBlock:has(> .stElementContainer .stImage) > .stElementContainer { display: inline-block; vertical-align: top;
    margin: 0 var(--gap) var(--gap) 0; max-width: calc(99.5% / var(--row) - var(--gap)); }
  .stHorizontalBlock > .stElementContainer:has(.stImage) * { max-width: 100%; }
  /* a picture not yet decoded keeps its place, or the page below would jump for a moment */
  .stHorizontalBlock > .stElementContainer .stImage img { aspect-ratio: auto 1; }

  /* a row of choices that wraps: every choice with a border of its own */
  [role="radiogroup"]:has(> [data-variant="segmented_control"]) { gap: .25rem; }
  [data-variant="segmented_control"] { margin: 0 !important; border: 1px solid light-dark(#1d203033, #e8eaf333) !important;
    border-radius: .5rem !important; padding: .25rem .6rem; }
  [data-variant="segmented_control"][data-selected] { border-color: currentColor !important; }
  [data-variant="segmented_control"][data-selected] p { font-weight: 600; }

  @media (pointer: coarse) {
    button kbd { display: none !important; } /* a phone has no Ctrl+Enter */
    /* a swipe that begins on a slider scrolls the page; its thumb alone moves the value, and is large enough for a finger */
    .stSlider [role="group"] > [data-orientation] { pointer-events: none; touch-action: pan-y !important; }
    .stSlider [role="group"] > [data-orientation] > [data-rac] { pointer-events: auto; touch-action: pan-y !important; }
    .stSlider [role="group"] > [data-orientation] > [data-rac]::after { content: ""; position: absolute; inset: -1rem; }
  }

  @media (max-width: 640px) {
    .block-container { padding-left: 1rem; padding-right: 1rem; }
    h1 { font-size: 1.9rem !important; }
    .katex-display { font-size: .84em; }
    .stHorizontalBlock:has(> .stColumn) { gap: 1rem; }
    /* the picture and Run first, then what can be set */
    .stHorizontalBlock:has(> .stColumn:first-child :is(.stSlider, .stTextInput, .stNumberInput, .stButtonGroup)):has(
      > .stColumn:last-child :is(.stImage, [data-testid="stBaseButton-primary"], [data-testid="stMetric"])) > .stColumn:first-child {
      order: 1; }
    .stColumn:has(> .stVerticalBlock > .stElementContainer > [data-testid="stMetric"]) {
      min-width: calc(50% - 1rem); flex: 1 1 calc(50% - 1rem); }
    [data-testid="stMetricValue"] { font-size: 1.5rem; }
    [data-testid="stTable"] :is(th, td) { padding: .25rem .35rem; font-size: .8rem; }
    [data-testid="stTable"] :is(th, td, th *, td *) { overflow-wrap: anywhere !important; }
    /* two or four pictures stand in twos, any other number in threes */
    .stHorizontalBlock:has(> .stElementContainer .stImage) { --gap: .5rem; --row: 3; }
    .stHorizontalBlock:has(> .stElementContainer:only-child .stImage) { --row: 1; }
    .stHorizontalBlock:has(> .stElementContainer:is(:nth-child(2), :nth-child(4)):last-child .stImage) { --row: 2; }
  }
</style>
"""
PRESENT = """
<style>
  [data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"] { display: none; }
  html { font-size: 21px; }
  .block-container { max-width: 90rem; }
</style>
"""


def presenting() -> bool:
    """True on a projector: `?present=1` hides the sidebar and all but one thing at a time, in large type."""
    return st.query_params.get("present") == "1"


def travelling() -> dict[str, str]:
    """The part of the link that goes along to another lesson."""
    return {k: st.query_params[k] for k in ("model", "seed", "lock", "present") if k in st.query_params}


@contextmanager
def lesson_page(slug: str, *, models: Sequence[str] | None = ()) -> Iterator[Lesson]:
    """Everything around a lesson. Use as `with lesson_page("guidance") as lesson:`.

    Args: models: names for the model picker in the sidebar; () for none, None for all that open here.
    A LessonsError inside becomes one sentence on the page, and the footer still stands; so does a library that is not there.
    Nothing here imports torch: the title, the list and a cached picture stand while the body does (see playground.meanwhile).
    """
    this = lesson(slug)
    title = this.title if slug == "home" else f"{this.title} · Diffusion, Step by Step"
    state = "collapsed" if presenting() else "auto"
    st.set_page_config(page_title=title, page_icon=ICON, layout="wide", initial_sidebar_state=state)
    st.html(STYLE + (PRESENT if presenting() else ""))
    save.begin()
    waiting.begin()
    with st.sidebar:
        if models != ():
            model_name(models)
        _list_of_lessons(this)
    if slug != "home":
        st.caption(PARTS[this.part])
        st.title(this.title, anchor=False)
    try:
        with nullcontext() if "torch" in sys.modules else memory.importing():
            yield this
    except LessonsError as e:
        tell(e, slug)
    except ImportError as e:
        error = LessonsError(
            f"A library that this lesson needs cannot be imported ({e}): pip install -r requirements.txt mends a broken install."
        )
        error.__cause__ = e
        tell(error, slug)
    hand_in.collect(slug, st.session_state.get("model", "") if models != () else "")
    _footer(this)


def tell(error: LessonsError, where: str) -> None:
    """Show the one sentence on the page; what it came from goes to the log."""
    st.error(sentence(str(error)), icon=":material/error:")
    log.warning("%s: %s", where, error, exc_info=error if error.__cause__ else None)


def _list_of_lessons(this: Lesson) -> None:
    st.page_link("Home.py", label="All lessons", icon=":material/home:", query_params=travelling())
    for part, title in PARTS.items():
        lessons = [x for x in written() if x.part == part]
        if lessons:
            st.caption(title)
        for x in lessons:
            st.page_link(x.file, label=x.title, disabled=x is this, query_params=travelling())


def _footer(this: Lesson) -> None:
    lessons = written()
    if this in lessons and not presenting():
        i = lessons.index(this)
        st.divider()
        notes = save.my_notes(this.slug)
        with st.container(horizontal=True):
            save.save_this_lesson(this.slug, this.title, notes)
            copy_link()
        left, right = st.columns(2)
        if i > 0:
            left.page_link(
                lessons[i - 1].file, label=lessons[i - 1].title, icon=":material/arrow_back:", query_params=travelling()
            )
        if i + 1 < len(lessons):
            right.page_link(
                lessons[i + 1].file, label=lessons[i + 1].title, icon=":material/arrow_forward:", query_params=travelling()
            )


def idea(text: str) -> None:
    """The idea in three sentences."""
    save.note("text", text)
    st.markdown(text)


def question(slug: str, text: str, options: Sequence[str], answer: str, right: str | None = None) -> None:
    """A question to answer before looking. Choosing says whether that is right, and why.

    Args: right: the right option; None where each has something to it. Raises ValueError for a right one that is no option.
    """
    if right is not None and right not in options:
        raise ValueError(f"the right option {right!r} is none of {', '.join(options)}")
    if presenting():
        return
    with st.container(border=True):
        chosen = st.radio(f"**Before you look.** {text}", options, index=None, key=f"{slug}_question", horizontal=True)
        if chosen:
            verdict = f"You said *{chosen}*."
            if right is not None:
                verdict = "**Right.**" if chosen == right else f"**Not quite:** the answer is *{right}*."
            st.markdown(f"{verdict} {answer}")


def section(title: str) -> None:
    """A heading within the lesson."""
    save.note("heading", title)
    st.subheader(title, anchor=False)


def equation(latex: str) -> None:
    """One formula, on the page and in the saved lesson."""
    save.note("equation", latex)
    st.latex(latex)


def show_source(*functions) -> None:
    """The real source of what ran, read from the running code."""
    import inspect

    if presenting():
        return
    section("The code that ran")
    for tab, f in zip(st.tabs([f.__qualname__ for f in functions]), functions, strict=True):
        f = inspect.unwrap(f)
        path = inspect.getsourcefile(f) or ""
        tab.caption(f"`{'/'.join(path.replace(chr(92), '/').split('/')[-2:])}`, line {inspect.getsourcelines(f)[1]}")
        tab.code(inspect.getsource(f), language="python")
        save.note("code", inspect.getsource(f))


def things_to_try(this: Lesson, links: Sequence[tuple[str, dict]]) -> None:
    """Each a link that sets the widgets: (sentence, {control: value}); the names are those of controls.py."""
    if presenting():
        return
    section("Things to try")
    for text, values in links:
        params = {**travelling(), **{key_of(this.slug, k): str(v) for k, v in values.items()}}
        st.page_link(this.file, label=text, icon=":material/arrow_outward:", query_params=params)


def copy_link() -> None:
    """A button that copies the address of exactly this view."""
    _COPY(key="copy_link", data={})


_COPY = st.components.v2.component(
    "copy_link",
    html='<button type="button" aria-live="polite">Copy link to this view</button>',
    css="""
button { font: inherit; font-size: .875rem; padding: .25rem .75rem; min-height: 2.5rem; border-radius: var(--st-button-radius);
  border: 1px solid var(--st-border-color); background: transparent; color: var(--st-text-color); cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
""",
    js="""
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    const url = window.location.href;
    try { await navigator.clipboard.writeText(url); button.textContent = "Link copied"; }
    catch { window.prompt("Copy this link", url); }
    setTimeout(() => { button.textContent = "Copy link to this view"; }, 1800);
  };
}
""",
)
