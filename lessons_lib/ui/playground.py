"""Run and Stop, and the walk that streams between them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib import memory
from lessons_lib.files.film import Film, opening_path
from lessons_lib.files.pictures import picture_of, tiled
from lessons_lib.models import used
from lessons_lib.ui import controls, pictures, room, save, stamp, view
from lessons_lib.ui.filmstrip import LABELS, filmstrip
from lessons_lib.ui.pictures import card

log = logging.getLogger(__name__)

# While a walk runs, nothing of the one before is to be seen. It keeps its height, so that nothing moves; only a page's own row
# of pictures, which follows a stream that is not such a row itself, makes room for it. When all is drawn anew nothing is
# stale any more, and the next run of the script takes the style away.
HIDE_THE_OLD = """
<style>[data-stale="true"] img, [data-stale="true"][class*="_strip"] { visibility: hidden; }</style>
"""
MAKE_ROOM = """
<style>[data-stale="true"]:has([data-testid="stImage"], .judged) { display: none !important; }</style>
"""


def warm(model: str) -> None:
    """Open the model in the background while the kept picture is looked at."""
    import threading

    def work() -> None:
        from lessons_lib.errors import LessonsError
        from lessons_lib.models.opening import open_model

        try:
            open_model(model).warm()
        except LessonsError as e:  # said when Run is pressed
            log.warning("%s was not opened ahead: %s", model, e, exc_info=e if e.__cause__ else None)
        memory.after_opening()

    if model not in _warmed:
        _warmed.add(model)
        threading.Thread(target=work, daemon=True, name=f"warming {model}").start()


_warmed: set[str] = set()  # per process: which models were asked for; no user's state


@contextmanager
def meanwhile(opening: str, model: str = "", *, columns: int = 8) -> Iterator[None]:
    """Show a cached picture at once while a fresh server imports torch, which takes seconds, in the body.

    It is the picture that the page opens with for this model, or the one on the lesson's card.
    """
    place = st.empty()
    if "torch" not in sys.modules:
        film = _opening(str(opening_path(opening, model))) if model else None
        drawn = card(opening) if film is None else None
        with place.container():
            if film is not None or drawn is not None:
                st.caption("The first visitor after a start waits some seconds for torch.")
            if film is not None:
                pictures.show(picture_of(film.final, columns), pictures.describe(film.about), wide=480, streaming=True)
            elif drawn is not None:
                st.image(drawn[0], alt=drawn[1], width=480)
    yield
    place.empty()


@dataclass(frozen=True)
class Take:
    """One walk to watch.

    about: the settings in view; when they differ from the shown film's own, the page says so.
    walk: called on Run; returns the iterator of Steps.
    opening: the kept film it opens with, cache/openings/OPENING-MODEL.npz.
    captions: the film's about -> one caption a picture. With them the pictures stream and stay side by side, each with its
    own caption and the judge's reading; without, they stream as one, which leaves its place to the page's when the walk ends.
    finals: the film -> the captions at the end, in the place of captions and readings; as many lines each, marked if they are
    markdown. each: so many pictures share a caption, and stand as one. order: the film -> in which its pictures stand at the end.
    x0: (1, C, H, W), the clean picture it is about, kept with the film.
    shape: (C, H, W) of a picture, where it is not the model's own.
    """

    about: dict
    walk: Callable[[], Iterator]
    opening: str
    captions: Callable[[dict], Sequence[str]] | None = None
    x0: object = None
    finals: Callable[[Film], Sequence[str]] | None = None
    marked: bool = False
    each: int = 1
    order: Callable[[Film], Sequence[int]] | None = None
    shape: tuple[int, int, int] | None = None


def play(
    slug: str,
    model: str,
    about: dict,
    walk: Callable[[], Iterator],
    *,
    columns: int = 8,
    stream_wide: int = 480,
    channels: tuple[str, ...] = ("xt", "x0_hat"),
    name: str = "film",
    opening: str | None = None,
    x0=None,
    shortcuts: bool = True,
    captions: Callable[[dict], Sequence[str]] | None = None,
    finals: Callable[[Film], Sequence[str]] | None = None,
    marked: bool = False,
    each: int = 1,
    order: Callable[[Film], Sequence[int]] | None = None,
    shape: tuple[int, int, int] | None = None,
) -> Film | None:
    """Run and Stop, streaming; returns the film to show: the live one, or else the one kept from an earlier run.

    Args:
        slug, model, opening: which kept film opens the page (opening defaults to slug).
        about, walk, x0, captions, finals, marked, each, order, shape: see Take.
        columns: pictures in a row. channels: which of xt, x0_hat, eps stream side by side. stream_wide: pixels, at least.
        name: tells two walks of one page apart.
        shortcuts: Ctrl+Enter and Escape belong to this one; at most one a page.
    A rerun by any widget, Stop among them, ends a running walk between two steps; what it had reached stays to be seen.
    """
    take = Take(about, walk, opening or slug, captions, x0, finals, marked, each, order, shape)
    key = f"{slug}_{name}_{model}"
    run, style = _buttons(key, name, shortcuts, keep=captions is not None)
    st.session_state[f"{key}_screens"] = [key]
    screen = _Screen(take, model, columns, channels, stream_wide, key)
    film = st.session_state.get(key)
    if film is not None:
        film.end()
    if run:
        film = st.session_state[key] = _blank(take)  # at once, so that Stop finds what there is, and never an old run
        style.html(HIDE_THE_OLD if captions else HIDE_THE_OLD + MAKE_ROOM)
        screen.stream(film)
    return screen.show(film)


def play_sheet(
    slug: str,
    model: str,
    about: dict,
    walk: Callable[[], Iterator],
    *,
    read: Callable[[Film], pictures.Sheet],
    waiting: Callable[[dict], Sequence[str]],
    sortable: bool,
    scope: str | None = None,
    columns: int = 8,
    name: str = "film",
    **how,
) -> tuple[Film | None, int]:
    """play() with several pictures to choose from, and the strip that scrubs them. They stay where they streamed, until a switch
    sorts them.

    Args: read: what stands under each picture at the end, asked once a film. waiting: the film's about -> what stands there while
    they stream, as many lines. sortable: offer to sort by the judge. scope: the strip's microscope. columns, name, how: of play().
    Returns: the film; which of its pictures is chosen, an index into the batch.
    """
    above, below = st.container(gap="xsmall"), st.container(horizontal=True, vertical_alignment="bottom")
    help = "as surely as the judge reads what was asked for, which says little of how good a picture is"
    with below:
        best_first = sortable and controls.toggle(slug, "best_first", False, help=help)

    def sheet(film: Film) -> pictures.Sheet:
        return film.once("sheet", lambda: read(film))

    def order(film: Film) -> list[int]:
        scores = sheet(film).scores
        places = range(len(film.final))
        return sorted(places, key=lambda i: -scores[i]) if best_first and scores is not None else list(places)

    def numbered(captions: Sequence[str]) -> list[str]:
        return [f"{place + 1}. {caption}" for place, caption in enumerate(captions)]

    with above:
        film = play(
            slug,
            model,
            about,
            walk,
            captions=lambda about: numbered(waiting(about)),
            finals=lambda film: numbered([sheet(film).captions[i] for i in order(film)]),
            order=order,
            columns=columns,
            name=name,
            **{"stream_wide": 100, **how},
        )
        if film is not None:
            strip, places = f"{slug}_{name}_strip", [[i] for i in order(film)]
            row, alt = row_key(slug, model, name=name), pictures.describe(film.about)
            filmstrip(film, strip, columns=columns, alt=alt, scope=scope, row=row, places=places)
    if film is None:
        return None, 0
    with below:
        return film, pictures.choose(slug, model, film, sheet(film), order(film))


def play_pairs(
    slug: str,
    model: str,
    about: dict,
    walk: Callable[[], Iterator],
    *,
    num_images: int,
    judge,
    found_in: Callable[[Film], Sequence | None],
    sides_of: Callable[[dict], tuple[str, str]],
    **how,
) -> tuple[Film | None, int]:
    """play_sheet() of pictures that two prompts share. found_in: the film -> Readings of lessons._readings, one a picture, or None.
    sides_of: the film's about -> both prompts, as they are called under the pictures."""

    def seeds(made: dict, n: int) -> list[int]:
        return [made["seed"] + i for i in range(n)]

    def read(film: Film) -> pictures.Sheet:
        found, own = found_in(film), seeds(film.about, len(film.final))
        captions = pictures.pair_captions(found, own, sides_of(film.about))
        return pictures.Sheet(captions, found and [f.score for f in found], own)

    def waiting(made: dict) -> list[str]:
        own = seeds(made, num_images)
        return pictures.pair_captions(None, own, sides_of(made)) if judge is None else pictures.pair_waiting(own, sides_of(made))

    return play_sheet(slug, model, about, walk, read=read, waiting=waiting, sortable=judge is not None, **how)


