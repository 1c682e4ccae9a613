"""Run and Stop, and the walk that streams between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.film import Film, opening_path
from lessons_lib.pictures import enlarge, tiled, to_data_url
from lessons_lib.ui import save
from lessons_lib.ui.parts import describe, provenance


def warm(model: str) -> None:
    """Open the model in the background while the kept picture is looked at."""
    import threading

    def work() -> None:
        from contextlib import suppress

        from lessons_lib.errors import LessonsError
        from lessons_lib.models import open_model

        with suppress(LessonsError):  # said when Run is pressed
            open_model(model).warm()

    if (model, "warm") not in _warmed:
        _warmed.add((model, "warm"))
        threading.Thread(target=work, daemon=True, name=f"warming {model}").start()


_warmed: set = set()  # per process: which models were asked for; no user's state


def play(
    slug: str, model: str, about: dict, walk: Callable[[], Iterator], *, columns: int = 8, stream_wide: int = 480,
    channels: tuple[str, ...] = ("xt", "x0_hat"), name: str = "film", opening: str | None = None, x0=None,
    shortcuts: bool = True,
) -> Film | None:  # fmt: skip
    """Run and Stop, streaming; returns the film to show: the live one, or else the one kept from an earlier run.

    Args:
        slug, model, opening: which kept film opens the page (cache/openings/OPENING-MODEL.npz; opening defaults to slug).
        about: the settings in view; when they differ from the film's own, the page says so.
        walk: called on Run; returns the iterator of Steps.
        columns: pictures in a row. channels: which of xt, x0_hat, eps stream side by side.
        name: tells two walks of one page apart. x0: (1, C, H, W), the clean picture it is about, kept with the film.
        shortcuts: Ctrl+Enter and Escape belong to this one; at most one a page.
    A rerun by any widget, Stop among them, ends a running walk between two steps; what it had reached stays to be seen.
    """
    key = f"{slug}_{name}_{model}"
    with st.container(horizontal=True, vertical_alignment="center"):
        first = name.startswith("film")  # a page's second walk has no shortcuts: one key, one button
        keys = ("Ctrl+Enter", "Escape") if first else (None, None)
        run = st.button("Run", key=f"{key}_run", type="primary", icon=":material/play_arrow:", shortcut=keys[0])
        st.button("Stop", key=f"{key}_stop", icon=":material/stop:", shortcut=keys[1], help="ends the walk after this step")
        status = st.empty()
    place = st.empty()
    if run:
        film = Film(dict(about), x0=None if x0 is None else x0[0].float().cpu().numpy())
        st.session_state[key] = film  # at once, so that Stop and other reruns find what there is, and never an old run
        with place.container():
            frame, bar = st.empty(), st.progress(0.0, "opening the model ...")
        with closing(film.record_all(walk())) as steps:
            shown = 0.0
            for film in steps:
                last = film.finished
                now = time.monotonic()
                if len(film) > 1 and not last and now - shown < 0.05:  # the browser paints some 20 frames a second
                    continue
                shown = now
                left = film.seconds / len(film) * (film.total - len(film))
                text = f"step {len(film)} of {film.total} · t = {film.t[-1]} · {left:.1f} s left"
                frame.image(_stream_picture(film, channels, columns, stream_wide), alt=f"{describe(about)}, {text}")
                bar.progress(len(film) / film.total, text)
                time.sleep(0.01)  # lets this frame out before the next one takes its place
        place.empty()
    film = st.session_state.get(key)
    if film is None or not len(film):
        film = _opening(str(opening_path(opening or slug, model)))
    if film is None:
        place.info("No picture was kept for this model yet: press **Run**.", icon=":material/play_arrow:")
        return None
    changed = [k for k, v in about.items() if k in film.about and str(film.about[k]) != str(v)]
    line = provenance(film)
    if changed:
        line += f"  \n:orange[{', '.join(changed)} changed since: press **Run** to see it]"
    status.empty()
    save.note("text", provenance(film))
    st.markdown(line)
    return film


@st.cache_resource(max_entries=64, show_spinner=False)
def _opening(path: str) -> Film | None:
    from pathlib import Path

    return Film.load(Path(path))


def _stream_picture(film: Film, channels: tuple[str, ...], columns: int, wide: int) -> str:
    """The newest frame, its channels side by side, as a data URL at a fixed size so that nothing jumps."""
    parts = [tiled(getattr(film, c)[-1], columns) for c in channels]
    gap = np.full((parts[0].shape[0], 4, 3), 255, np.uint8)
    row = [x for p in parts for x in (p, gap)][:-1]
    return to_data_url(enlarge(Image.fromarray(np.concatenate(row, 1)), wide))
