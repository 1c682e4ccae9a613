"""The frame of every page: title, the grouped list of lessons, errors as one sentence, the footer."""

from __future__ import annotations

import html
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import streamlit as st

from lessons_lib import engine, memory, plan, serving
from lessons_lib.catalogue import HOME, PARTS, PIPELINE, Lesson, lesson, written
from lessons_lib.errors import LessonsError
from lessons_lib.files.film import Film
from lessons_lib.files.pictures import picture_of, to_data_url
from lessons_lib.files.typed import sentence
from lessons_lib.glossary import explained
from lessons_lib.models import used
from lessons_lib.questions import QUESTIONS
from lessons_lib.ui import cluster, controls, hand_in, limits, room, save, stamp, view
from lessons_lib.ui.components import component, read
from lessons_lib.ui.controls import model_name

log = logging.getLogger(__name__)
serving.begin()  # by the first page of the process, before torch is imported

DONE = ":material/check_circle:"
ICON = Path(__file__).with_name("icon.png")  # a strawberry of stage 2; a named icon would be fetched from the internet


def presenting() -> bool:
    """True on a projector: `?present=1` hides the sidebar and all but one thing at a time, in large type."""
    return view.extra("present") == "1"


def solutions() -> bool:
    """False where the link says `solutions=0`: a teacher's, for a class that is to write the code itself."""
    return view.extra("solutions") != "0"


def style(*names: str) -> None:
    """Put style sheets of components/ on the page."""
    st.html("".join(f"<style>{read(f'{name}.css')}</style>" for name in names))


@contextmanager
def lesson_page(slug: str, *, models: Sequence[str] | None = ()) -> Iterator[Lesson]:
    """Everything around a lesson. Use as `with lesson_page("guidance") as lesson:`.

    Args: models: names for the model picker in the sidebar; () for none, None for all that open here.
    A LessonsError inside becomes one sentence on the page, and the footer still stands; so does a library that is not there.
    Nothing here imports torch: the title, the list and a cached picture stand while the body does (see playground.meanwhile).
    """
    this = lesson(slug)
    another = view.begin(slug)
    cluster.begin()
    title = this.title if slug == "home" else f"{this.title} · Diffusion, Step by Step"
    state = "collapsed" if presenting() else "auto"
    st.set_page_config(page_title=title, page_icon=ICON, layout="wide", initial_sidebar_state=state)
    style("page", *(["present"] if presenting() else []))
    view.mount()
    _KEYS(key="keys", data={})
    save.begin()
    controls.begin()
    stamp.begin(slug, has_model=models != ())
    room.begin()
    with st.sidebar:
        if models != ():
            model_name(models)
        mark = _list_of_lessons(this)
    place = st.empty()
    if slug != "home":
        place = _title(this)
        if presenting():
            _present_bar(this)
    limits.begin(another_page=another)
    room.notice()
    whole = False
    files: dict[Path, None] = {}
    places: list[engine.Place] = []
    try:
        with used.noting() as files, engine.noting() as places, nullcontext() if "torch" in sys.modules else memory.importing():
            yield this
        whole = True
    except LessonsError as e:
        tell(e, slug)
    except ImportError as e:
        error = LessonsError(
            f"A library that this lesson needs cannot be imported ({e}): pip install -r requirements.txt mends a broken install."
        )
        error.__cause__ = e
        tell(error, slug)
    if slug in view.view().touched and not save.runs():
        save.did("set", "live, as set")
    model = st.session_state.get("model", "") if models != () else ""
    hand_in.collect(slug, model, files)
    if view.link(slug).keys() - view.travelling().keys():
        help = "every control of this lesson back to what it was at first; `Run` shows it"
        place.button("Reset", key="reset", on_click=view.reset, icon=":material/restart_alt:", help=help)
    _footer(this, lambda: used.hashes(files) or stamp.hashes(slug, model))
    cluster.foot(slug, places)
    if slug in hand_in.done():  # perhaps since this run of the page
        link_to(this, icon=DONE, place=mark)
    view.end(whole=whole)
    room.end(slug)
    hand_in.keep(slug)


def _title(this: Lesson) -> st.delta_generator.DeltaGenerator:
    """Where the lesson stands, what it needs, and its title; returns the place beside that."""
    if not presenting():
        words = " · ".join([PARTS[this.part], f"{this.minutes} minutes", *needed(this)])
        st.html(f'<div class="where"><span>{html.escape(words)}</span>{in_one_line(this)}</div>')
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(this.title, anchor=False)
        return st.empty()


def needed(this: Lesson) -> list[str]:
    """What a lesson builds on, in words; [] if nothing."""
    titles = [lesson(slug).title for slug in this.needs]
    return [f"after {' and '.join(titles)}"] if titles else []