def play_each(
    slug: str,
    model: str,
    takes: dict[str, Take],
    *,
    name: str = "film",
    shortcuts: bool = True,
    columns: int = 8,
    stream_wide: int = 128,
    side_by_side: bool = True,
    gap: str = "large",
) -> dict[str, Film | None]:
    """Several walks under one Run, one after the other, each at its own place. Returns {title: film}; see play()."""
    key = f"{slug}_{name}_{model}"
    run, style = _buttons(key, name, shortcuts)
    screens = {}
    places = st.columns(len(takes), gap=gap) if side_by_side else [st.container() for _ in takes]
    for place, (title, take) in zip(places, takes.items(), strict=True):
        with place:
            n = f"{key}_{len(screens)}"
            head = None if side_by_side else st.container(horizontal=True, vertical_alignment="center", key=f"{n}_head")
            with head or nullcontext():
                st.markdown(f"**{title}**", width="stretch" if head is None else "content")
            save.note("text", f"**{title}**")
            screens[title] = _Screen(take, model, columns, ("xt",), stream_wide, n, head)
    st.session_state[f"{key}_screens"] = [screen.key for screen in screens.values()]
    films = st.session_state.get(key, [None] * len(takes))
    for film in films:
        if film is not None:
            film.end()
    if run:
        films = st.session_state[key] = [_blank(take) for take in takes.values()]
        style.html(HIDE_THE_OLD)
        for screen in screens.values():
            screen.begin("waits for its turn")
        for film, screen in zip(films, screens.values(), strict=True):
            screen.stream(film)
    live = any(film is not None and len(film) for film in films)  # then no kept film stands beside a live one
    return {t: s.show(film, kept=not live) for (t, s), film in zip(screens.items(), films, strict=False)}


@dataclass(frozen=True)
class Kept:
    """A result that was kept as A: what made it, and its row of pictures as it was shown."""

    about: dict
    batch: np.ndarray
    captions: Sequence[str]
    how: dict


def row_key(slug: str, model: str, *, name: str = "film", each: int = 1) -> str:
    """The key of the row in which play() of a page shows its pictures; a filmstrip scrubs it."""
    return f"{slug}_{name}_{model}_row_of_{each}"


def each_row_key(slug: str, model: str, i: int, *, name: str = "film") -> str:
    """The key of the row of play_each()'s i-th walk."""
    return f"{slug}_{name}_{model}_{i}_row_of_1"


def _keep(key: str) -> None:
    """Keep as A what is shown now, of every screen under one Run. A button's callback."""
    for k in st.session_state.get(f"{key}_screens", ()):
        if (shown := st.session_state.get(f"{k}_shown")) is not None:
            st.session_state[f"{k}_A"] = shown


def _forget(key: str) -> None:
    st.session_state.pop(f"{key}_A", None)


def _buttons(key: str, name: str, shortcuts: bool, *, keep: bool = True):
    save.runs(here=True)
    row = f"{key}_shortcuts" if shortcuts else f"{key}_buttons"  # see components/keys.js; a page's second walk has none
    with st.container(horizontal=True, vertical_alignment="center", key=row):
        why = controls.waiting()
        run = st.button(
            "Run",
            key=f"{key}_run",
            type="primary",
            icon=":material/play_arrow:",
            disabled=bool(why),
            help=why or None,
        )
        st.button("Stop", key=f"{key}_stop", icon=":material/stop:", help="ends the walk after this step")
        if keep:
            help = "this result stays, and whatever comes next stands above it"
            icon = ":material/push_pin:"
            st.button("Keep as A", key=f"{key}_keep", type="tertiary", icon=icon, help=help, on_click=_keep, args=(key,))
        style = st.empty()
    run = (view.wants_to_run(name) and not why) or run
    if run:
        view.tell()
        memory.before_run()
    return run, style