def link_to(that: Lesson, label: str | None = None, icon: str | None = None, *, place=st) -> None:
    """A link to a lesson as it was left, or with model, seed and locks where it was not opened yet."""
    place.page_link(that.file, label=label or that.title, icon=icon, query_params=view.link(that.slug))


def tell(error: LessonsError, where: str) -> None:
    """Show the one sentence on the page; what it came from goes to the log."""
    st.error(sentence(str(error)), icon=":material/error:")
    log.warning("%s: %s", where, error, exc_info=error if error.__cause__ else None)


def _list_of_lessons(this: Lesson) -> st.delta_generator.DeltaGenerator:
    """All lessons, those done marked. Returns the place of this lesson's line."""
    done, mark = hand_in.done(), st.empty()
    link_to(HOME, "All lessons", ":material/home:")
    for part, title in PARTS.items():
        lessons = [x for x in written() if x.part == part]
        if lessons:
            st.caption(title)
        for x in lessons:
            place = st.empty()
            mark = place if x is this else mark
            link_to(x, icon=DONE if x.slug in done else ":material/circle:", place=place)
    return mark


def _footer(this: Lesson, weights: Callable[[], dict[str, str]]) -> None:
    lessons = written()
    if presenting():
        quiz(this.slug, poll=True)
    elif this in lessons:
        i = lessons.index(this)
        st.divider()
        know, ask = st.columns(2, gap="large") if this.slug in QUESTIONS else [st.container()] * 2
        with know:
            _seen(this)
            notes = save.my_notes(this.slug)
        with ask:
            quiz(this.slug, poll=False)
        if view.extra("notes") == "1":
            with st.expander("Notes for the lecturer", expanded=True):
                st.markdown(plan.notes(this))
        with st.container(horizontal=True):
            save.save_this_lesson(this.slug, this.title, notes, weights)
            save.worksheet_of(this.slug, this.title)
            _COPY(key="copy_link", data={})
            on = {**view.link_here(this.slug), "present": "1"}
            st.page_link(this.file, label="Present", icon=":material/present_to_all:", query_params=on)
            controls.class_link(this)
        if missing := view.view().not_held:
            st.caption(f"No link can hold {' and '.join(missing)}: whoever opens it is asked for one.")
        left, right = st.columns(2)
        if i > 0:
            link_to(lessons[i - 1], icon=":material/arrow_back:", place=left)
        if i + 1 < len(lessons):
            that = lessons[i + 1]
            link_to(that, f"Next: **{that.title}**. {that.summary}", ":material/arrow_forward:", place=right)