def _blank(take: Take) -> Film:
    x0 = None if take.x0 is None else take.x0[0].float().cpu().numpy()
    return Film(dict(take.about), x0=x0, link=stamp.link())


class _Screen:
    """Where one walk is seen: a line that tells how far it is and later what made it, and under it the pictures."""

    def __init__(self, take: Take, model: str, columns: int, channels: tuple[str, ...], wide: int, key: str, head=None):
        self.take, self.model, self.columns, self.channels, self.wide, self.key = take, model, columns, channels, wide, key
        # as high as two lines, so that nothing moves when one becomes the other
        with head or nullcontext(), st.container(key=f"{key}_playline"):
            self.line = st.empty()
        self.place = st.container() if take.captions else st.empty()  # a container is never empty between two rows
        self.row = None  # the places of a row of pictures, once it stands
        if (a := st.session_state.get(f"{key}_A")) is not None:
            self._draw_a(a)

    def _draw_a(self, a: Kept) -> None:
        """What was kept as A, below the pictures to come; drawn before they are, so that it stays while they stream."""
        with st.container(key=f"{self.key}_kept_a", gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"**A** · {pictures.said_with(a.about, self.take.about)}")
                st.button("Forget A", key=f"{self.key}_forget", type="tertiary", on_click=_forget, args=(self.key,))
            pictures.in_a_row(a.batch, a.captions, f"A, {pictures.describe(a.about)}", **a.how)

    def begin(self, text: str) -> None:
        """Clear the pictures of what was shown before; grey ones keep the place for the new."""
        self.line.progress(0.0, text)
        if not self.take.captions:
            return
        from lessons_lib.models.opening import open_model

        model = open_model(self.model) if self.take.finals is None or self.take.shape is None else None
        self.captions = self.take.captions(self.take.about)
        if model is not None and model.judge is not None and self.take.finals is None:
            self.captions = [f"{c}: \u00a0" for c in self.captions]  # keeps the line free that tells what the judge reads
        grey = np.full((len(self.captions) * self.take.each, *(self.take.shape or model.shape)), 128, np.uint8)
        self._fill_row(grey, self.captions, text, streaming=True)

    def stream(self, film: Film) -> None:
        """Run the walk into the film, every step seen."""
        self.begin("asking the network ...")
        room.wait(lambda text: self.line.progress(0.0, text))
        with used.noting() as files, closing(film.record_all(self.take.walk())) as steps:
            shown = 0.0
            for _ in steps:
                room.wait(lambda text: self.line.progress(len(film) / film.total, text))
                film.weights = tuple(files)
                now = time.monotonic()
                if len(film) > 1 and not film.finished and now - shown < 0.05:  # the browser paints some 20 frames a second
                    continue
                shown = now
                left = film.seconds / len(film) * (film.total - len(film))
                text = f"step {len(film)} of {film.total} · t = {film.t[-1]:g} · {left:.1f} s left"
                self._draw(film, text)
                self.line.progress(len(film) / film.total, text)
                time.sleep(0.01)  # lets this frame out before the next one takes its place

    def _draw(self, film: Film, text: str) -> None:
        alt = f"{pictures.describe(film.about)}, {text}"
        if self.take.captions:
            self._fill_row(getattr(film, self.channels[0])[-1], self.captions, alt, streaming=True)
        else:
            picture, which_is_which = self._together(film)
            pictures.show(picture, alt, which_is_which, wide=self.wide, place=self.place, streaming=True)

    def _together(self, film: Film) -> tuple[Image.Image, str]:
        """The newest frame, its channels in one picture of fixed size so that nothing jumps; what is where.

        Side by side, or where a phone would make of that a strip too thin to see anything, one above the other.
        """
        blocks = [tiled(getattr(film, c)[-1], self.columns) for c in self.channels]
        axis = 1 if len(blocks) * min(self.columns, len(film.xt[-1])) <= 6 else 0
        shape = list(blocks[0].shape)
        shape[axis] = 4
        gap = np.full(shape, 255, np.uint8)
        joined = np.concatenate([x for block in blocks for x in (block, gap)][:-1], axis)
        where = ("",) if len(blocks) == 1 else ("left: ", "right: ") if axis else ("above: ", "below: ")
        words = " · ".join(w + LABELS[c] for w, c in zip(where, self.channels, strict=True))
        return Image.fromarray(joined), words

    def show(self, film: Film | None, *, kept: bool = True) -> Film | None:
        """The film to show, its pictures and what made them: the live one or, if there is none, the kept one."""
        if film is None or not len(film):
            film = _opening(str(opening_path(self.take.opening, self.model))) if kept else None
        if film is None:
            self.line.empty()
            text = "No picture was kept for this model yet: press **Run**." if kept else "Stopped before it began."
            self.place.info(text, icon=":material/play_arrow:")
            return None
        about = self.take.about
        changed = [k for k, v in about.items() if k in film.about and str(film.about[k]) != str(v)]
        stamp.shown(film)
        a = st.session_state.get(f"{self.key}_A")
        line = pictures.provenance(film, beside=None if a is None else a.about)
        save.note("text", line)
        if not film.kept:
            save.did("ran", line)
            used.note(*film.weights)
        if changed:
            line += f"  \n:orange[{', '.join(changed)} changed since: press **Run** to see it]"
        self.line.caption(line)
        if self.take.captions:
            self._row(film)
        else:
            self.place.empty()
        return film

    def _row(self, film: Film) -> None:
        from lessons_lib.models.opening import open_model

        batch = film.final if self.take.order is None else film.final[list(self.take.order(film))]
        if self.take.finals is not None:
            captions = self.take.finals(film)
        else:
            readings = film.once("readings", lambda: pictures.readings(open_model(self.model), film.final_tensor()))
            captions = [f"{c}{r}" for c, r in zip(self.take.captions(film.about), readings, strict=True)]
        self._fill_row(batch, captions, pictures.describe(film.about), marked=self.take.marked)
        how = {"wide": self.wide, "each": self.take.each, "marked": self.take.marked}
        st.session_state[f"{self.key}_shown"] = Kept(film.about, batch, captions, how)

    def _fill_row(self, batch: np.ndarray, captions: Sequence[str], alt: str, **more) -> None:
        key = f"{self.key}_row_of_{self.take.each}"
        with self.place if self.row is None else nullcontext():
            self.row = pictures.in_a_row(
                batch, captions, alt, wide=self.wide, places=self.row, each=self.take.each, key=key, **more
            )


@st.cache_resource(max_entries=64, show_spinner=False)
def _opening(path: str) -> Film | None:
    from pathlib import Path

    return Film.load(Path(path))