def _present_bar(this: Lesson) -> None:
    """On a projector: the lessons before and after, the way out, the link as a QR code. The keys are in components/keys.js."""
    lessons = written()
    i = lessons.index(this)
    with st.container(key="present_bar", horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        for name, at, icon in (("back", i - 1, "arrow_back"), ("next", i + 1, "arrow_forward")):
            if 0 <= at < len(lessons):
                with st.container(key=f"present_{name}", width="content"):
                    link_to(lessons[at], icon=f":material/{icon}:")
        here = view.link_here(this.slug)
        place = st.popover("QR", icon=":material/qr_code_2:", key="present_qr", on_change="rerun")
        if place.open:
            with place:
                query = {k: x for k, x in view.link(this.slug).items() if k != "present"}
                controls.qr(address := controls.address_of(this, query), wide=420)
                st.markdown(f"**{address}**")
        with st.container(key="present_exit", width="content"):
            off = {k: x for k, x in here.items() if k != "present"}
            st.page_link(this.file, label="Exit", icon=":material/close:", query_params=off)


def _seen(this: Lesson) -> None:
    """What should have been seen."""
    if this.seen:
        said = f"**What you should have seen.** {this.seen}"
        save.note("text", said)
        st.markdown(said)


def idea(text: str) -> None:
    """The idea in three sentences, each term of the glossary with its meaning. text: our own markdown, never a visitor's words."""
    save.note("text", text)
    st.markdown(explained(text), unsafe_allow_html=True)


def caption(text: str) -> None:
    """What is to be seen or was measured, small, on the page and in the saved lesson. text: markdown."""
    save.note("caption", text)
    st.caption(text)


def question(slug: str, text: str, options: Sequence[str], answer: str, right: str | None = None) -> None:
    """A question to answer before looking. Choosing says whether that is right, and why.

    Args: right: the right option; None where each has something to it. Raises ValueError for a right one that is no option.
    """
    if right is not None and right not in options:
        raise ValueError(f"the right option {right!r} is none of {', '.join(options)}")
    if presenting():
        return
    with st.container(border=True):
        key = f"{slug}_question"
        chosen = st.radio(f"**Before you look.** {text}", options, index=None, key=key, horizontal=True, persist_state="session")
        if chosen:
            verdict = f"You said *{chosen}*."
            if right is not None:
                verdict = "**Right.**" if chosen == right else f"**Not quite:** the answer is *{right}*."
            st.markdown(f"{verdict} {answer}")


def section(title: str) -> None:
    """A heading within the lesson."""
    save.note("heading", title)
    st.header(title, anchor=False)


def equation(latex: str) -> None:
    """One formula, on the page and in the saved lesson; not where solutions are hidden: Check my code asks for it."""
    if not solutions():
        return  # whoever is to write the code finds it in the paper
    save.note("equation", latex)
    st.latex(latex)


def show_source(*functions, titled: bool = True) -> None:
    """The real source of what ran, read from the running code; not where solutions are hidden. titled: with a heading of its own."""
    import inspect

    if presenting() or not solutions():
        return
    if titled:
        section("The code that ran")
    for tab, f in zip(st.tabs([f.__qualname__ for f in functions]), functions, strict=True):
        f = inspect.unwrap(f)
        path = inspect.getsourcefile(f) or ""
        tab.caption(f"`{'/'.join(path.replace(chr(92), '/').split('/')[-2:])}`, line {inspect.getsourcelines(f)[1]}")
        tab.code(inspect.getsource(f), language="python")
        save.note("code", inspect.getsource(f))


def things_to_try(this: Lesson, links: Sequence[tuple], *, titled: bool = True) -> None:
    """Each a link that sets the controls, goes to the pictures and runs: (sentence, {argument: value}[, name of the walk]).

    All else is at the lesson's defaults, so that no link depends on what was pressed before it. A link that would change what
    the page's own link locks is left out.
    """
    if presenting():
        return
    if titled:
        section("Things to try")
    for text, values, *walk in links:
        if not set(values) & set(view.locks()):
            params = view.link_to_try(this.slug, values, *walk)
            st.page_link(this.file, label=text, icon=":material/arrow_outward:", query_params=params)


_COPY, _KEYS = component("copy_link"), component("keys")


# --- the whole machine as one picture -----------------------------------------------------------------------------------

_PIPELINE = component("pipeline")


def _url(picture: np.ndarray) -> str:
    return to_data_url(picture_of(picture[None], 1))


def pipeline(walk: Film, training: Film, which: int, words: str) -> None:
    """The moving picture: a kept walk from noise, and below it what training asks.

    Args: walk: with all of xt and eps. which: of its pictures. words: that picture's prompt.
    training: a frame a question: xt are the noised picture and the picture, eps the network's answer and the true noise.
    """
    names = [name.partition(" ")[2] for name in training.about["pictures"].split(", ")]
    lessons = [
        {"name": name, "mixed": _url(xt[0]), "real": _url(xt[1]), "guess": _url(eps[0]), "added": _url(eps[1])}
        for name, xt, eps in zip(names, training.xt, training.eps, strict=False)
    ]
    frames = [_url(x[which]) for x in walk.frames()]
    answers = [_url(x[which]) for x in walk.eps]
    for i in sorted({0, len(frames) // 3, len(frames) - 1}):
        said = f"{words}: {'pure noise' if i == 0 else f'after {i} steps'}"
        save.note("picture", frames[i], caption=said, alt=said, width=160)
    data = {"frames": frames, "answers": answers, "index": walk.index, "total": walk.total, "words": words, "lessons": lessons}
    with st.container(key="stage"):
        _PIPELINE(key="pipeline", data=data)


def in_one_line(lesson: Lesson) -> str:
    """The pipeline as one line of HTML, the lesson's parts lit; it says them to a screen reader. "" for a lesson of none."""
    if not lesson.parts:
        return ""
    drawn = ""
    for key, words in PIPELINE.items():
        joint = "" if not drawn else "<i>·</i>" if key == "words" else "<i>→</i>"  # what trains it, and what it then does
        lit = ' class="lit"' if key in lesson.parts else ""
        drawn += f"{joint}<span{lit}>{html.escape(words)}</span>"
    here = " and ".join(PIPELINE[key] for key in lesson.parts)
    return (
        f'<div class="pipeline-line" role="img" aria-label="The part of the machine in this lesson: {html.escape(here, quote=True)}">'
        f'<div aria-hidden="true">{drawn}</div></div>'
    )


# --- questions that judge -----------------------------------------------------------------------------------------------

_QUIZ = component("quiz")


def quiz(slug: str, *, poll: bool) -> None:
    """Draw a lesson's questions, if it has some. poll: count hands in place of judging one person's choice."""
    questions = QUESTIONS.get(slug, ())
    if not questions:
        return
    for question in questions:
        options = "\n".join(f"- {option}" for option in question.options)
        save.note("text", f"**{question.text}**\n\n{options}")
    _QUIZ(key=f"{slug}_quiz", data={"slug": slug, "poll": poll, "questions": [asdict(q) for q in questions]})
